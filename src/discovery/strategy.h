/* What a discovery strategy is: a source that says which nodes should be dialled, behind one table of functions.
 *
 * A strategy never dials. It reports names, and whoever uses it connects to them; it asks `connected` before, and goes
 * on reporting a name that is not connected, so that a node that went away and came back is found without help. How
 * often is bounded: a name backs off, and all names of one strategy together have a number per second (roster.h).
 *
 *   const struct discovery_strategy *gossip = discovery_strategy("gossip");
 *   mesh_gossip_options options = {.secret = "s3cret"};
 *   int error = gossip->start(&env, &options, &d, &reason);
 *   ...
 *   gossip->stop(d, stopped, context);
 *
 * One thread: that of the loop. Several strategies, and several of one kind, can run on one loop. */
#ifndef DISCOVERY_STRATEGY_H
#define DISCOVERY_STRATEGY_H

#include "discovery/env.h"
#include "discovery/reason.h"

struct discovery;

struct discovery_strategy {
    const char *name; /* as configuration writes it: "gossip", "epmd", "local_epmd", "erlang_hosts" */

    /* Checks options, which point at the strategy's own struct (options.h). Looks at nothing else: no file, no socket,
     * no environment. MESH_EINVAL, with the option and what was expected in *reason (may be NULL). */
    int (*check)(const void *options, struct discovery_reason *reason);

    /* Starts: checks, opens what has to be open, and gives a running strategy in *out. options and what they point at
     * need not live on. Nothing is reported before the loop runs. *reason may be NULL.
     * MESH_EINVAL: an option; MESH_EBADNAME: env->node is no node's name; MESH_ESYSTEM: a socket or a file, the
     * system's words in *reason; MESH_ENOMEM. After an error nothing is left but handles that close in the loop's next
     * turn. */
    int (*start)(const struct discovery_env *env, const void *options, struct discovery **out,
                 struct discovery_reason *reason);

    /* Stops: no function of env is called from here on, and sockets are closed when it returns. The memory goes when
     * the loop has closed the handles, usually in its next turn (a host name that is being resolved is waited for);
     * then stopped(context) is called, last. stopped may be NULL. Exactly once for each start. */
    void (*stop)(struct discovery *d, void (*stopped)(void *context), void *context);

    /* Writes up to max counters to out and returns how many there are. Each only grows. */
    size_t (*counts)(const struct discovery *d, struct discovery_count *out, size_t max);
};

extern const struct discovery_strategy discovery_gossip, discovery_epmd, discovery_local_epmd, discovery_erlang_hosts;

/* All strategies, in the order of the documentation, ending in NULL. */
extern const struct discovery_strategy *const discovery_strategies[];

/* The strategy with this name; NULL when there is none. */
const struct discovery_strategy *discovery_strategy(const char *name);

#endif
