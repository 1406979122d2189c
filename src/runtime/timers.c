/* Timers of mesh_send_after: messages in the wheel of a worker, under its timers_lock, so that any thread may add and
 * cancel. A timer's handle is the message and its ticket, as that of a call. */
#include "runtime/runtime.h"

#include "base/clock.h"

/* The ticket of a timer: odd while it is pending. Under timers_lock. */
static void count_ticket(struct message *m)
{
    atomic_store_explicit(&m->ticket, atomic_load_explicit(&m->ticket, memory_order_relaxed) / 4 * 4 + 5,
                          memory_order_relaxed);
}

static void close_ticket(struct message *m)
{
    atomic_store_explicit(&m->ticket, atomic_load_explicit(&m->ticket, memory_order_relaxed) & ~(uint64_t)1,
                          memory_order_relaxed);
}

static void nothing_delivered(struct worker *w, struct post *p)
{
    message_unref(w->runtime, w, message_of_post(p));
}

/* A sleeping worker learns that it has to wake earlier. */
static void nudge(struct runtime *rt, struct worker *w)
{
    struct message *m = message_get(&rt->messages, NULL);
    if (m == NULL)
        return;
    m->post.deliver = nothing_delivered;
    worker_post(w, &m->post);
}

int timers_send_after(struct runtime *rt, uint32_t delay_ms, uint64_t number, mesh_term term, mesh_timer *timer)
{
    if (atomic_load_explicit(&rt->stopping, memory_order_relaxed))
        return MESH_ESTOPPING;
    struct worker *w = worker_enter();
    struct worker *mine = w != NULL && w->runtime == rt ? w : NULL;
    struct message_cache *cache = mine != NULL ? &mine->messages : NULL;
    struct message *m = message_get(&rt->messages, cache);
    int rc = m == NULL ? MESH_ENOMEM : payload_set(&m->body, m->inline_body, term);
    if (rc == MESH_OK) {
        m->kind = MESSAGE_INFO;
        m->pid = number;
        struct worker *at = mine != NULL ? mine : &rt->workers[number % rt->worker_count];
        spin_lock(&at->timers_lock);
        uint64_t before = wheel_next_ns(&at->timers);
        count_ticket(m);
        wheel_add(&at->timers, &m->deadline.timer, clock_now_ns() + (uint64_t)delay_ms * 1000000);
        atomic_store_explicit(&at->timer_count, (uint32_t)at->timers.count, memory_order_relaxed);
        bool earlier = wheel_next_ns(&at->timers) < before;
        if (timer != NULL)
            *timer = (mesh_timer){
                .timer = m, .ticket = atomic_load_explicit(&m->ticket, memory_order_relaxed), .worker = at->index};
        spin_unlock(&at->timers_lock);
        if (earlier && at != mine)
            nudge(rt, at);
    } else if (m != NULL) {
        message_put(&rt->messages, cache, m);
    }
    if (w != NULL)
        worker_leave(w);
    return rc;
}

int timers_cancel(struct runtime *rt, mesh_timer timer)
{
    if (timer.timer == NULL || timer.worker >= rt->worker_count)
        return MESH_ENOPROCESS;
    struct worker *w = worker_enter();
    struct worker *at = &rt->workers[timer.worker];
    struct message *m = timer.timer;
    bool cancelled = false;
    spin_lock(&at->timers_lock);
    if (atomic_load_explicit(&m->ticket, memory_order_relaxed) == timer.ticket) {
        cancelled = wheel_remove(&at->timers, &m->deadline.timer);
        close_ticket(m);
        atomic_store_explicit(&at->timer_count, (uint32_t)at->timers.count, memory_order_relaxed);
    }
    spin_unlock(&at->timers_lock);
    if (cancelled)
        message_unref(rt, w != NULL && w->runtime == rt ? w : NULL, m);
    if (w != NULL)
        worker_leave(w);
    return cancelled ? MESH_OK : MESH_ENOPROCESS;
}

void timers_fire(struct worker *w)
{
    for (;;) {
        spin_lock(&w->timers_lock);
        wheel_advance(&w->timers, w->now_ns);
        struct message *m = NULL;
        struct timer *t = wheel_pop(&w->timers);
        if (t != NULL) {
            m = (struct message *)((char *)t - offsetof(struct message, deadline));
            close_ticket(m);
        }
        atomic_store_explicit(&w->timer_count, (uint32_t)w->timers.count, memory_order_relaxed);
        spin_unlock(&w->timers_lock);
        if (m == NULL)
            return;
        if (route_to_pid(w->runtime, w, m->pid, m) != MESH_OK)
            message_unref(w->runtime, w, m); /* the process has ended: its timers mean nothing to anybody */
    }
}

void timers_drop_all(struct worker *w)
{
    wheel_advance(&w->timers, UINT64_MAX / 2);
    for (struct timer *t; (t = wheel_pop(&w->timers)) != NULL;)
        message_put(&w->runtime->messages, NULL, (struct message *)((char *)t - offsetof(struct message, deadline)));
}
