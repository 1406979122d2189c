/* Everything at once, by chance from fixed seeds: calls, casts, asynchronous and nested calls, infos, timers, crashes,
 * stops, exits, passivations, time-outs, late and dropped answers, and a capability that goes and comes.
 *
 * What must hold however they interleave: every call has one outcome; what was acknowledged was handled, and what was
 * handled had been sent; messages of one sender to one process arrive in order; every process that started ended; the
 * node stops, and the sanitizers see nothing. */
#include "unit/api/agent.h"

#include <stdio.h>

#include "property/random.h"

enum { ACTORS = 24, THREADS = 3, TASKS = 4, SENDERS = THREADS + TASKS };

struct sender {
    struct world *world;
    int index;
    uint64_t seed;
    pthread_t thread;
    mesh_task *task;
    uint32_t next[ACTORS]; /* the number of the next message to each */
    long sent, acknowledged, calls, outcomes;
};

struct world {
    mesh_node *node;
    struct sender sender[SENDERS];
    _Atomic uint32_t seen[SENDERS][ACTORS]; /* the highest number that arrived */
    atomic_long handled, disorder, async_begun, async_ended, unexpected;
    atomic_bool flipping;
};

/* What a message says, besides the act. */
struct errand {
    struct world *world;
    int sender, actor;
    uint32_t number;
    enum { ADD, NEST, DROP, CRASH, STOP, TIMER } what;
    int other; /* whom NEST calls */
};

static const uint8_t boom[] = {119, 4, 'b', 'o', 'o', 'm'};

static void name_of(int actor, char id[16])
{
    snprintf(id, 16, "actor %d", actor);
}

/* Every error that the mix can give. */
static bool is_expected(int rc)
{
    return rc == MESH_OK || rc == MESH_ECRASHED || rc == MESH_ENOREPLY || rc == MESH_ETIMEOUT || rc == MESH_ECYCLE ||
           rc == MESH_EBUSY || rc == MESH_EBACKOFF || rc == MESH_ESTOPPING || rc == MESH_ENOCAPABILITY ||
           rc == MESH_EMOVED;
}

static int perform(struct scene *s);

static int nest(struct scene *s, const struct errand *e)
{
    static const struct errand plain = {.what = ADD}; /* number 0: of no sender's order */
    mesh_buf message;
    mesh_result result;
    char id[16];
    name_of(e->other, id);
    act_message(&message, perform, &plain);
    mesh_request r = act_request(id, &message);
    r.timeout_ms = 200;
    int rc = mesh_call(s->node, &r, &result);
    if (!is_expected(rc))
        atomic_fetch_add(&e->world->unexpected, 1);
    if (e->other % 2 == 0)
        mesh_result_release(&result);
    mesh_buf_fini(&message);
    return rc == MESH_ESTOPPING ? rc : act_ok(s);
}

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

/* The argument lives in an errand of the sender's, which outlives the node's messages. */
static int perform(struct scene *s)
{
    const struct errand *e = s->arg;
    mesh_pid self;
    note_arrival(e);
    switch (e->what) {
    case NEST:
        return nest(s, e);
    case DROP:
        return s->from.call != NULL ? mesh_from_drop(s->from) : MESH_OK;
    case CRASH:
        return mesh_crash(s->self, (mesh_term){.data = boom, .len = sizeof boom});
    case STOP:
        return act_stop(s);
    case TIMER:
        mesh_self(s->self, &self);
        mesh_send_after(s->node, e->number % 20, &self, (mesh_term){.data = boom, .len = sizeof boom}, NULL);
        if (e->number % 5 == 0)
            mesh_exit(s->node, &self, (mesh_term){.data = boom, .len = sizeof boom});
        return act_ok(s);
    default:
        return act_ok(s);
    }
}

static void done(void *context, int error, const mesh_result *result)
{
    struct world *w = context;
    (void)result;
    if (!is_expected(error))
        atomic_fetch_add(&w->unexpected, 1);
    atomic_fetch_add(&w->async_ended, 1);
}

static uint32_t below(struct sender *s, uint32_t n)
{
    return (uint32_t)(random_next(&s->seed) % n);
}

static void choose_errand(struct sender *s, struct errand *e)
{
    static const uint8_t mix[] = {ADD, ADD, ADD, ADD, ADD, ADD, ADD, NEST, NEST, NEST, DROP, STOP, TIMER};
    *e = (struct errand){.world = s->world, .sender = s->index, .actor = (int)below(s, ACTORS)};
    e->what = mix[below(s, sizeof mix)];
    if (below(s, 700) == 0) /* seldom: an id that keeps crashing is refused for longer and longer */
        e->what = CRASH;
    e->other = (int)below(s, ACTORS);
    e->number = ++s->next[e->actor];
}

/* One message. Numbers that were refused are simply missing at the other side. */
static void send_one(struct sender *s, struct errand *e)
{
    struct world *w = s->world;
    mesh_buf message;
    mesh_result result;
    char id[16];
    choose_errand(s, e);
    name_of(e->actor, id);
    act_message(&message, perform, e);
    mesh_request r = act_request(id, &message);
    uint32_t way = below(s, 10);
    r.timeout_ms = way == 0 ? 1 : 1000;
    int rc;
    if (way < 6) {
        rc = mesh_call(w->node, &r, &result);
        s->calls++;
        s->outcomes += is_expected(rc);
        s->acknowledged += rc == MESH_OK;
        if (way != 5 || s->index < THREADS)
            mesh_result_release(&result);
    } else if (way < 8) {
        rc = mesh_cast(w->node, &r);
    } else {
        rc = mesh_call_async(w->node, &r, done, w);
        if (rc == MESH_OK)
            atomic_fetch_add(&w->async_begun, 1);
    }
    if (!is_expected(rc))
        atomic_fetch_add(&w->unexpected, 1);
    s->sent++;
    mesh_buf_fini(&message);
}

static void disturb(struct sender *s)
{
    static const char *const name[] = {"test"};
    mesh_node *node = s->world->node;
    uint32_t what = below(s, 400);
    if (what < 4)
        mesh_passivate(node, "test", 0, NULL);
    else if (what == 4 && !atomic_exchange(&s->world->flipping, true)) {
        mesh_unregister_capabilities(node, name, 1);
        mesh_register_capabilities(node, name, 1);
        atomic_store(&s->world->flipping, false);
    }
}

static struct errand errands[SENDERS][MIX_TURNS];

static void run(struct sender *s)
{
    for (int turn = 0; turn < MIX_TURNS; turn++) {
        send_one(s, &errands[s->index][turn]);
        disturb(s);
    }
}

static void *run_thread(void *arg)
{
    run(arg);
    return NULL;
}

static int run_task(mesh_node *node, void *arg)
{
    (void)node;
    run(arg);
    return 0;
}

static void start(struct world *w, uint64_t seed)
{
    for (int i = 0; i < SENDERS; i++) {
        struct sender *s = &w->sender[i];
        s->world = w;
        s->index = i;
        s->seed = seed * 1000 + (uint64_t)i;
        if (i < THREADS)
            assert_int_equal(pthread_create(&s->thread, NULL, run_thread, s), 0);
        else
            assert_int_equal(mesh_spawn(w->node, run_task, s, &s->task), MESH_OK);
    }
}

static void finish(struct world *w)
{
    for (int i = 0; i < SENDERS; i++) {
        struct sender *s = &w->sender[i];
        if (i < THREADS)
            assert_int_equal(pthread_join(s->thread, NULL), 0);
        else
            assert_int_equal(mesh_await(s->task, 60000, NULL), MESH_OK);
    }
}

static void check(struct world *w)
{
    long sent = 0, acknowledged = 0;
    for (int i = 0; i < SENDERS; i++) {
        sent += w->sender[i].sent;
        acknowledged += w->sender[i].acknowledged;
        assert_int_equal(w->sender[i].outcomes, w->sender[i].calls);
    }
    assert_int_equal(atomic_load(&w->unexpected), 0);
    assert_int_equal(atomic_load(&w->disorder), 0);
    assert_true(acknowledged <= atomic_load(&w->handled));
    assert_true(atomic_load(&w->handled) <= sent);
    assert_true(acknowledged > 0); /* it did work, too */
    assert_int_equal(atomic_load(&w->async_begun), atomic_load(&w->async_ended));
    assert_int_equal(script.inits, script.terminates);
}

static void test_mix(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= MIX_SEEDS; seed++) {
        struct world *w = calloc(1, sizeof *w);
        assert_non_null(w);
        mesh_node_options o = {.workers = 1 + (uint32_t)seed % 3, .idle_timeout_ms = 20};
        w->node = agent_node(&o);
        start(w, seed);
        finish(w);
        assert_int_equal(mesh_node_stop(w->node), MESH_OK);
        check(w);
        free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mix)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
