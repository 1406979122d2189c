/* The buffer, and terms that own their bytes. */
#include "term/block.h"
#include "unit/term/help.h"

static void a_buffer_grows_beyond_its_own_bytes(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t byte = (uint8_t)i;
        assert_int_equal(mesh_buf_append(&b, &byte, 1), MESH_OK);
    }
    assert_int_equal(b.len, 1000);
    assert_ptr_not_equal(b.data, b.local);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(b.data[i], (uint8_t)i);
    size_t cap = b.cap;
    mesh_buf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.cap, cap);
    assert_int_equal(mesh_buf_append(&b, NULL, 0), MESH_OK);
    mesh_buf_fini(&b);
    assert_ptr_equal(b.data, b.local);
    assert_int_equal(mesh_buf_append(&b, "x", 1), MESH_OK);
    mesh_buf_fini(&b);
}

static void a_buffer_has_an_end(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    assert_int_equal(mesh_buf_append(&b, "abc", 3), MESH_OK);
    assert_int_equal(mesh_buf_reserve(&b, MESH_BUF_MAX_BYTES), MESH_ETOOBIG);
    assert_int_equal(mesh_buf_reserve(&b, SIZE_MAX), MESH_ETOOBIG);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "abc", 3);
    assert_bytes(mesh_buf_bytes(&b), "abc");
    mesh_buf_fini(&b);
}

static void a_kept_term_outlives_its_bytes(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_term kept, again;
    mesh_buf_init(&b);
    parsed(&b, "{1, \"two\"}");
    assert_int_equal(mesh_term_keep(mesh_buf_term(&b), &kept), MESH_OK);
    mesh_buf_fini(&b);
    assert_non_null(kept.owner);
    assert_int_equal(mesh_term_keep(kept, &again), MESH_OK);
    assert_ptr_equal(again.owner, kept.owner);
    mesh_term_release(&kept);
    assert_null(kept.data);
    assert_inspects(again, "{1, \"two\"}");
    mesh_term_release(&again);
    mesh_term_release(&again);
    mesh_term_release(NULL);
}

static void releasing_a_view_only_empties_it(void **state)
{
    (void)state;
    mesh_term view = TERM(97, 1);
    mesh_term_release(&view);
    assert_null(view.data);
    assert_int_equal(view.len, 0);
}

static void a_block_counts_its_holders(void **state)
{
    (void)state;
    struct block *block = block_create(10);
    assert_non_null(block);
    assert_int_equal(block->len, 10);
    memset(block->bytes, 7, 10);
    assert_ptr_equal(block_hold(block), block);
    block_release(block);
    assert_int_equal(block->bytes[9], 7);
    block_release(block);
    assert_null(block_create(SIZE_MAX));
}

static void encode_puts_the_version_first(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_term back;
    mesh_buf_init(&b);
    mesh_buf_append(&b, "old content", 11);
    assert_int_equal(mesh_encode(TERM(97, 5), &b), MESH_OK);
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, ((uint8_t[]){131, 97, 5}), 3);
    assert_int_equal(mesh_decode(mesh_buf_bytes(&b), NULL, &back, NULL), MESH_OK);
    assert_inspects(back, "5");
    assert_int_equal(mesh_encode((mesh_term){NULL, 0, NULL}, &b), MESH_EINVAL);
    mesh_buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_beyond_its_own_bytes), cmocka_unit_test(a_buffer_has_an_end),
        cmocka_unit_test(a_kept_term_outlives_its_bytes),      cmocka_unit_test(releasing_a_view_only_empties_it),
        cmocka_unit_test(a_block_counts_its_holders),          cmocka_unit_test(encode_puts_the_version_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
