/* Everything at once, by chance from fixed seeds: calls, casts, asynchronous, queued and nested calls, infos, timers,
 * crashes, stops, exits, links, monitors, passivations, time-outs, handlers that spin until they lose their worker or
 * block, answers that come late from other threads, twice, or never, and a capability that goes and comes. Under the
 * sanitizers the threads are also made to stand aside where they meet (base/perturb.h).
 *
 * What must hold however they interleave: every call has one outcome; what was acknowledged was handled, and what was
 * handled had been sent; messages of one sender to one process arrive in order; every process that started ended, and
 * who watched it was told so, once; the node stops, and the sanitizers see nothing. */
#include <sched.h>

#include "base/perturb.h"
#include "property/random.h"
#include "stress/mix.h"

static struct errand errands[SENDERS][MIX_TURNS];

static uint32_t below(struct sender *s, uint32_t n)
{
    return (uint32_t)random_below(&s->seed, n);
}

static void choose_errand(struct sender *s, struct errand *e)
{
    static const uint8_t mix[] = {ADD, ADD, ADD, ADD, ADD, ADD, NEST, NEST, NEST, ASK, DROP, LATE, STOP, TIMER};
    *e = (struct errand){.world = s->world, .sender = s->index, .actor = (int)below(s, ACTORS)};
    e->what = mix[below(s, sizeof mix)];
    /* Seldom: an id that keeps crashing is refused for longer and longer, and who spins costs a core. */
    uint32_t rare = below(s, 1400);
    if (rare < 2)
        e->what = CRASH;
    else if (rare < 5)
        e->what = SPIN;
    else if (rare < 30)
        e->what = BLOCK;
    e->other = (int)below(s, ACTORS);
    e->number = ++s->next[e->actor];
}

static void done(void *context, int error, const mesh_result *result)
{
    struct errand *e = context;
    (void)result;
    mix_expect(e->world, error);
    atomic_fetch_add(&e->outcomes, 1);
}

static void take_completions(struct sender *s)
{
    mesh_completion completion;
    while (mesh_queue_take(s->queue, &completion)) {
        done(completion.tag, completion.error, &completion.result);
        mesh_result_release(&completion.result);
        s->taken++;
    }
}

/* ---- Ways to send ---- */

static int send_call(struct sender *s, const struct errand *e, const mesh_request *r, bool release)
{
    mesh_result result;
    int rc = mesh_call(s->world->node, r, &result);
    s->calls++;
    s->outcomes++;
    s->acknowledged += rc == MESH_OK;
    if (rc == MESH_OK)
        s->known[e->actor] = result.pid;
    if (release)
        mesh_result_release(&result);
    return rc;
}

static int send_queued(struct sender *s, struct errand *e, const mesh_request *r)
{
    int rc = mesh_call_queued(s->world->node, r, s->queue, e);
    e->awaits = rc == MESH_OK;
    s->queued += rc == MESH_OK;
    take_completions(s);
    return rc;
}

static int send_async(struct sender *s, struct errand *e, const mesh_request *r)
{
    e->awaits = true; /* before anybody can see it end */
    int rc = mesh_call_async(s->world->node, r, done, e);
    if (rc != MESH_OK)
        e->awaits = false;
    return rc;
}

/* One message. Numbers that were refused are simply missing at the other side. */
static void send_one(struct sender *s, struct errand *e)
{
    mesh_buf message;
    char id[16];
    choose_errand(s, e);
    mix_name(e->actor, id);
    act_message(&message, mix_perform, e);
    mesh_request r = act_request(id, &message);
    uint32_t way = below(s, 10);
    int rc;
    r.timeout_ms = way == 0 ? 1 : 1000;
    if (way < 6)
        rc = send_call(s, e, &r, way != 5 || s->index < THREADS);
    else if (way < 8)
        rc = mesh_cast(s->world->node, &r);
    else if (way == 8 && s->queue != NULL)
        rc = send_queued(s, e, &r);
    else
        rc = send_async(s, e, &r);
    mix_expect(s->world, rc);
    s->sent++;
    mesh_buf_fini(&message);
}

/* ---- What happens beside the messages ---- */

static void flip(struct world *w)
{
    static const char *const name[] = {"test"};
    if (atomic_exchange(&w->flipping, true))
        return;
    mesh_unregister_capabilities(w->node, name, 1);
    mesh_register_capabilities(w->node, name, 1);
    atomic_store(&w->flipping, false);
}

static void disturb(struct sender *s)
{
    static const uint8_t kill_atom[] = {119, 4, 'k', 'i', 'l', 'l'};
    const mesh_term boom = {.data = mix_boom, .len = sizeof mix_boom};
    const mesh_term reason = {.data = kill_atom, .len = sizeof kill_atom};
    struct world *w = s->world;
    uint32_t what = below(s, 400);
    const mesh_pid *pid = &s->known[below(s, ACTORS)];
    if (what < 4)
        mesh_passivate(w->node, "test", 0, NULL);
    else if (what == 4)
        flip(w);
    else if (pid->number == 0)
        return;
    else if (what < 15)
        mix_watch(w, pid, what % 2 == 0);
    else if (what < 20)
        atomic_fetch_add(&w->exits, mesh_exit(w->node, pid, what == 15 ? reason : boom) == MESH_OK);
    else if (what < 30)
        mesh_send(w->node, pid, boom);
}

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

/* ---- A world from beginning to end ---- */

static void start(struct world *w, uint64_t seed)
{
    mix_start_watcher(w);
    mix_start_answerers(w);
    for (int i = 0; i < SENDERS; i++) {
        struct sender *s = &w->sender[i];
        s->world = w;
        s->index = i;
        s->seed = seed * 1000 + (uint64_t)i;
        if (i < THREADS) {
            assert_int_equal(mesh_queue_create(w->node, &s->queue), MESH_OK);
            assert_int_equal(pthread_create(&s->thread, NULL, run_thread, s), 0);
        } else {
            assert_int_equal(mesh_spawn(w->node, run_task, s, &s->task), MESH_OK);
        }
    }
}

static void finish_queue(struct sender *s)
{
    uint64_t until = now_ms() + PATIENCE_MS;
    while (s->taken < s->queued && now_ms() < until) {
        take_completions(s);
        sched_yield();
    }
    assert_int_equal(s->taken, s->queued);
    mesh_queue_destroy(s->queue);
}

static void finish(struct world *w)
{
    static const char *const name[] = {"test"};
    for (int i = 0; i < SENDERS; i++) {
        struct sender *s = &w->sender[i];
        if (i < THREADS)
            assert_int_equal(pthread_join(s->thread, NULL), 0);
        else
            assert_int_equal(mesh_await(s->task, 60000, NULL), MESH_OK);
    }
    mix_stop_answerers(w);
    for (int i = 0; i < THREADS; i++)
        finish_queue(&w->sender[i]);
    assert_int_equal(mesh_unregister_capabilities(w->node, name, 1), MESH_OK);
    mix_await_ends(w);
    assert_int_equal(mesh_node_stop(w->node), MESH_OK);
    mix_free_watcher(w);
}

static void check(struct world *w)
{
    long sent = 0, acknowledged = 0;
    for (int i = 0; i < SENDERS; i++) {
        sent += w->sender[i].sent;
        acknowledged += w->sender[i].acknowledged;
        assert_int_equal(w->sender[i].outcomes, w->sender[i].calls);
        for (int turn = 0; turn < MIX_TURNS; turn++)
            assert_int_equal(atomic_load(&errands[i][turn].outcomes), errands[i][turn].awaits);
    }
    assert_int_equal(atomic_load(&w->unexpected), 0);
    assert_int_equal(atomic_load(&w->disorder), 0);
    assert_int_equal(atomic_load(&w->asked), atomic_load(&w->told));
    assert_true(acknowledged <= atomic_load(&w->handled));
    assert_true(atomic_load(&w->handled) <= sent);
    assert_int_equal(script.inits, script.terminates);
    /* It did work, too. */
    assert_true(acknowledged > 0 && atomic_load(&w->asked) > 0 && atomic_load(&w->late) > 0);
    assert_true(atomic_load(&w->spun) > 0 && atomic_load(&w->blocked) > 0);
    assert_true(atomic_load(&w->watches) > 0 && atomic_load(&w->exits) > 0);
}

static void test_mix(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= MIX_SEEDS; seed++) {
        struct world *w = calloc(1, sizeof *w);
        assert_non_null(w);
        print_message("seed %d\n", (int)seed);
        mesh_node_options o = {.workers = 1 + (uint32_t)seed % 3, .idle_timeout_ms = 20};
        w->node = agent_node(&o);
        perturb_seed(seed);
        start(w, seed);
        finish(w);
        perturb_seed(0);
        check(w);
        free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mix)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
