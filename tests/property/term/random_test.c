/* What holds for every term: 100,000 of them, from seeds. */
#include <stdlib.h>

#include "property/term/random_term.h"
#include "unit/check.h"

enum { TERMS = 100000 };

static void every_term_prints_parses_and_matches(void **state)
{
    (void)state;
    mesh_buf b, text, back, both;
    mesh_buf_init(&b);
    mesh_buf_init(&text);
    mesh_buf_init(&back);
    mesh_buf_init(&both);
    for (uint64_t seed = 0; seed < TERMS; seed++) {
        struct random r = {.state = seed, .text_only = seed % 4 != 0};
        mesh_buf_clear(&b);
        random_term(&r, 4, &b);
        mesh_term t = mesh_buf_term(&b);
        assert_int_equal(mesh_term_check(b.data, b.len, NULL, NULL), MESH_OK);
        assert_int_equal(mesh_inspect(t, &text), MESH_OK);
        assert_int_equal(strlen((char *)text.data), text.len);
        if (r.text_only) {
            size_t column = 0;
            if (mesh_parse((char *)text.data, text.len, &back, &column) != MESH_OK)
                fail_msg("seed %lu, column %zu: %s", (unsigned long)seed, column, (char *)text.data);
            if (!mesh_term_equal(mesh_buf_term(&back), t))
                fail_msg("seed %lu: %s", (unsigned long)seed, (char *)text.data);
            assert_int_equal(mesh_term_check(back.data, back.len, NULL, NULL), MESH_OK);
            assert_int_equal(mesh_match(t, (char *)text.data), MESH_OK);
        }
        mesh_term found = {NULL, 0, NULL};
        uint64_t number = 0;
        assert_int_equal(mesh_build(&both, "{:both, ~t, [~u, ~t]}", t, seed, t), MESH_OK);
        assert_int_equal(mesh_term_check(both.data, both.len, NULL, NULL), MESH_OK);
        assert_int_equal(mesh_match(mesh_buf_term(&both), "{:both, _, [~u, ~t]}", &number, &found), MESH_OK);
        assert_true(number == seed && found.len == t.len && memcmp(found.data, t.data, t.len) == 0);
    }
    mesh_buf_fini(&b);
    mesh_buf_fini(&text);
    mesh_buf_fini(&back);
    mesh_buf_fini(&both);
}

static void the_order_is_an_order(void **state)
{
    (void)state;
    mesh_buf t[3];
    for (int i = 0; i < 3; i++)
        mesh_buf_init(&t[i]);
    for (uint64_t seed = 0; seed < TERMS / 5; seed++) {
        struct random r = {.state = seed};
        for (int i = 0; i < 3; i++) {
            mesh_buf_clear(&t[i]);
            random_term(&r, 2, &t[i]);
        }
        int ab = mesh_term_compare(mesh_buf_term(&t[0]), mesh_buf_term(&t[1]));
        int ba = mesh_term_compare(mesh_buf_term(&t[1]), mesh_buf_term(&t[0]));
        int bc = mesh_term_compare(mesh_buf_term(&t[1]), mesh_buf_term(&t[2]));
        int ac = mesh_term_compare(mesh_buf_term(&t[0]), mesh_buf_term(&t[2]));
        assert_int_equal(ab, -ba);
        assert_int_equal(mesh_term_compare(mesh_buf_term(&t[0]), mesh_buf_term(&t[0])), 0);
        assert_true(!(ab <= 0 && bc <= 0) || ac <= 0);
        assert_true(!(ab >= 0 && bc >= 0) || ac >= 0);
    }
    for (int i = 0; i < 3; i++)
        mesh_buf_fini(&t[i]);
}

/* Reads everything there is, as a program would. */
static void read_all(mesh_term t)
{
    mesh_reader r = mesh_reader_of(t);
    uint32_t n;
    while (mesh_read_type(&r) != MESH_TYPE_END)
        if (mesh_read_tuple(&r, &n) != MESH_OK && mesh_read_map(&r, &n) != MESH_OK &&
            (mesh_read_type(&r) != MESH_TYPE_LIST || mesh_read_list(&r, &n) != MESH_OK))
            assert_int_equal(mesh_read_skip(&r), MESH_OK);
}

static void changed_bytes_are_refused_or_make_another_term(void **state)
{
    (void)state;
    mesh_buf b, text;
    mesh_buf_init(&b);
    mesh_buf_init(&text);
    unsigned refused = 0;
    for (uint64_t seed = 0; seed < TERMS; seed++) {
        struct random r = {.state = seed};
        mesh_buf_clear(&b);
        random_term(&r, 3, &b);
        size_t len = b.len;
        b.data[random_below(&r, (uint32_t)len)] = (uint8_t)random_next(&r);
        if (random_below(&r, 4) == 0)
            len = random_below(&r, (uint32_t)len + 1);
        uint8_t *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, b.data, len);
        size_t offset = 0;
        if (mesh_term_check(copy, len, NULL, &offset) == MESH_OK) {
            const mesh_term t = {copy, len, NULL};
            read_all(t);
            assert_int_equal(mesh_inspect(t, &text), MESH_OK);
            assert_int_equal(mesh_term_compare(t, t), 0);
        } else {
            refused++;
            assert_true(offset <= len);
        }
        free(copy);
    }
    assert_true(refused > TERMS / 10);
    mesh_buf_fini(&b);
    mesh_buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_term_prints_parses_and_matches),
        cmocka_unit_test(the_order_is_an_order),
        cmocka_unit_test(changed_bytes_are_refused_or_make_another_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
