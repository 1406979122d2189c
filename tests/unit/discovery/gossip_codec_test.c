/* The packets of gossip: those of a real BEAM, every truncation and every one-byte change of them, and what an enemy
 * would send. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include <mesh/error.h>

#include "discovery/gossip_codec.h"
#include "unit/check.h"
#include "vectors.h"

enum { LINE_BYTES = 2048 };

struct recorded {
    char secret[256]; /* "" when plain */
    char name[NODE_NAME_MAX_BYTES + 1];
    uint8_t packet[GOSSIP_PACKET_MAX_BYTES];
    size_t len;
};

static size_t from_hex(const char *hex, uint8_t *out, size_t size)
{
    size_t n = strlen(hex) / 2;
    assert_true(n <= size);
    for (size_t i = 0; i < n; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], 0};
        out[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return n;
}

/* The next recorded packet; false at the end. */
static bool next_recorded(FILE *file, struct recorded *r)
{
    char line[LINE_BYTES];
    if (!vectors_line(file, line, sizeof line))
        return false;
    char *rest = NULL;
    const char *kind = strtok_r(line, " ", &rest);
    memset(r, 0, sizeof *r);
    if (strcmp(kind, "secret") == 0)
        from_hex(strtok_r(NULL, " ", &rest), (uint8_t *)r->secret, sizeof r->secret - 1);
    snprintf(r->name, sizeof r->name, "%s", strtok_r(NULL, " ", &rest));
    r->len = from_hex(strtok_r(NULL, " ", &rest), r->packet, sizeof r->packet);
    return true;
}

static void open_codec(struct gossip_codec *c, const struct recorded *r)
{
    assert_int_equal(gossip_codec_init(c, r->secret[0] != 0 ? r->secret : NULL), MESH_OK);
}

static void packets_of_a_beam_are_read(void **state)
{
    (void)state;
    FILE *file = vectors_open("gossip.txt");
    struct recorded r;
    int plain = 0, secret = 0;
    while (next_recorded(file, &r)) {
        struct gossip_codec c;
        char name[NODE_NAME_MAX_BYTES + 1];
        open_codec(&c, &r);
        assert_int_equal(gossip_decode(&c, (mesh_bytes){r.packet, r.len}, name), GOSSIP_GOOD);
        assert_string_equal(name, r.name);
        gossip_codec_fini(&c);
        *(r.secret[0] != 0 ? &secret : &plain) += 1;
    }
    fclose(file);
    assert_int_equal(plain, 11);
    assert_int_equal(secret, 15);
}

/* OTP 26 and later send what we send; so that packet is equal byte for byte, with the same IV if there is a secret. */
static void we_send_what_a_new_beam_sends(void **state)
{
    (void)state;
    static const uint8_t new_atom[] = "\x77\x04node";
    FILE *file = vectors_open("gossip.txt");
    struct recorded r;
    int equal = 0;
    while (next_recorded(file, &r)) {
        struct gossip_codec c;
        uint8_t out[GOSSIP_PACKET_MAX_BYTES];
        open_codec(&c, &r);
        size_t len = gossip_encode(&c, r.name, r.packet, out);
        bool same = len == r.len && memcmp(out, r.packet, len) == 0;
        if (r.secret[0] == 0)
            assert_int_equal(same, memcmp(r.packet + 17, new_atom, sizeof new_atom - 1) == 0);
        equal += same;
        gossip_codec_fini(&c);
    }
    fclose(file);
    assert_int_equal(equal, 6 + 3);
}

/* Whatever a damaged packet still is, it is a name that could have been sent, or nothing. */
static void expect_sound(struct gossip_codec *c, const uint8_t *packet, size_t len)
{
    char name[NODE_NAME_MAX_BYTES + 1];
    uint8_t *exact = malloc(len + 1); /* so that the sanitizers see a read beyond the end */
    assert_non_null(exact);
    memcpy(exact, packet, len);
    exact = realloc(exact, len > 0 ? len : 1);
    assert_non_null(exact);
    memset(name, 'x', sizeof name);
    enum gossip_verdict verdict = gossip_decode(c, (mesh_bytes){exact, len}, name);
    assert_true(verdict != GOSSIP_OWN && verdict != GOSSIP_LONG && verdict < GOSSIP_VERDICT_COUNT);
    if (verdict == GOSSIP_GOOD)
        assert_true(node_name_valid(mesh_str(name)));
    free(exact);
}

static void every_truncation_is_ignored(void **state)
{
    (void)state;
    FILE *file = vectors_open("gossip.txt");
    struct recorded r;
    char name[NODE_NAME_MAX_BYTES + 1];
    while (next_recorded(file, &r)) {
        struct gossip_codec c;
        open_codec(&c, &r);
        for (size_t len = 0; len < r.len; len++) {
            expect_sound(&c, r.packet, len);
            assert_int_not_equal(gossip_decode(&c, (mesh_bytes){r.packet, len}, name), GOSSIP_GOOD);
        }
        gossip_codec_fini(&c);
    }
    fclose(file);
}

/* A changed byte in a plain packet changes the name, or there is none. Nothing else can come of it. */
static void every_one_byte_change_of_a_plain_packet_changes_the_name_or_is_ignored(void **state)
{
    (void)state;
    FILE *file = vectors_open("gossip.txt");
    struct recorded r;
    struct gossip_codec c;
    char name[NODE_NAME_MAX_BYTES + 1];
    unsigned good = 0;
    assert_int_equal(gossip_codec_init(&c, NULL), MESH_OK);
    while (next_recorded(file, &r)) {
        for (size_t i = 0; r.secret[0] == 0 && i < r.len; i++) {
            const uint8_t right = r.packet[i];
            const size_t name_at = r.len - strlen(r.name);
            for (unsigned v = 0; v < 256; v++) {
                r.packet[i] = (uint8_t)v;
                expect_sound(&c, r.packet, r.len);
                if (v != right && gossip_decode(&c, (mesh_bytes){r.packet, r.len}, name) == GOSSIP_GOOD) {
                    /* The tag of an atom of ASCII characters may be that of the other encoding of the same size. */
                    assert_true(i >= name_at - 4 || r.packet[i] == 100 || r.packet[i] == 118 || r.packet[i] == 115 ||
                                r.packet[i] == 119);
                    good++;
                }
            }
            r.packet[i] = right;
        }
    }
    assert_true(good > 1000); /* most bytes of a name may be most characters */
    gossip_codec_fini(&c);
    fclose(file);
}

/* The IV is xored onto the first block, which holds "heartbeat::", 131, 116 and the size of the map: only bytes that do
 * not matter could change unseen, and there are none. */
static void every_one_byte_change_of_the_iv_is_ignored(void **state)
{
    (void)state;
    FILE *file = vectors_open("gossip.txt");
    struct recorded r;
    char name[NODE_NAME_MAX_BYTES + 1];
    while (next_recorded(file, &r)) {
        struct gossip_codec c;
        open_codec(&c, &r);
        for (size_t i = 0; r.secret[0] != 0 && i < r.len; i++) {
            const uint8_t right = r.packet[i];
            for (unsigned v = 0; v < 256; v++) {
                r.packet[i] = (uint8_t)v;
                expect_sound(&c, r.packet, r.len);
                if (v != right && i < GOSSIP_IV_BYTES)
                    assert_int_not_equal(gossip_decode(&c, (mesh_bytes){r.packet, r.len}, name), GOSSIP_GOOD);
            }
            r.packet[i] = right;
        }
        gossip_codec_fini(&c);
    }
    fclose(file);
}

struct sample {
    const char *what;
    enum gossip_verdict expected;
    size_t len;
    const char *bytes;
};

#define SAMPLE(what, expected, bytes)                                                                                  \
    {                                                                                                                  \
        what, expected, sizeof(bytes) - 1, bytes                                                                       \
    }

static const struct sample samples[] = {
    SAMPLE("nothing", GOSSIP_FOREIGN, ""),
    SAMPLE("garbage", GOSSIP_FOREIGN, "\xDE\xAD\xBE\xEF"),
    SAMPLE("a part of the prefix", GOSSIP_FOREIGN, "heartbeat:"),
    SAMPLE("no term", GOSSIP_BADTERM, "heartbeat::"),
    SAMPLE("no version", GOSSIP_BADTERM, "heartbeat::\x74\0\0\0\1\x77\4node\x77\3n@h"),
    SAMPLE("tags 115 and 118", GOSSIP_GOOD, "heartbeat::\x83\x74\0\0\0\1\x73\4node\x76\0\3n@h"),
    SAMPLE("tags 118 and 100", GOSSIP_GOOD, "heartbeat::\x83\x74\0\0\0\1\x76\0\4node\x64\0\3n@h"),
    SAMPLE("Latin-1", GOSSIP_GOOD, "heartbeat::\x83\x74\0\0\0\1\x73\4node\x73\3\xFC@h"),
    SAMPLE("trailing bytes", GOSSIP_BADTERM, "heartbeat::\x83\x74\0\0\0\1\x77\4node\x77\3n@h\0"),
    SAMPLE("an empty map", GOSSIP_BADTERM, "heartbeat::\x83\x74\0\0\0\0"),
    SAMPLE("two keys", GOSSIP_BADTERM, "heartbeat::\x83\x74\0\0\0\2\x77\4node\x77\3n@h\x77\1x\x77\1y"),
    SAMPLE("another key", GOSSIP_BADTERM, "heartbeat::\x83\x74\0\0\0\1\x77\4mode\x77\3n@h"),
    SAMPLE("a key that is text", GOSSIP_BADTERM, "heartbeat::\x83\x74\0\0\0\1\x6D\0\0\0\4node\x77\3n@h"),
    SAMPLE("a name that is text", GOSSIP_BADTERM, "heartbeat::\x83\x74\0\0\0\1\x77\4node\x6D\0\0\0\3n@h"),
    SAMPLE("a map of 4 billion", GOSSIP_BADTERM, "heartbeat::\x83\x74\xFF\xFF\xFF\xFF\x77\4node\x77\3n@h"),
    SAMPLE("an atom of 64 KB", GOSSIP_BADTERM, "heartbeat::\x83\x74\0\0\0\1\x77\4node\x76\xFF\xFFn@h"),
    SAMPLE("a compressed term", GOSSIP_BADTERM,
           "heartbeat::\x83\x50\0\0\0\x10\x78\x9C\x2B\x61\x60\x60\x60\x2C\x67\xC9\xCB\x4F\x49\x2D\x67\xCE\x73\xC8\0"),
    SAMPLE("a pid", GOSSIP_BADTERM, "heartbeat::\x83\x58\x77\3n@h\0\0\0\1\0\0\0\1\0\0\0\1"),
    SAMPLE("an atom cache reference", GOSSIP_BADTERM, "heartbeat::\x83\x74\0\0\0\1\x52\0\x77\3n@h"),
    SAMPLE("no host", GOSSIP_BADNAME, "heartbeat::\x83\x74\0\0\0\1\x77\4node\x77\6nohost"),
    SAMPLE("two hosts", GOSSIP_BADNAME, "heartbeat::\x83\x74\0\0\0\1\x77\4node\x77\5n@h@i"),
    SAMPLE("an empty name", GOSSIP_BADNAME, "heartbeat::\x83\x74\0\0\0\1\x77\4node\x77\0"),
    SAMPLE("a NUL", GOSSIP_BADNAME, "heartbeat::\x83\x74\0\0\0\1\x77\4node\x77\4n\0@h"),
    SAMPLE("an escape sequence", GOSSIP_BADNAME, "heartbeat::\x83\x74\0\0\0\1\x77\4node\x77\6n\x1B[2@h"),
    SAMPLE("Latin-1 in UTF-8's place", GOSSIP_BADNAME, "heartbeat::\x83\x74\0\0\0\1\x77\4node\x77\3\xFC@h"),
};

static void samples_are_judged(void **state)
{
    (void)state;
    struct gossip_codec c;
    char name[NODE_NAME_MAX_BYTES + 1];
    assert_int_equal(gossip_codec_init(&c, NULL), MESH_OK);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct sample *s = &samples[i];
        enum gossip_verdict verdict = gossip_decode(&c, (mesh_bytes){s->bytes, s->len}, name);
        if (verdict != s->expected)
            fail_msg("%s: expected %d, got %d", s->what, (int)s->expected, (int)verdict);
    }
    gossip_codec_fini(&c);
}

/* Encrypts any plain bytes, of whole blocks without padding if padding is off. */
static size_t seal(const char *secret, const void *plain, size_t len, bool padding, uint8_t *out)
{
    uint8_t key[EVP_MAX_MD_SIZE];
    int n = 0, last = 0;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    memset(out, 7, GOSSIP_IV_BYTES);
    assert_int_equal(EVP_Digest(secret, strlen(secret), key, NULL, EVP_sha256(), NULL), 1);
    assert_int_equal(EVP_EncryptInit_ex(c, EVP_aes_256_cbc(), NULL, key, out), 1);
    EVP_CIPHER_CTX_set_padding(c, padding);
    assert_int_equal(EVP_EncryptUpdate(c, out + GOSSIP_IV_BYTES, &n, plain, (int)len), 1);
    assert_int_equal(EVP_EncryptFinal_ex(c, out + GOSSIP_IV_BYTES + n, &last), 1);
    EVP_CIPHER_CTX_free(c);
    return GOSSIP_IV_BYTES + (size_t)n + (size_t)last;
}

static void sealed_samples_are_judged_as_plain_ones(void **state)
{
    (void)state;
    struct gossip_codec c;
    char name[NODE_NAME_MAX_BYTES + 1];
    uint8_t packet[512];
    assert_int_equal(gossip_codec_init(&c, "s3cret"), MESH_OK);
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        size_t len = seal("s3cret", samples[i].bytes, samples[i].len, true, packet);
        assert_int_equal(gossip_decode(&c, (mesh_bytes){packet, len}, name), samples[i].expected);
    }
    gossip_codec_fini(&c);
}

static void bad_padding_another_secret_and_plain_packets_are_ignored(void **state)
{
    (void)state;
    static const char blocks[] = "heartbeat::\x83\x74\0\0\0\1\x77\4node\x77\7n@h\x63\x63\x63\x63"; /* 32 bytes */
    static const uint8_t iv[GOSSIP_IV_BYTES] = {1};
    static const uint8_t bad_ends[] = {0, 17, 0x11, 0x80, 0xFF};
    struct gossip_codec c, other, plain;
    char name[NODE_NAME_MAX_BYTES + 1], end[32];
    uint8_t packet[512];
    assert_int_equal(gossip_codec_init(&c, "s3cret"), MESH_OK);
    assert_int_equal(gossip_codec_init(&other, "s3creT"), MESH_OK);
    assert_int_equal(gossip_codec_init(&plain, NULL), MESH_OK);
    for (size_t i = 0; i < sizeof bad_ends; i++) {
        memcpy(end, blocks, sizeof end);
        end[31] = (char)bad_ends[i];
        size_t len = seal("s3cret", end, sizeof end, false, packet);
        assert_int_equal(gossip_decode(&c, (mesh_bytes){packet, len}, name), GOSSIP_UNDECIPHERED);
    }
    size_t len = gossip_encode(&c, "a@127.0.0.1", iv, packet);
    assert_int_equal(gossip_decode(&c, (mesh_bytes){packet, len}, name), GOSSIP_GOOD);
    assert_int_not_equal(gossip_decode(&other, (mesh_bytes){packet, len}, name), GOSSIP_GOOD);
    assert_int_equal(gossip_decode(&plain, (mesh_bytes){packet, len}, name), GOSSIP_FOREIGN);
    len = gossip_encode(&plain, "a@127.0.0.1", iv, packet);
    assert_int_not_equal(gossip_decode(&c, (mesh_bytes){packet, len}, name), GOSSIP_GOOD);
    assert_int_equal(gossip_decode(&c, (mesh_bytes){packet, 0}, name), GOSSIP_UNDECIPHERED);
    assert_int_equal(gossip_decode(&c, (mesh_bytes){packet, GOSSIP_IV_BYTES}, name), GOSSIP_UNDECIPHERED);
    assert_int_equal(ERR_peek_error(), 0); /* nothing is left in the thread's queue for others to find */
    gossip_codec_fini(&c);
    gossip_codec_fini(&other);
    gossip_codec_fini(&plain);
}

static void packets_are_as_long_as_the_longest_name_needs_and_no_longer(void **state)
{
    (void)state;
    static const uint8_t iv[GOSSIP_IV_BYTES] = {1};
    struct gossip_codec c, plain;
    char longest[NODE_NAME_MAX_BYTES + 1], name[NODE_NAME_MAX_BYTES + 1];
    uint8_t out[GOSSIP_PACKET_MAX_BYTES];
    static uint8_t datagram[65507];
    memset(longest, 'x', sizeof longest);
    longest[1] = '@';
    longest[NODE_NAME_MAX_BYTES] = 0;
    assert_int_equal(gossip_codec_init(&c, "s3cret"), MESH_OK);
    assert_int_equal(gossip_codec_init(&plain, NULL), MESH_OK);
    size_t len = gossip_encode(&c, longest, iv, out);
    assert_in_range(len, GOSSIP_IV_BYTES + 1, GOSSIP_PACKET_MAX_BYTES);
    assert_int_equal(gossip_decode(&c, (mesh_bytes){out, len}, name), GOSSIP_GOOD);
    assert_string_equal(name, longest);
    len = gossip_encode(&plain, longest, iv, out);
    assert_int_equal(gossip_decode(&plain, (mesh_bytes){out, len}, name), GOSSIP_GOOD);
    assert_int_equal(gossip_decode(&plain, (mesh_bytes){datagram, sizeof datagram}, name), GOSSIP_LONG);
    assert_int_equal(gossip_decode(&c, (mesh_bytes){datagram, sizeof datagram}, name), GOSSIP_LONG);
    gossip_codec_fini(&c);
    gossip_codec_fini(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_of_a_beam_are_read),
        cmocka_unit_test(we_send_what_a_new_beam_sends),
        cmocka_unit_test(every_truncation_is_ignored),
        cmocka_unit_test(every_one_byte_change_of_a_plain_packet_changes_the_name_or_is_ignored),
        cmocka_unit_test(every_one_byte_change_of_the_iv_is_ignored),
        cmocka_unit_test(samples_are_judged),
        cmocka_unit_test(sealed_samples_are_judged_as_plain_ones),
        cmocka_unit_test(bad_padding_another_secret_and_plain_packets_are_ignored),
        cmocka_unit_test(packets_are_as_long_as_the_longest_name_needs_and_no_longer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
