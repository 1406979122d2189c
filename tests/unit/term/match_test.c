/* mesh_match: what matches what, and that nothing is written unless all does. */
#include "unit/term/help.h"

static mesh_buf held;

static mesh_term given(const char *text)
{
    return parsed(&held, text);
}

static void the_readme_case(void **state)
{
    (void)state;
    int64_t n = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(mesh_match(given("%{action: :increment, by: 5}"), "%{action: :increment, by: ~i}", &n),
                         MESH_OK);
        assert_int_equal(n, 5);
        assert_int_equal(mesh_match(given("%{action: :increment, by: 6}"), "%{by: ~i}", &n), MESH_OK);
        assert_int_equal(n, 6);
        assert_int_equal(mesh_match(given("%{by: 7, action: :increment}"), "%{action: :increment, by: ~i}", &n),
                         MESH_OK);
        assert_int_equal(n, 7);
        assert_int_equal(mesh_match(given("%{action: :decrement, by: 8}"), "%{action: :increment, by: ~i}", &n),
                         MESH_ENOMATCH);
        assert_int_equal(n, 7);
    }
}

static void every_hole_fills_its_types(void **state)
{
    (void)state;
    signed char i8 = 0;
    short i16 = 0;
    int i32 = 0;
    long l = 0;
    long long ll = 0;
    unsigned char u8 = 0;
    unsigned short u16 = 0;
    unsigned u32 = 0;
    unsigned long ul = 0;
    unsigned long long ull = 0;
    assert_int_equal(mesh_match(given("{-128, -32768, -2147483648, -9223372036854775808, 9223372036854775807}"),
                                "{~i, ~i, ~i, ~i, ~i}", &i8, &i16, &i32, &l, &ll),
                     MESH_OK);
    assert_true(i8 == -128 && i16 == -32768 && i32 == INT32_MIN && l == INT64_MIN && ll == INT64_MAX);
    assert_int_equal(mesh_match(given("{255, 65535, 4294967295, 18446744073709551615, 18446744073709551615}"),
                                "{~u, ~i, ~u, ~u, ~i}", &u8, &u16, &u32, &ul, &ull),
                     MESH_OK);
    assert_true(u8 == 255 && u16 == 65535 && u32 == UINT32_MAX && ul == UINT64_MAX && ull == UINT64_MAX);

    double f = 0;
    bool yes = false, no = true;
    mesh_bytes binary = {NULL, 0}, atom = {NULL, 0};
    mesh_term any = {NULL, 0, NULL};
    assert_int_equal(mesh_match(given("{1.5, true, false, \"bin\", :atom, %{a: [1]}}"), "{~f, ~o, ~o, ~b, ~a, ~t}", &f,
                                &yes, &no, &binary, &atom, &any),
                     MESH_OK);
    assert_true(f == 1.5 && yes && !no);
    assert_bytes(binary, "bin");
    assert_bytes(atom, "atom");
    assert_null(any.owner);
    assert_inspects(any, "%{a: [1]}");
}

static void pids_and_references_are_copied(void **state)
{
    (void)state;
    const mesh_pid pid = {5 | (uint64_t)3 << 32, 7, "node@host"};
    const mesh_ref ref = {9, 3, {1, 2, 3}, "node@host"};
    mesh_pid p;
    mesh_ref r;
    mesh_buf b;
    mesh_buf_init(&b);
    assert_int_equal(mesh_build(&b, "{~p, ~r}", &pid, &ref), MESH_OK);
    assert_int_equal(mesh_match(mesh_buf_term(&b), "{~p, ~r}", &p, &r), MESH_OK);
    assert_true(mesh_pid_equal(&p, &pid) && mesh_ref_equal(&r, &ref));
    assert_int_equal(mesh_match(mesh_buf_term(&b), "{_, ~p}", &p), MESH_ENOMATCH);
    assert_int_equal(mesh_match(mesh_buf_term(&b), "{~r, _}", &r), MESH_ENOMATCH);
    p.creation++;
    r.words[2]++;
    assert_false(mesh_pid_equal(&p, &pid) || mesh_ref_equal(&r, &ref));
    mesh_buf_fini(&b);
}

static void numbers_out_of_range_do_not_match(void **state)
{
    (void)state;
    signed char i8 = 1;
    int i32 = 1;
    long l = 1;
    unsigned char u8 = 1;
    unsigned u32 = 1;
    uint64_t u64 = 1;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mesh_match(given("128"), "~i", &i8), MESH_ENOMATCH);
        assert_int_equal(mesh_match(given("-129"), "~i", &i8), MESH_ENOMATCH);
        assert_int_equal(mesh_match(given("2147483648"), "~i", &i32), MESH_ENOMATCH);
        assert_int_equal(mesh_match(given("9223372036854775808"), "~i", &l), MESH_ENOMATCH);
        assert_int_equal(mesh_match(given("-9223372036854775809"), "~i", &l), MESH_ENOMATCH);
        assert_int_equal(mesh_match(given("256"), "~i", &u8), MESH_ENOMATCH);
        assert_int_equal(mesh_match(given("-1"), "~i", &u32), MESH_ENOMATCH);
        assert_int_equal(mesh_match(given("4294967296"), "~u", &u32), MESH_ENOMATCH);
        assert_int_equal(mesh_match(given("18446744073709551616"), "~u", &u64), MESH_ENOMATCH);
        assert_int_equal(mesh_match(given("-1"), "~u", &l), MESH_ENOMATCH);
        assert_int_equal(mesh_match(given("1.0"), "~i", &l), MESH_ENOMATCH);
    }
    assert_true(i8 == 1 && i32 == 1 && l == 1 && u8 == 1 && u32 == 1 && u64 == 1);
}

static void nothing_is_written_unless_all_matches(void **state)
{
    (void)state;
    int n = -1;
    mesh_bytes b = {NULL, 77};
    mesh_term rest = {NULL, 0, NULL};
    assert_int_equal(mesh_match(given("{1, \"x\", :no}"), "{~i, ~b, :yes}", &n, &b), MESH_ENOMATCH);
    assert_int_equal(mesh_match(given("{[1, 2, 3], 1}"), "{[~i | ~t], 2}", &n, &rest), MESH_ENOMATCH);
    assert_int_equal(n, -1);
    assert_int_equal(b.len, 77);
    assert_null(rest.data);
}

static void lists_have_a_rest(void **state)
{
    (void)state;
    int a = 0, b = 0;
    mesh_term rest;
    assert_int_equal(mesh_match(given("[1, 2, 3, :x]"), "[~i, ~i | ~t]", &a, &b, &rest), MESH_OK);
    assert_true(a == 1 && b == 2);
    assert_non_null(rest.owner);
    assert_int_equal(mesh_term_check(rest.data, rest.len, NULL, NULL), MESH_OK);
    assert_inspects(rest, "[3, :x]");
    mesh_term_release(&rest);
    assert_int_equal(mesh_match(given("[1, 2]"), "[~i, ~i | ~t]", &a, &b, &rest), MESH_OK);
    assert_null(rest.owner);
    assert_inspects(rest, "[]");
    assert_int_equal(mesh_match(given("[1, 2 | :tail]"), "[~i, _ | ~t]", &a, &rest), MESH_OK);
    assert_inspects(rest, ":tail");
    assert_int_equal(mesh_match(given("[1, 2 | :tail]"), "[~i | ~t]", &a, &rest), MESH_OK);
    assert_inspects(rest, "[2 | :tail]");
    mesh_term_release(&rest);
    assert_int_equal(mesh_match(given("[1, 2, 3]"), "[1 | [2 | [3]]]"), MESH_OK);
    assert_int_equal(mesh_match(given("[1, 2, 3]"), "[1 | [2 | [4]]]"), MESH_ENOMATCH);
    assert_int_equal(mesh_match(given("[1, 2, 3]"), "[1 | _]"), MESH_OK);
    assert_int_equal(mesh_match(given("[1, 2, 3]"), "[1, 2]"), MESH_ENOMATCH);
    assert_int_equal(mesh_match(given("[1, 2]"), "[1, 2, 3]"), MESH_ENOMATCH);
    assert_int_equal(mesh_match(given("[1, 2]"), "[1 | ~i]", &a), MESH_ENOMATCH);
    assert_int_equal(mesh_match(given("[]"), "[]"), MESH_OK);
    assert_int_equal(mesh_match(given("[]"), "[_ | _]"), MESH_ENOMATCH);
}

static void lists_match_however_they_were_sent(void **state)
{
    (void)state;
    const mesh_term string = TERM(107, 0, 3, 1, 2, 200);
    const mesh_term pieces = TERM(108, 0, 0, 0, 1, 97, 1, 107, 0, 2, 2, 200);
    const mesh_term chain = TERM(108, 0, 0, 0, 1, 97, 1, 108, 0, 0, 0, 2, 97, 2, 98, 0, 0, 0, 200, 106);
    const mesh_term all[] = {string, pieces, chain};
    for (int i = 0; i < 3; i++) {
        int a = 0, b = 0, c = 0;
        mesh_term rest, element;
        assert_int_equal(mesh_match(all[i], "[~i, ~i, ~i]", &a, &b, &c), MESH_OK);
        assert_true(a == 1 && b == 2 && c == 200);
        assert_int_equal(mesh_match(all[i], "[1, 2, 200]"), MESH_OK);
        assert_int_equal(mesh_match(all[i], "[1, ~t | ~t]", &element, &rest), MESH_OK);
        assert_inspects(element, "2");
        assert_inspects(rest, "[200]");
        assert_int_equal(mesh_term_check(rest.data, rest.len, NULL, NULL), MESH_OK);
        mesh_term_release(&rest);
        assert_int_equal(mesh_match(all[i], "[1, 2, 200 | ~t]", &rest), MESH_OK);
        assert_inspects(rest, "[]");
        assert_int_equal(mesh_match(all[i], "[1, 2]"), MESH_ENOMATCH);
        assert_int_equal(mesh_match(all[i], "[1, 3 | _]"), MESH_ENOMATCH);
    }
}

static void maps_match_by_the_keys_that_are_listed(void **state)
{
    (void)state;
    int a = 0, b = 0;
    assert_int_equal(mesh_match(given("%{a: 1, b: 2, c: 3, \"d\" => 4, 5 => 6}"), "%{c: ~i, a: ~i}", &a, &b), MESH_OK);
    assert_true(a == 3 && b == 1);
    assert_int_equal(mesh_match(given("%{a: 1, \"d\" => 4, 5 => 6}"), "%{\"d\" => ~i, 5 => ~i}", &a, &b), MESH_OK);
    assert_true(a == 4 && b == 6);
    assert_int_equal(mesh_match(given("%{a: 1}"), "%{}"), MESH_OK);
    assert_int_equal(mesh_match(given("%{a: 1}"), "%{b: _}"), MESH_ENOMATCH);
    assert_int_equal(mesh_match(given("%{a: 1}"), "%{a: _, b: _}"), MESH_ENOMATCH);
    assert_int_equal(mesh_match(given("%{{1, 2} => 3}"), "%{{1, 2} => ~i}", &a), MESH_OK);
    assert_int_equal(mesh_match(given("%Foo{a: 1, b: 2}"), "%Foo{b: ~i}", &a), MESH_OK);
    assert_int_equal(mesh_match(given("%Bar{a: 1, b: 2}"), "%Foo{b: ~i}", &a), MESH_ENOMATCH);
    assert_int_equal(mesh_match(given("{%{a: 1, b: 9}, 2}"), "{%{a: 1}, ~i}", &a), MESH_OK);
    assert_int_equal(a, 2);
    /* an old Latin-1 atom is the same key */
    assert_int_equal(mesh_match(TERM(116, 0, 0, 0, 1, 100, 0, 1, 'a', 97, 7), "%{a: ~i}", &a), MESH_OK);
    assert_int_equal(a, 7);
}

static void literals_match_in_any_form(void **state)
{
    (void)state;
    const mesh_term nothing = {NULL, 0, NULL};
    assert_int_equal(mesh_match(TERM(98, 0, 0, 0, 1), "1"), MESH_OK);
    assert_int_equal(mesh_match(TERM(110, 1, 0, 1), "1"), MESH_OK);
    assert_int_equal(mesh_match(TERM(105, 0, 0, 0, 1, 115, 2, 'o', 'k'), "{:ok}"), MESH_OK);
    assert_int_equal(mesh_match(TERM(115, 1, 0xE9), ":é"), MESH_OK);
    assert_int_equal(mesh_match(given("1"), "1.0"), MESH_ENOMATCH);
    assert_int_equal(mesh_match(given("{1}"), "{1, 2}"), MESH_ENOMATCH);
    assert_int_equal(mesh_match(given("{}"), "{}"), MESH_OK);
    assert_int_equal(mesh_match(given("\"a\""), ":a"), MESH_ENOMATCH);
    assert_int_equal(mesh_match(given("{1, {2, {3}}}"), "{_, {_, {3}}}"), MESH_OK);
    assert_int_equal(mesh_match(nothing, "_"), MESH_ENOMATCH);
}

static void what_does_not_fit_is_refused_with_its_column(void **state)
{
    (void)state;
    int n = 0;
    double f = 0;
    bool o = false;
    mesh_bytes b;
    mesh_pid *nowhere = NULL;
    const mesh_term t = given("{1}");
    for (int i = 0; i < 2; i++) {
        size_t column = 0;
#define REFUSES(at, ...)                                                                                               \
    assert_int_equal(mesh_match_at(&column, t, __VA_ARGS__), MESH_EINVAL);                                             \
    assert_int_equal(column, at)
        REFUSES(2, "{~i}", &f);
        REFUSES(2, "{~i}", n);
        REFUSES(2, "{~f}", &n);
        REFUSES(2, "{~b}", &n);
        REFUSES(2, "{~s}", &b);
        REFUSES(2, "{~a}", &o);
        REFUSES(2, "{~o}", &n);
        REFUSES(2, "{~t}", &b);
        REFUSES(2, "{~p}", &b);
        REFUSES(2, "{~p}", nowhere);
        REFUSES(2, "{~r}", &b);
        REFUSES(2, "{~i}");
        REFUSES(5, "{~i}", &n, &n);
        REFUSES(3, "%{~i => 1}", &n);
        REFUSES(3, "%{_ => 1}");
        REFUSES(4, "%{{~b} => 1}", &b);
        REFUSES(4, "{1,");
#undef REFUSES
    }
    char deep[200];
    memset(deep, '[', 65);
    memset(deep + 65, ']', 65);
    deep[130] = '\0';
    assert_int_equal(mesh_match(t, deep), MESH_ETOOBIG);
}

static int set_up(void **state)
{
    (void)state;
    mesh_buf_init(&held);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mesh_buf_fini(&held);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_readme_case),
        cmocka_unit_test(every_hole_fills_its_types),
        cmocka_unit_test(pids_and_references_are_copied),
        cmocka_unit_test(numbers_out_of_range_do_not_match),
        cmocka_unit_test(nothing_is_written_unless_all_matches),
        cmocka_unit_test(lists_have_a_rest),
        cmocka_unit_test(lists_match_however_they_were_sent),
        cmocka_unit_test(maps_match_by_the_keys_that_are_listed),
        cmocka_unit_test(literals_match_in_any_form),
        cmocka_unit_test(what_does_not_fit_is_refused_with_its_column),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
