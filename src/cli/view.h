/* Every node of a cluster, as the target is connected to them, and what each answers. */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include "cli/ask.h"

struct seen {
    char name[MESH_NAME_SIZE];
    bool beam;       /* a BEAM node, which is not asked */
    bool answered;   /* set by view_ask, as the next two */
    mesh_buf value;  /* what it answered; if it refused with {:error, ...} that, and answered is false */
    mesh_reason why; /* not answered: in words */
};

struct view {
    struct seen *seen; /* sorted by name; the target is among them */
    size_t count;
};

/* The target and the nodes that it is connected to. The caller ends it by view_fini, in any case. */
int view_begin(struct view *view, struct ask *a);
void view_fini(struct view *view);

/* The same of a term that info gave. False: it is not understood. */
bool view_read(struct view *view, mesh_term info);

/* Calls a function with a list of arguments at each node that is no BEAM, many at a time, and waits for all. */
void view_ask(struct view *view, struct ask *a, const char *function, mesh_term args);

/* Tells who has not answered, and why; then the exit code is EXIT_FAILED. */
int view_tell_missing(const struct view *view, const struct ask *a);

/* Whether a node said that it does not know the capability. */
bool seen_lacks(const struct seen *seen);

#endif
