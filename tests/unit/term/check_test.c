/* Bytes from outside: what is refused, where, and that it costs little. */
#include <stdlib.h>

#include "unit/term/help.h"

struct bad {
    const char *what;
    size_t len;
    uint8_t bytes[40];
    size_t offset;
};

#define BAD(what, offset, ...)                                                                                         \
    {                                                                                                                  \
        what, sizeof((uint8_t[]){__VA_ARGS__}), {__VA_ARGS__}, offset                                                  \
    }

static const struct bad malformed[] = {
    BAD("no such tag", 0, 1),
    BAD("atom cache reference", 0, 82, 0),
    BAD("compressed", 0, 80, 0, 0, 0, 2, 120, 156, 75, 100, 4, 0, 0, 199, 0, 98),
    BAD("a second version byte", 0, 131, 97, 1),
    BAD("trailing byte", 2, 97, 1, 0),
    BAD("cut integer", 0, 97),
    BAD("cut in a tuple", 4, 104, 2, 97, 1, 98, 0, 0),
    BAD("tuple short of elements", 0, 104, 3, 97, 1),
    BAD("tuple of 2^32-1", 0, 105, 255, 255, 255, 255, 97, 1),
    BAD("list of 2^31", 0, 108, 128, 0, 0, 0, 97, 1, 106),
    BAD("list of nothing", 0, 108, 0, 0, 0, 0, 106),
    BAD("list without a tail", 0, 108, 0, 0, 0, 2, 97, 1),
    BAD("map of 2^32-1", 0, 116, 255, 255, 255, 255),
    BAD("map without a value", 7, 116, 0, 0, 0, 1, 97, 1),
    BAD("key twice", 0, 116, 0, 0, 0, 2, 97, 1, 97, 2, 97, 1, 97, 3),
    BAD("key twice in other forms", 0, 116, 0, 0, 0, 2, 97, 1, 97, 2, 98, 0, 0, 0, 1, 97, 3),
    BAD("key twice as old atom", 0, 116, 0, 0, 0, 2, 119, 1, 'a', 97, 2, 100, 0, 1, 'a', 97, 3),
    BAD("key twice as string and list", 0, 116, 0, 0, 0, 2, 107, 0, 1, 9, 97, 2, 108, 0, 0, 0, 1, 97, 9, 106, 97, 3),
    BAD("inner key twice", 2, 104, 1, 116, 0, 0, 0, 2, 106, 106, 106, 106),
    BAD("0 bits", 0, 77, 0, 0, 0, 1, 0, 255),
    BAD("9 bits", 0, 77, 0, 0, 0, 1, 9, 255),
    BAD("bits of nothing", 0, 77, 0, 0, 0, 0, 1),
    BAD("binary longer than the rest", 0, 109, 255, 255, 255, 255, 1),
    BAD("atom not UTF-8", 0, 119, 1, 255),
    BAD("atom overlong UTF-8", 0, 119, 2, 0xC0, 0x80),
    BAD("atom with a surrogate", 0, 119, 3, 0xED, 0xA0, 0x80),
    BAD("NaN", 0, 70, 0x7F, 0xF8, 0, 0, 0, 0, 0, 0),
    BAD("infinity", 0, 70, 0x7F, 0xF0, 0, 0, 0, 0, 0, 0),
    BAD("-infinity", 0, 70, 0xFF, 0xF0, 0, 0, 0, 0, 0, 0),
    BAD("old float that is none", 0, 99, 'n', 'a', 'n', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0),
    BAD("bigint with sign 2", 0, 110, 5, 2, 1, 2, 3, 4, 5),
    BAD("bigint cut", 0, 110, 200, 0, 1),
    BAD("large bigint cut", 0, 111, 255, 255, 255, 255, 0, 1),
    BAD("pid without an atom", 0, 88, 97, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1),
    BAD("pid cut", 0, 88, 119, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0),
    BAD("reference without words", 0, 90, 0, 0, 119, 1, 'a', 0, 0, 0, 1),
    BAD("reference of 6 words", 0, 90, 0, 6, 119, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0,
        0, 0, 1, 0, 0, 0, 1),
    BAD("port cut", 0, 120, 119, 1, 'a', 0, 0, 0, 1),
    BAD("export with a bad arity", 0, 113, 119, 1, 'a', 119, 1, 'b', 98, 0, 0, 0, 1),
    BAD("fun with size 0", 0, 112, 0, 0, 0, 0),
    BAD("fun larger than the rest", 0, 112, 255, 255, 255, 255, 0),
    BAD("fun of nothing", 0, 112, 0, 0, 0, 29, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
};

static void malformed_bytes_are_refused_with_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        const struct bad *b = &malformed[i];
        uint8_t *copy = malloc(b->len); /* its own block, so that a sanitizer sees a byte read too many */
        size_t offset = 12345;
        assert_non_null(copy);
        memcpy(copy, b->bytes, b->len);
        if (mesh_term_check(copy, b->len, NULL, &offset) != MESH_EBADTERM || offset != b->offset)
            fail_msg("%s: offset %zu", b->what, offset);
        assert_int_equal(mesh_term_check(copy, b->len, NULL, NULL), MESH_EBADTERM);
        free(copy);
    }
    assert_int_equal(mesh_term_check(NULL, 0, NULL, NULL), MESH_EBADTERM);
}

static const struct {
    size_t len;
    uint8_t bytes[40];
} good[] = {
#define GOOD(...)                                                                                                      \
    {                                                                                                                  \
        sizeof((uint8_t[]){__VA_ARGS__}),                                                                              \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
    GOOD(97, 255),
    GOOD(98, 255, 255, 255, 255),
    GOOD(110, 0, 0),
    GOOD(110, 1, 1, 9),
    GOOD(111, 0, 0, 0, 1, 0, 9),
    GOOD(70, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0),
    GOOD(99, '1', '.', '5', '0', 'e', '+', '0', '1', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
         0),
    GOOD(119, 0),
    GOOD(118, 0, 2, 0xC3, 0xA9),
    GOOD(100, 0, 1, 0xE9),
    GOOD(115, 1, 0xE9),
    GOOD(109, 0, 0, 0, 0),
    GOOD(77, 0, 0, 0, 1, 3, 0xFF),
    GOOD(77, 0, 0, 0, 1, 8, 0xFF),
    GOOD(107, 0, 2, 0, 255),
    GOOD(107, 0, 0),
    GOOD(104, 0),
    GOOD(105, 0, 0, 0, 1, 106),
    GOOD(106),
    GOOD(108, 0, 0, 0, 1, 97, 1, 97, 2),
    GOOD(116, 0, 0, 0, 0),
    GOOD(116, 0, 0, 0, 2, 97, 1, 106, 70, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0, 106),
    GOOD(88, 119, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3),
    GOOD(103, 100, 0, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 2, 3),
    GOOD(90, 0, 2, 119, 1, 'a', 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3),
    GOOD(114, 0, 1, 119, 1, 'a', 1, 0, 0, 0, 2),
    GOOD(101, 119, 1, 'a', 0, 0, 0, 2, 1),
    GOOD(120, 119, 1, 'a', 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1),
    GOOD(89, 119, 1, 'a', 0, 0, 0, 2, 0, 0, 0, 1),
    GOOD(102, 119, 1, 'a', 0, 0, 0, 2, 1),
    GOOD(113, 119, 1, 'a', 119, 1, 'b', 97, 2),
};

static void every_form_is_known_and_no_part_of_it_is_enough(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(mesh_term_check(good[i].bytes, good[i].len, NULL, NULL), MESH_OK);
        for (size_t len = 1; len < good[i].len; len++) {
            uint8_t *copy = malloc(len);
            size_t offset = 0;
            assert_non_null(copy);
            memcpy(copy, good[i].bytes, len);
            assert_int_equal(mesh_term_check(copy, len, NULL, &offset), MESH_EBADTERM);
            assert_true(offset <= len);
            free(copy);
        }
    }
}

/* A fun as a BEAM sends it: arity 1, index 2, no free variable. */
static const uint8_t fun[] = {112, 0,  0,  0,   54, 1,   1, 2, 3, 4, 5,   6, 7,   8,   9,   10, 11, 12, 13, 14,
                              15,  16, 0,  0,   0,  2,   0, 0, 0, 0, 119, 3, 'f', 'o', 'o', 97, 2,  98, 0,  0,
                              1,   0,  88, 119, 1,  'a', 0, 0, 0, 1, 0,   0, 0,   0,   0,   0,  0,  1};

static void funs_are_checked_inside(void **state)
{
    (void)state;
    uint8_t copy[sizeof fun];
    memcpy(copy, fun, sizeof fun);
    copy[4] = (uint8_t)(sizeof fun - 1);
    assert_int_equal(mesh_term_check(copy, sizeof copy, NULL, NULL), MESH_OK);
    copy[31] = 200; /* the length of the module's name */
    assert_int_equal(mesh_term_check(copy, sizeof copy, NULL, NULL), MESH_EBADTERM);
    memcpy(copy, fun, sizeof fun);
    copy[4] = (uint8_t)(sizeof fun - 1);
    copy[29] = 1; /* a free variable that is not there */
    assert_int_equal(mesh_term_check(copy, sizeof copy, NULL, NULL), MESH_EBADTERM);
    copy[29] = 0;
    copy[35] = 119; /* the index is no integer */
    assert_int_equal(mesh_term_check(copy, sizeof copy, NULL, NULL), MESH_EBADTERM);
}

static void limits_are_kept(void **state)
{
    (void)state;
    const uint8_t nested[] = {104, 1, 104, 1, 104, 1, 97, 1};
    size_t offset = 0;
    assert_int_equal(mesh_term_check(nested, sizeof nested, &(mesh_limits){.depth = 3}, NULL), MESH_OK);
    assert_int_equal(mesh_term_check(nested, sizeof nested, &(mesh_limits){.depth = 2}, &offset), MESH_ETOOBIG);
    assert_int_equal(offset, 4);
    assert_int_equal(mesh_term_check(nested, sizeof nested, &(mesh_limits){.elements = 4}, NULL), MESH_OK);
    assert_int_equal(mesh_term_check(nested, sizeof nested, &(mesh_limits){.elements = 3}, &offset), MESH_ETOOBIG);
    assert_int_equal(mesh_term_check(nested, sizeof nested, &(mesh_limits){.bytes = 8}, NULL), MESH_OK);
    assert_int_equal(mesh_term_check(nested, sizeof nested, &(mesh_limits){.bytes = 7}, &offset), MESH_ETOOBIG);
    assert_int_equal(offset, 7);
}

static void depth_bombs_end_at_the_limit(void **state)
{
    (void)state;
    const size_t len = (size_t)292 * 1024;
    uint8_t *bomb = malloc(len);
    size_t offset = 0;
    assert_non_null(bomb);
    for (size_t i = 0; i + 1 < len; i += 2) {
        bomb[i] = 104;
        bomb[i + 1] = 1;
    }
    bomb[len - 1] = 106;
    assert_int_equal(mesh_term_check(bomb, len, NULL, &offset), MESH_ETOOBIG);
    assert_int_equal(offset, 2 * MESH_TERM_MAX_DEPTH);
    const size_t deepest = (size_t)2 * MESH_TERM_MAX_DEPTH;
    bomb[deepest] = 106;
    assert_int_equal(mesh_term_check(bomb, deepest + 1, NULL, NULL), MESH_OK);
    free(bomb);
}

static void atoms_count_characters(void **state)
{
    (void)state;
    uint8_t atom[3 + 600] = {118};
    for (size_t i = 0; i < 256; i++) {
        atom[3 + 2 * i] = 0xC3;
        atom[4 + 2 * i] = 0xA9;
    }
    atom[1] = 510 >> 8;
    atom[2] = 510 & 255;
    assert_int_equal(mesh_term_check(atom, 3 + 510, NULL, NULL), MESH_OK);
    atom[2]++;
    atom[2]++;
    assert_int_equal(mesh_term_check(atom, 3 + 512, NULL, NULL), MESH_EBADTERM);
}

/* A map of n integer keys in an order that is far from sorted; the last key is `last`. */
static mesh_buf *integer_map(mesh_buf *b, uint32_t n, int64_t last)
{
    mesh_buf_clear(b);
    assert_int_equal(mesh_put_map(b, n), MESH_OK);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = (uint32_t)((i * UINT64_C(2654435761)) & 0xFFFFFFFF);
        assert_int_equal(mesh_put_int(b, i + 1 == n ? last : key), MESH_OK);
        assert_int_equal(mesh_put_empty(b), MESH_OK);
    }
    return b;
}

static void keys_of_large_maps_are_compared_in_bounded_time(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    integer_map(&b, 200000, -1);
    assert_int_equal(mesh_term_check(b.data, b.len, NULL, NULL), MESH_OK);
    integer_map(&b, 200000, 2654435761);
    assert_int_equal(mesh_term_check(b.data, b.len, NULL, NULL), MESH_EBADTERM);
    mesh_buf_fini(&b);
}

/* A map whose keys are maps whose keys are maps …, each level with three of them. */
static void put_key_tree(mesh_buf *b, unsigned levels, int64_t seed)
{
    if (levels == 0) {
        mesh_put_int(b, seed);
        return;
    }
    mesh_put_map(b, 3);
    for (int64_t i = 3; i > 0; i--) {
        put_key_tree(b, levels - 1, seed * 3 + i);
        mesh_put_empty(b);
    }
}

static void maps_inside_keys_are_limited(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    put_key_tree(&b, 4, 0);
    assert_int_equal(mesh_term_check(b.data, b.len, NULL, NULL), MESH_OK);
    mesh_buf_clear(&b);
    put_key_tree(&b, MESH_TERM_MAX_KEY_MAPS + 1, 0);
    int error = mesh_term_check(b.data, b.len, NULL, NULL);
    assert_true(error == MESH_OK || error == MESH_ETOOBIG); /* by the budget, depending on size; never slow */
    mesh_buf_clear(&b);
    put_key_tree(&b, MESH_TERM_MAX_KEY_MAPS + 2, 0);
    assert_int_equal(mesh_term_check(b.data, b.len, NULL, NULL), MESH_ETOOBIG);
    mesh_buf_fini(&b);
}

static void decode_wants_the_version(void **state)
{
    (void)state;
    mesh_term t = {NULL, 0, NULL};
    size_t offset = 9;
    const uint8_t bytes[] = {131, 104, 1, 1};
    assert_int_equal(mesh_decode((mesh_bytes){bytes, 4}, NULL, &t, &offset), MESH_EBADTERM);
    assert_int_equal(offset, 3);
    assert_int_equal(mesh_decode((mesh_bytes){bytes + 1, 3}, NULL, &t, &offset), MESH_EBADTERM);
    assert_int_equal(offset, 0);
    assert_int_equal(mesh_decode((mesh_bytes){NULL, 0}, NULL, &t, NULL), MESH_EBADTERM);
    assert_int_equal(mesh_decode((mesh_bytes){bytes, 1}, NULL, &t, &offset), MESH_EBADTERM);
    assert_int_equal(offset, 1);
    assert_null(t.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_bytes_are_refused_with_their_place),
        cmocka_unit_test(every_form_is_known_and_no_part_of_it_is_enough),
        cmocka_unit_test(funs_are_checked_inside),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(depth_bombs_end_at_the_limit),
        cmocka_unit_test(atoms_count_characters),
        cmocka_unit_test(keys_of_large_maps_are_compared_in_bounded_time),
        cmocka_unit_test(maps_inside_keys_are_limited),
        cmocka_unit_test(decode_wants_the_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
