/* phash2 against a real Erlang: 100,000 random binaries, one run of erl.
 *
 * The binaries go to a file, erl reads it and writes for each phash2(B), phash2(B, Range) with a random range, and
 * phash2(B, 2^32); here the three are compared. Every length from 0 to 2000 occurs, most are as short as ids are, and
 * a few are large. Without erl the test is skipped: it says so and ends with the code that ctest knows as skipped.
 *
 *   file to erl:    per binary 4 bytes length, 4 bytes range, the bytes   (numbers with the highest byte first)
 *   file from erl:  per binary 4 bytes each phash2(B), phash2(B, Range), phash2(B, 2^32) */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mesh/placement.h>

#include "placement/phash2.h"
#include "property/random.h"
#include "unit/check.h"

enum { BINARIES = 100000, LEN_MAX = 3 * 1024 * 1024 + 5, SKIPPED = 77 };

static const char program[] = "Each = fun Each(<<L:32, R:32, B:L/binary, Rest/binary>>, Out) ->"
                              "             Each(Rest, [<<(erlang:phash2(B)):32, (erlang:phash2(B, R)):32, "
                              "(erlang:phash2(B, 1 bsl 32)):32>> | Out]);"
                              "           Each(<<>>, Out) -> lists:reverse(Out) end,"
                              "{ok, In} = file:read_file(\"in\"),"
                              "ok = file:write_file(\"out\", Each(In, [])),"
                              "halt(0).";

static size_t length_of(size_t i, uint64_t *random)
{
    static const size_t large[] = {4096, 65535, 65536, 65537, 1 << 20, LEN_MAX};
    if (i <= 2000)
        return i;
    if (i - 2001 < sizeof large / sizeof *large)
        return large[i - 2001];
    return random_below(random, i % 16 == 0 ? 2001 : 64);
}

static void put_32(FILE *file, uint32_t v)
{
    const unsigned char bytes[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16), (unsigned char)(v >> 8),
                                    (unsigned char)v};
    assert_int_equal(fwrite(bytes, 1, sizeof bytes, file), sizeof bytes);
}

static uint32_t get_32(FILE *file)
{
    unsigned char b[4];
    assert_int_equal(fread(b, 1, sizeof b, file), sizeof b);
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The next binary in bytes, and its range; the same ones in the same order for the same random. */
static mesh_bytes next_binary(size_t i, uint64_t *random, unsigned char *bytes, uint32_t *range)
{
    size_t len = length_of(i, random);
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = random_next(random);
        memcpy(bytes + at, &word, sizeof word);
    }
    *range = i % 2 ? 4096 : (uint32_t)random_next(random) | 1;
    return (mesh_bytes){bytes, len};
}

static void run_erl(void)
{
    char *const argv[] = {"erl", "-noshell", "-noinput", "-boot", "start_clean", "-eval", (char *)(uintptr_t)program,
                          NULL};
    pid_t pid;
    assert_int_equal(posix_spawnp(&pid, "erl", NULL, NULL, argv, environ), 0);
    int status;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void erlang_gives_the_same(void **state)
{
    (void)state;
    char folder[] = "/tmp/mesh-phash2-XXXXXX";
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chdir(folder), 0);
    unsigned char *bytes = malloc(LEN_MAX + 8);
    assert_non_null(bytes);
    uint32_t range;

    FILE *file = fopen("in", "wb");
    assert_non_null(file);
    uint64_t random = 15;
    for (size_t i = 0; i < BINARIES; i++) {
        mesh_bytes b = next_binary(i, &random, bytes, &range);
        put_32(file, (uint32_t)b.len);
        put_32(file, range);
        assert_int_equal(fwrite(b.data, 1, b.len, file), b.len);
    }
    assert_int_equal(fclose(file), 0);
    run_erl();

    file = fopen("out", "rb");
    assert_non_null(file);
    random = 15;
    for (size_t i = 0; i < BINARIES; i++) {
        mesh_bytes b = next_binary(i, &random, bytes, &range);
        assert_int_equal(phash2_binary(b) & 0x7ffffff, get_32(file));
        assert_int_equal(mesh_phash2(b, range), get_32(file));
        assert_int_equal(mesh_phash2(b, 0), get_32(file));
    }
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    free(bytes);
    assert_int_equal(unlink("in") | unlink("out") | chdir("/") | rmdir(folder), 0);
}

int main(void)
{
    if (system("command -v erl >/dev/null 2>&1") != 0) {
        puts("SKIPPED: erl is not installed; phash2 was not compared with Erlang");
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(erlang_gives_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
