/* A world without sockets for strategies: who is connected, what was reported, and a random source with a seed. */
#ifndef TESTS_UNIT_DISCOVERY_WORLD_H
#define TESTS_UNIT_DISCOVERY_WORLD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/env.h"

enum { WORLD_NAMES = 8 };

struct world {
    uint64_t random;
    char connected[256];            /* the one node that is; "": none */
    char watched[WORLD_NAMES][256]; /* names whose reports are counted */
    unsigned seen[WORLD_NAMES], gone[WORLD_NAMES];
    unsigned all_seen, all_gone, asked; /* reports of any name; calls of connected */
};

static inline uint64_t world_random(void *context)
{
    struct world *w = context;
    uint64_t z = w->random += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline bool world_connected(void *context, const char *name)
{
    struct world *w = context;
    w->asked++;
    return strcmp(w->connected, name) == 0;
}

static inline void world_copy(char out[256], const char *name)
{
    size_t len = strlen(name);
    if (len > 255)
        abort();
    memcpy(out, name, len + 1);
}

/* Connects to name, and to no other; NULL: to nobody. */
static inline void world_connect(struct world *w, const char *name)
{
    world_copy(w->connected, name != NULL ? name : "");
}

/* Counts the reports of this name from here on at this place. */
static inline void world_watch(struct world *w, size_t place, const char *name)
{
    world_copy(w->watched[place], name);
}

static inline void world_seen(void *context, const char *name)
{
    struct world *w = context;
    w->all_seen++;
    for (int i = 0; i < WORLD_NAMES; i++)
        w->seen[i] += strcmp(w->watched[i], name) == 0;
}

static inline void world_gone(void *context, const char *name)
{
    struct world *w = context;
    w->all_gone++;
    for (int i = 0; i < WORLD_NAMES; i++)
        w->gone[i] += strcmp(w->watched[i], name) == 0;
}

/* Forgets what was reported. */
static inline void world_forget(struct world *w)
{
    memset(w->seen, 0, sizeof w->seen);
    memset(w->gone, 0, sizeof w->gone);
    w->all_seen = w->all_gone = w->asked = 0;
}

static inline struct discovery_env world_env(struct world *w, const char *node)
{
    return (struct discovery_env){.node = node,
                                  .context = w,
                                  .connected = world_connected,
                                  .seen = world_seen,
                                  .gone = world_gone,
                                  .random = world_random};
}

/* The counter of this name; a test without it is wrong, and gets a number that no counter has. */
static inline uint64_t world_count(const struct discovery_count *counts, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(counts[i].name, name) == 0)
            return counts[i].value;
    return UINT64_MAX;
}

#endif
