/* Messages: what is written is read; unknown keys are skipped, unknown operations told apart from malformed ones; and
 * the recorded exchange of hellos, which every later version must go on to understand. */
#include "cluster/message.h"

#include <stdlib.h>

#include "unit/cluster/pair.h"
#include "vectors.h"

static int read_text(const char *text, mesh_buf *buf, struct message *m)
{
    size_t column = 0;
    assert_int_equal(mesh_parse(text, strlen(text), buf, &column), MESH_OK);
    return message_read(mesh_buf_bytes(buf), m);
}

static void fields_come_back(void **state)
{
    (void)state;
    struct writer w;
    struct message m;
    writer_begin(&w, 1, OP_CLAIM);
    writer_number(&w, F_CLOCK, 77);
    writer_bytes(&w, F_CAP, mesh_str("game"));
    writer_number(&w, F_SHARDS, 4096);
    writer_number(&w, F_SEQ, 3);
    writer_bytes(&w, F_SET, mesh_str("xyz"));
    writer_list(&w, F_RELEASES, 0);
    assert_int_equal(message_read(writer_end(&w), &m), MESH_OK);
    assert_int_equal(m.op, OP_CLAIM);
    assert_int_equal(m.version, 1);
    assert_int_equal(message_number(&m, F_CLOCK), 77);
    assert_int_equal(message_bytes(&m, F_CAP).len, 4);
    assert_int_equal(message_number(&m, F_SHARDS), 4096);
    assert_false(message_has(&m, F_BUSY));
    assert_int_equal(message_items(&m, F_RELEASES).left, 0);
    assert_int_equal(message_items(&m, F_BUSY).left, 0);
    mesh_buf_fini(&w.buf);
}

static void what_is_unknown_is_skipped(void **state)
{
    (void)state;
    struct message m;
    mesh_buf buf;
    mesh_buf_init(&buf);
    assert_int_equal(read_text("{:mesh, 1, :ack, %{seq: 5, colour: [1, {2}], \"k\" => 1}}", &buf, &m), MESH_OK);
    assert_int_equal(message_number(&m, F_SEQ), 5);
    assert_int_equal(read_text("{:mesh, 1, :dance, %{seq: 5}}", &buf, &m), MESH_ENOMATCH);
    static const char *const wrong[] = {
        "{:mesh, 1, :ack, %{}}",        /* a needed field is missing */
        "{:mesh, 1, :ack, %{seq: -1}}", /* of another kind */
        "{:mesh, 1, :ack, %{seq: :one}}",
        "{:mesh, 0, :ack, %{seq: 1}}",
        "{:mesh, 1, :ack}",
        "{:mash, 1, :ack, %{seq: 1}}",
        "[:mesh, 1, :ack, %{seq: 1}]",
        "{:mesh, 1, \"ack\", %{seq: 1}}",
        "{:mesh, 1, :list, %{digest: 1, nodes: [1 | 2]}}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(read_text(wrong[i], &buf, &m), MESH_EBADTERM);
    mesh_buf_fini(&buf);
}

/* Longer tuples are of a later version: what is beyond is skipped. */
static void items_are_read_one_by_one(void **state)
{
    (void)state;
    struct message m;
    mesh_buf buf;
    uint32_t arity = 0;
    int error = MESH_OK;
    mesh_buf_init(&buf);
    assert_int_equal(
        read_text("{:mesh, 1, :list, %{digest: 1, nodes: [{\"a@h\", 1}, {\"b@h\", 2, :more, {}}, {\"c@h\"}]}}", &buf,
                  &m),
        MESH_OK);
    struct items it = message_items(&m, F_NODES);
    for (uint64_t i = 1; i <= 2; i++) {
        assert_true(items_next(&it, 2, &arity, &error));
        assert_int_equal(items_bytes(&it, &error).len, 3);
        assert_int_equal(items_number(&it, 9, &error), i);
        items_close(&it, arity, 2, &error);
    }
    assert_int_equal(error, MESH_OK);
    assert_false(items_next(&it, 2, &arity, &error));
    assert_int_equal(error, MESH_EBADTERM);
    mesh_buf_fini(&buf);
}

static size_t from_hex(const char *hex, uint8_t *bytes)
{
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        const char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return len;
}

/* Each recorded hello is understood: its sender is met, and its capability known. */
static void recorded_hellos_are_understood(void **state)
{
    (void)state;
    char line[4096];
    uint8_t bytes[2048];
    uint32_t count = 0;
    FILE *file = vectors_open("hello.txt");
    while (vectors_line(file, line, sizeof line)) {
        const struct cluster_config config = {.name = mesh_str("z@h"), .creation = 9};
        struct cluster *c = cluster_create(&config, 1000, 1000);
        uint16_t peer = 0;
        char name[32], hex[4000];
        assert_int_equal(sscanf(line, "%31s %3999s", name, hex), 2);
        size_t len = from_hex(hex, bytes);
        assert_int_equal(cluster_link_up(c, mesh_str(name), 1, CLUSTER_C, &peer), MESH_OK);
        assert_int_equal(cluster_receive(c, peer, (mesh_bytes){bytes, len}), MESH_OK);
        assert_true(cluster_met(c, peer));
        cluster_run(c);
        const struct ring *ring = cluster_ring(c, mesh_str("game"));
        assert_non_null(ring);
        assert_int_equal(ring_shards(ring), PAIR_SHARDS);
        /* every truncation is refused, and every change of a byte is answered one way or the other */
        for (size_t cut = 0; cut < len; cut++)
            assert_int_not_equal(cluster_receive(c, peer, (mesh_bytes){bytes, cut}), MESH_OK);
        for (size_t at = 0; at < len; at++) {
            bytes[at] ^= 0x15;
            (void)cluster_receive(c, peer, (mesh_bytes){bytes, len});
            bytes[at] ^= 0x15;
        }
        cluster_destroy(c);
        count++;
    }
    fclose(file);
    assert_in_range(count, 3, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_come_back),
        cmocka_unit_test(what_is_unknown_is_skipped),
        cmocka_unit_test(items_are_read_one_by_one),
        cmocka_unit_test(recorded_hellos_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
