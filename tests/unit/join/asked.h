/* Calling the functions of a node as the services would: arguments as text, the reply as text. */
#ifndef TESTS_UNIT_JOIN_ASKED_H
#define TESTS_UNIT_JOIN_ASKED_H

#include "unit/api/agent.h"

#include "join/functions.h"
#include "node/node.h"

struct asked {
    struct functions *functions;
    struct gate answers;
    pthread_mutex_t lock;       /* several may be answered at once */
    enum spawn_outcome outcome; /* of the last call */
    mesh_buf result;            /* likewise */
    mesh_buf text;
};

void asked_init(struct asked *a, mesh_node *node);
/* After the node has stopped. */
void asked_fini(struct asked *a);

/* Calls a function with a list of arguments, written as a term, and waits for its reply. */
mesh_term ask(struct asked *a, const char *function, const char *args);
/* The same, begun only: true if the reply comes later. asked_await waits for it. */
bool ask_begin(struct asked *a, const char *function, const char *args);
mesh_term ask_end(struct asked *a);

/* Calls it, and expects the reply to be this term. */
void ask_expect(struct asked *a, const char *function, const char *args, const char *reply);

/* Calls it, and expects {:error, %{error: ...}}, or badarg or the like. */
void ask_refused(struct asked *a, const char *function, const char *args, const char *error);

#endif
