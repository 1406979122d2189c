/* A node's start and stop: options, several in one program, what a stop does to processes, callers and tasks, and that
 * it leaves nothing behind. */
#include "unit/api/agent.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>

static int start(const mesh_node_options *options)
{
    mesh_node *node = NULL;
    int rc = mesh_node_start(options, &node);
    if (rc == MESH_OK)
        rc = mesh_node_stop(node);
    else
        assert_null(node);
    return rc;
}

static void test_defaults(void **state)
{
    (void)state;
    mesh_node *node = NULL;
    assert_int_equal(mesh_node_start(NULL, &node), MESH_OK);
    assert_string_equal(mesh_node_name(node), "nonode@nohost");
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    mesh_node_options o = {.size = sizeof o, .name = "game@127.0.0.1"};
    assert_int_equal(mesh_node_start(&o, &node), MESH_OK);
    assert_string_equal(mesh_node_name(node), "game@127.0.0.1");
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    assert_int_equal(mesh_node_stop(NULL), MESH_OK);
}

static void test_bad_options(void **state)
{
    (void)state;
    mesh_store store = {.size = sizeof store};
    const mesh_node_options bad[] = {
        {.size = 0},
        {.size = sizeof(mesh_node_options) - 1},
        {.size = sizeof(mesh_node_options) + 8},
        {.size = sizeof(mesh_node_options), .workers = 257},
        {.size = sizeof(mesh_node_options), .stack_bytes = 1},
        {.size = sizeof(mesh_node_options), .stack_bytes = (16 << 10) - 1},
        {.size = sizeof(mesh_node_options), .stack_bytes = UINT32_MAX},
        {.size = sizeof(mesh_node_options), .max_suspended = UINT32_MAX},
        {.size = sizeof(mesh_node_options), .max_threads = UINT32_MAX},
        {.size = sizeof(mesh_node_options), .max_message = UINT32_MAX},
        {.size = sizeof(mesh_node_options), .log_level = (mesh_log_level)99},
        {.size = sizeof(mesh_node_options), .store = &store},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(start(&bad[i]), MESH_EINVAL);
    assert_int_equal(mesh_node_start(NULL, NULL), MESH_EINVAL);
}

static void test_bad_names(void **state)
{
    (void)state;
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    memcpy(long_name + 296, "@b", 3);
    const char *const bad[] = {"", "name", "@host", "name@", "a@b@c", "\xff@host", long_name};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        mesh_node_options o = {.size = sizeof o, .name = bad[i]};
        assert_int_equal(start(&o), MESH_EBADNAME);
    }
}

static void test_smallest_and_largest_values(void **state)
{
    (void)state;
    mesh_node_options o = {.size = sizeof o,
                           .workers = 1,
                           .stack_bytes = 16 << 10,
                           .max_suspended = 1,
                           .max_mailbox = 1,
                           .max_processes = 1,
                           .max_shard = 1,
                           .max_threads = 1,
                           .max_message = 1,
                           .idle_timeout_ms = 1,
                           .drain_ms = 1,
                           .spin_us = 1,
                           .no_spin = true,
                           .stuck_ms = 1};
    assert_int_equal(start(&o), MESH_OK);
    o = (mesh_node_options){.size = sizeof o, .workers = 16};
    assert_int_equal(start(&o), MESH_OK);
}

static void test_several_nodes(void **state)
{
    (void)state;
    enum { NODES = 5 };
    static const char *const names[NODES] = {"a@h", "b@h", "c@h", "d@h", "e@h"};
    mesh_node *nodes[NODES];
    for (int i = 0; i < NODES; i++) {
        mesh_node_options o = {.name = names[i], .workers = 1};
        nodes[i] = agent_node(&o);
    }
    for (int i = 0; i < NODES; i++)
        for (int n = 1; n <= i + 1; n++)
            assert_int_equal(act_number(nodes[i], "x", act_add, NULL), n);
    for (int i = 0; i < NODES; i++)
        assert_int_equal(act_number(nodes[i], "x", act_add, NULL), i + 2);
    for (int i = NODES; i-- > 0;)
        agent_stop(nodes[i]);
}

/* A pid of one node is no process on another. */
static void test_pids_of_another_node(void **state)
{
    (void)state;
    mesh_node *a = agent_node(NULL), *b = agent_node(NULL);
    mesh_pid pid = {0};
    assert_int_equal(act_call(a, "x", act_self, &pid, NULL), MESH_OK);
    assert_int_equal(act_send(b, &pid, act_add, NULL), MESH_ENOPROCESS);
    assert_int_equal(act_send(a, &pid, act_add, NULL), MESH_OK);
    agent_stop(a);
    agent_stop(b);
}

/* ---- What is left ---- */

static int count_entries(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static void test_stop_leaves_nothing(void **state)
{
    (void)state;
    assert_int_equal(start(NULL), MESH_OK); /* what is made once in a program */
    int threads = count_entries("/proc/self/task"), descriptors = count_entries("/proc/self/fd");
    mesh_node *node = agent_node(NULL);
    assert_true(count_entries("/proc/self/task") > threads);
    for (int i = 0; i < 1000; i++) {
        char id[8];
        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(act_number(node, id, act_add, NULL), 1);
    }
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    assert_int_equal(script.terminates, 1000);
    assert_string_equal(script.reason, ":shutdown");
    assert_int_equal(count_entries("/proc/self/fd"), descriptors);
    /* A joined thread may stay in /proc for a moment. */
    for (uint64_t until = now_ms() + PATIENCE_MS; count_entries("/proc/self/task") > threads && now_ms() < until;)
        sched_yield();
    assert_int_equal(count_entries("/proc/self/task"), threads);
}

/* A start that the system refuses undoes what it had done. Descriptors are not counted: libuv 1.44 forgets one in a
 * uv_loop_init that fails. */
static void test_no_descriptors(void **state)
{
    (void)state;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int descriptors = count_entries("/proc/self/fd");
    for (rlim_t extra = 0; extra < 6; extra++) {
        none = before;
        none.rlim_cur = (rlim_t)descriptors - 3 + extra; /* ".", ".." and the folder itself were counted */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        mesh_node_options o = {.size = sizeof o, .workers = 4};
        mesh_node *node = NULL;
        int rc = mesh_node_start(&o, &node);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(rc, MESH_ESYSTEM);
        assert_null(node);
    }
    assert_int_equal(start(NULL), MESH_OK);
}

/* ---- Stopping ---- */

static int stop_own_node(struct scene *s)
{
    return reply_number(s->from, mesh_node_stop(s->node));
}

static void test_stop_in_a_handler(void **state)
{
    (void)state;
    mesh_node *node = agent_node(NULL);
    assert_int_equal(act_number(node, "x", stop_own_node, NULL), MESH_ECONTEXT);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    agent_stop(node);
}

/* A handler that keeps its thread until it is told. */
struct stuck {
    struct gate in;
    atomic_bool leave;
};

static int stay(struct scene *s)
{
    struct stuck *stuck = s->arg;
    gate_add(&stuck->in);
    for (uint64_t until = now_ms() + PATIENCE_MS; !atomic_load(&stuck->leave) && now_ms() < until;)
        sched_yield();
    return MESH_OK;
}

static void test_stuck_handler(void **state)
{
    (void)state;
    static struct stuck stuck = {.in = GATE_INIT};
    mesh_node_options o = {.drain_ms = 50};
    mesh_node *node = agent_node(&o);
    mesh_buf message;
    mesh_result result;
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    assert_int_equal(act_cast(node, "y", stay, &stuck), MESH_OK);
    gate_await(&stuck.in, 1);
    assert_int_equal(mesh_node_stop(node), MESH_ESTUCK);
    act_message(&message, act_add, NULL);
    mesh_request r = act_request("z", &message);
    assert_int_equal(mesh_call(node, &r, &result), MESH_ESTOPPING);
    assert_int_equal(mesh_cast(node, &r), MESH_ESTOPPING);
    assert_int_equal(mesh_node_stop(node), MESH_ESTUCK);
    script_await(&script.terminates, 1); /* x has ended */
    atomic_store(&stuck.leave, true);
    int rc;
    while ((rc = mesh_node_stop(node)) == MESH_ESTUCK)
        ;
    assert_int_equal(rc, MESH_OK);
    assert_int_equal(script.terminates, 2);
    mesh_buf_fini(&message);
}

/* A thread whose call nobody but the stop answers. */
struct caller {
    pthread_t thread;
    mesh_node *node;
    struct parked parked;
    int rc;
};

static void *wait_for_ever(void *arg)
{
    struct caller *c = arg;
    mesh_result result;
    mesh_buf message;
    act_message(&message, act_park, &c->parked);
    mesh_request r = act_request("x", &message);
    r.timeout_ms = MESH_NEVER;
    c->rc = mesh_call(c->node, &r, &result);
    mesh_result_release(&result); /* also after the node has gone */
    mesh_buf_fini(&message);
    return NULL;
}

static void test_stop_answers_waiting_threads(void **state)
{
    (void)state;
    enum { CALLERS = 8 };
    struct caller callers[CALLERS];
    mesh_node *node = agent_node(NULL);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.node = node, .parked = PARKED_INIT};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, wait_for_ever, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++)
        gate_await(&callers[i].parked.gate, 1);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].rc, MESH_ENOREPLY);
    }
}

/* What was in a mailbox before the stop is handled; what comes after it is refused. */
static void note_success(void *context, int error, const mesh_result *result)
{
    (void)result;
    atomic_fetch_add((atomic_int *)context, error == MESH_OK ? 1 : 1000);
}

static void test_stop_finishes_mailboxes(void **state)
{
    (void)state;
    static struct stuck stuck = {.in = GATE_INIT};
    static atomic_int answered;
    mesh_node_options o = {.drain_ms = 20};
    mesh_node *node = agent_node(&o);
    mesh_buf message;
    assert_int_equal(act_cast(node, "x", stay, &stuck), MESH_OK);
    gate_await(&stuck.in, 1);
    act_message(&message, act_add, NULL);
    mesh_request r = act_request("x", &message);
    assert_int_equal(mesh_call_async(node, &r, note_success, &answered), MESH_OK);
    assert_int_equal(mesh_node_stop(node), MESH_ESTUCK);
    assert_int_equal(mesh_call_async(node, &r, note_success, &answered), MESH_ESTOPPING);
    assert_int_equal(atomic_load(&answered), 0);
    atomic_store(&stuck.leave, true);
    int rc;
    while ((rc = mesh_node_stop(node)) == MESH_ESTUCK)
        ;
    assert_int_equal(rc, MESH_OK);
    assert_int_equal(atomic_load(&answered), 1);
    assert_int_equal(script.terminates, 1);
    mesh_buf_fini(&message);
}

/* Terminate of one process calls another: refused, and the stop ends. */
static int call_another(struct scene *s)
{
    s->agent->n = act_call(s->node, "other", act_add, NULL, NULL);
    return MESH_OK;
}

static void test_terminate_may_not_call_when_the_node_stops(void **state)
{
    (void)state;
    mesh_node *node = agent_node(NULL);
    script.on_terminate = call_another;
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    assert_int_equal(script.inits, 1);
    assert_int_equal(script.terminates, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_bad_names),
        cmocka_unit_test(test_smallest_and_largest_values),
        cmocka_unit_test(test_several_nodes),
        cmocka_unit_test(test_pids_of_another_node),
        cmocka_unit_test(test_stop_leaves_nothing),
        cmocka_unit_test(test_no_descriptors),
        cmocka_unit_test(test_stop_in_a_handler),
        cmocka_unit_test(test_stuck_handler),
        cmocka_unit_test(test_stop_answers_waiting_threads),
        cmocka_unit_test(test_stop_finishes_mailboxes),
        cmocka_unit_test(test_terminate_may_not_call_when_the_node_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
