/* SipHash against OpenSSL's values, at every alignment; and random_bytes. */
#include <stdlib.h>

#include <mesh/error.h>

#include "base/random.h"
#include "base/siphash.h"
#include "unit/check.h"
#include "vectors.h"

static struct siphash_key counting_key(void)
{
    unsigned char bytes[SIPHASH_KEY_BYTES];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    return siphash_key(bytes);
}

static void both_variants_give_the_published_values(void **state)
{
    (void)state;
    FILE *file = vectors_open("siphash.txt");
    char line[128];
    size_t lines = 0;
    while (vectors_line(file, line, sizeof line)) {
        unsigned len;
        unsigned long long want13, want24;
        assert_int_equal(sscanf(line, "%u %llx %llx", &len, &want13, &want24), 3);
        /* Exactly as long as the input, so that the address sanitizer sees a read beyond it; shifted by 0 to 7. */
        for (size_t shift = 0; shift < 8; shift++) {
            unsigned char *block = malloc(shift + len + (shift + len == 0));
            assert_non_null(block);
            for (unsigned i = 0; i < len; i++)
                block[shift + i] = (unsigned char)i;
            assert_true(siphash13(counting_key(), block + shift, len) == want13);
            assert_true(siphash24(counting_key(), block + shift, len) == want24);
            free(block);
        }
        lines++;
    }
    fclose(file);
    assert_int_equal(lines, 64);
}

static void no_bytes_may_be_null(void **state)
{
    (void)state;
    assert_true(siphash13(counting_key(), NULL, 0) == siphash13(counting_key(), "", 0));
    assert_true(siphash24(counting_key(), NULL, 0) == 0x726fdb47dd0e0e31U);
}

static void the_key_matters(void **state)
{
    (void)state;
    struct siphash_key a = counting_key(), b = a;
    b.k1 ^= 1;
    assert_true(siphash13(a, "player_123", 10) != siphash13(b, "player_123", 10));
    assert_true(siphash24(a, "player_123", 10) != siphash24(b, "player_123", 10));
}

static void a_part_of_a_word_is_read_low_byte_first(void **state)
{
    (void)state;
    const unsigned char bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const uint64_t whole = 0x0807060504030201U;
    assert_true(load_le64(bytes) == whole);
    assert_true(load_le32(bytes + 1) == 0x05040302U);
    for (size_t n = 0; n < 8; n++)
        assert_true(load_le_part(bytes, n) == (n == 0 ? 0 : whole & (UINT64_MAX >> (64 - 8 * n))));
}

static void random_bytes_fill_all_that_is_asked(void **state)
{
    (void)state;
    unsigned char seen[1000] = {0}, bytes[1000];
    for (int turn = 0; turn < 32; turn++) {
        assert_int_equal(random_bytes(bytes, sizeof bytes), MESH_OK);
        for (size_t i = 0; i < sizeof bytes; i++)
            seen[i] |= bytes[i];
    }
    for (size_t i = 0; i < sizeof seen; i++)
        assert_int_not_equal(seen[i], 0);
    assert_int_equal(random_bytes(NULL, 0), MESH_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_variants_give_the_published_values),
        cmocka_unit_test(no_bytes_may_be_null),
        cmocka_unit_test(the_key_matters),
        cmocka_unit_test(a_part_of_a_word_is_read_low_byte_first),
        cmocka_unit_test(random_bytes_fill_all_that_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
