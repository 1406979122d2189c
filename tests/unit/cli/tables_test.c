/* What nodes answer, as people and programs see it. The answers are written as terms. */
#include "unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/tables.h"
#include "cli/words.h"

static void parse(mesh_buf *out, const char *text)
{
    size_t column = 0;
    mesh_buf_init(out);
    if (mesh_parse(text, strlen(text), out, &column) != MESH_OK)
        fail_msg("column %zu of %s", column, text);
}

static void expect(struct columns *t, bool json, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    assert_non_null(t);
    assert_non_null(to);
    if (json)
        columns_print_json(t, to);
    else
        columns_print(t, to, false);
    fclose(to);
    columns_destroy(t);
    assert_string_equal(text, wanted);
    free(text);
}

/* A view of nodes with what each answered: NULL: nothing. */
struct given {
    const char *name;
    bool beam;
    const char *answer;
};

static void view_of(struct view *view, const struct given *given, size_t count)
{
    view->count = count;
    view->seen = calloc(count, sizeof *view->seen);
    assert_non_null(view->seen);
    for (size_t i = 0; i < count; i++) {
        struct seen *s = &view->seen[i];
        snprintf(s->name, sizeof s->name, "%s", given[i].name);
        s->beam = given[i].beam;
        mesh_buf_init(&s->value);
        if (given[i].answer != NULL)
            parse(&s->value, given[i].answer);
        s->answered = given[i].answer != NULL && strncmp(given[i].answer, "{:error", 7) != 0;
    }
}

#define INFO(draining, drained, capabilities, links)                                                                   \
    "%{name: \"x\", creation: 1, version: \"0.1.0\", uptime_ms: 61999, workers: 2, processes: 12, draining: " draining \
    ", drained: " drained ", capabilities: " capabilities ", links: " links ", later: :added}"

static void nodes_have_a_row_each(void **state)
{
    static const struct given given[] = {
        {"a@h", false, INFO("false", "false", "[\"game\", \"chat\"]", "[%{name: \"b@h\", creation: 1, kind: :c}]")},
        {"b@h", true, NULL},
        {"c@h", false, INFO("true", "false", "[]", "[]")},
        {"d@h", false, INFO("true", "true", "[\"game\"]", "[]")},
        {"e@h", false, NULL},
    };
    struct view view;
    (void)state;
    view_of(&view, given, 5);
    expect(table_nodes(&view), false,
           "NODE  KIND  STATE      VERSION  UPTIME S  PROCESSES  LINKS  CAPABILITIES\n"
           "a@h   c     up         0.1.0          61         12      1  game chat\n"
           "b@h   beam  connected  -               -          -      -  -\n"
           "c@h   c     draining   0.1.0          61         12      0  \n"
           "d@h   c     drained    0.1.0          61         12      0  game\n"
           "e@h   c     no answer  -               -          -      -  -\n");
    view.count = 2;
    expect(table_nodes(&view), true,
           "[{\"node\": \"a@h\", \"kind\": \"c\", \"state\": \"up\", \"version\": \"0.1.0\", \"uptime_s\": 61, "
           "\"processes\": 12, \"links\": 1, \"capabilities\": [\"game\", \"chat\"]},\n"
           " {\"node\": \"b@h\", \"kind\": \"beam\", \"state\": \"connected\", \"version\": null, \"uptime_s\": null, "
           "\"processes\": null, \"links\": null, \"capabilities\": null}]\n");
    view.count = 5;
    view_fini(&view);
}

static void the_view_is_the_target_and_its_links(void **state)
{
    struct view view;
    mesh_buf info;
    (void)state;
    parse(&info, "%{name: \"b@h\", links: [%{name: \"c@h\", kind: :beam}, %{name: \"a@h\", kind: :c}]}");
    assert_true(view_read(&view, mesh_buf_term(&info)));
    assert_int_equal(view.count, 3);
    assert_string_equal(view.seen[0].name, "a@h");
    assert_false(view.seen[0].beam);
    assert_string_equal(view.seen[1].name, "b@h");
    assert_false(view.seen[1].beam);
    assert_string_equal(view.seen[2].name, "c@h");
    assert_true(view.seen[2].beam);
    view_fini(&view);
    mesh_buf_fini(&info);
    parse(&info, "%{name: \"b@h\", links: [%{name: \"c@h\", kind: :beam}, 1]}");
    assert_false(view_read(&view, mesh_buf_term(&info)));
    view_fini(&view);
    mesh_buf_fini(&info);
}

static void capabilities_have_a_state(void **state)
{
    mesh_buf answer;
    (void)state;
    parse(&answer, "[%{name: \"chat\", shards: 4096, strategy: :modulo, nodes: 3, held: 5, disagree: true},"
                   " %{name: \"game\", shards: 64, strategy: :capped, nodes: 12, held: 0, disagree: false},"
                   " %{name: \"pay\", shards: 1, strategy: :capped, nodes: 0, held: 0, disagree: false}]");
    expect(table_capabilities(mesh_buf_term(&answer)), false,
           "CAPABILITY  NODES  SHARDS  STRATEGY  STATE\n"
           "chat            3    4096  modulo    nodes disagree\n"
           "game           12      64  capped    ok\n"
           "pay             0       1  capped    leaving\n");
    mesh_buf_fini(&answer);
    parse(&answer, "[]");
    expect(table_capabilities(mesh_buf_term(&answer)), true, "[]\n");
    mesh_buf_fini(&answer);
}

#define RING                                                                                                           \
    "%{shards: 64, strategy: :capped, disagree: false, owners: \"\", nodes: [%{name: \"a@h\", weight: 1, owned: 21}, " \
    "%{name: \"b@h\", weight: 2, owned: 43}]}"

static void a_ring_shows_shares_and_what_would_move(void **state)
{
    static const int64_t moved[] = {23, -1};
    struct ring_nodes nodes;
    mesh_bytes name;
    mesh_buf answer;
    (void)state;
    parse(&answer, RING);
    expect(table_ring(mesh_buf_term(&answer), moved, 2), false,
           "NODE  WEIGHT  SHARDS  PERCENT  MOVED IF IT LEFT\n"
           "a@h        1      21     32.8                23\n"
           "b@h        2      43     67.2                 -\n");
    expect(table_ring(mesh_buf_term(&answer), NULL, 0), true,
           "[{\"node\": \"a@h\", \"weight\": 1, \"shards\": 21, \"percent\": 32.8},\n"
           " {\"node\": \"b@h\", \"weight\": 2, \"shards\": 43, \"percent\": 67.2}]\n");
    assert_true(ring_nodes_begin(&nodes, mesh_buf_term(&answer)));
    assert_true(ring_nodes_next(&nodes, &name));
    assert_memory_equal(name.data, "a@h", 3);
    assert_true(ring_nodes_next(&nodes, &name));
    assert_false(ring_nodes_next(&nodes, &name));
    mesh_buf_fini(&answer);
    parse(&answer, "%{moved: 25, least: 21, nodes: [%{name: \"a@h\", owned: 21, after: 0, gains: 0}, "
                   "%{name: \"b@h\", owned: 43, after: 64, gains: 21}]}");
    expect(table_leave(mesh_buf_term(&answer)), false,
           "NODE  SHARDS  SHARDS AFTER  GETS\n"
           "a@h       21             0     0\n"
           "b@h       43            64    21\n");
    mesh_buf_fini(&answer);
}

static void numbers_are_in_units_for_people(void **state)
{
    static const struct given given[] = {
        {"a@h", false, "%{calls: 7, processes: 3, handler_p99_ns: 12999, call_p50_ns: 999, cluster: %{held: 5}}"},
        {"b@h", true, NULL},
        {"c@h", false, NULL},
        {"d@h", false, "{:error, %{error: :MESH_ENOCAPABILITY, text: \"\", reason: nil}}"},
    };
    struct view view;
    (void)state;
    view_of(&view, given, 4);
    expect(table_stats(&view, false), false,
           "NODE  HELD  PROCESSES  SUSPENDED  CALLS  CASTS  CRASHES  TIMEOUTS  BUSY  REFUSED  DROPPED  STUCK  "
           "HANDLER P99 US  CALL P50 US  CALL P99 US\n"
           "a@h      5          3  -              7  -      -        -         -     -        -        -      "
           "            12            0  -\n"
           "c@h      -          -  -              -  -      -        -         -     -        -        -      "
           "             -            -  -\n");
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    struct columns *t = table_stats(&view, true);
    columns_print_json(t, to);
    fclose(to);
    columns_destroy(t);
    assert_non_null(strstr(text, "{\"node\": \"a@h\", \"held\": 5, \"processes\": 3, \"shards\": null, "));
    assert_non_null(strstr(text, "\"handler_p99_ns\": 12999, "));
    assert_null(strstr(text, "b@h"));
    assert_null(strstr(text, "d@h"));
    free(text);
    view_fini(&view);
}

static void waits_of_all_nodes_are_one_list(void **state)
{
    static const struct given given[] = {
        {"a@h", false,
         "%{count: 12, waits: [%{module: \"Room\", id: \"r1\", on: :call, on_module: \"User\", on_id: \"u\\0\", "
         "since_ms: "
         "420}, %{module: nil, id: \"\", on: :await, on_module: nil, on_id: \"\", since_ms: 3}]}"},
        {"b@h", false, "%{count: 0, waits: []}"},
        {"c@h", false, NULL},
    };
    struct view view;
    uint64_t left_out = 0;
    (void)state;
    view_of(&view, given, 3);
    expect(table_waits(&view, &left_out), false,
           "NODE  MODULE  ID  SINCE MS  WAITS FOR  OF MODULE  OF ID\n"
           "a@h   Room    r1       420  call       User       u\\x00\n"
           "a@h   -                  3  await      -          \n");
    assert_int_equal(left_out, 10);
    view_fini(&view);
}

/* Answers of another version, or of somebody else. */
static void what_is_not_understood_is_no_table(void **state)
{
    static const char *const bad[] = {":ok",
                                      "%{}",
                                      "[1]",
                                      "[%{name: \"x\"}]",
                                      "%{nodes: [%{name: 1}], shards: 1}",
                                      "%{nodes: 1, shards: 1}",
                                      "%{nodes: [%{name: \"a\", weight: 1, owned: 1} | :x], shards: -1}",
                                      "%{count: 1, waits: [1]}"};
    struct given given = {"a@h", false, NULL};
    struct view view;
    uint64_t left_out;
    mesh_buf answer;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        parse(&answer, bad[i]);
        assert_null(table_capabilities(mesh_buf_term(&answer)));
        assert_null(table_ring(mesh_buf_term(&answer), NULL, 0));
        assert_null(table_leave(mesh_buf_term(&answer)));
        mesh_buf_fini(&answer);
        given.answer = bad[i];
        view_of(&view, &given, 1);
        assert_null(table_nodes(&view));
        assert_null(table_waits(&view, &left_out));
        view_fini(&view);
    }
}

int main(void)
{
    words_use_utf8();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_have_a_row_each),
        cmocka_unit_test(the_view_is_the_target_and_its_links),
        cmocka_unit_test(capabilities_have_a_state),
        cmocka_unit_test(a_ring_shows_shares_and_what_would_move),
        cmocka_unit_test(numbers_are_in_units_for_people),
        cmocka_unit_test(waits_of_all_nodes_are_one_list),
        cmocka_unit_test(what_is_not_understood_is_no_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
