/* Answers given later: from other handlers and threads, twice, never; and what becomes of calls that are owed. */
#include "unit/api/fixture.h"

#include "base/perturb.h"

/* A call in a thread of its own. */
struct caller {
    pthread_t thread;
    const char *id;
    act_fn fn;
    void *arg;
    int rc;
    int64_t value;
};

static void *run_caller(void *arg)
{
    struct caller *c = arg;
    mesh_result result;
    c->value = -1;
    c->rc = act_call(node, c->id, c->fn, c->arg, &result);
    mesh_match(result.value, "~i", &c->value);
    mesh_result_release(&result);
    return NULL;
}

static void start_caller(struct caller *c, const char *id, act_fn fn, void *arg)
{
    *c = (struct caller){.id = id, .fn = fn, .arg = arg};
    assert_int_equal(pthread_create(&c->thread, NULL, run_caller, c), 0);
}

static void join_caller(struct caller *c)
{
    assert_int_equal(pthread_join(c->thread, NULL), 0);
}

static void test_reply_from_a_thread(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    struct caller c;
    start_caller(&c, "x", act_park, &parked);
    gate_await(&parked.gate, 1);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1); /* the process goes on meanwhile */
    assert_int_equal(reply_number(parked.from[0], 17), MESH_OK);
    join_caller(&c);
    assert_int_equal(c.rc, MESH_OK);
    assert_int_equal(c.value, 17);
    assert_int_equal(reply_number(parked.from[0], 18), MESH_EREPLIED);
    assert_int_equal(mesh_from_drop(parked.from[0]), MESH_EREPLIED);
}

static int answer_parked(struct scene *s)
{
    struct parked *p = s->arg;
    int rc = reply_number(p->from[0], 5);
    return rc == MESH_OK ? reply_number(s->from, 6) : rc;
}

static void test_reply_from_another_handler(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    struct caller c;
    start_caller(&c, "x", act_park, &parked);
    gate_await(&parked.gate, 1);
    assert_int_equal(act_number(node, "y", answer_parked, &parked), 6);
    join_caller(&c);
    assert_int_equal(c.rc, MESH_OK);
    assert_int_equal(c.value, 5);
}

static int reply_twice(struct scene *s)
{
    int64_t second = MESH_OK;
    reply_number(s->from, 0);
    second = reply_number(s->from, 1);
    s->agent->n = second == MESH_EREPLIED && mesh_from_drop(s->from) == MESH_EREPLIED;
    return MESH_OK;
}

static void test_reply_twice(void **state)
{
    (void)state;
    assert_int_equal(act_number(node, "x", reply_twice, NULL), 0);
    assert_int_equal(act_number(node, "x", act_add, NULL), 2);
}

static int drop_then_reply(struct scene *s)
{
    s->agent->n = mesh_from_drop(s->from) == MESH_OK && reply_number(s->from, 1) == MESH_EREPLIED;
    return MESH_OK;
}

static void test_drop_then_reply(void **state)
{
    (void)state;
    assert_int_equal(act_call(node, "x", drop_then_reply, NULL, NULL), MESH_ENOREPLY);
    assert_int_equal(act_number(node, "x", act_add, NULL), 2);
}

static void test_drop_from_a_thread(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    struct caller c;
    start_caller(&c, "x", act_park, &parked);
    gate_await(&parked.gate, 1);
    assert_int_equal(mesh_from_drop(parked.from[0]), MESH_OK);
    join_caller(&c);
    assert_int_equal(c.rc, MESH_ENOREPLY);
}

/* Several threads answer the same call: one of them does. */
enum { RACERS = 4, ROUNDS = 50 };

struct racer {
    pthread_t thread;
    mesh_from from;
    int rc;
    pthread_barrier_t *line;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    pthread_barrier_wait(r->line);
    r->rc = reply_number(r->from, 1);
    return NULL;
}

static void test_one_of_many_answers_counts(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    pthread_barrier_t line;
    assert_int_equal(pthread_barrier_init(&line, NULL, RACERS), 0);
    for (int round = 0; round < ROUNDS; round++) {
        struct caller c;
        struct racer racers[RACERS];
        int answered = 0;
        start_caller(&c, "x", act_park, &parked);
        gate_await(&parked.gate, round + 1);
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){.from = parked.from[round % 64], .line = &line};
            assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < RACERS; i++) {
            assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
            assert_true(racers[i].rc == MESH_OK || racers[i].rc == MESH_EREPLIED);
            answered += racers[i].rc == MESH_OK;
        }
        join_caller(&c);
        assert_int_equal(answered, 1);
        assert_int_equal(c.rc, MESH_OK);
    }
    pthread_barrier_destroy(&line);
}

/* ---- A process that ends owing ---- */

static void check_ends_owing(act_fn end, int end_rc)
{
    struct parked parked = PARKED_INIT;
    struct caller c[3];
    for (int i = 0; i < 3; i++)
        start_caller(&c[i], "x", act_park, &parked);
    gate_await(&parked.gate, 3);
    assert_int_equal(act_call(node, "x", end, NULL, NULL), end_rc);
    for (int i = 0; i < 3; i++) {
        join_caller(&c[i]);
        assert_int_equal(c[i].rc, MESH_ENOREPLY);
        assert_int_equal(reply_number(parked.from[i], 1), MESH_EREPLIED);
    }
}

static void test_stop_owing(void **state)
{
    (void)state;
    check_ends_owing(act_stop, MESH_OK);
}

static void test_crash_owing(void **state)
{
    (void)state;
    check_ends_owing(act_crash, MESH_ECRASHED);
}

static void test_exit_owing(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    static const uint8_t kill[] = {119, 4, 'k', 'i', 'l', 'l'};
    mesh_pid pid = {0};
    struct caller c;
    assert_int_equal(act_call(node, "x", act_self, &pid, NULL), MESH_OK);
    start_caller(&c, "x", act_park, &parked);
    gate_await(&parked.gate, 1);
    assert_int_equal(mesh_exit(node, &pid, (mesh_term){.data = kill, .len = sizeof kill}), MESH_OK);
    join_caller(&c);
    assert_int_equal(c.rc, MESH_ENOREPLY);
}

static void test_node_stops_owing(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    struct caller c;
    start_caller(&c, "x", act_park, &parked);
    gate_await(&parked.gate, 1);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    join_caller(&c);
    assert_int_equal(c.rc, MESH_ENOREPLY);
    node = agent_node(NULL);
}

static void test_a_debtor_is_not_passivated(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    struct caller c;
    uint64_t count = 99;
    start_caller(&c, "x", act_park, &parked);
    gate_await(&parked.gate, 1);
    assert_int_equal(act_number(node, "y", act_add, NULL), 1);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    agent_passivate(node, 1); /* y */
    assert_int_equal(mesh_passivate(node, "test", 0, &count), MESH_OK);
    assert_int_equal(count, 0);
    assert_int_equal(act_number(node, "x", act_add, NULL), 2);
    assert_int_equal(reply_number(parked.from[0], 3), MESH_OK);
    join_caller(&c);
    assert_int_equal(c.rc, MESH_OK);
    agent_passivate(node, 1); /* x */
    assert_string_equal(script.reason, ":passivate");
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
}

/* An answer that comes when the caller's time is over is no error, and frees the debtor. */
static void test_late_answer(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    static uint8_t large[100 << 10];
    mesh_buf message, answer;
    mesh_result result;
    act_message(&message, act_park, &parked);
    mesh_request r = act_request("x", &message);
    r.timeout_ms = 10;
    assert_int_equal(mesh_call(node, &r, &result), MESH_ETIMEOUT);
    gate_await(&parked.gate, 1);
    mesh_bytes bytes = {large, sizeof large};
    mesh_buf_init(&answer);
    assert_int_equal(mesh_build(&answer, "~b", bytes), MESH_OK);
    assert_int_equal(mesh_reply(parked.from[0], mesh_buf_term(&answer)), MESH_OK);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    agent_passivate(node, 1);
    mesh_buf_fini(&message);
    mesh_buf_fini(&answer);
}

/* ---- Answers while the debtor ends ---- */

enum { DEBTS = 32, ENDS = 100 };

/* Calls that a process owes, and how often each ended. */
struct debts {
    struct parked parked;
    struct gate ended;
    pthread_barrier_t line;
    atomic_int outcomes[DEBTS], answered, told;
};

struct debt {
    struct debts *all;
    int index;
};

static void count_outcome(void *context, int error, const mesh_result *result)
{
    struct debt *d = context;
    (void)result;
    atomic_fetch_add(&d->all->outcomes[d->index], 1);
    atomic_fetch_add(&d->all->told, error == MESH_OK);
    gate_add(&d->all->ended);
}

/* Answers all of them while the process that owes them ends. */
static void *answer_all(void *arg)
{
    struct debts *d = arg;
    pthread_barrier_wait(&d->line);
    for (int i = 0; i < DEBTS; i++)
        if (reply_number(d->parked.from[i], i) == MESH_OK)
            atomic_fetch_add(&d->answered, 1);
    return NULL;
}

/* An answer from another thread and the end of the process, which answers what it owes, do not both count. */
static void end_while_answered(void)
{
    struct debts d = {.parked = PARKED_INIT, .ended = GATE_INIT};
    struct debt debt[DEBTS];
    pthread_t thread;
    mesh_buf message;
    act_message(&message, act_park, &d.parked);
    mesh_request r = act_request("x", &message);
    for (int i = 0; i < DEBTS; i++) {
        debt[i] = (struct debt){&d, i};
        assert_int_equal(mesh_call_async(node, &r, count_outcome, &debt[i]), MESH_OK);
    }
    gate_await(&d.parked.gate, DEBTS);
    assert_int_equal(pthread_barrier_init(&d.line, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, answer_all, &d), 0);
    pthread_barrier_wait(&d.line);
    assert_int_equal(act_call(node, "x", act_stop, NULL, NULL), MESH_OK);
    pthread_join(thread, NULL);
    gate_await(&d.ended, DEBTS);
    for (int i = 0; i < DEBTS; i++)
        assert_int_equal(atomic_load(&d.outcomes[i]), 1);
    assert_int_equal(atomic_load(&d.told), atomic_load(&d.answered));
    pthread_barrier_destroy(&d.line);
    mesh_buf_fini(&message);
}

static void test_answers_while_the_debtor_ends(void **state)
{
    (void)state;
    perturb_seed(1);
    for (int i = 0; i < ENDS; i++)
        end_while_answered();
    perturb_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_reply_from_a_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reply_from_another_handler, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_reply_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_drop_then_reply, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_drop_from_a_thread, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_of_many_answers_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop_owing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crash_owing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_exit_owing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_node_stops_owing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_debtor_is_not_passivated, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_answers_while_the_debtor_ends, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
