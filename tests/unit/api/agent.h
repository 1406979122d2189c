/* What the tests of the public API share: a module whose messages are functions to run, and events to wait for.
 *
 * A message to an agent names a C function (an act) and its argument, so that a test has what a handler does next to
 * what it expects. The script records what happened to all agents of the program; script_reset begins a new one.
 *
 * Assertions belong to the test's own thread: acts note what they saw, and the test looks at it afterwards. Every wait
 * here is for an event, and fails after PATIENCE_MS. */
#ifndef TESTS_UNIT_API_AGENT_H
#define TESTS_UNIT_API_AGENT_H

#include "unit/check.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <mesh.h>

enum { PATIENCE_MS = 15000, INFOS_MAX = 64, REASON_MAX = 200 };

/* ---- Events ---- */

/* A count that threads wait for. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int count;
};

#define GATE_INIT                                                                                                      \
    {                                                                                                                  \
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0                                                         \
    }

void gate_add(struct gate *g);
/* Waits until the count is at least n. Not in a handler. */
void gate_await(struct gate *g, int n);
int gate_count(struct gate *g);

uint64_t now_ms(void);

/* ---- Agents ---- */

/* The state of an agent. */
struct agent {
    int64_t n;
    mesh_from owed;
    void *memory; /* freed by terminate */
};

/* What an act sees. from.call is NULL in casts, infos and init. */
struct scene {
    mesh_process *self;
    mesh_node *node;
    struct agent *agent;
    mesh_from from;
    mesh_term term; /* the whole message */
    void *arg;
};

typedef int (*act_fn)(struct scene *s);

/* What happened, in all agents. Under lock, but for what the test sets before. */
struct script {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int inits, restores, terminates, saves, infos, strays;
    char reason[REASON_MAX]; /* of the last terminate */
    mesh_term info[INFOS_MAX];
    int64_t init_arg; /* the last, when it was an integer */

    bool merges;    /* set by a test: agents that keep snapshots add those of others */
    act_fn on_init; /* set by a test: run by init, with init_arg as the term */
    act_fn on_terminate;
};
extern struct script script;

void script_reset(void);
/* Waits until a count of the script is at least n. */
void script_await(const int *count, int n);
/* Reads a count. */
int script_count(const int *count);

/* A module named "Agent"; with_snapshot: it keeps agent.n in snapshots. */
mesh_module agent_module(bool with_snapshot);

/* A quiet node with the module and the capability "test". options: NULL, or with what differs from the defaults. */
mesh_node *agent_node(const mesh_node_options *options);
/* Stops it; it must succeed. */
void agent_stop(mesh_node *node);

/* Passivates idle processes until n of them have ended: one whose answer has just come may still be in its handler. */
void agent_passivate(mesh_node *node, uint64_t n);

/* The message that makes an agent run fn(arg): a binary, behind which more may stand. */
void act_message(mesh_buf *buf, act_fn fn, const void *arg);
mesh_request act_request(const char *id, const mesh_buf *message);

/* Has an agent run an act. result may be NULL. */
int act_call(mesh_node *node, const char *id, act_fn fn, const void *arg, mesh_result *result);
/* The same; the reply must be an integer. */
int64_t act_number(mesh_node *node, const char *id, act_fn fn, const void *arg);
int act_cast(mesh_node *node, const char *id, act_fn fn, const void *arg);
int act_send(mesh_node *node, const mesh_pid *pid, act_fn fn, const void *arg);

/* ---- Acts ---- */

/* Answer with an integer. Callable from acts, and from any thread. */
int reply_number(mesh_from from, int64_t n);

int act_ok(struct scene *s);   /* answers :ok */
int act_echo(struct scene *s); /* answers the whole message */
int act_add(struct scene *s);  /* adds *(int *)arg to n (1 if NULL), answers n */
int act_self(struct scene *s); /* writes its pid to *(mesh_pid *)arg; answers :ok */
int act_stop(struct scene *s); /* answers :ok and stops: :normal */
int act_crash(struct scene *s);

/* A place where an agent leaves a call that it does not answer. */
struct parked {
    struct gate gate;
    mesh_from from[64];
};
#define PARKED_INIT                                                                                                    \
    {                                                                                                                  \
        GATE_INIT,                                                                                                     \
        {                                                                                                              \
            {                                                                                                          \
                0                                                                                                      \
            }                                                                                                          \
        }                                                                                                              \
    }
int act_park(struct scene *s); /* arg: a struct parked */

#endif
