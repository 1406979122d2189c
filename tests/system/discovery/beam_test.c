/* Against a real BEAM: gossip in both directions, a real epmd whose node goes and comes back, and Erlang's own reader
 * of .hosts.erlang. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mesh/error.h>

#include "discovery/gossip.h"
#include "discovery/hosts_file.h"
#include "system/discovery/stage.h"

#define OURS "ours@127.0.0.1"
#define BEAM "beam@127.0.0.1"

/* A program, and what it has printed. */
struct child {
    uv_process_t process;
    uv_pipe_t out;
    char text[4096];
    size_t len;
    bool running, ended;
};

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct child *c = handle->data;
    (void)suggested;
    if (c->len > sizeof c->text / 2) { /* the newer half is enough */
        memmove(c->text, c->text + c->len / 2, c->len - c->len / 2);
        c->len -= c->len / 2;
    }
    *buf = uv_buf_init(c->text + c->len, (unsigned)(sizeof c->text - 1 - c->len));
}

static void on_text(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct child *c = stream->data;
    (void)buf;
    if (n < 0) {
        uv_close((uv_handle_t *)stream, NULL);
        c->ended = true;
        return;
    }
    c->len += (size_t)n;
    c->text[c->len] = 0;
}

static void on_exit_of(uv_process_t *process, int64_t status, int signal)
{
    struct child *c = process->data;
    (void)status;
    (void)signal;
    c->running = false;
    uv_close((uv_handle_t *)process, NULL);
}

/* Starts argv (at most 12 words) under timeout, which ends it even if this test does not live to do so. */
static void spawn(struct stage *s, struct child *c, const char *const *words)
{
    const char *argv[16] = {"timeout", "-k", "2", "100"};
    for (size_t i = 0; words[i] != NULL; i++) {
        assert_true(i < 11);
        argv[4 + i] = words[i];
    }
    memset(c, 0, sizeof *c);
    c->process.data = c->out.data = c;
    assert_int_equal(uv_pipe_init(&s->loop, &c->out, 0), 0);
    uv_stdio_container_t stdio[2] = {
        {.flags = UV_IGNORE}, {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&c->out}};
    uv_process_options_t options = {
        .file = argv[0], .args = (char **)(uintptr_t)argv, .exit_cb = on_exit_of, .stdio = stdio, .stdio_count = 2};
    int error = uv_spawn(&s->loop, &c->process, &options);
    if (error != 0)
        fail_msg("%s: %s", argv[0], uv_strerror(error));
    c->running = true;
    assert_int_equal(uv_read_start((uv_stream_t *)&c->out, give_buffer, on_text), 0);
}

/* Waits until the program has printed text. */
static void await_text(struct stage *s, const struct child *c, const char *text)
{
    while (strstr(c->text, text) == NULL) {
        if (!c->running)
            fail_msg("it ended after \"%s\"", c->text);
        stage_step(s);
    }
}

static void end(struct stage *s, struct child *c)
{
    if (c->running)
        uv_process_kill(&c->process, SIGHUP); /* timeout passes it on, and a BEAM dies of it at once */
    while (c->running || !c->ended)
        stage_step(s);
}

static bool skipped(void)
{
    if (system("command -v erl escript epmd >/dev/null 2>&1") == 0)
        return false;
    print_message("erl is not installed: skipped\n");
    return true;
}

static struct discovery *start(struct stage *s, const struct discovery_strategy *strategy, const void *options)
{
    struct discovery_env env = stage_env(s, OURS);
    struct discovery_reason reason = {""};
    struct discovery *d = NULL;
    if (strategy->start(&env, options, &d, &reason) != MESH_OK)
        fail_msg("%s", reason.text);
    return d;
}

/* Both sides hear each other with these options. */
static void gossip_both_ways(const mesh_gossip_options *given, const char *minor_version)
{
    if (skipped())
        skip();
    struct stage s;
    struct child beam;
    mesh_gossip_options options = *given;
    char port[16];
    stage_open(&s);
    world_watch(&s.world, 0, BEAM);
    options.port = 20000 + (uint32_t)getpid() % 10000;
    snprintf(port, sizeof port, "%u", options.port);
    const char *const argv[] = {"escript",
                                MESH_GOSSIP_ESCRIPT,
                                BEAM,
                                port,
                                options.multicast_addr != NULL ? options.multicast_addr : GOSSIP_MULTICAST_ADDR,
                                options.broadcast_only ? "broadcast" : "multicast",
                                options.secret != NULL ? options.secret : "-",
                                minor_version,
                                NULL};
    spawn(&s, &beam, argv);
    await_text(&s, &beam, "ready");
    struct discovery *d = start(&s, &discovery_gossip, &options);
    while (s.world.seen[0] == 0)
        stage_step(&s);
    await_text(&s, &beam, "connect " OURS);
    assert_int_equal(stage_count(&discovery_gossip, d, "packets_bad_term"), 0);
    assert_int_equal(stage_count(&discovery_gossip, d, "packets_foreign"), 0);
    assert_int_equal(stage_count(&discovery_gossip, d, "packets_unreadable"), 0);
    discovery_gossip.stop(d, NULL, NULL);
    end(&s, &beam);
    stage_close(&s);
}

static void gossip_plain(void **state)
{
    (void)state;
    gossip_both_ways(&(mesh_gossip_options){.multicast_if = "127.0.0.1"}, "1");
    gossip_both_ways(&(mesh_gossip_options){.multicast_if = "127.0.0.1"}, "2");
}

static void gossip_with_a_secret(void **state)
{
    (void)state;
    gossip_both_ways(&(mesh_gossip_options){.multicast_if = "127.0.0.1", .secret = "a secret"}, "1");
    gossip_both_ways(&(mesh_gossip_options){.multicast_if = "127.0.0.1", .secret = "a secret"}, "2");
}

static void gossip_by_broadcast(void **state)
{
    (void)state;
    gossip_both_ways(&(mesh_gossip_options){.broadcast_only = true, .multicast_addr = "127.255.255.255"}, "1");
}

/* A port that was free a moment ago. */
static uint32_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

/* A node registers, ends, and registers again, all at a real epmd of its own. */
static void follow_a_node(const struct discovery_strategy *strategy, struct stage *s, const void *options)
{
    static const char *const erl[] = {"erl", "-noshell", "-name", BEAM, "-setcookie", "mesh", NULL};
    struct child beam;
    struct discovery *d = start(s, strategy, options);
    while (stage_count(strategy, d, "answers_good") < 2)
        stage_step(s);
    assert_int_equal(s->world.all_seen, 0);
    for (int life = 0; life < 2; life++) {
        world_forget(&s->world);
        spawn(s, &beam, erl);
        while (s->world.seen[0] == 0)
            stage_step(s);
        world_connect(&s->world, BEAM);
        unsigned asked = s->world.asked;
        while (s->world.asked < asked + 3)
            stage_step(s);
        assert_int_equal(s->world.all_gone, 0);
        end(s, &beam);
        world_connect(&s->world, NULL);
        while (s->world.gone[0] == 0)
            stage_step(s);
    }
    assert_int_equal(stage_count(strategy, d, "answers_bad") + stage_count(strategy, d, "lines_bad"), 0);
    strategy->stop(d, NULL, NULL);
}

static void a_node_at_a_real_epmd_comes_goes_and_comes_back(void **state)
{
    (void)state;
    if (skipped())
        skip();
    struct stage s;
    struct child epmd;
    char port[16], path[64];
    stage_open(&s);
    world_watch(&s.world, 0, BEAM);
    snprintf(port, sizeof port, "%u", free_port());
    snprintf(path, sizeof path, "/tmp/mesh-beam-hosts-%d", (int)getpid());
    setenv("ERL_EPMD_PORT", port, 1);
    const char *const argv[] = {"epmd", NULL};
    spawn(&s, &epmd, argv);
    follow_a_node(&discovery_local_epmd, &s, &(mesh_local_epmd_options){.timeout_ms = 50});
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs("'127.0.0.1'.\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    world_forget(&s.world);
    follow_a_node(&discovery_erlang_hosts, &s, &(mesh_erlang_hosts_options){.file = path, .timeout_ms = 50});
    unlink(path);
    unsetenv("ERL_EPMD_PORT");
    end(&s, &epmd);
    stage_close(&s);
}

/* Runs Erlang's net_adm:host_file() on the text, and compares. "" stands for a file that it refuses. */
static void compare_hosts(const char *folder, const char *text)
{
    char path[128], command[512], theirs[1024] = "", ours[1024] = "";
    mesh_bytes hosts[HOSTS_MAX];
    size_t count = 0, line = 0, len = 0;
    const char *expected;
    snprintf(path, sizeof path, "%s/.hosts.erlang", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    snprintf(command, sizeof command,
             "cd %s && erl -noshell -eval 'case net_adm:host_file() of {error, _} -> ok;"
             " Hosts -> [io:format(\"~s \", [H]) || H <- Hosts] end, halt().'",
             folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    theirs[fread(theirs, 1, sizeof theirs - 1, pipe)] = 0;
    assert_int_equal(pclose(pipe), 0);
    if (hosts_file_parse(mesh_str(text), hosts, &count, &line, &expected) != MESH_OK)
        count = 0;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(ours + len, sizeof ours - len, "%.*s ", (int)hosts[i].len, (const char *)hosts[i].data);
    assert_string_equal(ours, theirs);
    unlink(path);
}

static void hosts_files_are_read_as_erlang_reads_them(void **state)
{
    (void)state;
    if (skipped())
        skip();
    char folder[] = "/tmp/mesh-hosts-XXXXXX";
    assert_non_null(mkdtemp(folder));
    compare_hosts(folder, "'super.eua.ericsson.se'.\n'renat.eua.ericsson.se'.\n");
    compare_hosts(folder, "localhost. 'b'.% comment\n\n  \"10.0.0.1\" .\nother_Host1.");
    compare_hosts(folder, "'a'.\n'b'\n");
    compare_hosts(folder, "a.b.\n");
    compare_hosts(folder, "'a'.\n'b");
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gossip_plain),
        cmocka_unit_test(gossip_with_a_secret),
        cmocka_unit_test(gossip_by_broadcast),
        cmocka_unit_test(a_node_at_a_real_epmd_comes_goes_and_comes_back),
        cmocka_unit_test(hosts_files_are_read_as_erlang_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
