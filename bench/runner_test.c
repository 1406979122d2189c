/* The runner's logic: a number that is published must be the one that was measured. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"
#include "unit/check.h"

static struct results results;
static struct outcome outcome;

static void add(const char *who, const char *output)
{
    assert_true(results_add(&results, output, who));
}

static void clear(void)
{
    memset(&results, 0, sizeof results);
}

static void medians_are_of_all_runs(void **state)
{
    (void)state;
    clear();
    add("mesh", "{\"bench\":\"a\",\"who\":\"mesh\",\"value\":3,\"unit\":\"us\"}\n");
    add("mesh", "{\"bench\":\"a\",\"who\":\"mesh\",\"value\":1.5,\"unit\":\"us\"}\n"
                "{\"bench\":\"b\",\"who\":\"mesh\",\"value\":7,\"unit\":\"B\"}");
    add("mesh", "{\"bench\":\"a\",\"who\":\"mesh\",\"threads\":2,\"value\":2e1,\"unit\":\"us\"}\n");
    add("caf", "{\"bench\":\"a\",\"who\":\"caf\",\"value\":1,\"unit\":\"us\"}\n");
    add("caf", "{\"bench\":\"a\",\"who\":\"caf\",\"value\":2,\"unit\":\"us\"}\n");
    results_settle(&results);
    const struct result *mesh = results_find(&results, "a", "mesh");
    const struct result *caf = results_find(&results, "a", "caf");
    assert_int_equal(mesh->runs, 3);
    assert_true(mesh->median == 3 && mesh->min == 1.5 && mesh->max == 20);
    assert_true(caf->median == 1.5);
    assert_non_null(results_find(&results, "b", "mesh"));
    assert_null(results_find(&results, "b", "caf"));
}

static void output_that_is_no_result_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "\n",
        "oops\n",
        "{\"bench\":\"a\",\"who\":\"caf\",\"value\":1,\"unit\":\"us\"}\n", /* somebody else's name */
        "{\"bench\":\"a\",\"who\":\"mesh\",\"value\":x,\"unit\":\"us\"}\n",
        "{\"bench\":\"a\",\"who\":\"mesh\",\"value\":nan,\"unit\":\"us\"}\n",
        "{\"bench\":\"a\",\"who\":\"mesh\",\"value\":inf,\"unit\":\"us\"}\n",
        "{\"bench\":\"a\",\"who\":\"mesh\",\"value\":1}\n",
        "{\"bench\":\"\",\"who\":\"mesh\",\"value\":1,\"unit\":\"us\"}\n",
        "{\"bench\":\"a_name_of_more_than_the_32_bytes_that_fit\",\"who\":\"mesh\",\"value\":1,\"unit\":\"us\"}\n",
        "{\"bench\":\"a",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        clear();
        assert_false(results_add(&results, bad[i], "mesh"));
        assert_int_equal(results.count, 0);
    }
}

static void a_result_keeps_its_unit_and_its_bounds(void **state)
{
    static const char line[] = "{\"bench\":\"a\",\"who\":\"mesh\",\"value\":1,\"unit\":\"us\"}";
    (void)state;
    clear();
    for (int i = 0; i < MAX_RUNS; i++)
        add("mesh", line);
    assert_false(results_add(&results, line, "mesh"));
    clear();
    add("mesh", line);
    assert_false(results_add(&results, "{\"bench\":\"a\",\"who\":\"mesh\",\"value\":1,\"unit\":\"B\"}", "mesh"));
    assert_int_equal(results_find(&results, "a", "mesh")->runs, 1);
}

static void what_is_of_one_bench_stands_together(void **state)
{
    (void)state;
    clear();
    add("mesh", "{\"bench\":\"a\",\"who\":\"mesh\",\"value\":1,\"unit\":\"us\"}\n"
                "{\"bench\":\"b\",\"who\":\"mesh\",\"value\":2,\"unit\":\"us\"}");
    add("caf", "{\"bench\":\"a\",\"who\":\"caf\",\"value\":3,\"unit\":\"us\"}");
    assert_int_equal(results.count, 3);
    assert_string_equal(results.list[1].who, "caf");
    assert_string_equal(results.list[2].bench, "b");
    assert_int_equal((int)results.list[2].samples[0], 2);
}

static void suites_have_names_of_their_own(void **state)
{
    (void)state;
    assert_string_equal(plan_suite_name(SUITE_LOCAL), "local");
    assert_string_equal(plan_suite_name(SUITE_CLUSTER), "cluster");
    assert_null(plan_suite_name(SUITE_COUNT));
    assert_int_equal(plan_find("remote_call", 11)->suite, SUITE_CLUSTER);
    assert_ptr_equal(plan_find("join_1m_failed", 14), plan_find("join_1m", 7));
}

static void targets_count_what_is_missed(void **state)
{
    (void)state;
    clear();
    add("mesh", "{\"bench\":\"call_hot\",\"who\":\"mesh\",\"value\":400,\"unit\":\"1/s\"}");
    add("caf", "{\"bench\":\"call_hot\",\"who\":\"caf\",\"value\":100,\"unit\":\"1/s\"}");
    add("mesh", "{\"bench\":\"idle_bytes\",\"who\":\"mesh\",\"value\":200.5,\"unit\":\"B\"}");
    results.failed |= 1ul << (plan_find("crash_survivors", strlen("crash_survivors")) - plan_jobs);
    results_settle(&results);
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    assert_int_equal(table_print(&results, to), 2); /* idle_bytes, crash_survivors */
    fclose(to);
    assert_non_null(strstr(text, "NOT MET"));
    assert_non_null(strstr(text, "FAILED"));
    free(text);
}

static void every_target_belongs_to_a_job(void **state)
{
    (void)state;
    for (size_t i = 0; i < plan_targets_count; i++) {
        const char *name = plan_targets[i].bench;
        const struct job *job = plan_find(name, strlen(name));
        assert_non_null(job);
        assert_true(job->who & 1u << WHO_MESH);
    }
    assert_null(plan_find("call", 4));
    assert_null(plan_find("", 0));
    assert_ptr_equal(plan_find("neighbour_max,x", 13), plan_find("neighbour", 9));
}

static void commands_name_the_benchmark(void **state)
{
    static struct command c;
    (void)state;
    const struct job *job = plan_find("call_hot", 8);
    assert_true(plan_command(job, WHO_GENSERVER, "/there", true, &c));
    assert_string_equal(c.argv[0], "elixir");
    assert_string_equal(c.argv[1], "/there/contender_genserver.exs");
    assert_string_equal(c.argv[2], "call_hot");
    assert_null(c.argv[3]);
    assert_true(plan_command(job, WHO_MESH, "/there", true, &c));
    assert_string_equal(c.argv[1], "--quick");
    job = plan_find("remote_sequential", 17);
    assert_true(plan_command(job, WHO_TCP_POLLING, "/there", true, &c));
    assert_string_equal(c.argv[0], "/there/tcp_floor");
    assert_string_equal(c.argv[1], "tcp_polling");
    assert_null(c.argv[2]);
    char far[5000];
    memset(far, 'x', sizeof far - 1);
    far[sizeof far - 1] = '\0';
    assert_false(plan_command(job, WHO_MESH, far, false, &c));
}

static void numbers_are_for_people(void **state)
{
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},     {200, "200"},        {12345678, "12,345,678"}, {999.9, "1,000"},  {-1234, "-1,234"},
                 {0.3, "0.3"}, {0.00123, "0.0012"}, {3.14159, "3.14"},        {157.25, "157.2"}, {1000, "1,000"},
                 {100, "100"}, {0.00001, "0"}};
    char text[NAME_BYTES];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(table_number(cases[i].value, text), cases[i].text);
}

static void programs_end_as_they_do(void **state)
{
    char *good[] = {"sh", "-c", "echo out; echo err >&2", NULL};
    char *bad[] = {"sh", "-c", "exit 3", NULL};
    char *killed[] = {"sh", "-c", "kill -9 $$", NULL};
    char *missing[] = {"/nowhere/to/be/found", NULL};
    char *loud[] = {"sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x", NULL};
    (void)state;
    child_run(good, 60, &outcome);
    assert_true(outcome.ok);
    assert_string_equal(outcome.out, "out\n");
    assert_string_equal(outcome.err, "err\n");
    child_run(bad, 60, &outcome);
    assert_false(outcome.ok);
    assert_string_equal(outcome.why, "exited with 3");
    child_run(killed, 60, &outcome);
    assert_false(outcome.ok);
    assert_non_null(strstr(outcome.why, "signal 9"));
    child_run(missing, 60, &outcome);
    assert_false(outcome.ok);
    assert_non_null(strstr(outcome.why, "cannot be run"));
    child_run(loud, 60, &outcome);
    assert_true(outcome.ok);
    assert_int_equal(strlen(outcome.out), TEXT_BYTES - 1);
}

static void a_late_program_is_killed(void **state)
{
    char *late[] = {"sleep", "600", NULL};
    (void)state;
    child_run(late, 0, &outcome);
    assert_false(outcome.ok);
    assert_non_null(strstr(outcome.why, "killed"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians_are_of_all_runs),
        cmocka_unit_test(output_that_is_no_result_is_refused),
        cmocka_unit_test(a_result_keeps_its_unit_and_its_bounds),
        cmocka_unit_test(what_is_of_one_bench_stands_together),
        cmocka_unit_test(suites_have_names_of_their_own),
        cmocka_unit_test(targets_count_what_is_missed),
        cmocka_unit_test(every_target_belongs_to_a_job),
        cmocka_unit_test(commands_name_the_benchmark),
        cmocka_unit_test(numbers_are_for_people),
        cmocka_unit_test(programs_end_as_they_do),
        cmocka_unit_test(a_late_program_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
