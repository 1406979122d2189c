/* What the verbs have in common that ask a running cluster: one node of it is the *target*, which a short-lived hidden
 * node of this program's own connects to, and whose functions of the module mesh_admin it calls.
 *
 *   mesh-PID-RANDOM@HOST  ->  target  ->  (those verbs that ask every node)  the nodes that the target is connected to
 *
 * The target is what --node says, else the name in the file of --config, else the first of the nodes that epmd knows on
 * this machine which answers.
 *
 * Faults are told on stderr in the verb's name, and are an exit code here. */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <pthread.h>

#include <mesh.h>

#include "cli/columns.h"
#include "cli/resolve.h"

/* Of the last connection that could not be made, as the log of our own node has it. Any thread, under lock. */
struct trouble {
    pthread_mutex_t lock;
    char peer[MESH_NAME_SIZE];
    char why[256];
};

enum { ASK_TIMEOUT_MS = 5000 };

struct ask {
    const struct verb *verb;
    struct resolved resolved;
    bool json;
    bool targeted;       /* --node was given */
    uint32_t timeout_ms; /* for an answer */
    char target[MESH_NAME_SIZE];
    mesh_node *node; /* our own; NULL: not begun */
    struct trouble trouble;
};

/* The flags of all of these verbs, for the help and for guesses at what was meant. */
#define ASK_FLAGS                                                                                                      \
    "node", "config", "cookie", "cookie-file", "epmd-port", "no-epmd", "port", "timeout-ms", "json", "help"

void ask_init(struct ask *a, const struct verb *verb);

/* Ends the node, and frees everything. Returns code, or EXIT_FAILED if something written to stdout was lost. */
int ask_end(struct ask *a, int code);

/* Writes the help of those flags. */
void ask_help(void);

/* Takes one of the flags; false: it is none of them. *code is EXIT_USAGE when it is not as it should be. */
bool ask_take(struct ask *a, struct args *args, const struct arg *arg, int *code);

/* The words of a command line that has no other flags: at least `least` words and at most `most`, in words[]; those
 * that are not given are NULL. named: what the first missing one is called. Returns EXIT_DONE or EXIT_USAGE. */
int ask_words(struct ask *a, struct args *args, const char **words, size_t least, size_t most,
              const char *const *named);

/* Names the target, in the form of --node. False, with the reason. */
bool ask_target(struct ask *a, const char *name, mesh_reason *reason);

/* Starts our own node and connects to the target, which answers as a Mesh node does. */
int ask_begin(struct ask *a);

/* ---- after ask_begin ---- */

/* Calls mesh_admin:function with a list of arguments at the target. *value: its value, to be freed with mesh_buf_fini
 * in any case. A value {:error, ...} is a fault, and told. */
int ask_call(struct ask *a, const char *function, mesh_term args, uint32_t timeout_ms, mesh_buf *value);

/* The same at any node, and nothing is told: false and the reason. Any thread, and in tasks of our node. */
bool ask_try(struct ask *a, const char *node, const char *function, mesh_term args, uint32_t timeout_ms,
             mesh_buf *value, mesh_reason *reason);

/* Prints a table, as people or programs want it, and ends it. */
void ask_print(const struct ask *a, struct columns *table);

/* No arguments. */
mesh_term ask_nothing(void);

/* Tells a fault, of which parts may be a peer's words: what could steer a terminal is \xHH. Returns EXIT_FAILED. */
int ask_fail(const struct ask *a, const char *text);

/* An answer of the target is not as this program knows it. Returns EXIT_FAILED. */
int ask_strange(const struct ask *a, const char *function);

#endif
