/* What is put in comes out again at a frame reader: every message whole, each sender's in order, small ones between the
 * fragments of large ones; bounds, and nothing left. */
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "dist/outbox.h"
#include "unit/check.h"

enum { PIECE = FRAME_PIECE_BYTES, LARGE = 10 * PIECE + 7 };

/* The other end: reads what batches carry, and hands each message to seen(). */
struct wire {
    struct outbox box;
    struct outbox_batch batch;
    struct frame_reader reader;
    uint32_t random;
    char order[512]; /* the first byte of each message */
    size_t count;
};

static void begin(struct wire *w, const struct outbox_limits *limits)
{
    memset(w, 0, sizeof *w);
    outbox_init(&w->box, limits);
    frame_reader_init(&w->reader, NULL);
    w->random = 1;
}

static void end(struct wire *w)
{
    outbox_finish(&w->box, &w->batch);
    outbox_fini(&w->box);
    frame_reader_fini(&w->reader);
}

static void hear(struct wire *w, mesh_bytes in)
{
    struct frame frame;
    enum refusal why = REFUSAL_NONE;
    enum frame_event event;
    while ((event = frame_read(&w->reader, &in, &frame, &why)) != FRAME_MORE) {
        assert_int_equal(event, FRAME_MESSAGE);
        const char *body = frame.body.data;
        for (size_t i = 1; i < frame.body.len; i += 4099)
            assert_int_equal(body[i], body[0]);
        assert_true(w->count + 1 < sizeof w->order);
        w->order[w->count++] = body[0];
    }
}

/* Writes one batch in parts of random size; false when there is none. */
static bool write_one(struct wire *w)
{
    if (!outbox_fill(&w->box, &w->batch))
        return false;
    for (bool all = false; !all;) {
        mesh_bytes next = w->batch.stretches[w->batch.at];
        w->random = w->random * 1103515245 + 12345;
        if (next.len > 1 && w->random >> 30 != 0)
            next.len = 1 + w->random % (next.len - 1);
        hear(w, next);
        all = outbox_wrote(&w->batch, next.len);
    }
    outbox_finish(&w->box, &w->batch);
    return true;
}

static void write_all(struct wire *w)
{
    while (write_one(w))
        ;
    assert_true(outbox_is_empty(&w->box));
    assert_int_equal(w->box.bytes, 0);
    assert_int_equal(w->box.cut_bytes, 0);
    assert_int_equal(w->box.cut_count, 0);
}

/* A message of len times the byte c, copied or in a block. */
static int put(struct wire *w, char c, size_t len, uint64_t sender)
{
    static char control[8];
    struct block *block = len % 2 ? block_create(len) : NULL;
    char *bytes = block ? (char *)block->bytes : malloc(len + 1);
    assert_non_null(bytes);
    memset(bytes, c, len);
    memset(control, c, sizeof control);
    const struct outbox_message m = {{control, sizeof control}, {bytes, len}, block, sender, false};
    int error = outbox_put(&w->box, &m);
    memset(control, 0, sizeof control); /* copied by now */
    if (block) {
        block_release(block);
    } else {
        memset(bytes, 0, len);
        free(bytes);
    }
    return error;
}

static void small_messages_share_a_batch(void **state)
{
    (void)state;
    struct wire w;
    begin(&w, NULL);
    for (int i = 0; i < 26; i++)
        assert_int_equal(put(&w, (char)('a' + i), (size_t)i, 1), MESH_OK);
    assert_true(write_one(&w));
    assert_string_equal(w.order, "abcdefghijklmnopqrstuvwxyz");
    assert_false(write_one(&w));
    write_all(&w);
    end(&w);
}

static void small_messages_pass_a_large_one(void **state)
{
    (void)state;
    struct wire w;
    begin(&w, NULL);
    assert_int_equal(put(&w, 'L', LARGE, 1), MESH_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(put(&w, (char)('a' + i), 10, 2), MESH_OK);
        assert_true(write_one(&w));
    }
    assert_string_equal(w.order, "abcde");
    write_all(&w);
    assert_string_equal(w.order, "abcdeL");
    end(&w);
}

static void nobody_overtakes_himself(void **state)
{
    (void)state;
    struct wire w;
    begin(&w, NULL);
    put(&w, 'a', 10, 1);
    put(&w, 'B', LARGE, 1);
    put(&w, 'c', 10, 1);
    put(&w, 'x', 10, 2);
    put(&w, 'd', 100, 1);
    put(&w, 'E', LARGE + 1, 1);
    put(&w, 'f', 10, 1);
    put(&w, 'G', LARGE, 1);
    put(&w, 'y', 10, 2);
    write_all(&w);
    assert_string_equal(w.order, "axyBcdEfG");
    end(&w);
}

static void a_large_message_begins_behind_what_was_ready(void **state)
{
    (void)state;
    struct wire w;
    char wanted[130] = {0};
    begin(&w, NULL);
    for (int i = 0; i < 128; i++) { /* 8 KiB each: several batches */
        assert_int_equal(put(&w, (char)('a' + i % 26), 8192, 1), MESH_OK);
        wanted[i] = (char)('a' + i % 26);
    }
    wanted[128] = 'L';
    assert_int_equal(put(&w, 'L', PIECE + 1, 1), MESH_OK);
    write_all(&w);
    assert_string_equal(w.order, wanted);
    end(&w);
}

static void bounds_are_kept_apart(void **state)
{
    (void)state;
    struct wire w;
    const struct outbox_limits limits = {.bytes = 100, .cut_bytes = 2 * (size_t)LARGE, .max_message = LARGE + 100};
    begin(&w, &limits);
    assert_int_equal(put(&w, 'L', LARGE, 1), MESH_OK);
    assert_int_equal(put(&w, 'M', LARGE, 2), MESH_OK);
    assert_int_equal(put(&w, 'N', LARGE, 3), MESH_EBUSY);
    assert_int_equal(put(&w, 'a', 90, 3), MESH_OK);
    assert_int_equal(put(&w, 'b', 0, 3), MESH_EBUSY);
    assert_int_equal(put(&w, 'O', LARGE + 101, 3), MESH_ETOOBIG);
    assert_false(outbox_has_room(&w.box, 1));
    assert_true(write_one(&w));
    assert_true(outbox_has_room(&w.box, 1));
    assert_int_equal(put(&w, 'b', 0, 3), MESH_OK);
    write_all(&w);
    assert_true(outbox_has_room(&w.box, LARGE));
    assert_int_equal(w.count, 4);
    end(&w);
}

/* Many large messages at once: the reader has room for all that are under way. */
static void few_are_cut_at_a_time(void **state)
{
    (void)state;
    struct wire w;
    const struct frame_limits narrow = {.unfinished = OUTBOX_CUTTING};
    begin(&w, NULL);
    frame_reader_fini(&w.reader);
    frame_reader_init(&w.reader, &narrow);
    for (uint32_t i = 0; i < OUTBOX_CUT_MAX; i++)
        assert_int_equal(put(&w, (char)('A' + i % 26), 3 * (size_t)PIECE + i, i), MESH_OK);
    assert_int_equal(put(&w, 'x', LARGE, 99), MESH_EBUSY);
    write_all(&w);
    assert_int_equal(w.count, OUTBOX_CUT_MAX);
    end(&w);
}

static void what_is_left_is_freed(void **state)
{
    (void)state;
    struct wire w;
    begin(&w, NULL);
    for (int i = 0; i < 20; i++) {
        put(&w, 'L', LARGE, (uint64_t)(i % 3));
        put(&w, 's', 100, (uint64_t)(i % 3));
    }
    assert_true(outbox_fill(&w.box, &w.batch));
    outbox_wrote(&w.batch, 5);
    end(&w);
}

static void raw_bytes_stay_in_order(void **state)
{
    (void)state;
    struct wire w;
    begin(&w, NULL);
    outbox_put_raw(&w.box, (mesh_bytes){"\0\0\0\4\x83\x44\0r", 8});
    put(&w, 's', 3, 1);
    write_all(&w);
    assert_string_equal(w.order, "rs");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_messages_share_a_batch), cmocka_unit_test(small_messages_pass_a_large_one),
        cmocka_unit_test(nobody_overtakes_himself),     cmocka_unit_test(a_large_message_begins_behind_what_was_ready),
        cmocka_unit_test(bounds_are_kept_apart),        cmocka_unit_test(few_are_cut_at_a_time),
        cmocka_unit_test(what_is_left_is_freed),        cmocka_unit_test(raw_bytes_stay_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
