/* The reader and the writer, piece by piece, and the order of terms. */
#include <math.h>
#include <stdlib.h>

#include "unit/term/help.h"

static void what_is_written_is_read(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    const mesh_pid pid = {7, 1, "n@h"};
    const mesh_ref ref = {1, 2, {3, 4}, "n@h"};
    assert_int_equal(mesh_put_tuple(&b, 12), MESH_OK);
    assert_int_equal(mesh_put_int(&b, -5), MESH_OK);
    assert_int_equal(mesh_put_uint(&b, UINT64_MAX), MESH_OK);
    assert_int_equal(mesh_put_float(&b, 1.5), MESH_OK);
    assert_int_equal(mesh_put_bool(&b, true), MESH_OK);
    assert_int_equal(mesh_put_nil(&b), MESH_OK);
    assert_int_equal(mesh_put_binary(&b, mesh_str("bin")), MESH_OK);
    assert_int_equal(mesh_put_bits(&b, mesh_str("\xFF"), 3), MESH_OK);
    assert_int_equal(mesh_put_pid(&b, &pid), MESH_OK);
    assert_int_equal(mesh_put_ref(&b, &ref), MESH_OK);
    assert_int_equal(mesh_put_list(&b, 1), MESH_OK);
    assert_int_equal(mesh_put_empty(&b), MESH_OK);
    assert_int_equal(mesh_put_empty(&b), MESH_OK);
    assert_int_equal(mesh_put_map(&b, 1), MESH_OK);
    assert_int_equal(mesh_put_atom(&b, mesh_str("key")), MESH_OK);
    assert_int_equal(mesh_put_term(&b, TERM(97, 9)), MESH_OK);
    assert_int_equal(mesh_put_bigint(&b, true, mesh_str("\1\2\3\4\5\6\7\10\11")), MESH_OK);
    assert_int_equal(mesh_term_check(b.data, b.len, NULL, NULL), MESH_OK);

    mesh_reader r = mesh_reader_of(mesh_buf_term(&b));
    uint32_t n = 0;
    int64_t i = 0;
    uint64_t u = 0;
    double f = 0;
    bool yes = false, negative = false;
    unsigned last = 0;
    mesh_bytes bytes = {NULL, 0};
    mesh_pid p;
    mesh_ref q;
    uint8_t scratch[4];
    assert_int_equal(mesh_read_type(&r), MESH_TYPE_TUPLE);
    assert_int_equal(mesh_read_tuple(&r, &n), MESH_OK);
    assert_int_equal(n, 12);
    assert_int_equal(mesh_read_uint(&r, &u), MESH_ENOMATCH);
    assert_int_equal(mesh_read_int(&r, &i), MESH_OK);
    assert_int_equal(i, -5);
    assert_int_equal(mesh_read_int(&r, &i), MESH_ENOMATCH);
    assert_int_equal(mesh_read_uint(&r, &u), MESH_OK);
    assert_true(u == UINT64_MAX);
    assert_int_equal(mesh_read_type(&r), MESH_TYPE_FLOAT);
    assert_int_equal(mesh_read_float(&r, &f), MESH_OK);
    assert_true(f == 1.5);
    assert_int_equal(mesh_read_bool(&r, &yes), MESH_OK);
    assert_true(yes);
    assert_int_equal(mesh_read_bool(&r, &yes), MESH_ENOMATCH);
    assert_int_equal(mesh_read_atom_named(&r, "nill"), MESH_ENOMATCH);
    assert_int_equal(mesh_read_atom_named(&r, "nil"), MESH_OK);
    assert_int_equal(mesh_read_binary(&r, &bytes), MESH_OK);
    assert_bytes(bytes, "bin");
    assert_int_equal(mesh_read_type(&r), MESH_TYPE_BITS);
    assert_int_equal(mesh_read_binary(&r, &bytes), MESH_ENOMATCH);
    assert_int_equal(mesh_read_bits(&r, &bytes, &last), MESH_OK);
    assert_int_equal(last, 3);
    assert_bytes(bytes, "\xE0");
    assert_int_equal(mesh_read_pid(&r, &p), MESH_OK);
    assert_true(mesh_pid_equal(&p, &pid));
    assert_int_equal(mesh_read_ref(&r, &q), MESH_OK);
    assert_true(mesh_ref_equal(&q, &ref));
    assert_int_equal(mesh_read_list(&r, &n), MESH_OK);
    assert_int_equal(n, 1);
    assert_int_equal(mesh_read_list(&r, &n), MESH_OK);
    assert_int_equal(n, 0);
    assert_int_equal(mesh_read_empty(&r), MESH_OK);
    assert_int_equal(mesh_read_empty(&r), MESH_OK);
    assert_int_equal(mesh_read_map(&r, &n), MESH_OK);
    assert_int_equal(mesh_read_atom(&r, &bytes), MESH_OK);
    assert_bytes(bytes, "key");
    assert_int_equal(mesh_read_skip(&r), MESH_OK);
    assert_int_equal(mesh_read_bigint(&r, &negative, &bytes, scratch), MESH_OK);
    assert_true(negative && bytes.len == 9);
    assert_int_equal(mesh_read_type(&r), MESH_TYPE_END);
    assert_int_equal(mesh_read_skip(&r), MESH_ENOMATCH);
    assert_int_equal(mesh_read_int(&r, &i), MESH_ENOMATCH);
    mesh_buf_fini(&b);
}

static void strings_read_as_lists(void **state)
{
    (void)state;
    mesh_reader r = mesh_reader_of(TERM(104, 2, 107, 0, 3, 1, 0, 255, 97, 9));
    uint32_t n = 0;
    int64_t i = 0;
    uint64_t u = 0;
    bool negative = true;
    mesh_bytes magnitude;
    mesh_term t;
    uint8_t scratch[4];
    assert_int_equal(mesh_read_tuple(&r, &n), MESH_OK);
    assert_int_equal(mesh_read_type(&r), MESH_TYPE_LIST);
    assert_int_equal(mesh_read_list(&r, &n), MESH_OK);
    assert_int_equal(n, 3);
    assert_int_equal(mesh_read_type(&r), MESH_TYPE_INT);
    assert_int_equal(mesh_read_term(&r, &t), MESH_ENOMATCH);
    assert_int_equal(mesh_read_int(&r, &i), MESH_OK);
    assert_int_equal(i, 1);
    assert_int_equal(mesh_read_bigint(&r, &negative, &magnitude, scratch), MESH_OK);
    assert_true(!negative && magnitude.len == 0);
    assert_int_equal(mesh_read_uint(&r, &u), MESH_OK);
    assert_int_equal(u, 255);
    assert_int_equal(mesh_read_type(&r), MESH_TYPE_EMPTY);
    assert_int_equal(mesh_read_int(&r, &i), MESH_ENOMATCH);
    mesh_reader before_tail = r;
    assert_int_equal(mesh_read_term(&before_tail, &t), MESH_OK);
    assert_inspects(t, "[]");
    assert_int_equal(mesh_read_skip(&r), MESH_OK);
    assert_int_equal(mesh_read_int(&r, &i), MESH_OK);
    assert_int_equal(i, 9);
}

static void the_writer_refuses_what_no_term_can_be(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    char name[257];
    memset(name, 'x', 256);
    name[256] = '\0';
    mesh_pid pid = {1, 1, "\xFF"};
    mesh_ref ref = {1, 6, {1}, "n"};
    assert_int_equal(mesh_put_float(&b, (double)NAN), MESH_EINVAL);
    assert_int_equal(mesh_put_float(&b, -HUGE_VAL), MESH_EINVAL);
    assert_int_equal(mesh_put_atom(&b, mesh_str(name)), MESH_EINVAL);
    assert_int_equal(mesh_put_atom(&b, mesh_str("\xC0\x80")), MESH_EINVAL);
    assert_int_equal(mesh_put_bits(&b, mesh_str("x"), 0), MESH_EINVAL);
    assert_int_equal(mesh_put_bits(&b, mesh_str("x"), 9), MESH_EINVAL);
    assert_int_equal(mesh_put_bits(&b, mesh_str(""), 3), MESH_EINVAL);
    assert_int_equal(mesh_put_pid(&b, &pid), MESH_EINVAL);
    assert_int_equal(mesh_put_ref(&b, &ref), MESH_EINVAL);
    assert_int_equal(mesh_put_term(&b, (mesh_term){NULL, 0, NULL}), MESH_EINVAL);
    assert_int_equal(b.len, 0);
    mesh_buf_fini(&b);
}

static void reading_stops_at_the_end_of_bad_bytes(void **state)
{
    (void)state;
    const uint8_t bytes[] = {104, 3, 109, 0, 0, 0, 9, 1};
    for (size_t len = 0; len <= sizeof bytes; len++) {
        uint8_t *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, bytes, len);
        mesh_reader r = mesh_reader_of((mesh_term){copy, len, NULL});
        uint32_t n = 0;
        mesh_bytes b;
        mesh_read_tuple(&r, &n);
        assert_int_not_equal(mesh_read_binary(&r, &b), MESH_OK);
        assert_int_not_equal(mesh_read_skip(&r), MESH_OK);
        free(copy);
    }
}

static void terms_are_ordered(void **state)
{
    (void)state;
    const char *const order[] = {"-18446744073709551616",
                                 "-1",
                                 "0",
                                 "1",
                                 "256",
                                 "18446744073709551616",
                                 "-1.5",
                                 "-0.0",
                                 "0.0",
                                 "1.0",
                                 ":a",
                                 ":aa",
                                 ":b",
                                 "{}",
                                 "{2}",
                                 "{1, 1}",
                                 "{1, 2}",
                                 "%{}",
                                 "%{b: 1}",
                                 "%{1 => 1, 2 => 1}",
                                 "%{1 => 1, a: 1}",
                                 "%{1 => 2, a: 1}",
                                 "%{a: 1, b: 1}",
                                 "[]",
                                 "[1 | 2]",
                                 "[1]",
                                 "[1, 2]",
                                 "[2]",
                                 "\"\"",
                                 "\"a\"",
                                 "<<97, 0::size(1)>>",
                                 "\"ab\"",
                                 "\"b\""};
    const size_t n = sizeof order / sizeof *order;
    mesh_buf a, b;
    mesh_buf_init(&a);
    mesh_buf_init(&b);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            int c = mesh_term_compare(parsed(&a, order[i]), parsed(&b, order[j]));
            if ((i < j && c >= 0) || (i == j && c != 0) || (i > j && c <= 0))
                fail_msg("%s and %s: %d", order[i], order[j], c);
            assert_int_equal(mesh_term_equal(mesh_buf_term(&a), mesh_buf_term(&b)), i == j);
        }
    mesh_buf_fini(&a);
    mesh_buf_fini(&b);
}

static void equality_does_not_depend_on_the_encoding(void **state)
{
    (void)state;
    assert_true(mesh_term_equal(TERM(97, 1), TERM(98, 0, 0, 0, 1)));
    assert_true(mesh_term_equal(TERM(97, 0), TERM(110, 3, 1, 0, 0, 0)));
    assert_true(mesh_term_equal(TERM(119, 2, 0xC3, 0xA9), TERM(115, 1, 0xE9)));
    assert_true(mesh_term_equal(TERM(107, 0, 2, 1, 2), TERM(108, 0, 0, 0, 1, 97, 1, 107, 0, 1, 2)));
    assert_true(mesh_term_equal(TERM(107, 0, 0), TERM(106)));
    assert_true(mesh_term_equal(TERM(77, 0, 0, 0, 1, 3, 0xE0), TERM(77, 0, 0, 0, 1, 3, 0xFF)));
    assert_true(mesh_term_equal(TERM(77, 0, 0, 0, 1, 8, 1), TERM(109, 0, 0, 0, 1, 1)));
    assert_true(mesh_term_equal(TERM(116, 0, 0, 0, 2, 97, 1, 106, 97, 2, 97, 3),
                                TERM(116, 0, 0, 0, 2, 98, 0, 0, 0, 2, 97, 3, 97, 1, 106)));
    assert_false(mesh_term_equal(TERM(116, 0, 0, 0, 2, 97, 1, 106, 97, 2, 97, 3),
                                 TERM(116, 0, 0, 0, 2, 97, 1, 106, 97, 2, 97, 4)));
    assert_false(mesh_term_equal(TERM(97, 1), (mesh_term){NULL, 0, NULL}));
    assert_true(mesh_term_equal((mesh_term){NULL, 0, NULL}, (mesh_term){NULL, 0, NULL}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(strings_read_as_lists),
        cmocka_unit_test(the_writer_refuses_what_no_term_can_be),
        cmocka_unit_test(reading_stops_at_the_end_of_bad_bytes),
        cmocka_unit_test(terms_are_ordered),
        cmocka_unit_test(equality_does_not_depend_on_the_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
