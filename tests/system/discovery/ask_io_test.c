/* LocalEpmd and ErlangHosts against epmds that answer, are silent, never end, or are not there; and where the port and
 * the file come from. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mesh/error.h>

#include "base/log.h"
#include "discovery/options.h"
#include "system/discovery/fake_epmd.h"
#include "system/discovery/stage.h"

#define OWN "own@127.0.0.1"

static struct discovery *start(struct stage *s, const struct discovery_strategy *strategy, const void *options)
{
    struct discovery_env env = stage_env(s, OWN);
    struct discovery_reason reason = {""};
    struct discovery *d = NULL;
    if (strategy->start(&env, options, &d, &reason) != MESH_OK)
        fail_msg("%s", reason.text);
    return d;
}

static void refuses(struct stage *s, const struct discovery_strategy *strategy, const void *options, int error,
                    const char *expected)
{
    struct discovery_env env = stage_env(s, OWN);
    struct discovery_reason reason = {""};
    struct discovery *d = NULL;
    assert_int_equal(strategy->start(&env, options, &d, &reason), error);
    assert_string_equal(reason.text, expected);
    assert_null(d);
}

/* What the kernel's buffers may take of an endless answer, beside the 64 KiB that are read. */
#define MOST_SENT_BYTES (UINT64_C(16) << 20)

/* Asks an epmd of this mode until the counter moves. */
static void expect_count(enum fake_epmd_mode mode, const char *answer, const char *counter)
{
    struct stage s;
    struct fake_epmd epmd;
    stage_open(&s);
    fake_epmd_open(&epmd, &s.loop, mode, answer);
    mesh_local_epmd_options options = {.timeout_ms = 10, .epmd_port = epmd.port};
    struct discovery *d = start(&s, &discovery_local_epmd, &options);
    while (stage_count(&discovery_local_epmd, d, counter) < 3)
        stage_step(&s);
    assert_true(epmd.questions >= 3);
    discovery_local_epmd.stop(d, stage_on_stopped, &s);
    while (s.stopped == 0)
        stage_step(&s);
    fake_epmd_close(&epmd);
    stage_close(&s);
    assert_int_equal(epmd.open, 0);
    assert_true(epmd.sent <= epmd.questions * MOST_SENT_BYTES);
}

static void answers_are_judged_and_counted(void **state)
{
    (void)state;
    expect_count(FAKE_ANSWERS, "name a at port 1\n", "answers_good");
    expect_count(FAKE_ANSWERS, "", "answers_good");
    expect_count(FAKE_ANSWERS, "name a at po", "answers_bad");
    expect_count(FAKE_DROPS, "", "answers_bad");
    expect_count(FAKE_ENDLESS, "name a at port 1\nname b at port 1\nname c at port 1\n", "questions_failed");
}

static void note_message(void *context, const mesh_log_event *event)
{
    unsigned *messages = context;
    messages[strcmp(event->message, "epmd does not answer") == 0 ? 0 : 1]++;
}

/* What was said is said once, however often it is asked. */
static void an_epmd_that_is_not_there_is_asked_again(void **state)
{
    (void)state;
    struct stage s;
    struct fake_epmd epmd;
    struct logger logger;
    unsigned messages[2] = {0, 0};
    struct discovery_reason reason = {""};
    struct discovery *d = NULL;
    log_init(&logger, MESH_LOG_INFO, note_message, messages);
    stage_open(&s);
    fake_epmd_open(&epmd, &s.loop, FAKE_ANSWERS, "name peer at port 1\n");
    uint16_t port = epmd.port;
    fake_epmd_close(&epmd);
    uv_run(&s.loop, UV_RUN_NOWAIT);
    mesh_local_epmd_options options = {.timeout_ms = 10, .epmd_port = port};
    struct discovery_env env = stage_env(&s, OWN);
    env.logger = &logger;
    assert_int_equal(discovery_local_epmd.start(&env, &options, &d, &reason), MESH_OK);
    while (stage_count(&discovery_local_epmd, d, "questions_failed") < 5)
        stage_step(&s);
    assert_int_equal(messages[0], 1);
    assert_int_equal(messages[1], 0);
    assert_int_equal(stage_count(&discovery_local_epmd, d, "answers_good"), 0);
    discovery_local_epmd.stop(d, NULL, NULL);
    stage_close(&s);
}

static void a_silent_epmd_is_given_up_and_can_be_left_at_any_time(void **state)
{
    (void)state;
    struct stage s;
    struct fake_epmd epmd;
    stage_open(&s);
    fake_epmd_open(&epmd, &s.loop, FAKE_SILENT, "");
    mesh_local_epmd_options options = {.timeout_ms = 10, .epmd_port = epmd.port};
    struct discovery *first = start(&s, &discovery_local_epmd, &options);
    struct discovery *second = start(&s, &discovery_local_epmd, &options);
    while (epmd.questions < 2)
        stage_step(&s);
    discovery_local_epmd.stop(second, stage_on_stopped, &s); /* in the middle of its question */
    while (s.stopped == 0)
        stage_step(&s);
    while (stage_count(&discovery_local_epmd, first, "questions_failed") < 1)
        stage_step(&s);
    assert_int_equal(stage_count(&discovery_local_epmd, first, "questions_asked"), 1); /* one at a time */
    discovery_local_epmd.stop(first, NULL, NULL);
    fake_epmd_close(&epmd);
    stage_close(&s);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

struct folder {
    char work[PATH_MAX], home[64], back[PATH_MAX];
    char *old_home;
};

/* An empty working directory and an empty home. */
static void enter(struct folder *f)
{
    const char *home = getenv("HOME");
    f->old_home = home != NULL ? strdup(home) : NULL;
    assert_non_null(getcwd(f->back, sizeof f->back));
    snprintf(f->work, sizeof f->work, "/tmp/mesh-work-XXXXXX");
    snprintf(f->home, sizeof f->home, "/tmp/mesh-home-XXXXXX");
    assert_non_null(mkdtemp(f->work));
    assert_non_null(mkdtemp(f->home));
    assert_int_equal(chdir(f->work), 0);
    assert_int_equal(setenv("HOME", f->home, 1), 0);
}

static void leave(struct folder *f)
{
    char path[128];
    unlink(".hosts.erlang");
    snprintf(path, sizeof path, "%s/.hosts.erlang", f->home);
    unlink(path);
    assert_int_equal(chdir(f->back), 0);
    assert_int_equal(rmdir(f->work), 0);
    assert_int_equal(rmdir(f->home), 0);
    if (f->old_home != NULL)
        assert_int_equal(setenv("HOME", f->old_home, 1), 0);
    free(f->old_home);
}

/* Starts ErlangHosts with the file wherever it is found, and waits for the node. */
static void expect_node(const char *node)
{
    struct stage s;
    struct fake_epmd epmd;
    stage_open(&s);
    world_watch(&s.world, 0, node);
    fake_epmd_open(&epmd, &s.loop, FAKE_ANSWERS, "name peer at port 4001\n");
    mesh_erlang_hosts_options options = {.timeout_ms = 20, .epmd_port = epmd.port};
    struct discovery *d = start(&s, &discovery_erlang_hosts, &options);
    while (s.world.seen[0] == 0)
        stage_step(&s);
    discovery_erlang_hosts.stop(d, NULL, NULL);
    fake_epmd_close(&epmd);
    stage_close(&s);
}

static void the_hosts_file_is_that_of_the_folder_or_else_of_home(void **state)
{
    (void)state;
    struct folder f;
    struct stage s;
    char home_file[128], expected[256];
    enter(&f);
    stage_open(&s);
    snprintf(home_file, sizeof home_file, "%s/.hosts.erlang", f.home);
    snprintf(expected, sizeof expected, "erlang_hosts: %s: No such file or directory", home_file);
    refuses(&s, &discovery_erlang_hosts, &(mesh_erlang_hosts_options){0}, MESH_ESYSTEM, expected);
    write_file(home_file, "localhost.\n");
    expect_node("peer@localhost"); /* its name is looked up */
    write_file(".hosts.erlang", "'127.0.0.1'.\n");
    expect_node("peer@127.0.0.1");
    write_file(".hosts.erlang", "'a'.\nb\n");
    refuses(&s, &discovery_erlang_hosts, &(mesh_erlang_hosts_options){0}, MESH_EINVAL,
            "erlang_hosts: .hosts.erlang:3: expected a dot behind the host, and a new line behind the dot");
    refuses(&s, &discovery_erlang_hosts, &(mesh_erlang_hosts_options){.file = "other"}, MESH_ESYSTEM,
            "erlang_hosts: other: No such file or directory");
    refuses(&s, &discovery_erlang_hosts, &(mesh_erlang_hosts_options){.file = "."}, MESH_ESYSTEM,
            "erlang_hosts: .: Is a directory");
    stage_close(&s);
    leave(&f);
}

static void epmds_port_comes_from_the_environment_unless_given(void **state)
{
    (void)state;
    static const char *const bad[] = {"0", "65536", "-1", "4369x", " 4369", "port", "99999999999999999999"};
    struct stage s;
    struct fake_epmd epmd;
    char text[128];
    stage_open(&s);
    fake_epmd_open(&epmd, &s.loop, FAKE_ANSWERS, "name peer at port 4001\n");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("ERL_EPMD_PORT", bad[i], 1);
        snprintf(text, sizeof text, "local_epmd: ERL_EPMD_PORT: expected 1 to 65535, got \"%s\"", bad[i]);
        refuses(&s, &discovery_local_epmd, &(mesh_local_epmd_options){0}, MESH_EINVAL, text);
    }
    mesh_local_epmd_options given = {.timeout_ms = 10, .epmd_port = epmd.port}, zero = {.timeout_ms = 10};
    struct discovery *d = start(&s, &discovery_local_epmd, &given); /* ERL_EPMD_PORT is not looked at */
    while (stage_count(&discovery_local_epmd, d, "answers_good") == 0)
        stage_step(&s);
    discovery_local_epmd.stop(d, NULL, NULL);
    snprintf(text, sizeof text, "%u", (unsigned)epmd.port);
    setenv("ERL_EPMD_PORT", text, 1);
    d = start(&s, &discovery_local_epmd, &zero);
    while (stage_count(&discovery_local_epmd, d, "answers_good") == 0)
        stage_step(&s);
    discovery_local_epmd.stop(d, NULL, NULL);
    unsetenv("ERL_EPMD_PORT");
    fake_epmd_close(&epmd);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_judged_and_counted),
        cmocka_unit_test(an_epmd_that_is_not_there_is_asked_again),
        cmocka_unit_test(a_silent_epmd_is_given_up_and_can_be_left_at_any_time),
        cmocka_unit_test(the_hosts_file_is_that_of_the_folder_or_else_of_home),
        cmocka_unit_test(epmds_port_comes_from_the_environment_unless_given),
    };
    unsetenv("ERL_EPMD_PORT");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
