/* What a discovery strategy is given by whoever uses it, and what it counts. */
#ifndef DISCOVERY_ENV_H
#define DISCOVERY_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct logger;
struct uv_loop_s;

/* Names of one strategy that may be reported in one second, unless its options say otherwise. */
enum { DISCOVERY_PER_SECOND = 32, DISCOVERY_PER_SECOND_MAX = 10000 };

/* Times in options, unless their field says otherwise: 0 is the default, and these are the bounds. */
enum { DISCOVERY_INTERVAL_MS = 5000, DISCOVERY_INTERVAL_MIN_MS = 10, DISCOVERY_INTERVAL_MAX_MS = 3600000 };

/* What a strategy is given. The functions are called on the loop's thread, from inside uv_run, and never after stop
 * has been called; seen and gone may call stop. Names are valid node names (node_name.h), C strings that live until the
 * function returns. */
struct discovery_env {
    struct uv_loop_s *loop; /* the caller's; must outlive the strategy, until `stopped` */
    struct logger *logger;  /* NULL: nothing is logged */
    const char *node;       /* our own full name; copied; never reported */
    void *context;          /* the first argument of what follows */

    /* Whether this node needs no dialling: it is linked, or a dial is under way. May be called for any name. */
    bool (*connected)(void *context, const char *node);

    /* This node should be dialled. Called again, later and later, for as long as it is not connected. */
    void (*seen)(void *context, const char *node);

    /* The source no longer lists this node, and it is not connected: it is not reported again until the source lists
     * it anew. It may never have been reported, if it was connected before. NULL is allowed. */
    void (*gone)(void *context, const char *node);

    /* 64 random bits, for jitter and intervals (not for keys). NULL: the kernel's generator. */
    uint64_t (*random)(void *context);
};

/* One counter of a strategy. */
struct discovery_count {
    const char *name; /* such as "packets_sent"; a constant */
    uint64_t value;
};

#endif
