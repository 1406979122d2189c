/* Calls, casts and answers as terms: what is written is read, and what is malformed is refused. */
#include "unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mesh.h>

#include "node/envelope_layout.h"

enum { MAX_BYTES = 1 << 20 };

static mesh_term term_of(mesh_buf *buf, const char *text)
{
    mesh_buf_init(buf);
    assert_int_equal(mesh_parse(mesh_str(text).data, strlen(text), buf, NULL), MESH_OK);
    return mesh_buf_term(buf);
}

static int read_text(const char *text, struct envelope *e)
{
    mesh_buf buf;
    mesh_term term = term_of(&buf, text);
    int rc = envelope_read((mesh_bytes){term.data, term.len}, MAX_BYTES, e);
    mesh_buf_fini(&buf);
    return rc;
}

static struct envelope a_call(mesh_term payload, mesh_term init_arg)
{
    struct envelope e = {.op = ENVELOPE_CALL,
                         .number = UINT64_MAX,
                         .clock = 1,
                         .trace = 7,
                         .left_ms = 4999,
                         .hops = 2,
                         .followed = true,
                         .capability = mesh_str("game"),
                         .module = mesh_str("Room"),
                         .id = mesh_str("r1"),
                         .payload = payload,
                         .init_arg = init_arg,
                         .chain_count = MESSAGE_CHAIN_MAX};
    for (uint64_t i = 0; i < MESSAGE_CHAIN_MAX; i++)
        e.chain[i] = (struct link_of_chain){i << 32, UINT64_MAX - i};
    return e;
}

static struct envelope again(const struct envelope *e, struct letter *letter)
{
    struct envelope out;
    assert_int_equal(envelope_write(e, letter), MESH_OK);
    assert_int_equal(envelope_read(letter->bytes, MAX_BYTES, &out), MESH_OK);
    return out;
}

static void test_a_call(void **state)
{
    (void)state;
    mesh_buf one, two;
    struct letter letter;
    struct envelope e = a_call(term_of(&one, "%{action: :join}"), term_of(&two, "[1, 2]"));
    struct envelope out = again(&e, &letter);
    assert_int_equal(out.op, ENVELOPE_CALL);
    assert_true(out.number == UINT64_MAX && out.clock == 1 && out.trace == 7 && out.left_ms == 4999);
    assert_true(out.hops == 2 && out.followed && out.chain_count == MESSAGE_CHAIN_MAX);
    assert_memory_equal(out.chain, e.chain, sizeof e.chain);
    assert_true(out.id.len == 2 && memcmp(out.id.data, "r1", 2) == 0);
    assert_true(mesh_term_equal(out.payload, e.payload) && mesh_term_equal(out.init_arg, e.init_arg));
    letter_fini(&letter);
    mesh_buf_fini(&one);
    mesh_buf_fini(&two);
}

static void test_a_reply(void **state)
{
    (void)state;
    mesh_buf buf;
    struct letter letter;
    struct envelope e = {.op = ENVELOPE_REPLY,
                         .number = 3,
                         .clock = 9,
                         .error = MESH_ECRASHED,
                         .value = term_of(&buf, ":oops"),
                         .pid = {.number = 5, .creation = 6, .node = "a@b"}};
    struct envelope out = again(&e, &letter);
    assert_int_equal(out.op, ENVELOPE_REPLY);
    assert_int_equal(out.error, MESH_ECRASHED);
    assert_true(mesh_term_equal(out.value, e.value) && mesh_pid_equal(&out.pid, &e.pid));
    letter_fini(&letter);
    e = (struct envelope){.op = ENVELOPE_MOVED, .number = 4, .clock = 9, .node = mesh_str("c@d")};
    out = again(&e, &letter);
    assert_true(out.op == ENVELOPE_MOVED && out.number == 4 && out.node.len == 3);
    letter_fini(&letter);
    mesh_buf_fini(&buf);
}

#define CALL "number: 1, clock: 1, hops: 1, capability: \"c\", module: \"m\", id: \"i\""

static void test_what_is_accepted(void **state)
{
    (void)state;
    struct envelope e;
    assert_int_equal(read_text("{:mesh, 1, :call, %{" CALL ", later: [:x], \"text\" => 1}}", &e), MESH_OK);
    assert_true(e.op == ENVELOPE_CALL && e.left_ms == 0 && e.payload.data == NULL);
    assert_int_equal(read_text("{:mesh, 1, :claim, %{}}", &e), MESH_OK);
    assert_int_equal(e.op, ENVELOPE_OTHER);
    assert_int_equal(read_text("{:mesh, 9, :later, 3}", &e), MESH_OK);
    assert_int_equal(e.op, ENVELOPE_OTHER);
    assert_int_equal(read_text(":hello", &e), MESH_OK);
    assert_int_equal(e.op, ENVELOPE_OTHER);
}

static void test_what_is_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{:mesh, 0, :call, %{" CALL "}}",
        "{:mesh, 2, :call, %{" CALL "}}",
        "{:mesh, 1, :call, []}",
        "{:mesh, 1, :call, %{clock: 1, hops: 1, capability: \"c\", module: \"m\", id: \"i\"}}",
        "{:mesh, 1, :cast, %{clock: 1, hops: 1, capability: \"c\", module: \"m\"}}",
        "{:mesh, 1, :cast, %{clock: 1, hops: 256, capability: \"c\", module: \"m\", id: \"i\"}}",
        "{:mesh, 1, :cast, %{clock: 1, hops: 1, capability: \"c\", module: \"m\", id: \"\"}}",
        "{:mesh, 1, :cast, %{clock: 1, hops: 1, capability: :c, module: \"m\", id: \"i\"}}",
        "{:mesh, 1, :call, %{" CALL ", chain: [{1, 2, 3}]}}",
        "{:mesh, 1, :call, %{" CALL ", chain: [{1, 2} | 3]}}",
        "{:mesh, 1, :call, %{" CALL ", followed: 2}}",
        "{:mesh, 1, :reply, %{number: 1}}",
        "{:mesh, 1, :reply, %{number: 1, clock: -1}}",
        "{:mesh, 1, :reply, %{number: 1, clock: 1, pid: 7}}",
        "{:mesh, 1, :moved, %{number: 1, clock: 1, node: \"\"}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct envelope e;
        int rc = read_text(texts[i], &e);
        if (rc != MESH_EBADTERM)
            fail_msg("%s: %s", texts[i], mesh_error_name(rc));
    }
}

static bool same(mesh_bytes a, mesh_bytes b)
{
    return a.len == b.len && a.data == b.data;
}

static bool same_term(mesh_term a, mesh_term b)
{
    return a.len == b.len && a.data == b.data;
}

/* What was read from bytes is what the reader of any form makes of them. */
static void must_read_alike(mesh_bytes bytes, int rc, const struct envelope *e)
{
    struct envelope any;
    assert_int_equal(envelope_read_any(bytes, MAX_BYTES, &any), rc);
    if (rc != MESH_OK)
        return;
    assert_int_equal(e->op, any.op);
    if (e->op == ENVELOPE_OTHER)
        return;
    assert_true(e->number == any.number && e->clock == any.clock && e->trace == any.trace);
    assert_true(e->left_ms == any.left_ms && e->hops == any.hops && e->followed == any.followed);
    assert_true(same(e->capability, any.capability) && same(e->module, any.module) && same(e->id, any.id));
    assert_true(same_term(e->payload, any.payload) && same_term(e->init_arg, any.init_arg));
    assert_int_equal(e->chain_count, any.chain_count);
    assert_memory_equal(e->chain, any.chain, e->chain_count * sizeof *e->chain);
    assert_true(e->error == any.error && same_term(e->value, any.value) && same(e->node, any.node));
    assert_true(mesh_pid_equal(&e->pid, &any.pid));
}

/* A byte of what is usual is changed. */
static void change_each(const struct envelope *e)
{
    struct letter letter;
    struct envelope out;
    assert_int_equal(envelope_write(e, &letter), MESH_OK);
    assert_null(letter.block);
    for (size_t at = 0; at < letter.bytes.len; at++)
        for (int change = 0; change < 256; change += 5) {
            letter.few[at] ^= (uint8_t)change;
            int rc = envelope_read(letter.bytes, MAX_BYTES, &out);
            must_read_alike(letter.bytes, rc, &out);
            letter.few[at] ^= (uint8_t)change;
        }
    letter_fini(&letter);
}

static void test_both_readers_agree(void **state)
{
    (void)state;
    mesh_buf one, two;
    mesh_term payload = term_of(&one, "%{action: :join, n: -1}"), value = term_of(&two, "[1, \"two\", {3.0, nil}]");
    struct envelope call = a_call(payload, value), plain = a_call(payload, (mesh_term){0});
    change_each(&call);
    plain.op = ENVELOPE_CAST;
    plain.number = plain.trace = plain.left_ms = plain.chain_count = 0;
    plain.followed = false;
    change_each(&plain);
    struct envelope reply = {.op = ENVELOPE_REPLY, .number = 1000, .clock = 1 << 30, .value = value};
    change_each(&reply);
    reply.error = MESH_ECRASHED;
    reply.pid = (mesh_pid){.number = 5, .creation = 6, .node = "a@b"};
    change_each(&reply);
    change_each(&(struct envelope){.op = ENVELOPE_MOVED, .number = 4, .clock = 9, .node = mesh_str("c@d")});
    change_each(&(struct envelope){.op = ENVELOPE_SYNCED, .number = 4, .clock = 9});
    mesh_buf_fini(&one);
    mesh_buf_fini(&two);
}

/* What is long goes into a block, and is read as well. */
static void test_a_long_one(void **state)
{
    (void)state;
    mesh_buf buf;
    struct letter letter;
    mesh_buf_init(&buf);
    static uint8_t bytes[100000];
    assert_int_equal(mesh_put_binary(&buf, (mesh_bytes){bytes, sizeof bytes}), MESH_OK);
    struct envelope e = a_call(mesh_buf_term(&buf), (mesh_term){0}), out = again(&e, &letter);
    assert_non_null(letter.block);
    assert_int_equal(letter.block->len, letter.bytes.len);
    assert_true(mesh_term_equal(out.payload, e.payload));
    letter_fini(&letter);
    mesh_buf_fini(&buf);
}

/* Every truncation and every changed byte is refused or read as something: never past the end. */
static void test_broken_bytes(void **state)
{
    (void)state;
    mesh_buf one, two;
    struct letter letter;
    struct envelope e = a_call(term_of(&one, "%{action: :join}"), term_of(&two, "[1, 2]")), out;
    assert_int_equal(envelope_write(&e, &letter), MESH_OK);
    int refused = 0;
    for (size_t len = 0; len < letter.bytes.len; len++) {
        uint8_t *copy = malloc(len + 1);
        memcpy(copy, letter.bytes.data, len);
        int rc = envelope_read((mesh_bytes){copy, len}, MAX_BYTES, &out);
        refused += rc != MESH_OK || out.op == ENVELOPE_OTHER;
        free(copy);
    }
    assert_int_equal(refused, letter.bytes.len);
    uint8_t *bytes = letter.few;
    for (size_t at = 0; at < letter.bytes.len; at++)
        for (int change = 1; change < 256; change += 37) {
            bytes[at] ^= (uint8_t)change;
            int rc = envelope_read(letter.bytes, MAX_BYTES, &out);
            assert_true(rc == MESH_OK || rc == MESH_EBADTERM || rc == MESH_ETOOBIG);
            must_read_alike(letter.bytes, rc, &out);
            bytes[at] ^= (uint8_t)change;
        }
    letter_fini(&letter);
    mesh_buf_fini(&one);
    mesh_buf_fini(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call),           cmocka_unit_test(test_a_reply),
        cmocka_unit_test(test_what_is_accepted), cmocka_unit_test(test_what_is_malformed),
        cmocka_unit_test(test_broken_bytes),     cmocka_unit_test(test_both_readers_agree),
        cmocka_unit_test(test_a_long_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
