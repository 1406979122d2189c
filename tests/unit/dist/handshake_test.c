/* The handshake, both roles: against what a BEAM said, and against everything that it would not say. */
#include "dist/handshake.h"

#include "dist/flags.h"
#include "unit/dist/recorded.h"

enum { TAKEN_MAX = 16 };

static uint32_t taken[TAKEN_MAX]; /* challenges that are outstanding */
static unsigned taken_count;

static bool anybody(void *context, mesh_bytes peer)
{
    (void)peer;
    return context == NULL;
}

static bool is_taken(void *context, uint32_t challenge)
{
    (void)context;
    for (unsigned i = 0; i < taken_count; i++)
        if (taken[i] == challenge)
            return true;
    return false;
}

static struct handshake_config config_of(const char *name, const char *cookie, uint32_t creation)
{
    return (struct handshake_config){mesh_str(name), mesh_str(cookie), DIST_OFFERED, creation, anybody, is_taken, NULL};
}

/* Feeds bytes to the next event that is not about more of them, and answers it as a node without other connections. */
static enum handshake_event feed(struct handshake *h, mesh_bytes in)
{
    enum handshake_event event = HANDSHAKE_MORE;
    do {
        event = handshake_feed(h, &in, 1);
        if (event == HANDSHAKE_NAMED)
            event = handshake_answer(h, HANDSHAKE_OK);
        else if (event == HANDSHAKE_ASKED)
            event = handshake_insist(h, true);
        else if (event == HANDSHAKE_PROVEN)
            event = handshake_finish(h);
    } while (event == HANDSHAKE_MORE && in.len > 0);
    return event;
}

static void assert_output(struct handshake *h, const mesh_buf *wanted)
{
    mesh_bytes out = handshake_output(h);
    assert_int_equal(out.len, wanted->len);
    assert_memory_equal(out.data, wanted->data, wanted->len);
}

/* One recorded handshake: which section, who dials, our challenge, how it ended. */
struct told {
    const char *section;
    bool dialling;
    uint32_t challenge;
    enum handshake_event end;
};

static const struct told told[] = {
    {"a BEAM dials and pings", false, 0xFEDCBA98, HANDSHAKE_DONE},
    {"a BEAM dials with another cookie", false, 0x12345678, HANDSHAKE_FAILED},
    {"dialling a BEAM", true, 0x3456789A, HANDSHAKE_DONE},
    {"dialling a BEAM that has a connection", true, 0x456789AB, HANDSHAKE_DONE},
    {"dialling a BEAM with another cookie", true, 0x23456789, HANDSHAKE_MORE},
};
enum { TOLD = sizeof told / sizeof *told };

static uint32_t recorded_creation(const struct recording *all)
{
    size_t at = 0;
    const struct recorded *dial = recorded_next(all, &at, "dialling a BEAM", "hs>");
    const uint8_t *p = dial->bytes.data + 2 + 9;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void start(struct handshake *h, const struct handshake_config *config, const struct told *t)
{
    if (t->dialling)
        assert_int_equal(handshake_dial(h, config, mesh_str("va@127.0.0.1"), t->challenge, 0), HANDSHAKE_MORE);
    else
        handshake_accept(h, config, t->challenge, 0);
}

static void what_a_beam_said_is_answered_as_recorded(void **state)
{
    (void)state;
    struct recording all = recorded_all();
    const struct handshake_config config = config_of("n@127.0.0.1", "mesh", recorded_creation(&all));
    for (size_t i = 0; i < TOLD; i++) {
        struct handshake h;
        enum handshake_event event = HANDSHAKE_MORE;
        start(&h, &config, &told[i]);
        for (size_t at = 0; at < all.count; at++) {
            const struct recorded *e = &all.list[at];
            if (strcmp(e->section, told[i].section) != 0 || strncmp(e->who, "hs", 2) != 0)
                continue;
            if (strcmp(e->who, "hs<") == 0) {
                assert_int_equal(handshake_output(&h).len, 0);
                event = feed(&h, mesh_buf_bytes(&e->bytes));
                continue;
            }
            /* Messages that were sent together follow each other. */
            mesh_buf sent;
            mesh_buf_init(&sent);
            assert_int_equal(mesh_buf_append(&sent, e->bytes.data, e->bytes.len), MESH_OK);
            while (at + 1 < all.count && strcmp(all.list[at + 1].who, "hs>") == 0) {
                const mesh_buf *more = &all.list[++at].bytes;
                assert_int_equal(mesh_buf_append(&sent, more->data, more->len), MESH_OK);
            }
            assert_output(&h, &sent);
            mesh_buf_fini(&sent);
        }
        assert_int_equal(event, told[i].end);
        if (event == HANDSHAKE_DONE) {
            assert_string_equal(h.peer, "va@127.0.0.1");
            assert_true(h.peer_flags == UINT64_C(0xD07DF7FBD));
            assert_true(h.flags == DIST_OFFERED);
            assert_true(h.peer_creation > 3);
        }
        assert_int_equal(h.why, event == HANDSHAKE_FAILED ? REFUSAL_DIGEST : REFUSAL_NONE);
    }
    recorded_free(&all);
}

/* What the peer says in a section, all of it in one piece. */
static void all_said(const struct recording *all, const char *section, mesh_buf *out)
{
    size_t at = 0;
    mesh_buf_clear(out);
    for (const struct recorded *e; (e = recorded_next(all, &at, section, "hs<"));)
        assert_int_equal(mesh_buf_append(out, e->bytes.data, e->bytes.len), MESH_OK);
}

static void any_change_is_refused_or_harmless(void **state)
{
    (void)state;
    struct recording all = recorded_all();
    const struct handshake_config config = config_of("n@127.0.0.1", "mesh", recorded_creation(&all));
    mesh_buf said;
    unsigned refused = 0;
    mesh_buf_init(&said);
    for (size_t i = 0; i < TOLD; i++) {
        if (told[i].end != HANDSHAKE_DONE)
            continue;
        all_said(&all, told[i].section, &said);
        for (size_t len = 0; len < said.len; len++) {
            struct handshake h;
            uint8_t *cut = exact_copy(said.data, len);
            start(&h, &config, &told[i]);
            assert_int_equal(feed(&h, (mesh_bytes){cut, len}), HANDSHAKE_MORE);
            assert_int_equal(handshake_tick(&h, HANDSHAKE_TIMEOUT_MS), HANDSHAKE_FAILED);
            assert_int_equal(h.why, REFUSAL_TIMEOUT);
            free(cut);
        }
        for (size_t k = 0; k < 256 * said.len; k++) {
            struct handshake h;
            uint8_t *changed = exact_copy(said.data, said.len);
            bool same = changed[k / 256] == (uint8_t)k;
            changed[k / 256] = (uint8_t)k;
            start(&h, &config, &told[i]);
            enum handshake_event event = feed(&h, (mesh_bytes){changed, said.len});
            assert_true(event == HANDSHAKE_FAILED || event == HANDSHAKE_MORE || event == HANDSHAKE_DONE);
            assert_int_equal(h.why != REFUSAL_NONE, event == HANDSHAKE_FAILED);
            assert_true(!same || event == HANDSHAKE_DONE);
            refused += event == HANDSHAKE_FAILED;
            free(changed);
        }
    }
    assert_true(refused > 10000);
    mesh_buf_fini(&said);
    recorded_free(&all);
}

/* ---- two of ours ------------------------------------------------------------------------------------------------- */

struct pair {
    struct handshake_config a_config, b_config;
    struct handshake a, b; /* a dials */
};

static void setup(struct pair *p, const char *cookie_a, const char *cookie_b)
{
    taken_count = 0;
    p->a_config = config_of("a@h", cookie_a, 5);
    p->b_config = config_of("b@h", cookie_b, 6);
    handshake_accept(&p->b, &p->b_config, 222, 0);
    assert_int_equal(handshake_dial(&p->a, &p->a_config, mesh_str("b@h"), 111, 0), HANDSHAKE_MORE);
}

/* Moves what one has to say to the other; the event there. */
static enum handshake_event say(struct handshake *from, struct handshake *to)
{
    mesh_bytes out = handshake_output(from);
    return handshake_feed(to, &out, 1);
}

static void two_of_ours_agree(void **state)
{
    (void)state;
    static const enum handshake_status statuses[] = {HANDSHAKE_OK, HANDSHAKE_OK_SIMULTANEOUS, HANDSHAKE_ALIVE};
    for (unsigned i = 0; i < 3; i++) {
        struct pair p;
        setup(&p, "c", "c");
        assert_int_equal(say(&p.a, &p.b), HANDSHAKE_NAMED);
        assert_string_equal(p.b.peer, "a@h");
        mesh_bytes early = mesh_str("more");
        assert_int_equal(handshake_feed(&p.b, &early, 1), HANDSHAKE_NAMED); /* waits for its caller */
        assert_int_equal(early.len, 4);
        assert_int_equal(handshake_answer(&p.b, statuses[i]), HANDSHAKE_MORE);
        if (statuses[i] == HANDSHAKE_ALIVE) {
            assert_int_equal(say(&p.b, &p.a), HANDSHAKE_ASKED);
            assert_int_equal(handshake_insist(&p.a, true), HANDSHAKE_MORE);
            assert_int_equal(say(&p.a, &p.b), HANDSHAKE_MORE);
            assert_int_equal(say(&p.b, &p.a), HANDSHAKE_MORE);
        } else {
            mesh_bytes out = handshake_output(&p.b);
            assert_int_equal(handshake_feed(&p.a, &out, 1), HANDSHAKE_MORE);
            assert_int_equal(handshake_feed(&p.a, &out, 1), HANDSHAKE_MORE);
            assert_int_equal(out.len, 0);
        }
        assert_int_equal(say(&p.a, &p.b), HANDSHAKE_PROVEN);
        assert_int_equal(handshake_output(&p.b).len, 0); /* nothing before the old connection is gone */
        assert_int_equal(handshake_finish(&p.b), HANDSHAKE_DONE);
        assert_int_equal(say(&p.b, &p.a), HANDSHAKE_PROVEN);
        assert_int_equal(handshake_finish(&p.a), HANDSHAKE_DONE);
        mesh_bytes packets = {"\0\0\0\0", 4};
        assert_int_equal(handshake_feed(&p.a, &packets, 1), HANDSHAKE_DONE);
        assert_int_equal(packets.len, 4);
        assert_int_equal(p.a.peer_creation, 6);
        assert_int_equal(p.b.peer_creation, 5);
        assert_int_equal(handshake_tick(&p.a, UINT64_MAX), HANDSHAKE_MORE);
    }
}

static void statuses_that_refuse_end_both(void **state)
{
    (void)state;
    static const struct {
        enum handshake_status status;
        enum refusal here, there;
    } cases[] = {
        {HANDSHAKE_NOK, REFUSAL_SUPERSEDED, REFUSAL_PEER_NOK},
        {HANDSHAKE_NOT_ALLOWED, REFUSAL_FORBIDDEN, REFUSAL_PEER_NOT_ALLOWED},
    };
    for (unsigned i = 0; i < 2; i++) {
        struct pair p;
        setup(&p, "c", "c");
        say(&p.a, &p.b);
        assert_int_equal(handshake_answer(&p.b, cases[i].status), HANDSHAKE_FAILED);
        assert_int_equal(p.b.why, cases[i].here);
        assert_int_equal(say(&p.b, &p.a), HANDSHAKE_FAILED);
        assert_int_equal(p.a.why, cases[i].there);
    }
    struct pair p;
    setup(&p, "c", "c");
    say(&p.a, &p.b);
    assert_int_equal(handshake_answer(&p.b, HANDSHAKE_ALIVE), HANDSHAKE_MORE);
    assert_int_equal(say(&p.b, &p.a), HANDSHAKE_ASKED);
    assert_int_equal(handshake_insist(&p.a, false), HANDSHAKE_FAILED);
    assert_int_equal(p.a.why, REFUSAL_SUPERSEDED);
    assert_int_equal(say(&p.a, &p.b), HANDSHAKE_FAILED);
    assert_int_equal(p.b.why, REFUSAL_PEER_GAVE_UP);
}

static void other_cookies_are_found_out(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, "c", "d");
    say(&p.a, &p.b);
    assert_int_equal(handshake_answer(&p.b, HANDSHAKE_OK), HANDSHAKE_MORE);
    mesh_bytes out = handshake_output(&p.b);
    assert_int_equal(feed(&p.a, out), HANDSHAKE_MORE);
    assert_int_equal(say(&p.a, &p.b), HANDSHAKE_FAILED);
    assert_int_equal(p.b.why, REFUSAL_DIGEST);
    assert_int_equal(handshake_output(&p.b).len, 0);
}

static bool nobody(void *context, mesh_bytes peer)
{
    (void)context;
    (void)peer;
    return false;
}

static void names_that_are_not_allowed_get_nothing(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, "c", "c");
    p.b_config.allowed = nobody;
    assert_int_equal(say(&p.a, &p.b), HANDSHAKE_FAILED);
    assert_int_equal(p.b.why, REFUSAL_FORBIDDEN);
    assert_int_equal(say(&p.b, &p.a), HANDSHAKE_FAILED);
    assert_int_equal(p.a.why, REFUSAL_PEER_NOT_ALLOWED);
    assert_int_equal(handshake_dial(&p.a, &p.b_config, mesh_str("a@h"), 1, 0), HANDSHAKE_FAILED);
    assert_int_equal(p.a.why, REFUSAL_FORBIDDEN);
    assert_int_equal(handshake_output(&p.a).len, 0);
    assert_int_equal(handshake_dial(&p.a, &p.a_config, mesh_str("a"), 1, 0), HANDSHAKE_FAILED);
    assert_int_equal(p.a.why, REFUSAL_NAME);
}

/* A stranger dials b and lets b dial him, to have b's challenge answered by b itself. */
static void what_a_node_asks_it_does_not_answer(void **state)
{
    (void)state;
    struct handshake_config config = config_of("b@h", "secret", 6);
    struct handshake in, out;
    const uint32_t asked = 222;
    taken_count = 0;
    taken[taken_count++] = asked;
    handshake_accept(&in, &config, asked, 0);
    assert_int_equal(handshake_dial(&out, &config, mesh_str("x@h"), 333, 0), HANDSHAKE_MORE);
    uint8_t said[2 + 3 + 2 + 22] = {0, 3, 's', 'o', 'k', 0, 22, 'N'};
    const uint64_t flags = DIST_OFFERED;
    for (int i = 0; i < 8; i++)
        said[8 + i] = (uint8_t)(flags >> (56 - 8 * i));
    said[19] = 222;
    said[23] = 1;
    said[25] = 3;
    said[26] = 'x';
    said[27] = '@';
    said[28] = 'h';
    handshake_output(&out);
    assert_int_equal(feed(&out, (mesh_bytes){said, sizeof said}), HANDSHAKE_FAILED);
    assert_int_equal(out.why, REFUSAL_REFLECTED);
    assert_int_equal(handshake_output(&out).len, 0);
    /* Its own challenge is never answered either, whatever the caller counts. */
    taken_count = 0;
    assert_int_equal(handshake_dial(&out, &config, mesh_str("x@h"), asked, 0), HANDSHAKE_MORE);
    assert_int_equal(feed(&out, (mesh_bytes){said, sizeof said}), HANDSHAKE_FAILED);
    assert_int_equal(out.why, REFUSAL_REFLECTED);
    /* Another challenge is. */
    assert_int_equal(handshake_dial(&out, &config, mesh_str("x@h"), 444, 0), HANDSHAKE_MORE);
    handshake_output(&out);
    assert_int_equal(feed(&out, (mesh_bytes){said, sizeof said}), HANDSHAKE_MORE);
    assert_int_equal(handshake_output(&out).len, 23);
}

/* ---- one message, made by hand ----------------------------------------------------------------------------------- */

struct made {
    uint8_t bytes[70000];
    size_t len;
};

/* 'N' as from a node that dials: flags, name, and bytes behind it. */
static void make_name(struct made *m, char tag, uint64_t flags, mesh_bytes name, size_t behind)
{
    size_t len = 15 + name.len + behind;
    memset(m->bytes, 0, sizeof m->bytes);
    m->bytes[0] = (uint8_t)(len >> 8);
    m->bytes[1] = (uint8_t)len;
    m->bytes[2] = (uint8_t)tag;
    for (int i = 0; i < 8; i++)
        m->bytes[3 + i] = (uint8_t)(flags >> (56 - 8 * i));
    m->bytes[14] = 9;
    m->bytes[15] = (uint8_t)(name.len >> 8);
    m->bytes[16] = (uint8_t)name.len;
    memcpy(m->bytes + 17, name.data, name.len);
    m->len = 2 + len;
}

static enum refusal judge(const struct made *m)
{
    const struct handshake_config config = config_of("b@h", "c", 6);
    struct handshake h;
    mesh_bytes in = {m->bytes, m->len};
    handshake_accept(&h, &config, 1, 0);
    enum handshake_event event = handshake_feed(&h, &in, 0);
    assert_int_equal(event, h.why ? HANDSHAKE_FAILED : HANDSHAKE_NAMED);
    return h.why;
}

static void first_messages_are_judged(void **state)
{
    (void)state;
    static struct made m;
    static char long_name[60000];
    make_name(&m, 'N', DIST_OFFERED, mesh_str("a@h"), 0);
    assert_int_equal(judge(&m), REFUSAL_NONE);
    make_name(&m, 'N', DIST_OFFERED, mesh_str("a@h"), 700); /* for later versions */
    assert_int_equal(judge(&m), REFUSAL_NONE);
    make_name(&m, 'N', DIST_OFFERED | UINT64_C(1) << 63, mesh_str("a@h"), 0);
    assert_int_equal(judge(&m), REFUSAL_NONE);
    make_name(&m, 'N', DIST_MANDATORY_25_DIGEST | DIST_MANDATORY_26 | DIST_FRAGMENTS, mesh_str("a@h"), 0);
    assert_int_equal(judge(&m), REFUSAL_NONE);
    make_name(&m, 'n', DIST_OFFERED, mesh_str("a@h"), 0);
    assert_int_equal(judge(&m), REFUSAL_OLD_HANDSHAKE);
    make_name(&m, 'r', DIST_OFFERED, mesh_str("a@h"), 0);
    assert_int_equal(judge(&m), REFUSAL_UNEXPECTED);
    memset(long_name, 'x', sizeof long_name);
    long_name[1] = '@';
    make_name(&m, 'N', DIST_OFFERED, (mesh_bytes){long_name, sizeof long_name}, 0);
    assert_int_equal(judge(&m), REFUSAL_LENGTH);
    make_name(&m, 'N', DIST_OFFERED, (mesh_bytes){long_name, 256}, 0);
    assert_int_equal(judge(&m), REFUSAL_NAME);
    make_name(&m, 'N', DIST_OFFERED, mesh_str("a@h\n"), 0);
    assert_int_equal(judge(&m), REFUSAL_NAME);
    make_name(&m, 'N', DIST_OFFERED, mesh_str("ah"), 0);
    assert_int_equal(judge(&m), REFUSAL_NAME);
    make_name(&m, 'N', DIST_OFFERED, mesh_str("a@h"), 0);
    m.bytes[16] = 4; /* longer than what is there */
    assert_int_equal(judge(&m), REFUSAL_MALFORMED);
    m.len = 2;
    m.bytes[0] = m.bytes[1] = 0;
    assert_int_equal(judge(&m), REFUSAL_LENGTH);
}

static void each_mandatory_flag_is(void **state)
{
    (void)state;
    static struct made m;
    const uint64_t digest = DIST_MANDATORY_25_DIGEST;
    for (int bit = 0; bit < 64; bit++) {
        uint64_t flag = UINT64_C(1) << bit;
        make_name(&m, 'N', DIST_OFFERED & ~digest & ~flag, mesh_str("a@h"), 0);
        assert_int_equal(judge(&m), flag & DIST_REQUIRED ? REFUSAL_FLAGS : REFUSAL_NONE);
    }
    assert_true(flags_negotiate(DIST_OFFERED, UINT64_MAX) == DIST_OFFERED);
    assert_true(flags_negotiate(DIST_OFFERED, digest) == (DIST_MANDATORY_25 | digest));
}

static void messages_out_of_order_are_refused(void **state)
{
    (void)state;
    static const uint8_t tags[] = {'N', 'n', 's', 'r', 'a', 'x', 0};
    for (size_t i = 0; i < sizeof tags; i++) {
        uint8_t message[40] = {0, 38, tags[i]};
        struct pair p;
        setup(&p, "c", "c");
        enum handshake_event event = feed(&p.a, (mesh_bytes){message, sizeof message}); /* awaits a status */
        assert_int_equal(event, HANDSHAKE_FAILED);
        assert_int_equal(p.a.why, tags[i] == 's' ? REFUSAL_STATUS : REFUSAL_UNEXPECTED);
        setup(&p, "c", "c");
        say(&p.a, &p.b);
        handshake_answer(&p.b, HANDSHAKE_OK);
        assert_int_equal(feed(&p.b, (mesh_bytes){message, sizeof message}), HANDSHAKE_FAILED); /* awaits 'r' */
        assert_int_equal(p.b.why, tags[i] == 'r' ? REFUSAL_MALFORMED : REFUSAL_UNEXPECTED);
        mesh_bytes more = mesh_str("more");
        assert_int_equal(handshake_feed(&p.b, &more, 1), HANDSHAKE_FAILED); /* and stays refused */
    }
}

static void another_node_than_was_dialled_is_refused(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, "c", "c");
    assert_int_equal(handshake_dial(&p.a, &p.a_config, mesh_str("c@h"), 111, 0), HANDSHAKE_MORE);
    say(&p.a, &p.b);
    handshake_answer(&p.b, HANDSHAKE_OK);
    mesh_bytes out = handshake_output(&p.b);
    assert_int_equal(feed(&p.a, out), HANDSHAKE_FAILED);
    assert_int_equal(p.a.why, REFUSAL_OTHER_NAME);
    assert_int_equal(handshake_output(&p.a).len, 0);
}

static void the_deadline_is_for_the_whole(void **state)
{
    (void)state;
    struct pair p;
    setup(&p, "c", "c");
    mesh_bytes out = handshake_output(&p.a);
    const uint8_t *bytes = out.data;
    for (uint64_t now = 0; now < HANDSHAKE_TIMEOUT_MS; now += 1000) { /* one byte a second */
        mesh_bytes drip = {bytes + now / 1000, 1};
        assert_int_equal(handshake_feed(&p.b, &drip, now), HANDSHAKE_MORE);
    }
    mesh_bytes last = {bytes, 1};
    assert_int_equal(handshake_feed(&p.b, &last, HANDSHAKE_TIMEOUT_MS), HANDSHAKE_FAILED);
    assert_int_equal(p.b.why, REFUSAL_TIMEOUT);
    assert_int_equal(handshake_output(&p.b).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_beam_said_is_answered_as_recorded),
        cmocka_unit_test(any_change_is_refused_or_harmless),
        cmocka_unit_test(two_of_ours_agree),
        cmocka_unit_test(statuses_that_refuse_end_both),
        cmocka_unit_test(other_cookies_are_found_out),
        cmocka_unit_test(names_that_are_not_allowed_get_nothing),
        cmocka_unit_test(what_a_node_asks_it_does_not_answer),
        cmocka_unit_test(first_messages_are_judged),
        cmocka_unit_test(each_mandatory_flag_is),
        cmocka_unit_test(messages_out_of_order_are_refused),
        cmocka_unit_test(another_node_than_was_dialled_is_refused),
        cmocka_unit_test(the_deadline_is_for_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
