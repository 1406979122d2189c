/* A loop, a world that hears what strategies report, and a deadline instead of waiting. */
#ifndef TESTS_SYSTEM_DISCOVERY_STAGE_H
#define TESTS_SYSTEM_DISCOVERY_STAGE_H

#include <dirent.h>

#include <uv.h>

#include "discovery/strategy.h"
#include "unit/check.h"
#include "unit/discovery/world.h"

/* Far beyond what any test needs, also under a sanitizer on a busy machine. */
enum { STAGE_DEADLINE_MS = 30000 };

struct stage {
    uv_loop_t loop;
    uv_timer_t deadline;
    struct world world;
    bool late;
    unsigned stopped;
    int descriptors; /* open before */
};

static inline int stage_descriptors(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n;
}

static inline void stage_on_deadline(uv_timer_t *timer)
{
    ((struct stage *)timer->data)->late = true;
}

static inline void stage_on_stopped(void *context)
{
    ((struct stage *)context)->stopped++;
}

static inline void stage_open(struct stage *s)
{
    memset(s, 0, sizeof *s);
    /* The first loop of a process opens descriptors that libuv keeps for all others. */
    assert_int_equal(uv_loop_init(&s->loop), 0);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    s->descriptors = stage_descriptors();
    s->world.random = 11;
    assert_int_equal(uv_loop_init(&s->loop), 0);
    assert_int_equal(uv_timer_init(&s->loop, &s->deadline), 0);
    s->deadline.data = s;
    assert_int_equal(uv_timer_start(&s->deadline, stage_on_deadline, STAGE_DEADLINE_MS, 0), 0);
}

static inline struct discovery_env stage_env(struct stage *s, const char *node)
{
    struct discovery_env env = world_env(&s->world, node);
    env.loop = &s->loop;
    return env;
}

/* Runs the loop for one more event; the deadline ends the test. */
static inline void stage_step(struct stage *s)
{
    uv_run(&s->loop, UV_RUN_ONCE);
    if (s->late)
        fail_msg("%d ms have passed", STAGE_DEADLINE_MS);
}

/* Ends the loop: nothing may be left on it, nor any descriptor. */
static inline void stage_close(struct stage *s)
{
    uv_close((uv_handle_t *)&s->deadline, NULL);
    assert_int_equal(uv_run(&s->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    assert_int_equal(stage_descriptors(), s->descriptors);
}

/* The value of a counter of a running strategy. */
static inline uint64_t stage_count(const struct discovery_strategy *strategy, const struct discovery *d,
                                   const char *name)
{
    struct discovery_count counts[32];
    size_t n = strategy->counts(d, counts, 32);
    assert_in_range(n, 1, 32);
    return world_count(counts, n, name);
}

#endif
