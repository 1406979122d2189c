/* The list of errors: every number has its own name and text. */
#include <string.h>

#include <mesh/error.h>

#include "unit/check.h"

static void every_error_has_a_name_and_a_text(void **state)
{
    (void)state;
    int n = 0;
    for (int e = 1; strcmp(mesh_error_name(e), "MESH_EUNKNOWN") != 0; e++, n++) {
        assert_string_not_equal(mesh_strerror(e), "unknown error");
        for (int other = 1; other < e; other++)
            assert_string_not_equal(mesh_strerror(e), mesh_strerror(other));
    }
    assert_true(n > 20);
    assert_string_equal(mesh_error_name(MESH_EBUSY), "MESH_EBUSY");
    assert_string_equal(mesh_strerror(MESH_OK), "ok");
}

static void unknown_numbers_are_told_as_such(void **state)
{
    (void)state;
    assert_string_equal(mesh_strerror(-1), "unknown error");
    assert_string_equal(mesh_error_name(100000), "MESH_EUNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_name_and_a_text),
        cmocka_unit_test(unknown_numbers_are_told_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
