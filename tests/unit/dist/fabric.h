/* Nodes that consist of the services of src/dist, on connections that are queues in memory and a clock that is a
 * number. What is sent is written and read by the codec, as on the wire. A node without services is a script: what it
 * is sent is kept as text. */
#ifndef TESTS_UNIT_DIST_FABRIC_H
#define TESTS_UNIT_DIST_FABRIC_H

#include <mesh.h>

#include "dist/flags.h"
#include "dist/system.h"
#include "unit/check.h"

enum { FABRIC_NODES_MAX = 8, FABRIC_FIRST_PID = 16, FABRIC_USER_PID = 8, FABRIC_HEARD_MAX = 64 };

struct fabric;

struct packet {
    struct packet *next;
    mesh_buf bytes;
};

struct fabric_node {
    struct fabric *fabric;
    const char *name;
    uint32_t creation;
    bool alive;
    bool scripted;
    struct system system;
    bool linked[FABRIC_NODES_MAX];
    struct packet *queue[FABRIC_NODES_MAX]; /* for this node, by sender */
    bool wants[FABRIC_NODES_MAX];           /* to connect */
    bool parts[FABRIC_NODES_MAX];           /* to disconnect */
    bool refuses;                           /* connects to it fail */
    uint64_t last_pid;
    uint64_t done, done_yes;       /* requests that ended, and those of them with yes */
    uint64_t killed;               /* exit signals for its processes */
    uint64_t later;                /* token of the last call of t:later/0 */
    char *heard[FABRIC_HEARD_MAX]; /* a script: kind and message of what came; others: what was delivered */
    size_t heard_count;
};

struct fabric {
    uint64_t now_ms;
    uint64_t random;
    struct fabric_node nodes[FABRIC_NODES_MAX];
    size_t count;
};

void fabric_init(struct fabric *f, uint64_t seed);
void fabric_fini(struct fabric *f);

/* Starts a node (again); its number. name: a literal. */
size_t fabric_start(struct fabric *f, const char *name, bool scripted);

/* Ends it: by a shutdown as it should be, or by a crash. Its connections go. */
void fabric_stop(struct fabric *f, size_t node, bool crash);

void fabric_link(struct fabric *f, size_t a, size_t b);
void fabric_cut(struct fabric *f, size_t a, size_t b);

/* Delivers all that is under way, in a random order among the connections, until nothing is. */
void fabric_settle(struct fabric *f);

/* Lets time pass, settling every 100 ms. */
void fabric_pass(struct fabric *f, uint64_t ms);

/* From a script: sends a message to a name, or a control message. empties message. */
void fabric_say(struct fabric *f, size_t script, size_t to, const char *name, int built, mesh_buf *message);
void fabric_control(struct fabric *f, size_t script, size_t to, const struct control *c);

/* The oldest thing that the node heard, as text, to be freed with fabric_forget; "" if there is none. */
const char *fabric_heard(struct fabric_node *node);
void fabric_forget(struct fabric_node *node);
void fabric_forget_all(struct fabric_node *node);

/* A pid of that node, and a reference of it, appended. */
mesh_term fabric_pid(const struct fabric_node *node, uint64_t number, mesh_buf *buf);
mesh_term fabric_ref(const struct fabric_node *node, uint32_t number, mesh_buf *buf);

#endif
