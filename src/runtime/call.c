/* Calls: from the request to the outcome.
 *
 * A call is a message with a ticket. Whoever closes the ticket (mesh_reply, mesh_from_drop, the end of the handler or
 * of the process) writes the answer and delivers it, once: to the suspended coroutine if that is on the running
 * worker, else as a post to its worker; to a thread by its futex word. The caller that gives up at its deadline does
 * not close the ticket: it marks that nobody waits, and the delivery, which comes in any case, releases its share.
 *
 * A call from a handler to an idle process on this node is not queued: the caller takes the run right, suspends, and
 * the callee runs next; its answer makes the caller run next. Such a call needs no timer, and no atomic
 * read-modify-write besides the lock of the stripe, the run right and the ticket. */
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "runtime/bonds.h"
#include "runtime/runtime.h"
#include "runtime/stats.h"

enum { TICKET_OPEN = 1, TICKET_RETURNED = 2, TICKET_STEP = 4 };
enum { THREAD_WAITS, THREAD_SLEEPS, THREAD_DONE, THREAD_LEFT };

/* ---- References and tickets ---- */

void message_unref(struct runtime *rt, struct worker *w, struct message *m)
{
    if (m->local) {
        uint32_t left = atomic_load_explicit(&m->refs, memory_order_relaxed) - 1;
        atomic_store_explicit(&m->refs, left, memory_order_relaxed);
        if (left > 0)
            return;
    } else if (atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    message_put(&rt->messages, w != NULL ? &w->messages : NULL, m);
}

static void open_ticket(struct message *m)
{
    uint64_t ticket = atomic_load_explicit(&m->ticket, memory_order_relaxed);
    atomic_store_explicit(&m->ticket, (ticket & ~(uint64_t)3) + TICKET_STEP + TICKET_OPEN, memory_order_relaxed);
}

/* Closes the ticket; whoever gets true owns the answer. *owed: the handler has returned before. */
static bool close_ticket(struct message *m, uint64_t ticket, bool *owed)
{
    uint64_t now = atomic_load_explicit(&m->ticket, memory_order_relaxed);
    perturb();
    do {
        if ((now & ~(uint64_t)TICKET_RETURNED) != ticket || (now & TICKET_OPEN) == 0)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&m->ticket, &now, now & ~(uint64_t)3, memory_order_acq_rel,
                                                    memory_order_relaxed));
    *owed = (now & TICKET_RETURNED) != 0;
    return true;
}

static uint64_t open_value(struct message *m)
{
    return atomic_load_explicit(&m->ticket, memory_order_acquire) & ~(uint64_t)TICKET_RETURNED;
}

static bool is_open(struct message *m)
{
    return (atomic_load_explicit(&m->ticket, memory_order_acquire) & TICKET_OPEN) != 0;
}

/* ---- Delivering the answer ---- */

static void count_latency(struct worker *w, struct message *m)
{
    struct class_stats *s = worker_stats(w, m->class_index);
    histogram_add(&s->call_ns, w->now_ns > m->since_ns ? w->now_ns - m->since_ns : 0);
}

static void queue_completion(struct worker *w, struct message *m)
{
    m->completing = true;
    m->held_next = NULL;
    *w->completions_tail = m;
    w->completions_tail = &m->held_next;
}

/* The outcome reaches its home worker. */
static void deliver_home(struct worker *w, struct message *m)
{
    if (m->waiter == WAITER_DONE && m->expired) {
        if (m->finished)
            message_unref(w->runtime, w, m);
        else
            m->answered = true; /* call_complete releases it */
    } else if (m->waiter == WAITER_DONE) {
        wheel_remove(&w->deadlines, &m->deadline.timer);
        queue_completion(w, m);
    } else if (m->coroutine != NULL && m->handed) {
        coroutine_resume_next(w, m->coroutine);
    } else if (m->coroutine != NULL) {
        coroutine_resume(w, m->coroutine, MESH_OK);
    } else {
        message_unref(w->runtime, w, m);
    }
}

static void delivered(struct worker *w, struct post *p)
{
    deliver_home(w, message_of_post(p));
}

static void wake_thread(struct runtime *rt, struct worker *w, struct message *m)
{
    /* Release: the answer is written. After the exchange the message may be in use again; a wake too many is
     * harmless, since a futex wait may always end early. */
    uint32_t before = atomic_exchange_explicit(&m->thread, THREAD_DONE, memory_order_acq_rel);
    if (before == THREAD_LEFT)
        message_unref(rt, w, m);
    else if (before == THREAD_SLEEPS)
        syscall(SYS_futex, &m->thread, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void fill(struct runtime *rt, struct message *m, mesh_result *result)
{
    result->value = payload_term(&m->reply);
    result->held = m;
    if (__builtin_expect(m->kind == MESSAGE_ANSWERED, 0))
        call_pid_elsewhere(m, &result->pid);
    else
        runtime_pid(rt, m->error == MESH_OK ? m->pid : 0, &result->pid);
}

/* Of a call of another node. */
static void tell_peer(struct runtime *rt, struct worker *w, struct message *m)
{
    mesh_result result;
    if (w != NULL)
        count_latency(w, m);
    else
        stats_note_call(rt, m->class_index, clock_now_ns() - m->since_ns);
    fill(rt, m, &result);
    m->peer_done(m->done_context, m->tags, m->error == MESH_EMOVED ? MESH_ENOCAPABILITY : m->error, &result);
    message_unref(rt, w, m);
}

/* Of a call from outside that somebody waits for on the spot. */
__attribute__((noinline)) static void answer_now(struct runtime *rt, struct worker *w, struct message *m)
{
    mesh_result result = {0};
    fill(rt, m, &result);
    result.held = NULL;
    m->done(m->done_context, m->error, &result);
    message_unref(rt, w, m);
    atomic_fetch_sub_explicit(&rt->async, 1, memory_order_release);
}

static void deliver(struct runtime *rt, struct worker *w, struct message *m)
{
    if (m->waiter == WAITER_PEER) {
        tell_peer(rt, w, m);
    } else if (m->home == NULL && m->waiter == WAITER_NOW) {
        answer_now(rt, w, m);
    } else if (m->home == NULL) {
        wake_thread(rt, w, m);
    } else if (m->home == w) {
        deliver_home(w, m);
    } else {
        m->post.deliver = delivered;
        worker_post(m->home, &m->post);
    }
}

/* ---- Debts: calls whose handler returned without answering ----
 *
 * A process lists them, to answer them when it ends and not to be passivated before. The list is written under one of
 * a few locks, chosen by the process and noted in the message. */

static struct spin *debt_lock(struct runtime *rt, const struct actor *a)
{
    return &rt->debts[(uintptr_t)a / 64 % DEBT_LOCKS];
}

/* Returns the request to end that waited for the last of them: then it is the caller's to send, without the lock. */
static struct message *unlink_debt(struct actor *a, struct message *m)
{
    if (m->debt_prev != NULL)
        m->debt_prev->debt_next = m->debt_next;
    else
        a->bonds->debts = m->debt_next;
    if (m->debt_next != NULL)
        m->debt_next->debt_prev = m->debt_prev;
    m->debtor = NULL;
    atomic_fetch_sub_explicit(&a->owed, 1, memory_order_release);
    struct message *leaving = a->bonds->debts == NULL ? a->bonds->leaving : NULL;
    if (leaving != NULL)
        a->bonds->leaving = NULL;
    return leaving;
}

/* The process that has paid its debts may end now. leaving may be NULL. */
static void send_leaving(struct runtime *rt, struct worker *w, const struct class *class, uint64_t number,
                         struct message *leaving)
{
    if (leaving != NULL && route_to_pid(rt, w, number, leaving) != MESH_OK)
        process_refuse_release(rt, w, class, leaving);
}

bool call_await_debts(struct runtime *rt, struct actor *a, struct message *leaving)
{
    if (a->bonds == NULL)
        return false;
    struct spin *lock = debt_lock(rt, a);
    spin_lock(lock);
    bool owes = a->bonds->debts != NULL;
    if (owes)
        a->bonds->leaving = leaving;
    spin_unlock(lock);
    return owes;
}

/* The handler of m returned and the ticket is open: the handler's share of m becomes the debt's. */
static void add_debt(struct runtime *rt, struct worker *w, struct actor *a, struct message *m)
{
    struct bonds *bonds = bonds_of(a);
    struct spin *lock = debt_lock(rt, a);
    m->debt_lock = (uint8_t)(lock - rt->debts);
    if (m->local) /* from here on any thread may answer */
        m->local = false;
    m->debtor = a;
    m->debt_prev = NULL;
    uint64_t open = open_value(m);
    spin_lock(lock);
    m->debt_next = bonds->debts;
    if (bonds->debts != NULL)
        bonds->debts->debt_prev = m;
    bonds->debts = m;
    atomic_fetch_add_explicit(&a->owed, 1, memory_order_relaxed);
    /* Release: pairs with close_ticket, so that whoever sees RETURNED sees the debt. */
    bool owed = (open & TICKET_OPEN) != 0 &&
                atomic_compare_exchange_strong_explicit(&m->ticket, &open, open | TICKET_RETURNED, memory_order_acq_rel,
                                                        memory_order_relaxed);
    struct message *leaving = NULL;
    if (!owed) /* answered meanwhile */
        leaving = unlink_debt(a, m);
    spin_unlock(lock);
    send_leaving(rt, w, a->class, actor_number(a), leaving);
    if (!owed)
        message_unref(rt, w, m);
}

static void pay_debt(struct runtime *rt, struct worker *w, struct message *m)
{
    struct spin *lock = &rt->debts[m->debt_lock];
    struct message *leaving = NULL;
    const struct class *class = NULL;
    uint64_t number = 0;
    spin_lock(lock);
    if (m->debtor != NULL) { /* else the process has ended */
        class = m->debtor->class;
        number = actor_number(m->debtor);
        leaving = unlink_debt(m->debtor, m);
    }
    spin_unlock(lock);
    send_leaving(rt, w, class, number, leaving);
}

void call_handled(struct runtime *rt, struct worker *w, struct actor *a, struct message *m)
{
    if (m->kind == MESSAGE_CALL && is_open(m))
        add_debt(rt, w, a, m);
    else
        message_unref(rt, w, m);
}

/* ---- Answering ---- */

/* The ticket of m is closed and the answer is ours to write. owed: so is the handler's share. */
static void answer(struct runtime *rt, struct worker *w, struct message *m, int error, const struct payload *value,
                   bool owed)
{
    perturb();
    if (owed)
        pay_debt(rt, w, m);
    m->error = error;
    m->reply = *value;
    if (value->data != NULL && value->block == NULL) {
        copy_few(m->inline_reply, value->data, value->len);
        m->reply.data = m->inline_reply;
    }
    deliver(rt, w, m);
    if (owed)
        message_unref(rt, w, m);
}

void call_fail(struct runtime *rt, struct worker *w, struct message *m, int error, mesh_term reason)
{
    bool owed = false;
    uint64_t ticket = open_value(m);
    if (!close_ticket(m, ticket, &owed))
        return;
    struct payload value = {0};
    if (error == MESH_ECRASHED || error == MESH_EINIT)
        value = (struct payload){.data = reason.data, .len = reason.len};
    if (value.len > MESSAGE_INLINE)
        payload_set_slow(&value, reason); /* without memory the reason is nil */
    answer(rt, w, m, error, &value, owed);
}

void call_pay_debts(struct runtime *rt, struct worker *w, struct actor *a)
{
    if (a->bonds == NULL)
        return;
    struct message *mine = NULL;
    struct spin *lock = debt_lock(rt, a);
    spin_lock(lock);
    struct message *leaving = a->bonds->leaving;
    a->bonds->leaving = NULL;
    while (a->bonds->debts != NULL) {
        struct message *m = a->bonds->debts;
        bool owed;
        (void)unlink_debt(a, m);
        if (close_ticket(m, open_value(m), &owed)) {
            m->debt_next = mine;
            mine = m;
        }
    }
    spin_unlock(lock);
    if (leaving != NULL)
        process_refuse_release(rt, w, a->class, leaving);
    while (mine != NULL) {
        struct message *m = mine;
        mine = m->debt_next;
        answer(rt, w, m, MESH_ENOREPLY, &(struct payload){0}, false);
        message_unref(rt, w, m);
    }
}

int call_answer(mesh_from from, mesh_term term)
{
    struct message *m = from.call;
    struct payload value = {.data = term.data, .len = term.len};
    if (term.len > MESSAGE_INLINE && payload_set_slow(&value, term) != MESH_OK)
        return MESH_ENOMEM;
    struct worker *w = worker_enter();
    bool owed = false;
    bool closed = close_ticket(m, from.ticket, &owed);
    if (closed) {
        struct runtime *rt = m->runtime;
        stats_note(rt, w != NULL && w->runtime == rt ? w : NULL, m->class_index, COUNT_REPLIES);
        answer(rt, w != NULL && w->runtime == rt ? w : NULL, m, MESH_OK, &value, owed);
    } else if (value.block != NULL) {
        block_release(value.block);
    }
    if (w != NULL)
        worker_leave(w);
    return closed ? MESH_OK : MESH_EREPLIED;
}

int call_drop(mesh_from from)
{
    struct message *m = from.call;
    struct worker *w = worker_enter();
    bool owed = false;
    bool closed = close_ticket(m, from.ticket, &owed);
    if (closed) {
        struct runtime *rt = m->runtime;
        answer(rt, w != NULL && w->runtime == rt ? w : NULL, m, MESH_ENOREPLY, &(struct payload){0}, owed);
    }
    if (w != NULL)
        worker_leave(w);
    return closed ? MESH_OK : MESH_EREPLIED;
}

/* ---- Making a call ---- */

static mesh_term nil_term(void)
{
    return payload_term(&(struct payload){0});
}

static uint64_t deadline_of(uint64_t now_ns, uint32_t timeout_ms)
{
    if (timeout_ms == MESH_NEVER)
        return 0;
    return now_ns + (uint64_t)(timeout_ms != 0 ? timeout_ms : MESH_DEFAULT_TIMEOUT_MS) * 1000000;
}

/* A message from a request and where it is to go. w: the running worker or NULL. direct: see struct route. */
static int make(struct runtime *rt, struct worker *w, const mesh_request *request, enum message_kind kind, bool direct,
                struct route *r)
{
    r->direct = direct;
    r->permit = 0;
    r->id = request->id;
    r->init_arg = request->init_arg;
    int rc = runtime_class(rt, w, request->module, request->capability, &r->class);
    if (rc != MESH_OK)
        return rc;
    route_prepare(rt, w, r);
    struct message *m = message_get(&rt->messages, w != NULL ? &w->messages : NULL);
    if (m == NULL)
        return MESH_ENOMEM;
    m->kind = (uint8_t)kind;
    m->class_index = r->class->index;
    rc = payload_set(&m->body, m->inline_body, request->payload);
    if (rc != MESH_OK) {
        message_put(&rt->messages, w != NULL ? &w->messages : NULL, m);
        return rc;
    }
    r->message = m;
    route_fetch(rt, r);
    return MESH_OK;
}

static void unmake(struct runtime *rt, struct worker *w, struct message *m)
{
    message_put(&rt->messages, w != NULL ? &w->messages : NULL, m);
}

/* Counts what was refused before it reached a process. */
static int refused(struct runtime *rt, struct worker *w, const struct class *class, int rc)
{
    stats_note(rt, w, class->index, rc == MESH_EBUSY ? COUNT_BUSY : COUNT_REFUSED);
    return rc;
}

/* ---- Answers of other nodes ---- */

struct block *call_place(mesh_bytes node, uint32_t creation)
{
    mesh_pid pid;
    size_t len = node.len < sizeof pid.node ? node.len : sizeof pid.node - 1;
    struct block *place = block_create(sizeof creation + len + 1);
    if (place == NULL)
        return NULL;
    memcpy(place->bytes, &creation, sizeof creation);
    memcpy(place->bytes + sizeof creation, node.data, len);
    place->bytes[sizeof creation + len] = '\0';
    return place;
}

void call_pid_elsewhere(const struct message *m, mesh_pid *pid)
{
    const struct block *place = m->init_arg.block;
    *pid = (mesh_pid){.number = m->pid};
    memcpy(&pid->creation, place->bytes, sizeof pid->creation);
    memcpy(pid->node, place->bytes + sizeof pid->creation, place->len - sizeof pid->creation);
}

void call_end(struct runtime *rt, struct worker *w, struct message *m, int error, mesh_term value, uint64_t number,
              struct block *place)
{
    bool owed = false;
    if (m->kind != MESSAGE_CALL || !close_ticket(m, open_value(m), &owed)) {
        if (place != NULL)
            block_release(place);
        message_unref(rt, w, m);
        return;
    }
    struct payload reply = {.data = value.data, .len = value.len};
    if (value.len > MESSAGE_INLINE && payload_set_slow(&reply, value) != MESH_OK && error == MESH_OK)
        error = MESH_ENOMEM;
    if (place != NULL) {
        payload_drop(&m->init_arg);
        m->init_arg.block = place;
        m->kind = MESSAGE_ANSWERED;
        m->pid = error == MESH_OK ? number : 0;
    }
    answer(rt, w, m, error, &reply, owed);
    message_unref(rt, w, m);
}

static void fill_nothing(mesh_result *result)
{
    result->value = nil_term();
    result->held = NULL;
    result->pid.number = 0;
    result->pid.creation = 0;
    result->pid.node[0] = '\0';
}

/* Gives m the chain of suspended calls that leads through the running handler. */
static int set_chain(struct coroutine *c, struct message *m, uint64_t number)
{
    const struct message *current = c->current;
    uint32_t above = current != NULL && current->kind == MESSAGE_CALL ? current->chain_count : 0;
    m->first = (struct link_of_chain){.pid = actor_number(c->self.actor), .call = number};
    m->chain = &m->first;
    m->chain_count = 1;
    if (above == 0)
        return MESH_OK;
    if (above == MESSAGE_CHAIN_MAX)
        above--; /* the oldest is forgotten: a longer cycle ends at the deadline */
    struct link_of_chain *chain = malloc((above + 1) * sizeof *chain);
    if (chain == NULL)
        return MESH_ENOMEM;
    chain[0] = m->first;
    memcpy(chain + 1, current->chain, above * sizeof *chain);
    m->chain = chain;
    m->chain_count = (uint8_t)(above + 1);
    return MESH_OK;
}

/* Says, before anybody can see the call, that the handler's process waits in it. MESH_ESTOPPING if it is to end. */
static int announce_wait(struct worker *w, struct coroutine *c, struct message *m)
{
    struct actor *a = c->self.actor;
    uint64_t number = ++w->call_counter << 8 | (w->index & 0xff);
    int rc = set_chain(c, m, number);
    if (rc != MESH_OK)
        return rc;
    atomic_store_explicit(&c->call_number, number, memory_order_release);
    /* Sequentially consistent with interrupt_if_ending in route.c. */
    atomic_store_explicit(&a->waiting, waiting_at(w, c), memory_order_seq_cst);
    perturb();
    return (atomic_load_explicit(&a->flags, memory_order_seq_cst) & ACTOR_ENDING) != 0 ? MESH_ESTOPPING : MESH_OK;
}

static void end_wait(struct coroutine *c)
{
    atomic_store_explicit(&c->self.actor->waiting, 0, memory_order_seq_cst);
    atomic_store_explicit(&c->call_number, 0, memory_order_release);
}

/* Sends m and suspends until its outcome. */
static int call_suspended(struct runtime *rt, struct worker *w, struct coroutine *c, struct route *r)
{
    struct message *m = r->message;
    r->direct = w->streak < STREAK_MAX || atomic_load_explicit(&w->queue.count, memory_order_relaxed) == 0;
    int rc = c->self.actor != NULL ? announce_wait(w, c, m) : MESH_OK;
    c->call = m;
    c->wait_deadline_ns = m->deadline_ns;
    c->since_ns = m->since_ns;
    c->on_class = r->class;
    c->on_id = r->id;
    if (rc == MESH_OK)
        rc = route_to_id(rt, w, r);
    if (rc == MESH_OK) {
        m->handed = r->actor != NULL;
        if (r->actor != NULL) {
            w->handover_actor = r->actor;
            w->handover_message = m;
            w->streak++;
        }
        coroutine_suspend(w, c, WAIT_CALL);
        rc = c->outcome;
    } else {
        unmake(rt, w, m);
        refused(rt, w, r->class, rc);
    }
    c->call = NULL;
    if (c->self.actor != NULL)
        end_wait(c);
    return rc;
}

static bool must_stop(struct runtime *rt, struct coroutine *c)
{
    struct actor *a = c->self.actor;
    return atomic_load_explicit(&rt->stopping, memory_order_relaxed) ||
           (a != NULL && (atomic_load_explicit(&a->flags, memory_order_relaxed) & ACTOR_ENDING) != 0);
}

static int call_in_coroutine(struct runtime *rt, struct worker *w, struct coroutine *c, const mesh_request *request,
                             mesh_result *result)
{
    if (c->callback)
        return MESH_ECONTEXT;
    if (must_stop(rt, c))
        return MESH_ESTOPPING;
    if (!coroutine_reserve(w))
        return MESH_ESUSPENDED;
    struct route r;
    int rc = make(rt, w, request, MESSAGE_CALL, true, &r);
    if (rc != MESH_OK)
        return rc;
    struct message *m = r.message;
    m->waiter = WAITER_COROUTINE;
    m->home = w;
    m->coroutine = c;
    m->since_ns = worker_clock(w);
    m->deadline_ns = deadline_of(m->since_ns, request->timeout_ms);
    if (c->deadline_ns != 0 && (m->deadline_ns == 0 || m->deadline_ns > c->deadline_ns))
        m->deadline_ns = c->deadline_ns;
    atomic_store_explicit(&m->refs, 2, memory_order_relaxed);
    open_ticket(m);
    rc = call_suspended(rt, w, c, &r);
    bool answered = rc == MESH_OK;
    if (answered)
        rc = m->error;
    if (rc == MESH_ETIMEOUT)
        stats_count(worker_stats(w, r.class->index), COUNT_TIMEOUTS);
    if (!answered)
        return rc;
    count_latency(w, m);
    fill(rt, m, result);
    m->held_next = c->held;
    c->held = m;
    return rc;
}

/* ---- Calls from ordinary threads ---- */

static void futex_wait(_Atomic uint32_t *word, uint32_t value, uint64_t deadline_ns)
{
    struct timespec until = {.tv_sec = (time_t)(deadline_ns / 1000000000), .tv_nsec = (long)(deadline_ns % 1000000000)};
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, deadline_ns != 0 ? &until : NULL, NULL,
            FUTEX_BITSET_MATCH_ANY);
}

/* Polls for a while, then sleeps. False: the deadline passed first, and the answer will not be looked at. A worker that
 * has to be woken wants the core that we would poll on: then polling only delays the answer. */
static bool wait_in_thread(struct runtime *rt, struct message *m, bool poll)
{
    uint64_t spin_until = poll ? clock_now_ns() + (uint64_t)rt->options.spin_us * 1000 : 0;
    uint32_t state;
    for (;;) {
        state = atomic_load_explicit(&m->thread, memory_order_acquire);
        if (state == THREAD_DONE)
            return true;
        uint64_t now = clock_now_ns();
        if (m->deadline_ns != 0 && now >= m->deadline_ns) {
            perturb();
            if (atomic_exchange_explicit(&m->thread, THREAD_LEFT, memory_order_acq_rel) == THREAD_DONE)
                return true;
            return false;
        }
        if (now < spin_until) {
            sched_yield();
        } else if (state == THREAD_SLEEPS) {
            futex_wait(&m->thread, THREAD_SLEEPS, m->deadline_ns);
        } else {
            atomic_compare_exchange_strong_explicit(&m->thread, &state, THREAD_SLEEPS, memory_order_relaxed,
                                                    memory_order_relaxed);
        }
    }
}

/* latest_ns: when the call ends at the latest; 0: by its own time-out. */
static int call_and_wait(struct runtime *rt, const mesh_request *request, uint64_t latest_ns, mesh_result *result)
{
    struct route r;
    int rc = make(rt, NULL, request, MESSAGE_CALL, false, &r);
    if (rc != MESH_OK)
        return rc;
    struct message *m = r.message;
    m->waiter = WAITER_THREAD;
    m->since_ns = clock_now_ns();
    m->deadline_ns = deadline_of(m->since_ns, request->timeout_ms);
    if (latest_ns != 0 && (m->deadline_ns == 0 || m->deadline_ns > latest_ns))
        m->deadline_ns = latest_ns;
    atomic_store_explicit(&m->refs, 2, memory_order_relaxed);
    open_ticket(m);
    bool awake = atomic_load_explicit(&rt->sleepers, memory_order_relaxed) < rt->worker_count;
    rc = route_to_id(rt, NULL, &r);
    if (rc != MESH_OK) {
        unmake(rt, NULL, m);
        return refused(rt, NULL, r.class, rc);
    }
    bool answered = wait_in_thread(rt, m, awake);
    rc = answered ? m->error : MESH_ETIMEOUT; /* the process, too, may have been the first to see that it was late */
    if (rc == MESH_ETIMEOUT)
        stats_note(rt, NULL, r.class->index, COUNT_TIMEOUTS);
    if (!answered)
        return rc;
    stats_note_call(rt, m->class_index, clock_now_ns() - m->since_ns);
    if (rc == MESH_OK || m->reply.data != NULL)
        fill(rt, m, result);
    else
        message_unref(rt, NULL, m);
    return rc;
}

/* The node does not end while a thread is in here: the answer that a stop gives it is in the node's memory. */
static int call_in_thread(struct runtime *rt, const mesh_request *request, uint64_t latest_ns, mesh_result *result)
{
    /* Sequentially consistent with runtime_stop: either it sees the caller, or the caller that it stops. */
    atomic_fetch_add_explicit(&rt->callers, 1, memory_order_seq_cst);
    int rc = atomic_load_explicit(&rt->stopping, memory_order_seq_cst) ? MESH_ESTOPPING
                                                                       : call_and_wait(rt, request, latest_ns, result);
    atomic_fetch_sub_explicit(&rt->callers, 1, memory_order_release);
    return rc;
}

/* ---- A handler of one node calls another node of the same program: by a helper thread ---- */

struct foreign {
    struct runtime *rt;
    const mesh_request *request;
    mesh_result *result;
    uint64_t deadline_ns; /* of the handler; 0: none */
    int rc;
};

static void call_foreign(void *arg)
{
    struct foreign *f = arg;
    f->rc = call_in_thread(f->rt, f->request, f->deadline_ns, f->result);
}

static int call_from_other_node(struct runtime *rt, struct worker *w, struct coroutine *c, const mesh_request *request,
                                mesh_result *result)
{
    struct foreign f = {.rt = rt, .request = request, .result = result, .deadline_ns = c->deadline_ns};
    if (must_stop(w->runtime, c))
        return MESH_ESTOPPING;
    int rc = task_block(w, c, call_foreign, &f);
    struct message *m = result->held;
    if (m != NULL) { /* released when the handler returns, like the others */
        m->held_next = c->held;
        c->held = m;
    }
    return rc == MESH_OK ? f.rc : rc;
}

int call_run(struct runtime *rt, const mesh_request *request, mesh_result *result)
{
    fill_nothing(result);
    struct worker *w = coroutine_enter();
    if (w == NULL)
        return call_in_thread(rt, request, 0, result);
    struct coroutine *c = worker_running(w);
    int rc = w->runtime != rt ? call_from_other_node(rt, w, c, request, result)
                              : call_in_coroutine(rt, w, c, request, result);
    user_begin(w);
    return rc;
}

void call_release_held(struct worker *w, struct coroutine *c)
{
    while (c->held != NULL) {
        struct message *m = c->held;
        c->held = m->held_next;
        message_unref(m->runtime, m->runtime == w->runtime ? w : NULL, m);
    }
}

/* ---- Results ---- */

static bool take_held(struct coroutine *c, struct message *m)
{
    for (struct message **at = &c->held; *at != NULL; at = &(*at)->held_next)
        if (*at == m) {
            *at = m->held_next;
            return true;
        }
    return false;
}

void call_release(mesh_result *result)
{
    struct message *m = result->held;
    result->held = NULL;
    result->value = nil_term();
    if (m == NULL)
        return;
    struct worker *w = coroutine_enter();
    bool mine = w != NULL && take_held(worker_running(w), m);
    if (mine || m->waiter != WAITER_COROUTINE) /* else not the handler that made the call: it is released there */
        message_unref(m->runtime, w != NULL && w->runtime == m->runtime ? w : NULL, m);
    if (w != NULL)
        user_begin(w);
}

/* ---- Casts and asynchronous calls ---- */

int call_cast_on(struct runtime *rt, struct worker *w, const mesh_request *request)
{
    struct route r;
    int rc = atomic_load_explicit(&rt->stopping, memory_order_relaxed) ? MESH_ESTOPPING
                                                                       : make(rt, w, request, MESSAGE_CAST, false, &r);
    if (rc != MESH_OK)
        return rc;
    rc = route_to_id(rt, w, &r);
    if (rc != MESH_OK) {
        refused(rt, w, r.class, rc);
        unmake(rt, w, r.message);
    }
    return rc;
}

int call_cast(struct runtime *rt, const mesh_request *request)
{
    struct worker *w = worker_enter();
    int rc = call_cast_on(rt, w != NULL && w->runtime == rt ? w : NULL, request);
    if (w != NULL)
        worker_leave(w);
    return rc;
}

static void async_expired(struct worker *w, struct deadline *d)
{
    struct message *m = (struct message *)((char *)d - offsetof(struct message, deadline));
    m->expired = true;
    queue_completion(w, m);
}

static void arm(struct worker *w, struct message *m)
{
    m->deadline.expired = async_expired;
    if (!m->completing && m->deadline_ns != 0)
        wheel_add(&w->deadlines, &m->deadline.timer, m->deadline_ns);
}

static void arm_delivered(struct worker *w, struct post *p)
{
    struct message *m = (struct message *)((char *)p - offsetof(struct message, arm));
    arm(w, m);
    message_unref(w->runtime, w, m);
}

int call_async_on(struct runtime *rt, struct worker *w, const mesh_request *request, mesh_done_fn done, void *context)
{
    struct route r;
    int rc = atomic_load_explicit(&rt->stopping, memory_order_relaxed) ? MESH_ESTOPPING
                                                                       : make(rt, w, request, MESSAGE_CALL, false, &r);
    if (rc != MESH_OK)
        return rc;
    struct message *m = r.message;
    uint32_t turn = atomic_fetch_add_explicit(&rt->next, w == NULL, memory_order_relaxed);
    m->waiter = WAITER_DONE;
    m->home = w != NULL ? w : &rt->workers[turn % rt->worker_count];
    m->done = done;
    m->done_context = context;
    m->since_ns = clock_now_ns();
    m->deadline_ns = deadline_of(m->since_ns, request->timeout_ms);
    atomic_store_explicit(&m->refs, w != NULL ? 2 : 3, memory_order_relaxed);
    open_ticket(m);
    atomic_fetch_add_explicit(&rt->async, 1, memory_order_relaxed);
    if (w != NULL)
        arm(w, m);
    rc = route_to_id(rt, w, &r);
    if (rc == MESH_OK && w == NULL) {
        m->arm.deliver = arm_delivered;
        worker_post(m->home, &m->arm);
    } else if (rc != MESH_OK) {
        if (w != NULL)
            wheel_remove(&w->deadlines, &m->deadline.timer);
        refused(rt, w, r.class, rc);
        atomic_fetch_sub_explicit(&rt->async, 1, memory_order_release);
        unmake(rt, w, m);
    }
    return rc;
}

int call_async(struct runtime *rt, const mesh_request *request, mesh_done_fn done, void *context)
{
    struct worker *w = worker_enter();
    int rc = call_async_on(rt, w != NULL && w->runtime == rt ? w : NULL, request, done, context);
    if (w != NULL)
        worker_leave(w);
    return rc;
}

/* ---- Messages of other nodes ---- */

static int set_served(struct message *m, const struct served *s)
{
    m->class_index = s->class->index;
    m->deadline_ns = s->deadline_ns;
    m->conflict = s->conflict;
    int rc = s->payload.data != NULL ? payload_set(&m->body, m->inline_body, s->payload) : MESH_OK;
    if (rc != MESH_OK || s->chain_count == 0)
        return rc;
    m->chain = &m->first;
    if (s->chain_count > 1)
        m->chain = malloc(s->chain_count * sizeof *m->chain);
    if (m->chain == NULL)
        return MESH_ENOMEM;
    memcpy(m->chain, s->chain, s->chain_count * sizeof *m->chain);
    m->chain_count = (uint8_t)s->chain_count;
    return MESH_OK;
}

/* Another node waits for the answer. */
static void open_served(struct worker *w, struct message *m, const struct served *s)
{
    m->waiter = WAITER_PEER;
    m->peer_done = s->done;
    m->done_context = s->context;
    memcpy(m->tags, s->tags, sizeof m->tags);
    m->since_ns = w != NULL ? w->now_ns : clock_now_ns();
    atomic_store_explicit(&m->refs, 2, memory_order_relaxed);
    open_ticket(m);
}

int call_serve(struct runtime *rt, struct worker *w, const struct served *s)
{
    if (atomic_load_explicit(&rt->stopping, memory_order_relaxed))
        return MESH_ESTOPPING;
    struct route r = {.class = s->class, .id = s->id, .init_arg = s->init_arg, .permit = s->permit};
    route_prepare(rt, w, &r);
    struct message *m = r.message = message_get(&rt->messages, w != NULL ? &w->messages : NULL);
    if (m == NULL)
        return MESH_ENOMEM;
    m->kind = s->done != NULL ? MESSAGE_CALL : MESSAGE_CAST;
    int rc = set_served(m, s);
    if (rc == MESH_OK && s->done != NULL)
        open_served(w, m, s);
    if (rc == MESH_OK)
        rc = route_to_id(rt, w, &r);
    if (rc == MESH_OK)
        return MESH_OK;
    if (rc != MESH_EMOVED)
        refused(rt, w, s->class, rc);
    unmake(rt, w, m);
    return rc;
}

int call_serve_pid(struct runtime *rt, struct worker *w, uint64_t number, mesh_term payload, mesh_done_fn done,
                   void *context)
{
    if (atomic_load_explicit(&rt->stopping, memory_order_relaxed))
        return MESH_ESTOPPING;
    struct message *m = message_get(&rt->messages, w != NULL ? &w->messages : NULL);
    if (m == NULL)
        return MESH_ENOMEM;
    m->kind = MESSAGE_CALL;
    int rc = payload_set(&m->body, m->inline_body, payload);
    if (rc != MESH_OK) {
        unmake(rt, w, m);
        return rc;
    }
    m->waiter = WAITER_NOW;
    m->done = done;
    m->done_context = context;
    m->since_ns = w != NULL ? w->now_ns : clock_now_ns();
    atomic_store_explicit(&m->refs, 2, memory_order_relaxed);
    open_ticket(m);
    atomic_fetch_add_explicit(&rt->async, 1, memory_order_relaxed);
    rc = route_to_pid(rt, w, number, m);
    if (rc != MESH_OK) {
        if (rc == MESH_EBUSY)
            stats_note(rt, w, m->class_index, COUNT_BUSY);
        unmake(rt, w, m);
        atomic_fetch_sub_explicit(&rt->async, 1, memory_order_release);
    }
    return rc;
}

void call_complete(struct worker *w, struct coroutine *c)
{
    struct runtime *rt = w->runtime;
    struct message *m = w->completions;
    w->completions = m->held_next;
    if (w->completions == NULL)
        w->completions_tail = &w->completions;
    mesh_result result;
    /* Of a call that expired the answer may be being written: it is not looked at. */
    int error = m->expired ? MESH_ETIMEOUT : m->error == MESH_EMOVED ? MESH_ENOCAPABILITY : m->error;
    if (m->expired)
        fill_nothing(&result);
    else
        fill(rt, m, &result);
    result.held = NULL;
    result.fault_at = 0;
    result.fault_in_init_arg = false;
    if (error == MESH_ETIMEOUT)
        stats_count(worker_stats(w, m->class_index), COUNT_TIMEOUTS);
    if (!m->expired)
        count_latency(w, m);
    w->turns++;
    c->callback = true;
    user_begin(w);
    m->done(m->done_context, error, &result);
    w = user_end(c);
    c->callback = false;
    if (m->expired && !m->answered)
        m->finished = true; /* the delivery of its answer releases our share */
    else
        message_unref(rt, w, m);
    atomic_fetch_sub_explicit(&rt->async, 1, memory_order_release);
}
