/* Counted blocks that grow before they are shared. */
#include "term/block.h"

#include <string.h>

#include "unit/check.h"

static void a_block_grows_and_keeps_its_bytes(void **state)
{
    (void)state;
    struct block *block = block_create(4);
    assert_non_null(block);
    memcpy(block->bytes, "mesh", 4);
    block = block_resize(block, 100000);
    assert_non_null(block);
    assert_int_equal(block->len, 100000);
    assert_memory_equal(block->bytes, "mesh", 4);
    block = block_resize(block, 2);
    assert_non_null(block);
    assert_int_equal(block->len, 2);
    assert_null(block_resize(block, SIZE_MAX));
    assert_memory_equal(block->bytes, "me", 2);
    block_release(block);
}

static void whoever_shares_a_block_is_not_alone(void **state)
{
    (void)state;
    struct block *block = block_create(1);
    assert_non_null(block);
    assert_true(block_is_sole(block));
    block_hold(block);
    assert_false(block_is_sole(block));
    block_release(block);
    assert_true(block_is_sole(block));
    block_release(block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_grows_and_keeps_its_bytes),
        cmocka_unit_test(whoever_shares_a_block_is_not_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
