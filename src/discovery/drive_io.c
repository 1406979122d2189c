/* The loop's time is uv_now: the source and the timer see the same milliseconds, so a timer is never a little early. */
#include <assert.h>
#include <stdlib.h>

#include <mesh/error.h>

#include "base/clock.h"
#include "base/random.h"
#include "discovery/drive_io.h"

static uint64_t kernel_random(void *context)
{
    (void)context;
    uint64_t value;
    return random_bytes(&value, sizeof value) == 0 ? value : clock_now_ns();
}

struct discovery_env drive_env(const struct discovery_env *env)
{
    struct discovery_env filled = *env;
    if (filled.random == NULL)
        filled.random = kernel_random;
    return filled;
}

int drive_refuse(const char *strategy, const struct discovery_env *env, int error, struct discovery_reason *reason)
{
    if (error == MESH_EBADNAME)
        reason_say(reason, "%s: node: expected a name such as game@127.0.0.1, got \"%s\"", strategy,
                   env->node != NULL ? env->node : "");
    else
        reason_say(reason, "%s: %s", strategy, mesh_strerror(error));
    return error;
}

uint64_t drive_now_ms(const struct discovery *d)
{
    return uv_now(d->timer.loop);
}

static void carry_out(struct discovery *d, const struct action *action)
{
    if (action->kind == ACTION_SEEN)
        d->env.seen(d->env.context, action->name);
    else if (action->kind != ACTION_GONE)
        d->ops->perform(d, action);
    else if (d->env.gone != NULL)
        d->env.gone(d->env.context, action->name);
}

/* Carries out all that is due, and sets the timer for what will be. */
static void on_timer(uv_timer_t *timer)
{
    struct discovery *d = timer->data;
    struct action action;
    uint64_t now_ms = drive_now_ms(d);
    while (!d->stopping && source_next(d->source, now_ms, &action))
        carry_out(d, &action);
    if (d->stopping)
        return;
    uint64_t next_ms = source_next_ms(d->source);
    if (next_ms != ROSTER_FOREVER)
        uv_timer_start(&d->timer, on_timer, next_ms > now_ms ? next_ms - now_ms : 1, 0);
}

void drive_open(struct discovery *d, const struct drive_ops *ops, const struct discovery_env *env,
                struct source *source)
{
    d->ops = ops;
    d->env = *env;
    d->env.node = NULL;
    d->source = source;
    d->timer.data = d;
    uv_update_time(env->loop);
    uv_timer_init(env->loop, &d->timer); /* neither of these fails: a timer is memory */
    uv_timer_start(&d->timer, on_timer, 0, 0);
    drive_hold(d);
}

void drive_soon(struct discovery *d)
{
    if (!d->stopping)
        uv_timer_start(&d->timer, on_timer, 0, 0);
}

void drive_release(struct discovery *d)
{
    assert(d->handles > 0);
    if (--d->handles > 0)
        return;
    void (*stopped)(void *context) = d->stopped;
    void *context = d->stopped_context;
    source_destroy(d->source);
    free(d);
    if (stopped != NULL)
        stopped(context);
}

static void on_timer_closed(uv_handle_t *handle)
{
    drive_release(handle->data);
}

void drive_close(struct discovery *d, void (*stopped)(void *context), void *context)
{
    assert(!d->stopping);
    d->stopping = true;
    d->stopped = stopped;
    d->stopped_context = context;
    if (d->ops->close != NULL)
        d->ops->close(d);
    uv_close((uv_handle_t *)&d->timer, on_timer_closed);
}

size_t drive_counts(const struct discovery *d, struct discovery_count *out, size_t max)
{
    return source_counts(d->source, out, max);
}
