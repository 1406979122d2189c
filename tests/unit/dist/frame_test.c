/* Packets: those of a BEAM in any portions, fragments in any order that is allowed, and what is not allowed. */
#include "dist/frame.h"

#include "term/wire.h"
#include "unit/dist/recorded.h"

/* The last message that was read, as a copy. */
struct reading {
    struct frame_reader reader;
    mesh_buf body;
    unsigned messages;
    unsigned ticks;
    enum refusal why;
};

static void setup(struct reading *r, const struct frame_limits *limits)
{
    frame_reader_init(&r->reader, limits);
    mesh_buf_init(&r->body);
    r->messages = r->ticks = 0;
    r->why = REFUSAL_NONE;
}

static void teardown(struct reading *r)
{
    frame_reader_fini(&r->reader);
    mesh_buf_fini(&r->body);
}

/* Feeds bytes to the end, or to a refusal. */
static void feed(struct reading *r, mesh_bytes in)
{
    for (;;) {
        struct frame f;
        switch (frame_read(&r->reader, &in, &f, &r->why)) {
        case FRAME_MORE:
            assert_int_equal(in.len, 0);
            return;
        case FRAME_TICK:
            r->ticks++;
            break;
        case FRAME_MESSAGE:
            r->messages++;
            mesh_buf_clear(&r->body);
            assert_int_equal(mesh_buf_append(&r->body, f.body.data, f.body.len), MESH_OK);
            assert_true(!f.block || (f.body.data >= (void *)f.block->bytes && block_is_sole(f.block)));
            break;
        default:
            assert_int_not_equal(r->why, REFUSAL_NONE);
            return;
        }
    }
}

static void feed_literal(struct reading *r, const char *bytes, size_t len)
{
    uint8_t *copy = exact_copy(bytes, len);
    feed(r, (mesh_bytes){copy, len});
    free(copy);
}
#define FEED(r, literal) feed_literal(r, literal, sizeof(literal) - 1)

#define SEQ(n) "\0\0\0\0\0\0\0" n
#define FIRST(len, seq, count, piece) "\0\0\0" len "\x83\x45" SEQ(seq) SEQ(count) "\0" piece
#define NEXT(len, seq, count, piece) "\0\0\0" len "\x83\x46" SEQ(seq) SEQ(count) piece

static void a_packet_is_read_in_any_portions(void **state)
{
    (void)state;
    static const char packets[] = "\0\0\0\0"
                                  "\0\0\0\5\x83\x44\0ab"
                                  "\0\0\0\0"
                                  "\0\0\0\6\x83\x44\0cde";
    const size_t len = sizeof packets - 1;
    for (size_t portion = 1; portion <= len; portion++) {
        struct reading r;
        setup(&r, NULL);
        for (size_t at = 0; at < len; at += portion) {
            size_t n = len - at < portion ? len - at : portion;
            feed_literal(&r, packets + at, n);
        }
        assert_int_equal(r.messages, 2);
        assert_int_equal(r.ticks, 2);
        assert_int_equal(r.body.len, 3);
        assert_memory_equal(r.body.data, "cde", 3);
        teardown(&r);
    }
}

static void what_is_whole_is_not_copied(void **state)
{
    (void)state;
    static const char packet[] = "\0\0\0\5\x83\x44\0ab";
    struct frame_reader reader;
    struct frame f;
    enum refusal why;
    frame_reader_init(&reader, NULL);
    mesh_bytes in = {packet, sizeof packet - 1};
    assert_int_equal(frame_read(&reader, &in, &f, &why), FRAME_MESSAGE);
    assert_ptr_equal(f.body.data, packet + 7);
    assert_null(f.block);
    /* What came in parts is in a block, which lasts as long as somebody holds it. */
    in = (mesh_bytes){packet, 8};
    assert_int_equal(frame_read(&reader, &in, &f, &why), FRAME_MORE);
    in = (mesh_bytes){packet + 8, 1};
    assert_int_equal(frame_read(&reader, &in, &f, &why), FRAME_MESSAGE);
    assert_non_null(f.block);
    block_hold(f.block);
    frame_reader_fini(&reader);
    assert_memory_equal(f.body.data, "ab", 2);
    block_release(f.block);
}

static void recorded_packets_are_read_and_written_bit_by_bit(void **state)
{
    (void)state;
    struct recording all = recorded_all();
    struct reading r;
    mesh_buf written;
    unsigned compared = 0;
    setup(&r, NULL);
    mesh_buf_init(&written);
    for (size_t at = 0; at < all.count; at++) {
        const struct recorded *e = &all.list[at];
        if (strcmp(e->who, "<") != 0 && strcmp(e->who, ">") != 0)
            continue;
        unsigned before = r.messages;
        feed(&r, mesh_buf_bytes(&e->bytes));
        assert_int_equal(r.why, REFUSAL_NONE);
        assert_int_equal(mesh_buf_append(&written, e->bytes.data, e->bytes.len), MESH_OK);
        if (r.messages == before)
            continue;
        /* The packets since the last message are what the writer makes of this one, wherever its body is divided. */
        bool cut = written.data[5] == 69;
        uint64_t sequence = cut ? wire_u64(written.data + 6) : 0;
        for (size_t control = 0; control <= r.body.len; control += cut ? r.body.len / 7 : 1) {
            struct frame_writer w;
            struct frame_packet p;
            size_t place = 0;
            const uint8_t *body = r.body.data;
            assert_int_equal(frame_writer_init(&w, (mesh_bytes){body, control},
                                               (mesh_bytes){body + control, r.body.len - control}, sequence),
                             MESH_OK);
            while (frame_writer_next(&w, &p)) {
                assert_true(place + p.header_len + p.control.len + p.message.len <= written.len);
                assert_memory_equal(written.data + place, p.header, p.header_len);
                place += p.header_len;
                if (p.control.len)
                    assert_memory_equal(written.data + place, p.control.data, p.control.len);
                place += p.control.len;
                if (p.message.len)
                    assert_memory_equal(written.data + place, p.message.data, p.message.len);
                place += p.message.len;
            }
            assert_int_equal(place, written.len);
            assert_false(frame_writer_next(&w, &p));
        }
        compared++;
        mesh_buf_clear(&written);
    }
    assert_true(compared > 35);
    assert_int_equal(r.reader.unfinished_count, 0);
    mesh_buf_fini(&written);
    teardown(&r);
    recorded_free(&all);
}

/* Feeds cut or changed packets: messages come out, or a refusal does; nothing else. */
static void any_change_is_refused_or_harmless(void **state)
{
    (void)state;
    struct recording all = recorded_all();
    const struct frame_limits limits = {1 << 20, 4, 1 << 20};
    unsigned refused = 0;
    for (size_t at = 0; at < all.count; at++) {
        const struct recorded *e = &all.list[at];
        if (strcmp(e->who, "<") != 0)
            continue;
        size_t tried = e->bytes.len < 300 ? e->bytes.len : 300;
        for (size_t len = 0; len < tried; len++) {
            struct reading r;
            uint8_t *cut = exact_copy(e->bytes.data, len);
            setup(&r, &limits);
            feed(&r, (mesh_bytes){cut, len});
            assert_int_equal(r.messages, 0);
            assert_int_equal(r.why, REFUSAL_NONE);
            teardown(&r);
            free(cut);
        }
        for (size_t i = 0; i < tried; i++)
            for (unsigned bit = 0; bit < 8; bit++) {
                struct reading r;
                uint8_t *changed = exact_copy(e->bytes.data, e->bytes.len);
                changed[i] ^= (uint8_t)(1u << bit);
                setup(&r, &limits);
                feed(&r, (mesh_bytes){changed, e->bytes.len});
                refused += r.why != REFUSAL_NONE;
                teardown(&r);
                free(changed);
            }
    }
    assert_true(refused > 500);
    recorded_free(&all);
}

/* ---- fragments --------------------------------------------------------------------------------------------------- */

/* Three senders with a message in three fragments each: "a0a1a2" of sequence 1, and so on. */
enum { SENDERS = 3, PIECES = 3 };

static void feed_fragment(struct reading *r, unsigned sender, unsigned piece)
{
    uint8_t packet[4 + 19 + 2] = {0};
    uint8_t *p = packet + 4;
    bool first = piece == 0;
    size_t header = first ? 19 : 18;
    p[0] = 131;
    p[1] = first ? 69 : 70;
    wire_put_u64(p + 2, sender + 1);
    wire_put_u64(p + 10, PIECES - piece);
    p[header] = (uint8_t)('a' + sender);
    p[header + 1] = (uint8_t)('0' + piece);
    wire_put_u32(packet, (uint32_t)header + 2);
    feed(r, (mesh_bytes){packet, 4 + header + 2});
}

/* All orders of the fragments in which each sender keeps its own. Something else stands between any two. */
static unsigned try_orders(unsigned senders, unsigned order[], unsigned len, unsigned given[])
{
    unsigned orders = 0;
    if (len == senders * PIECES) {
        struct reading r;
        unsigned done[SENDERS] = {0}, messages = 0;
        setup(&r, NULL);
        for (unsigned i = 0; i < len; i++) {
            unsigned sender = order[i], small = r.messages;
            feed_fragment(&r, sender, done[sender]++);
            assert_int_equal(r.why, REFUSAL_NONE);
            if (done[sender] == PIECES) {
                char wanted[] = "a0a1a2";
                wanted[0] = wanted[2] = wanted[4] = (char)('a' + sender);
                assert_int_equal(r.messages, small + 1);
                assert_int_equal(r.body.len, 6);
                assert_memory_equal(r.body.data, wanted, 6);
                messages++;
            } else {
                assert_int_equal(r.messages, small);
            }
            FEED(&r, "\0\0\0\0\0\0\0\4\x83\x44\0x");
            assert_int_equal(r.messages, ++messages);
            assert_int_equal(r.ticks, i + 1);
        }
        assert_int_equal(r.reader.unfinished_count, 0);
        assert_int_equal(r.reader.unfinished_bytes, 0);
        teardown(&r);
        return 1;
    }
    for (unsigned s = 0; s < senders; s++) {
        if (given[s] == PIECES)
            continue;
        given[s]++;
        order[len] = s;
        orders += try_orders(senders, order, len + 1, given);
        given[s]--;
    }
    return orders;
}

static void fragments_interleave_in_every_order(void **state)
{
    (void)state;
    unsigned order[SENDERS * PIECES], given[SENDERS] = {0};
    assert_int_equal(try_orders(2, order, 0, given), 20);
    assert_int_equal(try_orders(3, order, 0, given), 1680);
}

static void one_fragment_is_a_message(void **state)
{
    (void)state;
    struct reading r;
    setup(&r, NULL);
    FEED(&r, FIRST("\x15", "\7", "\1", "ab"));
    assert_int_equal(r.messages, 1);
    assert_memory_equal(r.body.data, "ab", 2);
    teardown(&r);
}

struct wrong {
    const char *bytes;
    size_t len;
    enum refusal why;
};
#define WRONG(why, literal)                                                                                            \
    {                                                                                                                  \
        literal, sizeof(literal) - 1, REFUSAL_##why                                                                    \
    }

static void what_is_wrong_is_refused_for_good(void **state)
{
    (void)state;
    static const struct wrong wrong[] = {
        WRONG(TOO_BIG, "\x80\0\0\0"),
        WRONG(TOO_BIG, "\xFF\xFF\xFF\xFF"),
        WRONG(TOO_BIG, "\1\0\0\x14"), /* one more than 16 MiB and the longest header */
        WRONG(HEADER, "\0\0\0\1\x83"),
        WRONG(HEADER, "\0\0\0\3\x82\x44\0"),
        WRONG(HEADER, "\0\0\0\4\x70\x83\x68\1"), /* pass-through */
        WRONG(HEADER, "\0\0\0\3\x83\x47\0"),
        WRONG(HEADER, "\0\0\0\3\x83\x50\0"),
        WRONG(MALFORMED, "\0\0\0\2\x83\x44"),
        WRONG(MALFORMED, "\0\0\0\3\x83\x44\0"),
        WRONG(ATOM_CACHE, "\0\0\0\7\x83\x44\1\0\0\0\0"),
        WRONG(MALFORMED, "\0\0\0\3\x83\x45\0"),
        WRONG(MALFORMED, FIRST("\x13", "\1", "\2", "")),
        WRONG(MALFORMED, "\0\0\0\3\x83\x46\0"),
        WRONG(ATOM_CACHE, "\0\0\0\x14\x83\x45" SEQ("\1") SEQ("\2") "\1x"),
        WRONG(FRAGMENT, FIRST("\x14", "\1", "\0", "x")),
        WRONG(TOO_BIG, "\0\0\0\x14\x83\x45" SEQ("\1") "\0\0\0\0\0\0\1\1\0x"), /* 257 pieces */
        WRONG(TOO_BIG, "\0\0\0\x14\x83\x45" SEQ("\1") "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0x"),
        WRONG(FRAGMENT, NEXT("\x13", "\1", "\1", "x")),
        WRONG(FRAGMENT, FIRST("\x14", "\1", "\3", "x") NEXT("\x13", "\1", "\1", "x")),
        WRONG(FRAGMENT, FIRST("\x14", "\1", "\3", "x") NEXT("\x13", "\1", "\3", "x")),
        WRONG(FRAGMENT, FIRST("\x14", "\1", "\3", "x") NEXT("\x13", "\1", "\4", "x")),
        WRONG(FRAGMENT, FIRST("\x14", "\1", "\3", "x") NEXT("\x13", "\1", "\0", "x")),
        WRONG(FRAGMENT, FIRST("\x14", "\1", "\3", "x") NEXT("\x13", "\2", "\2", "x")),
        WRONG(FRAGMENT, FIRST("\x14", "\1", "\3", "x") FIRST("\x14", "\1", "\3", "x")),
        WRONG(FRAGMENT, FIRST("\x14", "\1", "\2", "x") NEXT("\x13", "\1", "\1", "x") NEXT("\x13", "\1", "\1", "x")),
        WRONG(MALFORMED, FIRST("\x14", "\1", "\3", "x") NEXT("\x12", "\1", "\2", "")),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        for (int drip = 0; drip < 2; drip++) {
            struct reading r;
            setup(&r, NULL);
            for (size_t at = 0; drip && at < wrong[i].len && !r.why; at++)
                feed_literal(&r, wrong[i].bytes + at, 1);
            if (!drip)
                feed_literal(&r, wrong[i].bytes, wrong[i].len);
            if (r.why != wrong[i].why)
                fail_msg("packet %zu: %s", i, refusal_text(r.why));
            unsigned before = r.messages;
            r.why = REFUSAL_NONE;
            FEED(&r, "\0\0\0\5\x83\x44\0ab");
            assert_int_equal(r.why, wrong[i].why);
            assert_int_equal(r.messages, before);
            teardown(&r);
        }
}

static void limits_hold(void **state)
{
    (void)state;
    const struct frame_limits limits = {.max_message = 10, .unfinished = 2, .unfinished_bytes = 15};
    struct reading r;
    setup(&r, &limits);
    FEED(&r, "\0\0\0\xD\x83\x44\0"
             "0123456789");
    assert_int_equal(r.messages, 1);
    FEED(&r, "\0\0\0\xE\x83\x44\0"
             "0123456789a");
    assert_int_equal(r.why, REFUSAL_TOO_BIG);
    teardown(&r);

    setup(&r, &limits); /* 10 bytes are one piece: no message may have two */
    FEED(&r, FIRST("\x14", "\1", "\2", "x"));
    assert_int_equal(r.why, REFUSAL_TOO_BIG);
    teardown(&r);

    const struct frame_limits pieces = {
        .max_message = (size_t)3 * FRAME_PIECE_BYTES, .unfinished = 2, .unfinished_bytes = 15};
    setup(&r, &pieces);
    FEED(&r, FIRST("\x14", "\1", "\3", "x"));
    FEED(&r, FIRST("\x14", "\2", "\3", "x"));
    assert_int_equal(r.why, REFUSAL_NONE);
    FEED(&r, FIRST("\x14", "\3", "\3", "x"));
    assert_int_equal(r.why, REFUSAL_UNFINISHED);
    teardown(&r);

    setup(&r, &pieces); /* all unfinished messages together */
    FEED(&r, FIRST("\x1D", "\1", "\3", "0123456789"));
    FEED(&r, FIRST("\x19", "\2", "\3", "012345"));
    assert_int_equal(r.why, REFUSAL_UNFINISHED);
    teardown(&r);
}

/* A message in more bytes than its count of pieces allows for, each piece within the limit of a packet. */
static void bytes_count_and_not_announcements(void **state)
{
    (void)state;
    enum { MAX = 100000 };
    const struct frame_limits limits = {.max_message = MAX};
    struct reading r;
    static uint8_t packet[4 + 19 + 60000];
    setup(&r, &limits);
    wire_put_u32(packet, 19 + 60000);
    packet[4] = 131;
    packet[5] = 69;
    wire_put_u64(packet + 6, 1);
    wire_put_u64(packet + 14, 2);
    feed(&r, (mesh_bytes){packet, sizeof packet});
    assert_int_equal(r.why, REFUSAL_NONE);
    assert_true(r.reader.unfinished_bytes == 60000);
    wire_put_u32(packet, 18 + 60000);
    packet[5] = 70;
    wire_put_u64(packet + 14, 1);
    feed(&r, (mesh_bytes){packet, sizeof packet - 1});
    assert_int_equal(r.why, REFUSAL_TOO_BIG);
    teardown(&r);
}

static void memory_grows_with_what_has_come(void **state)
{
    (void)state;
    struct reading r;
    setup(&r, NULL);
    FEED(&r, "\1\0\0\0\x83\x44\0"); /* 16 MiB are announced */
    assert_non_null(r.reader.packet);
    assert_true(r.reader.packet->len <= 4096);
    static uint8_t bytes[100000];
    feed(&r, (mesh_bytes){bytes, sizeof bytes});
    assert_true(r.reader.packet->len <= 2 * (sizeof bytes + 3));
    teardown(&r);
}

static void what_is_too_long_is_not_written(void **state)
{
    (void)state;
    struct frame_writer w;
    const mesh_bytes half = {"", MESH_BUF_MAX_BYTES / 2}, rest = {"", MESH_BUF_MAX_BYTES / 2 + 1};
    assert_int_equal(frame_writer_init(&w, half, rest, 1), MESH_ETOOBIG);
    assert_int_equal(frame_writer_init(&w, half, half, 1), MESH_OK);
    assert_true(w.left == MESH_BUF_MAX_BYTES / FRAME_PIECE_BYTES);
}

/* Two long messages of the writer and a short one between their packets. */
static void writers_can_take_turns(void **state)
{
    (void)state;
    static uint8_t long_one[200000], long_two[150000];
    struct frame_writer one, two, small;
    struct frame_packet p;
    struct reading r;
    mesh_buf wire;
    memset(long_one, 1, sizeof long_one);
    memset(long_two, 2, sizeof long_two);
    setup(&r, NULL);
    mesh_buf_init(&wire);
    assert_int_equal(frame_writer_init(&one, mesh_str("one"), (mesh_bytes){long_one, sizeof long_one}, 1), MESH_OK);
    assert_int_equal(frame_writer_init(&two, mesh_str("two"), (mesh_bytes){long_two, sizeof long_two}, 2), MESH_OK);
    struct frame_writer *const turns[] = {&one, &two, &small};
    for (unsigned turn = 0; one.left || two.left; turn++) {
        assert_int_equal(frame_writer_init(&small, mesh_str("s"), (mesh_bytes){NULL, 0}, 3), MESH_OK);
        if (!frame_writer_next(turns[turn % 3], &p))
            continue;
        mesh_buf_clear(&wire);
        assert_int_equal(mesh_buf_append(&wire, p.header, p.header_len), MESH_OK);
        assert_int_equal(mesh_buf_append(&wire, p.control.data, p.control.len), MESH_OK);
        assert_int_equal(mesh_buf_append(&wire, p.message.data, p.message.len), MESH_OK);
        assert_int_equal(mesh_buf_append(&wire, FRAME_TICK_BYTES, 4), MESH_OK);
        feed(&r, mesh_buf_bytes(&wire));
        assert_int_equal(r.why, REFUSAL_NONE);
        if (turn % 3 == 2)
            assert_int_equal(r.body.len, 1);
    }
    assert_int_equal(r.body.len, 3 + sizeof long_one);
    assert_memory_equal(r.body.data, "one", 3);
    assert_memory_equal(r.body.data + 3, long_one, sizeof long_one);
    mesh_buf_fini(&wire);
    teardown(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_is_read_in_any_portions),
        cmocka_unit_test(what_is_whole_is_not_copied),
        cmocka_unit_test(recorded_packets_are_read_and_written_bit_by_bit),
        cmocka_unit_test(any_change_is_refused_or_harmless),
        cmocka_unit_test(fragments_interleave_in_every_order),
        cmocka_unit_test(one_fragment_is_a_message),
        cmocka_unit_test(what_is_wrong_is_refused_for_good),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(bytes_count_and_not_announcements),
        cmocka_unit_test(memory_grows_with_what_has_come),
        cmocka_unit_test(what_is_too_long_is_not_written),
        cmocka_unit_test(writers_can_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
