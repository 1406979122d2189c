/* What the agents of the mix do: see mix.h. */
#include "stress/mix.h"

#include <sched.h>
#include <stdio.h>

#include "base/clock.h"

enum { SPIN_NS = 7000000 }; /* longer than the watchdog lets a handler keep its worker */

const uint8_t mix_boom[6] = {119, 4, 'b', 'o', 'o', 'm'};
static const mesh_term boom = {.data = mix_boom, .len = sizeof mix_boom};

void mix_name(int actor, char id[16])
{
    snprintf(id, 16, "actor %d", actor);
}

void mix_expect(struct world *w, int rc)
{
    bool expected = rc == MESH_OK || rc == MESH_ECRASHED || rc == MESH_ENOREPLY || rc == MESH_ETIMEOUT ||
                    rc == MESH_ECYCLE || rc == MESH_EBUSY || rc == MESH_EBACKOFF || rc == MESH_ESTOPPING ||
                    rc == MESH_ENOCAPABILITY || rc == MESH_EMOVED;
    if (!expected)
        atomic_fetch_add(&w->unexpected, 1);
}

/* ---- Calls from handlers ---- */

static mesh_request request_to(int other, mesh_buf *message, char id[16])
{
    static const struct errand plain = {.what = ADD};
    mix_name(other, id);
    act_message(message, mix_perform, &plain);
    mesh_request r = act_request(id, message);
    r.timeout_ms = 200;
    return r;
}

static int nest(struct scene *s, const struct errand *e)
{
    mesh_buf message;
    mesh_result result;
    char id[16];
    mesh_request r = request_to(e->other, &message, id);
    int rc = mesh_call(s->node, &r, &result);
    mix_expect(e->world, rc);
    if (e->other % 2 == 0)
        mesh_result_release(&result);
    mesh_buf_fini(&message);
    return rc == MESH_ESTOPPING ? rc : act_ok(s);
}

static void told(void *context, int error, const mesh_result *result)
{
    struct world *w = context;
    (void)result;
    mix_expect(w, error);
    atomic_fetch_add(&w->told, 1);
}

static int ask(struct scene *s, const struct errand *e)
{
    mesh_buf message;
    char id[16];
    mesh_request r = request_to(e->other, &message, id);
    int rc = mesh_call_async(s->node, &r, told, e->world);
    mix_expect(e->world, rc);
    if (rc == MESH_OK)
        atomic_fetch_add(&e->world->asked, 1);
    mesh_buf_fini(&message);
    return act_ok(s);
}

/* ---- Answers from other threads ---- */

/* False: there is no room. */
static bool owe(struct owed *o, mesh_from from)
{
    pthread_mutex_lock(&o->lock);
    bool room = o->count < OWED_MAX;
    if (room)
        o->from[o->count++] = from;
    pthread_cond_signal(&o->changed);
    pthread_mutex_unlock(&o->lock);
    return room;
}

static bool take_owed(struct owed *o, mesh_from *from)
{
    pthread_mutex_lock(&o->lock);
    while (o->count == 0 && !o->closed)
        pthread_cond_wait(&o->changed, &o->lock);
    bool some = o->count > 0;
    if (some)
        *from = o->from[--o->count];
    pthread_mutex_unlock(&o->lock);
    return some;
}

/* The first answer counts unless the process has ended; a second never does. */
static void *answer(void *arg)
{
    struct world *w = arg;
    mesh_from from;
    for (unsigned n = 0; take_owed(&w->owed, &from); n++) {
        int rc = n % 4 == 3 ? mesh_from_drop(from) : mesh_reply(from, boom);
        if (rc != MESH_OK && rc != MESH_EREPLIED)
            atomic_fetch_add(&w->unexpected, 1);
        if ((n % 2 == 0 ? mesh_from_drop(from) : mesh_reply(from, boom)) != MESH_EREPLIED)
            atomic_fetch_add(&w->unexpected, 1);
        atomic_fetch_add(&w->late, 1);
    }
    return NULL;
}

void mix_start_answerers(struct world *w)
{
    pthread_mutex_init(&w->owed.lock, NULL);
    pthread_cond_init(&w->owed.changed, NULL);
    for (int i = 0; i < ANSWERERS; i++)
        assert_int_equal(pthread_create(&w->answerer[i], NULL, answer, w), 0);
}

void mix_stop_answerers(struct world *w)
{
    pthread_mutex_lock(&w->owed.lock);
    w->owed.closed = true;
    pthread_cond_broadcast(&w->owed.changed);
    pthread_mutex_unlock(&w->owed.lock);
    for (int i = 0; i < ANSWERERS; i++)
        assert_int_equal(pthread_join(w->answerer[i], NULL), 0);
    pthread_mutex_destroy(&w->owed.lock);
    pthread_cond_destroy(&w->owed.changed);
}

/* ---- Time ---- */

static void yield_a_little(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++)
        sched_yield();
}

static int block(struct scene *s, const struct errand *e)
{
    int rc = mesh_blocking(s->node, yield_a_little, NULL);
    mix_expect(e->world, rc);
    atomic_fetch_add(&e->world->blocked, rc == MESH_OK);
    return rc == MESH_ESTOPPING ? rc : act_ok(s);
}

static int spin(struct scene *s, const struct errand *e)
{
    uint64_t until = clock_now_ns() + SPIN_NS;
    while (clock_now_ns() < until)
        ;
    atomic_fetch_add(&e->world->spun, 1);
    return act_ok(s);
}

static int set_timer(struct scene *s, const struct errand *e)
{
    mesh_pid self;
    mesh_self(s->self, &self);
    mesh_send_after(s->node, e->number % 20, &self, boom, NULL);
    if (e->number % 5 == 0)
        mesh_exit(s->node, &self, boom);
    return act_ok(s);
}

/* ---- The act ---- */

static void note_arrival(const struct errand *e)
{
    if (e->number == 0)
        return;
    _Atomic uint32_t *seen = &e->world->seen[e->sender][e->actor];
    if (atomic_load(seen) >= e->number) /* handlers of one actor do not overlap: this is no race */
        atomic_fetch_add(&e->world->disorder, 1);
    atomic_store(seen, e->number);
    atomic_fetch_add(&e->world->handled, 1);
}

int mix_perform(struct scene *s)
{
    const struct errand *e = s->arg;
    note_arrival(e);
    switch (e->what) {
    case NEST:
        return nest(s, e);
    case ASK:
        return ask(s, e);
    case DROP:
        return s->from.call != NULL ? mesh_from_drop(s->from) : MESH_OK;
    case LATE:
        return s->from.call != NULL && owe(&e->world->owed, s->from) ? MESH_OK : act_ok(s);
    case BLOCK:
        return block(s, e);
    case SPIN:
        return spin(s, e);
    case CRASH:
        return mesh_crash(s->self, boom);
    case STOP:
        return act_stop(s);
    case TIMER:
        return set_timer(s, e);
    default:
        return act_ok(s);
    }
}
