/* epmd: requests and replies against recorded ones, and the server as its clients see it. */
#include "dist/epmd.h"

#include "dist/epmd_server.h"
#include "dist/names.h"
#include "unit/dist/recorded.h"

static mesh_bytes bytes_of(const struct recorded *e)
{
    return mesh_buf_bytes(&e->bytes);
}

static bool same(mesh_bytes bytes, const char *text)
{
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

static void names_are_judged(void **state)
{
    (void)state;
    char longest[256 + 1];
    memset(longest, 'x', 256);
    longest[256] = '\0';
    longest[100] = '@';
    assert_true(names_full(mesh_str("a@b")));
    assert_true(names_full(mesh_str("\xC3\xA9@127.0.0.1")));
    assert_true(names_full((mesh_bytes){longest, 255}));
    assert_false(names_full((mesh_bytes){longest, 256}));
    static const char *const bad[] = {"",      "a",       "@",           "a@",     "@b",         "a@b@c",
                                      "a\n@b", "a@b\x7F", "a@b\xC2\x80", "a@\xFF", "a@\xC0\x80", "ab"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(names_full(mesh_str(bad[i])));
    assert_false(names_full((mesh_bytes){"a\0@b", 4}));
    assert_true(names_alive(mesh_str("a")));
    assert_false(names_alive(mesh_str("")));
    assert_false(names_alive(mesh_str("a@b")));
    assert_false(names_alive((mesh_bytes){"a\0", 2}));
    assert_false(names_alive((mesh_bytes){longest, 100 + 156}));
}

static void requests_are_what_a_real_epmd_took(void **state)
{
    (void)state;
    struct recording all = recorded_all();
    size_t at = 0;
    mesh_buf out;
    mesh_buf_init(&out);
    const struct recorded *lookup = recorded_next(&all, &at, "epmd", "epmd>");
    assert_int_equal(epmd_put_lookup(&out, mesh_str("va")), MESH_OK);
    assert_int_equal(out.len, lookup->bytes.len);
    assert_memory_equal(out.data, lookup->bytes.data, out.len);

    recorded_next(&all, &at, "epmd", "epmd>");
    const struct recorded *reg = recorded_next(&all, &at, "epmd", "epmd>");
    struct epmd_request request;
    assert_int_equal(epmd_read_request((mesh_bytes){reg->bytes.data + 2, reg->bytes.len - 2}, &request), REFUSAL_NONE);
    assert_int_equal(request.op, EPMD_REGISTER);
    assert_true(same(request.node.name, "n"));
    assert_int_equal(request.node.type, EPMD_VISIBLE);
    assert_int_equal(request.node.highest, 6);
    mesh_buf_clear(&out);
    assert_int_equal(epmd_put_register(&out, &request.node), MESH_OK);
    assert_int_equal(out.len, reg->bytes.len);
    assert_memory_equal(out.data, reg->bytes.data, out.len);

    struct epmd_node node = request.node;
    node.name = mesh_str("a@b");
    assert_int_equal(epmd_put_register(&out, &node), MESH_EBADNAME);
    assert_int_equal(epmd_put_lookup(&out, node.name), MESH_EBADNAME);
    char extra[256] = "";
    node.name = mesh_str("a");
    node.extra = (mesh_bytes){extra, sizeof extra};
    assert_int_equal(epmd_put_register(&out, &node), MESH_EINVAL);
    mesh_buf_fini(&out);
    recorded_free(&all);
}

static void replies_of_a_real_epmd_are_read(void **state)
{
    (void)state;
    struct recording all = recorded_all();
    size_t at = 0;
    enum refusal why = REFUSAL_NONE;
    struct epmd_node node;
    uint32_t creation = 0;
    mesh_bytes text, name;
    uint16_t port = 0;
    const struct recorded *found = recorded_next(&all, &at, "epmd", "epmd<");
    assert_int_equal(epmd_read_lookup(bytes_of(found), mesh_str("va"), &node, &why), EPMD_COMPLETE);
    assert_true(same(node.name, "va"));
    assert_int_equal(node.type, EPMD_VISIBLE);
    assert_int_equal(node.highest, 6);
    assert_int_equal(epmd_read_lookup(bytes_of(found), mesh_str("vb"), &node, &why), EPMD_REFUSED);
    assert_int_equal(why, REFUSAL_OTHER_NAME);
    const struct recorded *nobody = recorded_next(&all, &at, "epmd", "epmd<");
    assert_int_equal(epmd_read_lookup(bytes_of(nobody), mesh_str("nobody"), &node, &why), EPMD_DENIED);
    const struct recorded *ours = recorded_next(&all, &at, "epmd", "epmd<");
    assert_int_equal(epmd_read_register(bytes_of(ours), &creation, &why), EPMD_COMPLETE);
    assert_true(creation > 3);
    const struct recorded *taken = recorded_next(&all, &at, "epmd", "epmd<");
    assert_int_equal(epmd_read_register(bytes_of(taken), &creation, &why), EPMD_DENIED);
    const struct recorded *names = recorded_next(&all, &at, "epmd", "epmd<");
    assert_int_equal(epmd_read_names(bytes_of(names), &text, &why), EPMD_COMPLETE);
    assert_true(epmd_next_name(&text, &name, &port, NULL));
    assert_true(same(name, "n"));
    assert_true(epmd_next_name(&text, &name, &port, NULL));
    assert_true(same(name, "va"));
    assert_int_equal(port, node.port);
    assert_false(epmd_next_name(&text, &name, &port, NULL));
    recorded_free(&all);
}

static void old_registrations_are_read(void **state)
{
    (void)state;
    uint32_t creation = 0;
    enum refusal why = REFUSAL_NONE;
    assert_int_equal(epmd_read_register((mesh_bytes){"\x79\0\0\2", 4}, &creation, &why), EPMD_COMPLETE);
    assert_int_equal(creation, 2);
    assert_int_equal(epmd_read_register((mesh_bytes){"\x79\1\0\2", 4}, &creation, &why), EPMD_DENIED);
    assert_int_equal(epmd_read_register((mesh_bytes){"\x79\0\0\0", 4}, &creation, &why), EPMD_REFUSED);
    assert_int_equal(why, REFUSAL_MALFORMED);
    assert_int_equal(epmd_read_register((mesh_bytes){"v", 1}, &creation, &why), EPMD_MORE);
    assert_int_equal(epmd_read_register((mesh_bytes){"?", 1}, &creation, &why), EPMD_REFUSED);
    assert_int_equal(epmd_read_register((mesh_bytes){"", 0}, &creation, &why), EPMD_MORE);
}

static void lines_that_are_none_are_left_out(void **state)
{
    (void)state;
    mesh_bytes text =
        mesh_str("name a at port 0\nname  at port 7\nname b at port 65536\nrubbish\n\nname c at port x\n"
                 "name \x1b[2J at port 5\nname d at port e at port 7\nname f at port 123456\nname g at port 8");
    mesh_bytes name;
    uint16_t port = 0;
    assert_true(epmd_next_name(&text, &name, &port, NULL));
    assert_true(same(name, "d at port e"));
    assert_int_equal(port, 7);
    assert_true(epmd_next_name(&text, &name, &port, NULL));
    assert_true(same(name, "g"));
    assert_int_equal(port, 8);
    assert_false(epmd_next_name(&text, &name, &port, NULL));
}

/* Reads bytes as each of the replies; says whether one of them was complete. */
static bool read_as_any(mesh_bytes bytes)
{
    enum refusal why = REFUSAL_NONE;
    struct epmd_node node;
    uint32_t creation;
    mesh_bytes text, name;
    uint16_t port;
    enum epmd_read lookup = epmd_read_lookup(bytes, mesh_str("va"), &node, &why);
    assert_true(lookup != EPMD_REFUSED || why != REFUSAL_NONE);
    enum epmd_read reg = epmd_read_register(bytes, &creation, &why);
    assert_true(reg != EPMD_REFUSED || why != REFUSAL_NONE);
    if (epmd_read_names(bytes, &text, &why) == EPMD_COMPLETE)
        while (epmd_next_name(&text, &name, &port, NULL))
            assert_true(names_alive(name) && port != 0);
    return lookup == EPMD_COMPLETE || reg == EPMD_COMPLETE;
}

static void replies_cut_or_changed_do_no_harm(void **state)
{
    (void)state;
    struct recording all = recorded_all();
    size_t at = 0;
    for (const struct recorded *e; (e = recorded_next(&all, &at, NULL, "epmd<"));) {
        for (size_t len = 0; len < e->bytes.len; len++) {
            uint8_t *cut = exact_copy(e->bytes.data, len);
            assert_false(read_as_any((mesh_bytes){cut, len}));
            free(cut);
        }
        for (size_t i = 0; i < e->bytes.len; i++)
            for (unsigned value = 0; value < 256; value++) {
                uint8_t *changed = exact_copy(e->bytes.data, e->bytes.len);
                changed[i] = (uint8_t)value;
                read_as_any((mesh_bytes){changed, e->bytes.len});
                free(changed);
            }
    }
    recorded_free(&all);
}

/* ---- the server -------------------------------------------------------------------------------------------------- */

struct client {
    struct epmd_server server;
    struct epmd_conn conn;
    mesh_buf out;
    enum refusal why;
};

static void setup(struct client *c)
{
    epmd_server_init(&c->server, EPMD_PORT, 1000);
    mesh_buf_init(&c->out);
}

static void teardown(struct client *c)
{
    epmd_server_fini(&c->server);
    mesh_buf_fini(&c->out);
}

/* One request on a connection of its own, which stays open. */
static enum epmd_action ask(struct client *c, struct epmd_conn *conn, bool local, mesh_bytes request)
{
    assert_true(epmd_conn_open(&c->server, conn, local, 0));
    mesh_buf_clear(&c->out);
    return epmd_conn_feed(&c->server, conn, request, 1, &c->out, &c->why);
}

static enum epmd_action register_as(struct client *c, struct epmd_conn *conn, bool local, const char *name)
{
    mesh_buf request;
    struct epmd_node node = {mesh_str(name), mesh_str("more"), 4711, EPMD_VISIBLE, 0, 6, 5};
    mesh_buf_init(&request);
    assert_int_equal(epmd_put_register(&request, &node), MESH_OK);
    enum epmd_action action = ask(c, conn, local, mesh_buf_bytes(&request));
    mesh_buf_fini(&request);
    return action;
}

static uint32_t creation_of(struct client *c)
{
    uint32_t creation = 0;
    assert_int_equal(epmd_read_register(mesh_buf_bytes(&c->out), &creation, &c->why), EPMD_COMPLETE);
    return creation;
}

static void a_name_lives_as_long_as_its_connection(void **state)
{
    (void)state;
    struct client c;
    struct epmd_conn other, asking;
    struct epmd_node node;
    setup(&c);
    assert_int_equal(register_as(&c, &c.conn, true, "n"), EPMD_KEEP);
    assert_int_equal(creation_of(&c), 1000);
    assert_false(epmd_conn_expired(&c.conn, UINT64_MAX));

    assert_int_equal(register_as(&c, &other, true, "n"), EPMD_CLOSE);
    assert_int_equal(c.why, REFUSAL_NONE);
    uint32_t creation;
    assert_int_equal(epmd_read_register(mesh_buf_bytes(&c.out), &creation, &c.why), EPMD_DENIED);
    epmd_conn_closed(&c.server, &other);

    assert_int_equal(ask(&c, &asking, false, (mesh_bytes){"\0\2zn", 4}), EPMD_CLOSE);
    assert_int_equal(epmd_read_lookup(mesh_buf_bytes(&c.out), mesh_str("n"), &node, &c.why), EPMD_COMPLETE);
    assert_int_equal(node.port, 4711);
    assert_int_equal(node.lowest, 5);
    assert_true(same(node.extra, "more"));
    epmd_conn_closed(&c.server, &asking);

    assert_int_equal(ask(&c, &asking, false, (mesh_bytes){"\0\1n", 3}), EPMD_CLOSE);
    assert_int_equal(c.out.len, 4 + strlen("name n at port 4711\n"));
    assert_memory_equal(c.out.data, "\0\0\x11\x11name n at port 4711\n", c.out.len);
    epmd_conn_closed(&c.server, &asking);

    assert_int_equal(ask(&c, &asking, true, (mesh_bytes){"\0\1k", 3}), EPMD_CLOSE);
    assert_memory_equal(c.out.data, "NO", 2);
    epmd_conn_closed(&c.server, &asking);

    epmd_conn_closed(&c.server, &c.conn);
    assert_int_equal(ask(&c, &asking, true, (mesh_bytes){"\0\2zn", 4}), EPMD_CLOSE);
    assert_int_equal(epmd_read_lookup(mesh_buf_bytes(&c.out), mesh_str("n"), &node, &c.why), EPMD_DENIED);
    epmd_conn_closed(&c.server, &asking);
    assert_int_equal(register_as(&c, &c.conn, true, "n"), EPMD_KEEP);
    assert_int_equal(creation_of(&c), 1001);
    epmd_conn_closed(&c.server, &c.conn);
    assert_int_equal(ask(&c, &asking, true, (mesh_bytes){"\0\1k", 3}), EPMD_STOP);
    assert_memory_equal(c.out.data, "OK", 2);
    epmd_conn_closed(&c.server, &asking);
    assert_int_equal(c.server.waiting, 0);
    assert_int_equal(c.server.count, 0);
    teardown(&c);
}

static void creations_skip_what_old_nodes_use(void **state)
{
    (void)state;
    struct client c;
    setup(&c);
    c.server.creation = UINT32_MAX;
    assert_int_equal(register_as(&c, &c.conn, true, "n"), EPMD_KEEP);
    assert_true(creation_of(&c) == UINT32_MAX);
    epmd_conn_closed(&c.server, &c.conn);
    assert_int_equal(register_as(&c, &c.conn, true, "n"), EPMD_KEEP);
    assert_int_equal(creation_of(&c), 4);
    epmd_conn_closed(&c.server, &c.conn);
    teardown(&c);
}

static void others_may_only_ask(void **state)
{
    (void)state;
    struct client c;
    setup(&c);
    assert_int_equal(register_as(&c, &c.conn, false, "n"), EPMD_CLOSE);
    assert_int_equal(c.why, REFUSAL_REMOTE);
    assert_int_equal(c.out.len, 0);
    epmd_conn_closed(&c.server, &c.conn);
    assert_int_equal(ask(&c, &c.conn, false, (mesh_bytes){"\0\1k", 3}), EPMD_CLOSE);
    assert_int_equal(c.why, REFUSAL_REMOTE);
    epmd_conn_closed(&c.server, &c.conn);
    teardown(&c);
}

static void bad_requests_end_their_connection(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        enum refusal why;
    } bad[] = {
        {"\0\0", 2, REFUSAL_LENGTH},
        {"\xFF\xFF", 2, REFUSAL_LENGTH},
        {"\x02\x0C", 2, REFUSAL_LENGTH},
        {"\0\1x", 3, REFUSAL_MALFORMED},
        {"\0\1z", 3, REFUSAL_NAME},
        {"\0\2z\0", 4, REFUSAL_NAME},
        {"\0\3za@", 5, REFUSAL_NAME},
        {"\0\2nn", 4, REFUSAL_MALFORMED},
        {"\0\1d", 3, REFUSAL_UNEXPECTED},
        {"\0\1nn", 4, REFUSAL_UNEXPECTED},
        {"\0\xFx\0\1M\0\0\6\0\5\0\1a\0\2b", 17, REFUSAL_MALFORMED},
        {"\0\xEx\0\0M\0\0\6\0\5\0\1a\0\0", 16, REFUSAL_MALFORMED},
        {"\0\xEx\0\1M\0\0\6\0\5\0\1\1\0\0", 16, REFUSAL_NAME},
    };
    struct client c;
    setup(&c);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ask(&c, &c.conn, true, (mesh_bytes){bad[i].bytes, bad[i].len}), EPMD_CLOSE);
        if (c.why != bad[i].why)
            fail_msg("request %zu: %s", i, refusal_text(c.why));
        assert_int_equal(c.out.len, 0);
        epmd_conn_closed(&c.server, &c.conn);
    }
    mesh_buf long_name;
    mesh_buf_init(&long_name);
    assert_int_equal(mesh_buf_append(&long_name, "\1\1z", 3), MESH_OK);
    for (int i = 0; i < 256; i++)
        assert_int_equal(mesh_buf_append(&long_name, "x", 1), MESH_OK);
    assert_int_equal(ask(&c, &c.conn, true, mesh_buf_bytes(&long_name)), EPMD_CLOSE);
    assert_int_equal(c.why, REFUSAL_NAME);
    epmd_conn_closed(&c.server, &c.conn);
    mesh_buf_fini(&long_name);
    assert_int_equal(c.server.waiting, 0);
    teardown(&c);
}

static void a_registration_that_talks_on_is_ended(void **state)
{
    (void)state;
    struct client c;
    setup(&c);
    assert_int_equal(register_as(&c, &c.conn, true, "n"), EPMD_KEEP);
    assert_int_equal(epmd_conn_feed(&c.server, &c.conn, mesh_str("x"), 9, &c.out, &c.why), EPMD_CLOSE);
    assert_int_equal(c.why, REFUSAL_UNEXPECTED);
    epmd_conn_closed(&c.server, &c.conn);
    assert_int_equal(c.server.count, 0);
    teardown(&c);
}

static void dripping_requests_have_a_deadline(void **state)
{
    (void)state;
    struct client c;
    setup(&c);
    assert_true(epmd_conn_open(&c.server, &c.conn, true, 100));
    assert_int_equal(epmd_conn_feed(&c.server, &c.conn, (mesh_bytes){"\0", 1}, 200, &c.out, &c.why), EPMD_WAIT);
    assert_false(epmd_conn_expired(&c.conn, 100 + EPMD_REQUEST_TIMEOUT_MS - 1));
    assert_true(epmd_conn_expired(&c.conn, 100 + EPMD_REQUEST_TIMEOUT_MS));
    assert_int_equal(
        epmd_conn_feed(&c.server, &c.conn, (mesh_bytes){"\1n", 2}, 100 + EPMD_REQUEST_TIMEOUT_MS, &c.out, &c.why),
        EPMD_CLOSE);
    assert_int_equal(c.why, REFUSAL_TIMEOUT);
    epmd_conn_closed(&c.server, &c.conn);
    teardown(&c);
}

static void requests_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct client c;
    setup(&c);
    assert_true(epmd_conn_open(&c.server, &c.conn, true, 0));
    assert_int_equal(epmd_conn_feed(&c.server, &c.conn, (mesh_bytes){"\0", 1}, 0, &c.out, &c.why), EPMD_WAIT);
    assert_int_equal(epmd_conn_feed(&c.server, &c.conn, (mesh_bytes){"\1", 1}, 0, &c.out, &c.why), EPMD_WAIT);
    assert_int_equal(epmd_conn_feed(&c.server, &c.conn, (mesh_bytes){"", 0}, 0, &c.out, &c.why), EPMD_WAIT);
    assert_int_equal(epmd_conn_feed(&c.server, &c.conn, (mesh_bytes){"n", 1}, 0, &c.out, &c.why), EPMD_CLOSE);
    assert_int_equal(c.why, REFUSAL_NONE);
    assert_int_equal(c.out.len, 4);
    epmd_conn_closed(&c.server, &c.conn);
    teardown(&c);
}

static void tables_are_bounded(void **state)
{
    (void)state;
    struct client c;
    setup(&c);
    struct epmd_conn *conns = calloc(EPMD_NODES_MAX + 1, sizeof *conns);
    assert_non_null(conns);
    char name[32];
    for (unsigned i = 0; i < EPMD_NODES_MAX; i++) {
        snprintf(name, sizeof name, "n%u", i);
        assert_int_equal(register_as(&c, &conns[i], true, name), EPMD_KEEP);
    }
    assert_int_equal(register_as(&c, &conns[EPMD_NODES_MAX], true, "more"), EPMD_CLOSE);
    assert_int_equal(c.why, REFUSAL_FULL);
    for (unsigned i = 0; i <= EPMD_NODES_MAX; i++)
        epmd_conn_closed(&c.server, &conns[i]);
    for (unsigned i = 0; i < EPMD_WAITING_MAX; i++)
        assert_true(epmd_conn_open(&c.server, &conns[i], false, 0));
    assert_false(epmd_conn_open(&c.server, &c.conn, true, 0));
    for (unsigned i = 0; i < EPMD_WAITING_MAX; i++)
        epmd_conn_closed(&c.server, &conns[i]);
    free(conns);
    teardown(&c);
}

/* Every request that was recorded, cut at each place and with each byte changed: an answer, a refusal, or silence. */
static void requests_cut_or_changed_do_no_harm(void **state)
{
    (void)state;
    struct recording all = recorded_all();
    struct client c;
    size_t at = 0;
    setup(&c);
    for (const struct recorded *e; (e = recorded_next(&all, &at, NULL, "epmd>"));) {
        for (size_t len = 0; len < e->bytes.len; len++) {
            uint8_t *cut = exact_copy(e->bytes.data, len);
            assert_int_equal(ask(&c, &c.conn, true, (mesh_bytes){cut, len}), EPMD_WAIT);
            assert_true(epmd_conn_expired(&c.conn, EPMD_REQUEST_TIMEOUT_MS));
            epmd_conn_closed(&c.server, &c.conn);
            free(cut);
        }
        for (size_t i = 0; i < e->bytes.len * 256; i++) {
            uint8_t *changed = exact_copy(e->bytes.data, e->bytes.len);
            changed[i / 256] = (uint8_t)i;
            enum epmd_action action = ask(&c, &c.conn, true, (mesh_bytes){changed, e->bytes.len});
            assert_true(action == EPMD_WAIT || c.why != REFUSAL_NONE || c.out.len > 0);
            assert_true(c.why == REFUSAL_NONE || (action == EPMD_CLOSE && c.out.len == 0));
            epmd_conn_closed(&c.server, &c.conn);
            free(changed);
        }
    }
    assert_int_equal(c.server.count, 0);
    assert_int_equal(c.server.waiting, 0);
    teardown(&c);
    recorded_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_judged),
        cmocka_unit_test(requests_are_what_a_real_epmd_took),
        cmocka_unit_test(replies_of_a_real_epmd_are_read),
        cmocka_unit_test(old_registrations_are_read),
        cmocka_unit_test(lines_that_are_none_are_left_out),
        cmocka_unit_test(replies_cut_or_changed_do_no_harm),
        cmocka_unit_test(a_name_lives_as_long_as_its_connection),
        cmocka_unit_test(creations_skip_what_old_nodes_use),
        cmocka_unit_test(others_may_only_ask),
        cmocka_unit_test(bad_requests_end_their_connection),
        cmocka_unit_test(a_registration_that_talks_on_is_ended),
        cmocka_unit_test(dripping_requests_have_a_deadline),
        cmocka_unit_test(requests_may_come_byte_by_byte),
        cmocka_unit_test(tables_are_bounded),
        cmocka_unit_test(requests_cut_or_changed_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
