/* mesh_build: what it writes for every hole, and what it refuses. */
#include <math.h>
#include <stdio.h>

#include "unit/term/help.h"

#define assert_builds(text, ...)                                                                                       \
    do {                                                                                                               \
        assert_int_equal(mesh_build(&b, __VA_ARGS__), MESH_OK);                                                        \
        assert_int_equal(mesh_term_check(b.data, b.len, NULL, NULL), MESH_OK);                                         \
        assert_inspects(mesh_buf_term(&b), text);                                                                      \
    } while (0)

#define assert_refuses(at, ...)                                                                                        \
    do {                                                                                                               \
        size_t column = 0;                                                                                             \
        mesh_buf_append(&b, "x", 1);                                                                                   \
        assert_int_equal(mesh_build_at(&column, &b, __VA_ARGS__), MESH_EINVAL);                                        \
        assert_int_equal(column, at);                                                                                  \
        assert_int_equal(b.len, 0);                                                                                    \
    } while (0)

static void literals_are_written_as_a_beam_would(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    const uint8_t wanted[] = {116, 0,   0, 0,   1,   119, 6,   'a', 'c', 't', 'i', 'o',
                              'n', 119, 9, 'i', 'n', 'c', 'r', 'e', 'm', 'e', 'n', 't'};
    for (int i = 0; i < 3; i++) { /* compiled, then from the storage of this place */
        assert_int_equal(mesh_build(&b, "%{action: :increment}"), MESH_OK);
        assert_int_equal(b.len, sizeof wanted);
        assert_memory_equal(b.data, wanted, sizeof wanted);
    }
    mesh_buf_fini(&b);
}

static void every_hole_takes_its_types(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    signed char c = -7;
    unsigned char uc = 200;
    short s = -300;
    unsigned short us = 60000;
    long long ll = INT64_MIN;
    unsigned long long ull = UINT64_MAX;
    mesh_pid pid = {5, 7, "n@h"};
    const mesh_pid *const_pid = &pid;
    mesh_ref ref = {9, 3, {1, 2, 3}, "n@h"};
    const mesh_ref *const_ref = &ref;
    mesh_bytes id = mesh_str("id");
    char text[] = "text";
    for (int i = 0; i < 2; i++) {
        assert_builds("{-7, 200, -300, 60000, 1, 2}", "{~i, ~i, ~i, ~i, ~i, ~i}", c, uc, s, us, 1, 2u);
        assert_builds("[-9223372036854775808, 18446744073709551615, 1]", "[~i, ~u, ~u]", ll, ull, 1L);
        assert_builds("{1.5, 2.5}", "{~f, ~f}", 1.5, 2.5f);
        assert_builds("{\"id\", \"text\", \"lit\"}", "{~b, ~s, ~s}", id, text, "lit");
        assert_builds("{:id, :text, Foo}", "{~a, ~a, ~a}", id, text, "Elixir.Foo");
        assert_builds("{true, false, true}", "{~o, ~o, ~o}", (bool)1, (bool)0, 2 > 1);
        assert_builds("{[], #PID<n@h.5.0>, #PID<n@h.5.0>}", "{~t, ~p, ~p}", TERM(106), &pid, const_pid);
        assert_builds("{#Reference<n@h.3.2.1>, #Reference<n@h.3.2.1>}", "{~r, ~r}", &ref, const_ref);
        assert_builds("[1, 2 | 3]", "[~i, ~i | ~i]", 1, 2, 3);
        assert_builds("%{3 => 1, :a => 2}", "%{a: ~i, ~i => 1}", 2, 3);
        assert_builds("%Foo{a: 1}", "%Foo{a: ~i}", 1);
    }
    mesh_buf_fini(&b);
}

static void integers_have_their_shortest_form(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    const struct {
        int64_t value;
        size_t len;
    } cases[] = {
        {0, 2},          {255, 2},         {256, 5},           {-1, 5},         {INT32_MAX, 5},  {INT32_MIN, 5},
        {2147483648, 7}, {-2147483649, 7}, {1099511627776, 9}, {INT64_MAX, 11}, {INT64_MIN, 11}, {65536, 5},
        {4294967295, 7}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t back = 0;
        assert_int_equal(mesh_build(&b, "~i", cases[i].value), MESH_OK);
        assert_int_equal(b.len, cases[i].len);
        assert_int_equal(mesh_match(mesh_buf_term(&b), "~i", &back), MESH_OK);
        assert_true(back == cases[i].value);
    }
    mesh_buf_fini(&b);
}

static void sixteen_holes_and_no_more(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    assert_builds("{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}",
                  "{~i, ~i, ~i, ~i, ~i, ~i, ~i, ~i, ~i, ~i, ~i, ~i, ~i, ~i, ~i, ~i}", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
                  12, 13, 14, 15, 16);
    mesh_arg args[17];
    for (int i = 0; i < 17; i++)
        args[i] = mesh_arg_int(i);
    size_t column = 0;
    assert_int_equal(mesh_build_args(&b, "{~i,~i,~i,~i,~i,~i,~i,~i,~i,~i,~i,~i,~i,~i,~i,~i,~i}", args, 17, &column),
                     MESH_EINVAL);
    assert_int_equal(column, 50);
    mesh_buf_fini(&b);
}

static void what_does_not_fit_is_refused_with_its_column(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    mesh_pid no_node = {1, 1, ""};
    memset(no_node.node, 'a', sizeof no_node.node);
    mesh_ref no_words = {1, 0, {0}, "n@h"};
    char long_name[257];
    memset(long_name, 'a', 256);
    long_name[256] = '\0';
    const char *none = NULL;
    const mesh_term nothing = {NULL, 0, NULL};
    for (int i = 0; i < 2; i++) {
        assert_refuses(2, "{~i}", "text");
        assert_refuses(2, "{~i}", 1.5);
        assert_refuses(6, "{~i, ~b}", 1, 2);
        assert_refuses(2, "{~u}", -1);
        assert_refuses(1, "~f", 1);
        assert_refuses(1, "~f", (double)NAN);
        assert_refuses(1, "~f", HUGE_VAL);
        assert_refuses(1, "~s", mesh_str("x"));
        assert_refuses(1, "~b", "x");
        assert_refuses(1, "~a", 1);
        assert_refuses(1, "~a", long_name);
        assert_refuses(1, "~a", "\xFF");
        assert_refuses(1, "~s", none);
        assert_refuses(1, "~o", "true");
        assert_refuses(1, "~t", mesh_str("x"));
        assert_refuses(1, "~t", nothing);
        assert_refuses(1, "~p", &no_words);
        assert_refuses(1, "~p", &no_node);
        assert_refuses(1, "~r", &no_words);
        assert_refuses(2, "{~i}");
        assert_refuses(6, "{~i, ~i}", 1);
        assert_refuses(5, "{~i}", 1, 2);
        assert_refuses(2, "{_}");
        assert_refuses(3, "%{~i => 1, ~i => 2}", 7, 7);
        assert_refuses(3, "%{~i => 1, 7 => 2}", 7);
    }
    mesh_buf_fini(&b);
}

static void malformed_patterns_are_refused_with_their_column(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    for (int i = 0; i < 2; i++) {
        assert_refuses(1, "");
        assert_refuses(2, "{");
        assert_refuses(3, "{1");
        assert_refuses(2, "[");
        assert_refuses(1, "foo");
        assert_refuses(4, "{1,");
        assert_refuses(1, "~z");
        assert_refuses(6, "%{a: }");
        assert_refuses(5, "%{1 2}");
        assert_refuses(13, "%{a: 1, a: 2}");
        assert_refuses(4, "[1 2]");
        assert_refuses(6, "[1 | ]");
        assert_refuses(4, "[1,,]");
        assert_refuses(5, "{1, ]");
        assert_refuses(7, "[1 | 2, 3]");
        assert_refuses(3, "1 2");
        assert_refuses(1, "nul");
    }
    mesh_buf_fini(&b);
}

static void patterns_that_are_no_literals_are_read_again_each_time(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    char pattern[32];
    for (int i = 0; i < 3; i++) {
        snprintf(pattern, sizeof pattern, "{%d, ~i}", i);
        assert_int_equal(mesh_build(&b, pattern, 9), MESH_OK);
        char wanted[32];
        snprintf(wanted, sizeof wanted, "{%d, 9}", i);
        assert_inspects(mesh_buf_term(&b), wanted);
        assert_int_equal(mesh_build(&b, i % 2 ? "[1]" : "[2]"), MESH_OK);
        assert_inspects(mesh_buf_term(&b), i % 2 ? "[1]" : "[2]");
    }
    mesh_buf_fini(&b);
}

static void long_patterns_work_too(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    for (int i = 0; i < 3; i++)
        assert_builds(
            "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", "
            "1}",
            "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\", "
            "~i}",
            1);
    mesh_buf_fini(&b);
}

static void large_arguments_grow_the_buffer(void **state)
{
    (void)state;
    mesh_buf b;
    static char large[100000];
    mesh_buf_init(&b);
    for (int i = 0; i < 2; i++) {
        mesh_bytes back = {NULL, 0};
        assert_int_equal(mesh_build(&b, "{:large, ~b}", ((mesh_bytes){large, sizeof large})), MESH_OK);
        assert_int_equal(mesh_match(mesh_buf_term(&b), "{:large, ~b}", &back), MESH_OK);
        assert_int_equal(back.len, sizeof large);
    }
    mesh_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(literals_are_written_as_a_beam_would),
        cmocka_unit_test(every_hole_takes_its_types),
        cmocka_unit_test(integers_have_their_shortest_form),
        cmocka_unit_test(sixteen_holes_and_no_more),
        cmocka_unit_test(what_does_not_fit_is_refused_with_its_column),
        cmocka_unit_test(malformed_patterns_are_refused_with_their_column),
        cmocka_unit_test(patterns_that_are_no_literals_are_read_again_each_time),
        cmocka_unit_test(long_patterns_work_too),
        cmocka_unit_test(large_arguments_grow_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
