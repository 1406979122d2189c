/* Nodes that register where no epmd runs: one of them serves, and when it goes another one takes its place. All of them
 * on one loop, which the test turns. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "dist/epmd_query_io.h"
#include "dist/epmd_register_io.h"
#include "system/dist/beam.h"
#include "unit/check.h"

enum { PATIENCE_MS = 30000, TICK_MS = 50 };

struct node {
    const char *alive;
    uint16_t port;
    struct epmd_registration *registration;
    uint32_t creation; /* of its last registration */
    int registered, lost, failed, closed;
};

static uv_loop_t loop;
static uv_timer_t tick; /* so that a turn of the loop ends */
static struct logger logger;
static uint16_t at_port; /* of epmd */
static int servers;      /* that have begun */
static bool kill_next;   /* asks the next one to end before anybody else comes to it */

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

static int connect_to_epmd(void)
{
    union socket_address to;
    assert_true(socket_parse("127.0.0.1", at_port, &to));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &to.any, sizeof to.v4), 0);
    return fd;
}

static int killer = -1;

static void on_log(void *context, const mesh_log_event *event)
{
    (void)context;
    if (strcmp(event->message, "epmd listens") != 0)
        return;
    servers++;
    if (!kill_next)
        return;
    kill_next = false;
    killer = connect_to_epmd();
    assert_int_equal(send(killer, "\0\1k", 3, MSG_NOSIGNAL), 3);
}

static int set_up(void **state)
{
    (void)state;
    at_port = beam_free_port();
    servers = 0;
    log_init(&logger, MESH_LOG_INFO, on_log, NULL);
    assert_int_equal(uv_loop_init(&loop), 0);
    uv_timer_init(&loop, &tick);
    uv_timer_start(&tick, on_tick, TICK_MS, TICK_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    uv_close((uv_handle_t *)&tick, NULL);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&loop), 0); /* no handle is left */
    return 0;
}

/* Turns the loop until *count is at least n. */
static void await(const int *count, int n)
{
    const uint64_t deadline = beam_now_ms() + PATIENCE_MS;
    while (*count < n) {
        assert_true(beam_now_ms() < deadline);
        uv_run(&loop, UV_RUN_ONCE);
    }
}

/* ---- nodes ---- */

static void on_registered(void *context, uint32_t creation)
{
    struct node *n = context;
    n->creation = creation;
    n->registered++;
}

static void on_failed(void *context, int error)
{
    struct node *n = context;
    (void)error;
    n->failed++;
}

static void on_lost(void *context, int error)
{
    struct node *n = context;
    (void)error;
    n->lost++;
}

static void on_closed(void *context)
{
    struct node *n = context;
    n->closed++;
}

static const struct epmd_register_fns fns = {
    .registered = on_registered, .failed = on_failed, .lost = on_lost, .closed = on_closed};

static void start(struct node *n, const char *alive, uint16_t port)
{
    const struct epmd_register_options options = {.alive = mesh_str(alive),
                                                  .port = port,
                                                  .epmd_port = at_port,
                                                  .serve = true,
                                                  .addresses = "127.0.0.1",
                                                  .logger = &logger};
    *n = (struct node){.alive = alive, .port = port};
    n->registration = epmd_register_start(&loop, &options, &fns, n);
}

static void stop(struct node *n)
{
    epmd_register_stop(n->registration);
    await(&n->closed, 1);
}

/* ---- questions ---- */

struct question {
    const char *alive;
    uint16_t port; /* 0: no such node, or no epmd */
    int closed;
};

static void on_answer(void *context, int error, mesh_bytes reply, const union socket_address *address)
{
    struct question *q = context;
    struct epmd_node found;
    enum refusal why;
    (void)address;
    if (error == 0 && epmd_read_lookup(reply, mesh_str(q->alive), &found, &why) == EPMD_COMPLETE)
        q->port = found.port;
}

static void on_answered(void *context)
{
    struct question *q = context;
    q->closed++;
}

static uint16_t look_up(const char *alive)
{
    static const struct epmd_query_fns query_fns = {.answered = on_answer, .closed = on_answered};
    struct question q = {.alive = alive};
    epmd_query_start(&loop, "127.0.0.1", at_port, mesh_str(alive), &query_fns, &q);
    await(&q.closed, 1);
    return q.port;
}

/* Asks until epmd knows a node. */
static void await_known(const struct node *n)
{
    const uint64_t deadline = beam_now_ms() + PATIENCE_MS;
    while (look_up(n->alive) != n->port)
        assert_true(beam_now_ms() < deadline);
}

/* ---- tests ---- */

static void another_one_serves_when_the_server_goes(void **state)
{
    (void)state;
    struct node a, b, c;
    start(&a, "a", 5001);
    await(&a.registered, 1);
    start(&b, "b", 5002);
    start(&c, "c", 5003);
    await(&b.registered, 1);
    await(&c.registered, 1);
    assert_int_equal(servers, 1);
    assert_true(a.creation >= 4 && b.creation >= 4 && c.creation >= 4);
    assert_true(a.creation != b.creation && b.creation != c.creation && c.creation != a.creation);
    const uint32_t before = a.creation;
    const uint64_t since = beam_now_ms();
    stop(&a);
    await(&b.registered, 2);
    await(&c.registered, 2);
    print_message("registered again after %u ms\n", (unsigned)(beam_now_ms() - since));
    assert_true(beam_now_ms() - since < (uint64_t)2 * EPMD_AGAIN_MAX_MS);
    assert_int_equal(servers, 2);
    assert_int_equal(look_up("a"), 0);
    assert_int_equal(look_up("b"), 5002);
    assert_int_equal(look_up("c"), 5003);
    start(&a, "a", 5004); /* a new incarnation: it must not be taken for the old one */
    await(&a.registered, 1);
    assert_int_not_equal(a.creation, before);
    assert_int_equal(look_up("a"), 5004);
    assert_int_equal(b.failed + c.failed, 0);
    stop(&a);
    stop(&b);
    stop(&c);
}

/* Alone on its machine it takes its epmd with it; who knew it before must not take it for the one that was. */
static void a_node_that_comes_back_at_once_is_another(void **state)
{
    (void)state;
    enum { TIMES = 5 };
    struct node a;
    uint32_t creations[TIMES];
    for (int i = 0; i < TIMES; i++) {
        start(&a, "a", 5001);
        await(&a.registered, 1);
        creations[i] = a.creation;
        for (int j = 0; j < i; j++)
            assert_int_not_equal(creations[j], creations[i]);
        stop(&a);
    }
    assert_int_equal(servers, TIMES);
}

/* Each of them goes, one after the other, whoever serves: those that are left are known. */
static void as_long_as_one_is_left_epmd_is(void **state)
{
    (void)state;
    enum { NODES = 5 };
    static const char *const names[NODES] = {"a", "b", "c", "d", "e"};
    struct node nodes[NODES];
    for (int i = 0; i < NODES; i++)
        start(&nodes[i], names[i], (uint16_t)(5001 + i)); /* all at once: one is the quickest */
    for (int i = 0; i < NODES; i++)
        await(&nodes[i].registered, 1);
    for (int gone = 0; gone < NODES; gone++) {
        for (int i = gone; i < NODES; i++)
            await_known(&nodes[i]);
        stop(&nodes[gone]);
        assert_int_equal(look_up(names[gone]), 0);
        assert_int_equal(nodes[gone].failed, 0);
    }
    assert_in_range(servers, 1, NODES);
}

/* A program asks a node's epmd to end, in the moment before the node itself is registered there. */
static void an_epmd_that_is_killed_begins_again(void **state)
{
    (void)state;
    struct node a;
    char reply[3];
    kill_next = true;
    start(&a, "a", 5001);
    await(&a.registered, 1);
    assert_int_equal(servers, 2);
    assert_int_equal(recv(killer, reply, sizeof reply, MSG_WAITALL), 2);
    assert_memory_equal(reply, "OK", 2);
    close(killer);
    assert_int_equal(look_up("a"), 5001);
    assert_int_equal(a.failed + a.lost, 0); /* it had not been registered yet */
    stop(&a);
}

/* Two nodes of one name: the second is told, and leaves the first as it is. */
static void a_name_that_is_taken_fails(void **state)
{
    (void)state;
    struct node a, other;
    start(&a, "a", 5001);
    await(&a.registered, 1);
    start(&other, "a", 5002);
    await(&other.failed, 1);
    assert_int_equal(other.registered, 0);
    stop(&other);
    assert_int_equal(look_up("a"), 5001);
    assert_int_equal(a.lost, 0);
    stop(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_one_serves_when_the_server_goes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_node_that_comes_back_at_once_is_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(as_long_as_one_is_left_epmd_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_epmd_that_is_killed_begins_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_that_is_taken_fails, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
