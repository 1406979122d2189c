/* The scenarios, and what is promised in each. */
#ifndef CHAOS_SCENARIOS_H
#define CHAOS_SCENARIOS_H

#include "run.h"

/* In all of them: every call has an outcome, no update runs twice, no answer contradicts the lives, no program ends by
 * itself, and nothing is doubled from 5 s after a fault on. */
struct promise {
    bool none_failed;       /* no call fails, and no update that was acknowledged is missing afterwards */
    bool never_doubled;     /* also in the 5 s after it */
    double moved_ratio_max; /* 0: not promised */
    double outage_ms_max;   /* of 99 in 100; 0: not promised */
};

/* How much of it. */
struct extent {
    size_t nodes;   /* at most */
    size_t started; /* when it begins */
    uint32_t steps;
};

struct scenario {
    const char *name;
    const char *about;
    bool apart;     /* each node on a machine of its own */
    size_t callers; /* nodes that call: 1 or 2 */
    struct extent whole, brief;
    struct promise promise;
    bool (*play)(struct run *r); /* under load. False: stderr says why */
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

/* Plays one. False: the harness itself has failed, and stderr says why. r is to be ended by run_fini in any case. */
bool scenario_play(const struct scenario *s, const struct run_options *options, struct run *r);

#endif
