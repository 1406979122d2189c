/* The epmd server on real sockets: a loop in a thread of its own, and blocking clients. */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dist/epmd_server_io.h"
#include "dist/socket_io.h"
#include "system/dist/beam.h"
#include "system/dist/link.h"
#include "unit/check.h"

struct server {
    uv_loop_t loop;
    uv_async_t stop;
    struct logger logger;
    struct epmd_io *io;
    uint16_t port;
    pthread_t thread;
    atomic_int registered, gone, refused, killed, stopped;
};

static void count_event(void *context, const mesh_log_event *event)
{
    struct server *s = context;
    if (strcmp(event->message, "a node has registered with epmd") == 0)
        atomic_fetch_add(&s->registered, 1);
    else if (strcmp(event->message, "a node has gone from epmd") == 0)
        atomic_fetch_add(&s->gone, 1);
    else if (strcmp(event->message, "epmd refused a request") == 0)
        atomic_fetch_add(&s->refused, 1);
}

static void on_killed(void *context)
{
    struct server *s = context;
    atomic_fetch_add(&s->killed, 1);
}

static void on_stopped(void *context)
{
    struct server *s = context;
    atomic_fetch_add(&s->stopped, 1);
}

static void on_stop(uv_async_t *async)
{
    struct server *s = async->data;
    epmd_io_stop(s->io, on_stopped, s);
    uv_close((uv_handle_t *)async, NULL);
}

static void *run_loop(void *arg)
{
    struct server *s = arg;
    uv_run(&s->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void start(struct server *s, const char *addresses)
{
    *s = (struct server){.port = 0};
    assert_int_equal(uv_loop_init(&s->loop), 0);
    log_init(&s->logger, MESH_LOG_INFO, count_event, s);
    const struct epmd_io_options options = {
        .addresses = addresses, .logger = &s->logger, .killed = on_killed, .context = s};
    assert_int_equal(epmd_io_start(&s->loop, &options, &s->io), 0);
    s->port = epmd_io_port(s->io);
    assert_int_not_equal(s->port, 0);
    assert_int_equal(uv_async_init(&s->loop, &s->stop, on_stop), 0);
    s->stop.data = s;
    assert_int_equal(pthread_create(&s->thread, NULL, run_loop, s), 0);
}

static void stop(struct server *s)
{
    uv_async_send(&s->stop);
    pthread_join(s->thread, NULL);
    assert_int_equal(s->stopped, 1);
    assert_int_equal(uv_loop_close(&s->loop), 0); /* no handle is left */
}

/* ---- Clients ---- */

static const struct epmd_node game = {{"game", 4}, {NULL, 0}, 5000, EPMD_VISIBLE, 0, 6, 6};

/* Registers game: the connection that keeps it, or -1 when the name is taken. */
static int register_game(const struct server *s)
{
    mesh_buf request, reply;
    uint32_t creation = 0;
    enum refusal why;
    mesh_buf_init(&request);
    mesh_buf_init(&reply);
    assert_int_equal(epmd_put_register(&request, &game), MESH_OK);
    int fd = link_ask_epmd(s->port, &request, &reply, 6, true);
    enum epmd_read read = epmd_read_register(mesh_buf_bytes(&reply), &creation, &why);
    assert_true(read == EPMD_COMPLETE || read == EPMD_DENIED);
    if (read == EPMD_DENIED)
        close(fd);
    mesh_buf_fini(&request);
    mesh_buf_fini(&reply);
    return read == EPMD_COMPLETE ? fd : -1;
}

static uint16_t look_up_game(const struct server *s)
{
    mesh_buf request, reply;
    struct epmd_node found = {.port = 0};
    enum refusal why;
    mesh_buf_init(&request);
    mesh_buf_init(&reply);
    assert_int_equal(epmd_put_lookup(&request, game.name), MESH_OK);
    link_ask_epmd(s->port, &request, &reply, EPMD_REQUEST_MAX_BYTES, false);
    enum epmd_read read = epmd_read_lookup(mesh_buf_bytes(&reply), game.name, &found, &why);
    assert_true(read == EPMD_COMPLETE || read == EPMD_DENIED);
    uint16_t port = read == EPMD_COMPLETE ? found.port : 0;
    mesh_buf_fini(&request);
    mesh_buf_fini(&reply);
    return port;
}

/* Sends bytes, and compares all that comes back until the server closes. */
static void expect(const struct server *s, const char *bytes, size_t len, const char *answer)
{
    mesh_buf request, reply;
    mesh_buf_init(&request);
    mesh_buf_init(&reply);
    assert_int_equal(mesh_buf_append(&request, bytes, len), MESH_OK);
    link_ask_epmd(s->port, &request, &reply, 1000, false);
    assert_int_equal(reply.len, strlen(answer));
    if (reply.len > 0)
        assert_memory_equal(reply.data, answer, reply.len);
    mesh_buf_fini(&request);
    mesh_buf_fini(&reply);
}

static void wait_for(const atomic_int *count, int wanted)
{
    const uint64_t deadline = beam_now_ms() + BEAM_DEADLINE_MS;
    while (atomic_load(count) < wanted && beam_now_ms() < deadline)
        poll(NULL, 0, 1);
    assert_int_equal(atomic_load(count), wanted);
}

/* ---- Tests ---- */

static void a_name_lasts_as_long_as_its_connection(void **state)
{
    (void)state;
    struct server s;
    start(&s, NULL);
    assert_int_equal(look_up_game(&s), 0);
    int fd = register_game(&s);
    assert_true(fd >= 0);
    assert_int_equal(look_up_game(&s), 5000);
    assert_int_equal(register_game(&s), -1);
    assert_int_equal(s.registered, 1);
    close(fd);
    wait_for(&s.gone, 1);
    assert_int_equal(look_up_game(&s), 0);
    fd = register_game(&s);
    assert_true(fd >= 0);
    stop(&s); /* with the registration open */
    close(fd);
}

static void it_ends_when_asked_to_unless_a_name_is_registered(void **state)
{
    (void)state;
    struct server s;
    start(&s, "127.0.0.1");
    int fd = register_game(&s);
    expect(&s, "\0\1k", 3, "NO");
    assert_int_equal(s.killed, 0);
    close(fd);
    wait_for(&s.gone, 1);
    expect(&s, "\0\1k", 3, "OK");
    wait_for(&s.killed, 1);
    stop(&s);
}

static void what_is_no_request_ends_its_own_connection(void **state)
{
    (void)state;
    struct server s;
    start(&s, "127.0.0.1");
    int fd = register_game(&s);
    expect(&s, "\xff\xff\xff", 3, "");
    expect(&s, "\0\1q", 3, "");
    expect(&s, "\0\0", 2, "");
    wait_for(&s.refused, 3);
    assert_int_equal(look_up_game(&s), 5000);
    assert_int_equal(send(fd, "\0\1n", 3, MSG_NOSIGNAL), 3); /* a registration has nothing more to say */
    wait_for(&s.gone, 1);
    assert_int_equal(look_up_game(&s), 0);
    close(fd);
    stop(&s);
}

static void where_it_cannot_listen_nothing_is_left(void **state)
{
    (void)state;
    struct server s;
    uv_loop_t loop;
    struct epmd_io *io = NULL;
    start(&s, "127.0.0.1");
    assert_int_equal(uv_loop_init(&loop), 0);
    struct epmd_io_options options = {.addresses = "127.0.0.1", .port = s.port, .logger = &s.logger};
    assert_int_equal(epmd_io_start(&loop, &options, &io), UV_EADDRINUSE);
    options.addresses = "localhost:x";
    assert_int_equal(epmd_io_start(&loop, &options, &io), UV_EINVAL);
    assert_null(io);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    stop(&s);
}

static bool answers_at(const char *address, uint16_t port)
{
    union socket_address to;
    assert_true(socket_parse(address, port, &to));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    bool answers = connect(fd, &to.any, sizeof to.v4) == 0;
    close(fd);
    return answers;
}

static void it_listens_where_it_is_told_and_on_loopback(void **state)
{
    (void)state;
    struct server s;
    start(&s, "127.0.0.3, 127.0.0.1,127.0.0.2");
    assert_true(answers_at("127.0.0.1", s.port));
    assert_true(answers_at("127.0.0.2", s.port));
    assert_true(answers_at("127.0.0.3", s.port));
    assert_false(answers_at("127.0.0.4", s.port));
    stop(&s);
    start(&s, "127.0.0.2");
    assert_true(answers_at("127.0.0.1", s.port));
    assert_false(answers_at("127.0.0.3", s.port));
    stop(&s);
    start(&s, "0.0.0.0");
    assert_true(answers_at("127.0.0.4", s.port));
    stop(&s);
    start(&s, " ,");
    assert_true(answers_at("127.0.0.4", s.port));
    stop(&s);
}

/* Has the kernel take little at a time of what the server writes: its connections have that from the listener. */
static void shrink_send_buffers(uint16_t port)
{
    enum { DESCRIPTORS = 100 };
    const int few = 1;
    int found = 0;
    for (int fd = 3; fd < DESCRIPTORS; fd++) {
        int listens = 0;
        socklen_t len = sizeof listens;
        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens && socket_port(fd) == port)
            found += setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &few, sizeof few) == 0;
    }
    assert_int_equal(found, 1);
}

/* More than the sockets hold, to a client that has closed its side. */
static void a_long_answer_comes_whole(void **state)
{
    (void)state;
    enum { NAMES = 200, NAME_BYTES = 240, LINE_BYTES = NAME_BYTES + 19 }; /* "name N at port 5000" and a newline */
    static int fds[NAMES];
    const int few = 1;
    struct server s;
    uint8_t bytes[4096];
    size_t sum = 0;
    ssize_t n;
    start(&s, "127.0.0.1");
    shrink_send_buffers(s.port);
    for (int i = 0; i < NAMES; i++) {
        char name[NAME_BYTES + 1];
        uint32_t creation;
        snprintf(name, sizeof name, "n%0*d", NAME_BYTES - 1, i);
        fds[i] = link_register(s.port, name, 5000, &creation);
    }
    union socket_address to;
    assert_true(socket_parse("127.0.0.1", s.port, &to));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few);
    assert_int_equal(connect(fd, &to.any, sizeof to.v4), 0);
    assert_int_equal(send(fd, "\0\1n", 3, MSG_NOSIGNAL), 3);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0)
        sum += (size_t)n;
    assert_int_equal(n, 0);
    assert_int_equal(sum, 4 + NAMES * LINE_BYTES);
    close(fd);
    for (int i = 0; i < NAMES; i++)
        close(fds[i]);
    wait_for(&s.gone, NAMES);
    stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_lasts_as_long_as_its_connection),
        cmocka_unit_test(it_ends_when_asked_to_unless_a_name_is_registered),
        cmocka_unit_test(what_is_no_request_ends_its_own_connection),
        cmocka_unit_test(where_it_cannot_listen_nothing_is_left),
        cmocka_unit_test(it_listens_where_it_is_told_and_on_loopback),
        cmocka_unit_test(a_long_answer_comes_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
