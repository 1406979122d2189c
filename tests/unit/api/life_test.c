/* Lives: one activation however many call first, passivation, limits, back-off, full mailboxes, what waits behind a
 * stop, snapshots and stores. */
#include "unit/api/fixture.h"

#include <stdio.h>

/* ---- Activation ---- */

enum { CALLERS = 6, ROUNDS = 40 };

struct caller {
    pthread_t thread;
    pthread_barrier_t *line;
    int failures;
};

/* With an init_arg too large for the message, so that each call carries memory of its own. */
static int call_first(mesh_node *n, int round)
{
    static const uint8_t large[300] = {109, 0, 0, 1, 39};
    mesh_buf message;
    mesh_result result;
    char id[16];
    snprintf(id, sizeof id, "id%d", round);
    act_message(&message, act_add, NULL);
    mesh_request r = act_request(id, &message);
    r.init_arg = (mesh_term){.data = large, .len = sizeof large};
    int rc = mesh_call(n, &r, &result);
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    return rc;
}

static void *call_all(void *arg)
{
    struct caller *c = arg;
    for (int round = 0; round < ROUNDS; round++) {
        pthread_barrier_wait(c->line);
        c->failures += call_first(node, round) != MESH_OK;
    }
    return NULL;
}

static int call_all_in_task(mesh_node *n, void *arg)
{
    int failures = 0;
    (void)arg;
    for (int round = 0; round < ROUNDS; round++)
        failures += call_first(n, round) != MESH_OK;
    return failures;
}

static void test_first_calls_start_one_process(void **state)
{
    (void)state;
    struct caller callers[CALLERS];
    mesh_task *tasks[CALLERS];
    pthread_barrier_t line;
    assert_int_equal(pthread_barrier_init(&line, NULL, CALLERS), 0);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.line = &line};
        assert_int_equal(mesh_spawn(node, call_all_in_task, NULL, &tasks[i]), MESH_OK);
        assert_int_equal(pthread_create(&callers[i].thread, NULL, call_all, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        int failures = -1;
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].failures, 0);
        assert_int_equal(mesh_await(tasks[i], PATIENCE_MS, &failures), MESH_OK);
        assert_int_equal(failures, 0);
    }
    pthread_barrier_destroy(&line);
    assert_int_equal(script_count(&script.inits), ROUNDS);
    for (int round = 0; round < ROUNDS; round++) {
        char id[16];
        snprintf(id, sizeof id, "id%d", round);
        assert_int_equal(act_number(node, id, act_add, NULL), 2 * CALLERS + 1);
    }
}

/* ---- Passivation ---- */

static void test_passivate(void **state)
{
    (void)state;
    uint64_t count = 7;
    assert_int_equal(mesh_passivate(node, "test", 0, &count), MESH_OK);
    assert_int_equal(count, 0);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    assert_int_equal(mesh_passivate(node, "test", 3600000, &count), MESH_OK);
    assert_int_equal(count, 0);
    agent_passivate(node, 1);
    assert_string_equal(script.reason, ":passivate");
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    assert_int_equal(mesh_passivate(node, "test", 0, NULL), MESH_OK);
    assert_int_equal(mesh_passivate(NULL, "test", 0, NULL), MESH_EINVAL);
    assert_int_equal(mesh_passivate(node, NULL, 0, NULL), MESH_EINVAL);
    assert_int_equal(mesh_passivate(node, "", 0, NULL), MESH_EBADNAME);
    assert_int_equal(mesh_passivate(node, "nothing", 0, NULL), MESH_ENOCAPABILITY);
}

static int passivate_all(struct scene *s)
{
    uint64_t count = 0;
    int rc = mesh_passivate(s->node, "test", 0, &count);
    return rc == MESH_OK ? reply_number(s->from, (int64_t)count) : rc;
}

static void test_passivate_in_a_handler(void **state)
{
    (void)state;
    int64_t ended = 0;
    for (int i = 0; i < 10; i++) {
        char id[16];
        snprintf(id, sizeof id, "id%d", i);
        assert_int_equal(act_number(node, id, act_add, NULL), 1);
    }
    for (uint64_t until = now_ms() + PATIENCE_MS; ended < 10 && now_ms() < until;)
        ended += act_number(node, "me", passivate_all, NULL);
    assert_int_equal(ended, 10); /* and not itself */
    assert_int_equal(script_count(&script.terminates), 10);
    assert_int_equal(act_number(node, "me", act_add, NULL), 1);
}

static void test_idle_timeout(void **state)
{
    (void)state;
    mesh_node_options o = {.idle_timeout_ms = 150};
    restart(&o);
    mesh_module never = agent_module(false);
    mesh_buf message;
    mesh_result result;
    never.name = "Never";
    never.idle_timeout_ms = MESH_NEVER;
    assert_int_equal(mesh_register_module(node, &never), MESH_OK);
    act_message(&message, act_add, NULL);
    mesh_request r = act_request("x", &message);
    r.module = "Never";
    assert_int_equal(mesh_call(node, &r, &result), MESH_OK);
    mesh_result_release(&result);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    script_await(&script.terminates, 1);
    assert_string_equal(script.reason, ":passivate");
    assert_int_equal(act_number(node, "y", act_add, NULL), 1);
    script_await(&script.terminates, 2);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1); /* a new life */
    int64_t n = 0;
    assert_int_equal(mesh_call(node, &r, &result), MESH_OK);
    assert_int_equal(mesh_match(result.value, "~i", &n), MESH_OK);
    assert_int_equal(n, 2); /* the same life */
    mesh_result_release(&result);
    mesh_buf_fini(&message);
}

/* ---- Limits ---- */

static void test_max_processes(void **state)
{
    (void)state;
    mesh_node_options o = {.max_processes = 5};
    char id[16];
    restart(&o);
    for (int i = 0; i < 5; i++) {
        snprintf(id, sizeof id, "id%d", i);
        assert_int_equal(act_call(node, id, act_add, NULL, NULL), MESH_OK);
    }
    assert_int_equal(act_call(node, "one more", act_add, NULL, NULL), MESH_ELIMIT);
    assert_int_equal(act_cast(node, "one more", act_add, NULL), MESH_ELIMIT);
    assert_int_equal(script_count(&script.inits), 5);
    assert_int_equal(act_number(node, "id3", act_add, NULL), 2); /* those that live are served */
    assert_int_equal(act_call(node, "id3", act_stop, NULL, NULL), MESH_OK);
    int rc;
    while ((rc = act_call(node, "one more", act_add, NULL, NULL)) == MESH_ELIMIT)
        ; /* until id3 has ended */
    assert_int_equal(rc, MESH_OK);
    assert_int_equal(act_call(node, "id3", act_add, NULL, NULL), MESH_ELIMIT);
}

enum { RACERS = 3, RACES = 500 };

static void *race(void *arg)
{
    struct caller *c = arg;
    for (int i = 0; i < RACES; i++) {
        pthread_barrier_wait(c->line);
        c->failures += call_first(node, 0) != MESH_OK;
        pthread_barrier_wait(c->line);
    }
    return NULL;
}

/* First calls to one id that meet at the limit start one process, which is not too many. */
static void test_first_calls_at_the_limit(void **state)
{
    (void)state;
    mesh_node_options o = {.max_processes = 1};
    struct caller callers[RACERS];
    pthread_barrier_t line;
    restart(&o);
    assert_int_equal(pthread_barrier_init(&line, NULL, RACERS + 1), 0);
    for (int i = 0; i < RACERS; i++) {
        callers[i] = (struct caller){.line = &line};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, race, &callers[i]), 0);
    }
    for (int i = 0; i < RACES; i++) {
        pthread_barrier_wait(&line); /* they call */
        pthread_barrier_wait(&line);
        agent_passivate(node, 1);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].failures, 0);
    }
    pthread_barrier_destroy(&line);
    assert_int_equal(act_call(node, "x", act_add, NULL, NULL), MESH_OK);
    assert_int_equal(act_call(node, "another", act_add, NULL, NULL), MESH_ELIMIT);
}

static void test_max_shard(void **state)
{
    (void)state;
    mesh_node_options o = {.max_shard = 2};
    mesh_capability_options narrow = {.size = sizeof narrow, .shards = 1};
    mesh_buf message;
    mesh_result result;
    restart(&o);
    assert_int_equal(mesh_register_capability(node, "narrow", &narrow), MESH_OK);
    act_message(&message, act_add, NULL);
    static const char *const ids[] = {"a", "b", "c", "a"};
    static const int outcomes[] = {MESH_OK, MESH_OK, MESH_ELIMIT, MESH_OK};
    for (int i = 0; i < 4; i++) {
        mesh_request r = act_request(ids[i], &message);
        r.capability = "narrow";
        assert_int_equal(mesh_call(node, &r, &result), outcomes[i]);
        mesh_result_release(&result);
    }
    assert_int_equal(script_count(&script.inits), 2);
    mesh_buf_fini(&message);
}

/* Waits for an answer that the test gives. */
static int wait_for_answer(struct scene *s)
{
    int rc = act_call(s->node, "parking", act_park, s->arg, NULL);
    return rc == MESH_OK && s->from.call != NULL ? act_ok(s) : rc;
}

static void test_full_mailbox(void **state)
{
    (void)state;
    mesh_node_options o = {.max_mailbox = 10};
    static struct parked parked = PARKED_INIT;
    mesh_pid x = {0};
    restart(&o);
    assert_int_equal(act_call(node, "x", act_self, &x, NULL), MESH_OK);
    assert_int_equal(act_cast(node, "x", wait_for_answer, &parked), MESH_OK);
    gate_await(&parked.gate, 1);
    for (int i = 0; i < 10; i++)
        assert_int_equal(act_cast(node, "x", act_add, NULL), MESH_OK);
    assert_int_equal(act_cast(node, "x", act_add, NULL), MESH_EBUSY);
    assert_int_equal(act_call(node, "x", act_add, NULL, NULL), MESH_EBUSY);
    assert_int_equal(act_send(node, &x, act_add, NULL), MESH_EBUSY);
    assert_int_equal(act_call(node, "y", act_add, NULL, NULL), MESH_OK); /* others have mailboxes of their own */
    assert_int_equal(reply_number(parked.from[0], 0), MESH_OK);
    int rc;
    while ((rc = act_call(node, "x", act_add, NULL, NULL)) == MESH_EBUSY)
        ; /* until it has begun with its mailbox */
    assert_int_equal(rc, MESH_OK);
    assert_int_equal(act_number(node, "x", act_add, NULL), 12); /* what was refused had no effect */
}

static int suspend_in_task(mesh_node *n, void *arg)
{
    return act_call(n, "parking", act_park, arg, NULL);
}

static void test_too_many_suspended(void **state)
{
    (void)state;
    enum { MOST = 20, WORKERS = 2, THREADS = 4, BOUND = MOST + 2 * WORKERS + THREADS };
    mesh_node_options o = {.max_suspended = MOST, .workers = WORKERS, .max_threads = THREADS};
    static struct parked parked = PARKED_INIT;
    static mesh_task *tasks[BOUND + 1];
    int spawned = 0, rc = MESH_OK;
    restart(&o);
    while (spawned <= BOUND && (rc = mesh_spawn(node, suspend_in_task, &parked, &tasks[spawned])) == MESH_OK)
        spawned++;
    assert_int_equal(rc, MESH_ESUSPENDED);
    assert_int_equal(spawned, MOST);
    gate_await(&parked.gate, MOST);
    /* Handlers may still run. */
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    for (int i = 0; i < MOST; i++)
        assert_int_equal(reply_number(parked.from[i], 0), MESH_OK);
    for (int i = 0; i < MOST; i++) {
        int value = -1;
        assert_int_equal(mesh_await(tasks[i], PATIENCE_MS, &value), MESH_OK);
        assert_int_equal(value, MESH_OK);
    }
}

/* Many handlers that want to wait: those over the limit get MESH_ESUSPENDED from their call, and go on. */
static void count_outcome(void *context, int error, const mesh_result *result)
{
    (void)result;
    gate_add(&((struct gate *)context)[error == MESH_OK ? 0 : 1]);
}

static int wait_and_tell(struct scene *s)
{
    int rc = act_call(s->node, "parking", act_park, s->arg, NULL);
    return rc == MESH_ESUSPENDED ? mesh_from_drop(s->from) : rc == MESH_OK ? act_ok(s) : rc;
}

static void test_too_many_handlers_suspended(void **state)
{
    (void)state;
    enum { MOST = 8, BOUND = MOST + 2 + 1, ASKED = 40 };
    mesh_node_options o = {.max_suspended = MOST, .workers = 1, .max_threads = 1};
    static struct parked parked = PARKED_INIT;
    static struct gate outcomes[2] = {GATE_INIT, GATE_INIT};
    mesh_buf message;
    restart(&o);
    act_message(&message, wait_and_tell, &parked);
    for (int i = 0; i < ASKED; i++) {
        char id[16];
        snprintf(id, sizeof id, "id%d", i);
        mesh_request r = act_request(id, &message);
        assert_int_equal(mesh_call_async(node, &r, count_outcome, outcomes), MESH_OK);
    }
    int suspended, refused; /* together all of them, as soon as the last has begun */
    uint64_t until = now_ms() + PATIENCE_MS;
    do {
        suspended = gate_count(&parked.gate);
        refused = gate_count(&outcomes[1]);
    } while (suspended + refused < ASKED && now_ms() < until);
    assert_int_equal(suspended + refused, ASKED);
    assert_in_range(suspended, MOST - 1, BOUND);
    for (int i = 0; i < suspended; i++)
        assert_int_equal(reply_number(parked.from[i], 0), MESH_OK);
    gate_await(&outcomes[0], suspended);
    assert_int_equal(gate_count(&outcomes[1]), refused);
    mesh_buf_fini(&message);
}

/* ---- Back-off ---- */

static void test_back_off(void **state)
{
    (void)state;
    int rc = MESH_ECRASHED, crashes = 0;
    while (rc == MESH_ECRASHED && crashes < 20) {
        rc = act_call(node, "x", act_crash, NULL, NULL);
        crashes += rc == MESH_ECRASHED;
    }
    assert_int_equal(rc, MESH_EBACKOFF);
    assert_true(crashes >= 2);
    assert_int_equal(script_count(&script.inits), crashes);
    assert_int_equal(act_cast(node, "x", act_add, NULL), MESH_EBACKOFF);
    assert_int_equal(act_number(node, "y", act_add, NULL), 1); /* that id only */
    uint64_t until = now_ms() + PATIENCE_MS;
    while ((rc = act_call(node, "x", act_add, NULL, NULL)) == MESH_EBACKOFF && now_ms() < until)
        ;
    assert_int_equal(rc, MESH_OK); /* for a time */
    assert_int_equal(script_count(&script.inits), crashes + 2);
}

static void test_back_off_of_init(void **state)
{
    (void)state;
    int rc = MESH_EINIT, failures = 0;
    script.on_init = act_crash;
    while (rc == MESH_EINIT && failures < 20) {
        rc = act_call(node, "x", act_add, NULL, NULL);
        failures += rc == MESH_EINIT;
    }
    assert_int_equal(rc, MESH_EBACKOFF);
    assert_int_equal(script_count(&script.inits), failures);
    script.on_init = NULL;
}

/* ---- Rebirth ---- */

/* Messages behind a stop are for the next life, in order: n counts from 1 again, and nothing is lost. */
static void test_messages_behind_a_stop(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    assert_int_equal(act_cast(node, "x", wait_for_answer, &parked), MESH_OK);
    gate_await(&parked.gate, 1);
    for (int life = 0; life < 5; life++) {
        for (int i = 0; i < 10; i++)
            assert_int_equal(act_cast(node, "x", act_add, NULL), MESH_OK);
        assert_int_equal(act_cast(node, "x", act_stop, NULL), MESH_OK);
    }
    for (int i = 0; i < 10; i++)
        assert_int_equal(act_cast(node, "x", act_add, NULL), MESH_OK);
    assert_int_equal(reply_number(parked.from[0], 0), MESH_OK);
    assert_int_equal(act_number(node, "x", act_add, NULL), 11);
    assert_int_equal(script_count(&script.terminates), 5);
    assert_int_equal(script_count(&script.inits), 7); /* six lives, and the parking agent */
}

/* What was sent to the pid of a life ends with it, and leaves no process behind. */
static void test_infos_behind_a_stop(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    mesh_pid x = {0};
    mesh_stats stats = {.size = sizeof stats};
    assert_int_equal(act_call(node, "x", act_self, &x, NULL), MESH_OK);
    assert_int_equal(act_cast(node, "x", wait_for_answer, &parked), MESH_OK);
    gate_await(&parked.gate, 1);
    assert_int_equal(act_cast(node, "x", act_stop, NULL), MESH_OK);
    for (int i = 0; i < 5; i++)
        assert_int_equal(act_send(node, &x, act_add, NULL), MESH_OK);
    assert_int_equal(reply_number(parked.from[0], 0), MESH_OK);
    script_await(&script.terminates, 1);
    for (uint64_t until = now_ms() + PATIENCE_MS; now_ms() < until;) {
        assert_int_equal(mesh_stats_read(node, NULL, NULL, &stats), MESH_OK);
        if (stats.processes == 1)
            break;
    }
    assert_int_equal(stats.processes, 1); /* the parking agent */
    assert_int_equal(script_count(&script.inits), 2);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
}

/* ---- Snapshots ---- */

static void use_snapshots(const mesh_node_options *options)
{
    restart(options);
    mesh_module keeper = agent_module(true);
    keeper.name = "Keeper";
    assert_int_equal(mesh_register_module(node, &keeper), MESH_OK);
}

static int64_t keeper_number(const char *id, act_fn fn)
{
    mesh_buf message;
    mesh_result result;
    int64_t n = -1;
    act_message(&message, fn, NULL);
    mesh_request r = act_request(id, &message);
    r.module = "Keeper";
    int rc = mesh_call(node, &r, &result);
    if (rc == MESH_OK && mesh_match(result.value, "~i", &n) != MESH_OK)
        n = 0;
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    return rc == MESH_OK ? n : -rc;
}

static void test_snapshot_outlives_passivation(void **state)
{
    (void)state;
    use_snapshots(NULL);
    for (int round = 1; round <= 3; round++) {
        assert_int_equal(keeper_number("x", act_add), round);
        agent_passivate(node, 1);
        assert_int_equal(script_count(&script.saves), round);
    }
    assert_int_equal(script_count(&script.inits), 1);
    assert_int_equal(script_count(&script.restores), 2);
    assert_int_equal(keeper_number("y", act_add), 1); /* another id has no snapshot */
    assert_int_equal(keeper_number("x", act_stop), 0);
    assert_int_equal(keeper_number("x", act_add), 1); /* a stop saves nothing */
}

static int checkpoint(struct scene *s)
{
    int rc = mesh_checkpoint(s->self);
    return rc == MESH_OK ? act_add(s) : rc;
}

static int crash_after_checkpoint(struct scene *s)
{
    int rc = mesh_checkpoint(s->self);
    return rc == MESH_OK ? act_crash(s) : rc;
}

static void test_checkpoint_outlives_a_crash(void **state)
{
    (void)state;
    use_snapshots(NULL);
    assert_int_equal(keeper_number("x", act_add), 1);
    assert_int_equal(keeper_number("x", checkpoint), 2);
    assert_int_equal(keeper_number("x", act_add), 3);
    assert_int_equal(keeper_number("x", act_crash), -MESH_ECRASHED);
    assert_int_equal(keeper_number("x", act_add), 3);                             /* 2 was saved */
    assert_int_equal(keeper_number("x", crash_after_checkpoint), -MESH_ECRASHED); /* too late to save */
    assert_int_equal(keeper_number("x", act_add), 1);
}

/* A store of the program's own. */
struct store {
    mesh_buf saved;
    bool full;
    int saves, loads, restored, load_error, save_error;
    uint64_t epoch;
};

static int store_save(void *context, const mesh_store_key *key, uint64_t epoch, mesh_term snapshot)
{
    struct store *store = context;
    if (strcmp(key->capability, "test") != 0 || strcmp(key->module, "Keeper") != 0 || key->id.len != 1)
        return MESH_EINVAL;
    store->saves++;
    store->epoch = epoch;
    if (store->save_error != MESH_OK)
        return store->save_error;
    store->full = true;
    mesh_buf_clear(&store->saved);
    return mesh_buf_append(&store->saved, snapshot.data, snapshot.len);
}

static int store_load(void *context, const mesh_store_key *key, mesh_buf *out)
{
    struct store *store = context;
    store->loads++;
    if (store->load_error != MESH_OK)
        return store->load_error;
    if (!store->full || strcmp(key->module, "Keeper") != 0)
        return MESH_ENOPROCESS;
    return mesh_buf_append(out, store->saved.data, store->saved.len);
}

static void store_restored(void *context, const mesh_store_key *key)
{
    (void)key;
    ((struct store *)context)->restored++;
}

static void test_store(void **state)
{
    (void)state;
    struct store store = {0};
    mesh_store ops = {sizeof ops, &store, store_save, store_load, store_restored};
    mesh_node_options o = {.store = &ops};
    mesh_buf_init(&store.saved);
    use_snapshots(&o);
    assert_int_equal(keeper_number("x", act_add), 1);
    assert_int_equal(store.loads, 1);
    agent_passivate(node, 1);
    assert_int_equal(store.saves, 1);
    assert_true(store.epoch != 0);
    store.load_error = MESH_ESYSTEM;
    assert_int_equal(keeper_number("x", act_add), -MESH_EINIT);
    store.load_error = MESH_OK;
    assert_int_equal(keeper_number("x", act_add), 2);
    assert_int_equal(store.restored, 1);
    store.save_error = MESH_ESYSTEM; /* the process ends anyway, with what was saved before */
    agent_passivate(node, 1);
    assert_int_equal(store.saves, 2);
    assert_int_equal(keeper_number("x", act_add), 2);
    store.save_error = MESH_OK;
    agent_stop(node); /* saves too */
    assert_int_equal(store.saves, 3);
    mesh_buf_fini(&store.saved);
    node = agent_node(NULL);
}

static void test_bad_snapshots_refuse_the_start(void **state)
{
    (void)state;
    struct store store = {0};
    mesh_store ops = {sizeof ops, &store, store_save, store_load, NULL};
    mesh_node_options o = {.store = &ops};
    mesh_buf_init(&store.saved);
    assert_int_equal(mesh_build(&store.saved, ":other"), MESH_OK);
    store.full = true;
    use_snapshots(&o);
    assert_int_equal(keeper_number("x", act_add), -MESH_EINIT);
    assert_int_equal(mesh_build(&store.saved, "%{n: 41}"), MESH_OK);
    assert_int_equal(keeper_number("x", act_add), 42);
    agent_stop(node);
    mesh_buf_fini(&store.saved);
    node = agent_node(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_calls_start_one_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_passivate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_passivate_in_a_handler, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_idle_timeout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_max_processes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_first_calls_at_the_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_max_shard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_full_mailbox, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_suspended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_too_many_handlers_suspended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_back_off, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_back_off_of_init, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_messages_behind_a_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_infos_behind_a_stop, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_snapshot_outlives_passivation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_checkpoint_outlives_a_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_snapshots_refuse_the_start, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
