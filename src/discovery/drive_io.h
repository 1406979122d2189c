/* Carries out what a source asks for: one libuv timer, and a function for what goes to sockets. Every strategy starts
 * with a struct discovery and gives its own functions for the rest.
 *
 * Life: drive_open; handles of the strategy's own are counted with drive_hold before they are opened and drive_release
 * when they have closed; drive_close closes the timer and asks the strategy to close its handles; when the last one has
 * closed, `free` frees the strategy's memory and `stopped` is called. */
#ifndef DISCOVERY_DRIVE_IO_H
#define DISCOVERY_DRIVE_IO_H

#include <uv.h>

#include "base/log.h"
#include "discovery/source.h"
#include "discovery/strategy.h"

struct drive_ops {
    /* Carries out ACTION_SEND or ACTION_ASK. NULL: the source has none. */
    void (*perform)(struct discovery *d, const struct action *action);

    /* Closes the handles. NULL: there are none. */
    void (*close)(struct discovery *d);
};

/* The first member of each running strategy, which is one block from the heap. */
struct discovery {
    const struct drive_ops *ops;
    struct discovery_env env; /* node is not valid here */
    struct source *source;
    uv_timer_t timer;
    unsigned handles; /* not closed yet */
    bool stopping;
    void (*stopped)(void *context);
    void *stopped_context;
};

/* env with a random source, whatever it had. */
struct discovery_env drive_env(const struct discovery_env *env);

/* The error of a source that could not be made, told in *reason: returns it. */
int drive_refuse(const char *strategy, const struct discovery_env *env, int error, struct discovery_reason *reason);

/* Sets d up, in zeroed memory, on env's loop, and has the source looked at in the loop's next turn. d owns the source
 * from here on. Cannot fail. */
void drive_open(struct discovery *d, const struct drive_ops *ops, const struct discovery_env *env,
                struct source *source);

/* The loop's time, which a source's times are in. */
uint64_t drive_now_ms(const struct discovery *d);

/* Something was put into the source: has it looked at in the loop's next turn, once for all that comes until then. */
void drive_soon(struct discovery *d);

static inline void drive_hold(struct discovery *d)
{
    d->handles++;
}

/* May free d. */
void drive_release(struct discovery *d);

/* stop and counts of every strategy; see strategy.h. */
void drive_close(struct discovery *d, void (*stopped)(void *context), void *context);
size_t drive_counts(const struct discovery *d, struct discovery_count *out, size_t max);

#endif
