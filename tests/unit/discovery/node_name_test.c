/* Names of nodes: what may be one, and every way of not being one. */
#include <string.h>

#include "discovery/node_name.h"
#include "unit/check.h"

static bool valid(const char *name)
{
    return node_name_valid(mesh_str(name));
}

static void names_as_erlang_has_them_are_valid(void **state)
{
    (void)state;
    assert_true(valid("a@127.0.0.1"));
    assert_true(valid("game@db1.example.com"));
    assert_true(valid("n@h"));
    assert_true(valid("m\xC3\xBCsli@host"));
    assert_true(valid("a@::1"));
    assert_string_equal(node_name_host("a@127.0.0.1"), "127.0.0.1");
}

static void exactly_one_at_with_something_on_both_sides(void **state)
{
    (void)state;
    assert_false(valid(""));
    assert_false(valid("@"));
    assert_false(valid("a@"));
    assert_false(valid("@h"));
    assert_false(valid("nohost"));
    assert_false(valid("ab@"));
    assert_false(valid("@ab"));
    assert_false(valid("a@b@c"));
    assert_false(node_name_valid((mesh_bytes){NULL, 0}));
}

static void control_characters_and_space_have_no_place(void **state)
{
    (void)state;
    char name[] = "a?@host";
    for (int c = 0; c < 256; c++) {
        name[1] = (char)c;
        bool expected = c > ' ' && c < 0x7F && c != '@';
        assert_int_equal(node_name_valid((mesh_bytes){name, sizeof name - 1}), expected);
    }
    assert_false(valid("a\xC2\x85@host"));     /* U+0085, in C1 */
    assert_false(valid("a\xC2\xA0@host"));     /* no-break space */
    assert_false(valid("a\xE2\x80\xA8@host")); /* U+2028 */
}

static void only_sound_utf_8(void **state)
{
    (void)state;
    assert_false(valid("a\xC3@host"));         /* cut */
    assert_false(valid("a\xC0\xAF@host"));     /* too long a form */
    assert_false(valid("a\xED\xA0\x80@host")); /* a surrogate */
    assert_false(valid("a\xFF@host"));
}

static void at_most_255_bytes(void **state)
{
    (void)state;
    char name[NODE_NAME_MAX_BYTES + 2];
    memset(name, 'x', sizeof name);
    name[1] = '@';
    assert_true(node_name_valid((mesh_bytes){name, NODE_NAME_MAX_BYTES}));
    assert_false(node_name_valid((mesh_bytes){name, NODE_NAME_MAX_BYTES + 1}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_as_erlang_has_them_are_valid),
        cmocka_unit_test(exactly_one_at_with_something_on_both_sides),
        cmocka_unit_test(control_characters_and_space_have_no_place),
        cmocka_unit_test(only_sound_utf_8),
        cmocka_unit_test(at_most_255_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
