/* phash2 against values printed by Erlang/OTP; the property test asks a running one for many more. */
#include <stdlib.h>

#include <mesh/placement.h>

#include "placement/phash2.h"
#include "unit/check.h"
#include "vectors.h"

/* The bytes of hex in a block of exactly their size, the caller's to free. */
static unsigned char *from_hex(const char *hex, size_t *len)
{
    *len = strcmp(hex, "(empty)") == 0 ? 0 : strlen(hex) / 2;
    unsigned char *bytes = malloc(*len + (*len == 0));
    assert_non_null(bytes);
    for (size_t i = 0; i < *len; i++) {
        unsigned byte;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
        bytes[i] = (unsigned char)byte;
    }
    return bytes;
}

static void the_published_values(void **state)
{
    (void)state;
    FILE *file = vectors_open("phash2.txt");
    char line[2048], hex[1024];
    size_t lines = 0;
    while (vectors_line(file, line, sizeof line)) {
        unsigned plain, shard, full;
        assert_int_equal(sscanf(line, "%1023s %u %u %u", hex, &plain, &shard, &full), 4);
        mesh_bytes id;
        unsigned char *bytes = from_hex(hex, &id.len);
        id.data = bytes;
        assert_int_equal(phash2_binary(id) & 0x7ffffff, plain);
        assert_int_equal(mesh_phash2(id, 4096), shard);
        assert_int_equal(mesh_phash2(id, 0), full);
        free(bytes);
        lines++;
    }
    fclose(file);
    assert_int_equal(lines, 13);
}

static void ranges(void **state)
{
    (void)state;
    const mesh_bytes id = mesh_str("player_123");
    assert_int_equal(mesh_phash2(id, 1), 0);
    assert_int_equal(mesh_phash2(id, 2), 2630624419U % 2);
    assert_int_equal(mesh_phash2(id, UINT32_MAX), 2630624419U % UINT32_MAX);
    assert_int_equal(mesh_phash2((mesh_bytes){NULL, 0}, 4096), 3685);
}

static void every_byte_counts_and_nothing_beside_them(void **state)
{
    (void)state;
    unsigned char bytes[40];
    for (size_t len = 1; len <= sizeof bytes; len++) {
        memset(bytes, 0x5a, sizeof bytes);
        const uint32_t before = phash2_binary((mesh_bytes){bytes, len});
        memset(bytes + len, 0xff, sizeof bytes - len);
        assert_int_equal(phash2_binary((mesh_bytes){bytes, len}), before);
        for (size_t i = 0; i < len; i++) {
            bytes[i] ^= 0x80;
            assert_int_not_equal(phash2_binary((mesh_bytes){bytes, len}), before);
            bytes[i] ^= 0x80;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_values),
        cmocka_unit_test(ranges),
        cmocka_unit_test(every_byte_counts_and_nothing_beside_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
