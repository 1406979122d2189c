/* The dispatcher: what a node answers without its user, what goes to the user, and what a BEAM of OTP 25 sent to it. */
#include "dist/system.h"

#include <stdio.h>
#include <string.h>

#include "dist/frame.h"
#include "unit/dist/fabric.h"
#include "unit/dist/recorded.h"

struct pair {
    struct fabric f;
    size_t us, script;
    struct fabric_node *him, *own;
};

static void pair_start(struct pair *p)
{
    fabric_init(&p->f, 1);
    p->us = fabric_start(&p->f, "b@h", false);
    p->script = fabric_start(&p->f, "a@h", true);
    p->own = &p->f.nodes[p->us];
    p->him = &p->f.nodes[p->script];
    fabric_link(&p->f, p->us, p->script);
    fabric_settle(&p->f);
    fabric_forget_all(p->him);
}

static mesh_term parsed(mesh_buf *buf, const char *text)
{
    mesh_buf_init(buf);
    assert_int_equal(mesh_parse(text, strlen(text), buf, NULL), MESH_OK);
    return mesh_buf_term(buf);
}

/* What the node said, from and to the end; then nothing more of it. */
static void heard(struct fabric_node *node, const char *start, const char *end)
{
    const char *said = fabric_heard(node);
    const size_t len = strlen(said), n = strlen(end);
    if (strncmp(said, start, strlen(start)) != 0 || len < n || strcmp(said + len - n, end) != 0)
        fail_msg("heard %s, not %s...%s", said, start, end);
    fabric_forget(node);
}

static void silent(struct fabric_node *node)
{
    assert_string_equal(fabric_heard(node), "");
}

static void net_kernel_says_yes(void **state)
{
    struct pair p;
    mesh_buf m, pid, ref;
    (void)state;
    pair_start(&p);
    mesh_buf_init(&m);
    const mesh_term from = fabric_pid(p.him, 3, &pid), tag = fabric_ref(p.him, 1, &ref);
    fabric_say(&p.f, p.script, p.us, "net_kernel",
               mesh_build(&m, "{:\"$gen_call\", {~t, [:alias | ~t]}, {:is_auth, :\"a@h\"}}", from, tag), &m);
    heard(p.him, "send_alias {[:alias | #Reference<", ", :yes}");
    mesh_buf_init(&m);
    fabric_say(&p.f, p.script, p.us, "net_kernel",
               mesh_build(&m, "{:\"$gen_call\", {~t, [[:alias | ~t] | ~t]}, {:is_auth, :\"a@h\"}}", from, tag, tag),
               &m);
    heard(p.him, "send_alias {[[:alias | #Reference<", ", :yes}");
    mesh_buf_init(&m);
    fabric_say(&p.f, p.script, p.us, "net_kernel",
               mesh_build(&m, "{:\"$gen_call\", {~t, [:alias | 1]}, {:is_auth, :\"a@h\"}}", from), &m);
    heard(p.him, "send {[:alias | 1], :yes}", "");
    mesh_buf_init(&m);
    fabric_say(&p.f, p.script, p.us, "net_kernel", mesh_build(&m, "{:\"$gen_call\", {~t, ~t}, :other}", from, tag), &m);
    silent(p.him);
    assert_int_equal(p.own->system.counts.questions, 3);
    assert_int_equal(p.own->system.counts.dropped, 1);
    mesh_buf_fini(&pid);
    mesh_buf_fini(&ref);
    fabric_fini(&p.f);
}

static void rex_tells_its_features(void **state)
{
    struct pair p;
    mesh_buf m, pid;
    (void)state;
    pair_start(&p);
    mesh_buf_init(&m);
    fabric_say(&p.f, p.script, p.us, "rex", mesh_build(&m, "{~t, :features_request}", fabric_pid(p.him, 3, &pid)), &m);
    heard(p.him, "send {:features_reply, :b@h, [:erpc]}", "");
    mesh_buf_fini(&pid);
    fabric_fini(&p.f);
}

static void the_group_leader_takes_output(void **state)
{
    static const struct {
        const char *request, *reply;
    } rows[] = {
        {"{:put_chars, :unicode, \"text\"}", ":ok}"}, {"{:put_chars, :unicode, :io_lib, :format, [\"x\", []]}", ":ok}"},
        {"{:put_chars, \"text\"}", ":ok}"},           {"{:get_line, :unicode, \">\"}", "{:error, :enotsup}}"},
        {":getopts", "{:error, :enotsup}}"},
    };
    struct pair p;
    mesh_buf m, pid, to, request;
    (void)state;
    pair_start(&p);
    const mesh_term from = fabric_pid(p.him, 3, &pid);
    struct control c = {
        .kind = CONTROL_SEND, .from = from, .to = fabric_pid(p.own, FABRIC_FIRST_PID + SYSTEM_LEADER, &to)};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        mesh_buf_init(&m);
        assert_int_equal(mesh_build(&m, "{:io_request, ~t, :as, ~t}", from, parsed(&request, rows[i].request)),
                         MESH_OK);
        c.message = mesh_buf_term(&m);
        fabric_control(&p.f, p.script, p.us, &c);
        heard(p.him, "send {:io_reply, :as, ", rows[i].reply);
        mesh_buf_fini(&m);
        mesh_buf_fini(&request);
    }
    c.message = parsed(&m, ":other");
    fabric_control(&p.f, p.script, p.us, &c);
    silent(p.him);
    assert_int_equal(p.own->system.counts.output, sizeof rows / sizeof *rows);
    mesh_buf_fini(&m);
    mesh_buf_fini(&pid);
    mesh_buf_fini(&to);
    fabric_fini(&p.f);
}

/* A control message of his for `to`, a name or a pid of this node. */
static void control(struct pair *p, enum control_kind kind, const char *name, uint64_t number)
{
    mesh_buf from, to, ref, message;
    struct control c = {.kind = kind,
                        .id = 5,
                        .from = fabric_pid(p->him, 3, &from),
                        .ref = fabric_ref(p->him, 1, &ref),
                        .message = parsed(&message, ":m")};
    mesh_buf_init(&to);
    if (name) {
        assert_int_equal(mesh_put_atom(&to, mesh_str(name)), MESH_OK);
        c.to = mesh_buf_term(&to);
    } else {
        c.to = fabric_pid(p->own, number, &to);
    }
    if (kind == CONTROL_SEND_ALIAS)
        c.to = c.ref;
    fabric_control(&p->f, p->script, p->us, &c);
    mesh_buf_fini(&from);
    mesh_buf_fini(&to);
    mesh_buf_fini(&ref);
    mesh_buf_fini(&message);
}

static void services_can_be_monitored_and_linked(void **state)
{
    static const char *const names[] = {"net_kernel", "rex", "global_name_server"};
    struct pair p;
    (void)state;
    pair_start(&p);
    for (size_t i = 0; i < 3; i++)
        control(&p, CONTROL_MONITOR, names[i], 0);
    for (unsigned i = 0; i < SYSTEM_PIDS; i++) {
        control(&p, CONTROL_MONITOR, NULL, FABRIC_FIRST_PID + i);
        control(&p, CONTROL_LINK, NULL, FABRIC_FIRST_PID + i);
        control(&p, CONTROL_EXIT2, NULL, FABRIC_FIRST_PID + i); /* they do not heed it */
        control(&p, CONTROL_EXIT, NULL, FABRIC_FIRST_PID + i);
        control(&p, CONTROL_DOWN, NULL, FABRIC_FIRST_PID + i); /* of no monitor of theirs */
    }
    silent(p.him);
    silent(p.own);
    for (unsigned i = 0; i < SYSTEM_PIDS; i++) {
        control(&p, CONTROL_UNLINK, NULL, FABRIC_FIRST_PID + i);
        heard(p.him, "unlink_ack", "");
    }
    fabric_fini(&p.f);
}

static void nobody_is_noproc(void **state)
{
    struct pair p;
    (void)state;
    pair_start(&p);
    control(&p, CONTROL_MONITOR, "nobody", 0);
    heard(p.him, "down :noproc", "");
    control(&p, CONTROL_MONITOR, NULL, 999);
    heard(p.him, "down :noproc", "");
    control(&p, CONTROL_LINK, NULL, 999);
    heard(p.him, "exit :noproc", "");
    control(&p, CONTROL_SEND, NULL, 999);
    control(&p, CONTROL_SEND_NAME, "nobody", 0);
    control(&p, CONTROL_SEND_ALIAS, NULL, 999);
    control(&p, CONTROL_EXIT2, NULL, 999);
    silent(p.him);
    control(&p, CONTROL_UNLINK, NULL, 999);
    heard(p.him, "unlink_ack", "");
    p.own->creation++; /* pids of another incarnation */
    control(&p, CONTROL_MONITOR, NULL, FABRIC_USER_PID);
    heard(p.him, "down :noproc", "");
    control(&p, CONTROL_LINK, NULL, FABRIC_FIRST_PID);
    heard(p.him, "exit :noproc", "");
    assert_int_equal(p.own->system.counts.noproc, 5);
    assert_int_equal(p.own->system.counts.dropped, 4);
    fabric_fini(&p.f);
}

static void the_rest_is_the_users(void **state)
{
    static const enum control_kind kinds[] = {CONTROL_SEND, CONTROL_MONITOR, CONTROL_DEMONITOR,
                                              CONTROL_LINK, CONTROL_UNLINK,  CONTROL_UNLINK_ACK,
                                              CONTROL_EXIT, CONTROL_EXIT2,   CONTROL_DOWN};
    static const char *const texts[] = {"send :m",    "monitor", "demonitor", "link",   "unlink",
                                        "unlink_ack", "exit :m", "exit2 :m",  "down :m"};
    struct pair p;
    (void)state;
    pair_start(&p);
    control(&p, CONTROL_SEND_NAME, "mesh", 0);
    heard(p.own, "send_name :m", "");
    control(&p, CONTROL_MONITOR, "mesh", 0);
    heard(p.own, "monitor", "");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        control(&p, kinds[i], NULL, FABRIC_USER_PID);
        heard(p.own, texts[i], texts[i]);
        if (kinds[i] == CONTROL_UNLINK)
            heard(p.him, "unlink_ack", "");
    }
    silent(p.him);
    assert_int_equal(p.own->system.counts.dropped, 0);
    fabric_fini(&p.f);
}

/* ---- what a BEAM sent -------------------------------------------------------------------------------------------- */

struct beam {
    struct system system;
    unsigned sent[CONTROL_SPAWN_REPLY + 1];
    bool yes, features, init_connect, disconnected;
};

static void beam_send(void *context, mesh_bytes peer, const struct control *c)
{
    struct beam *b = context;
    assert_int_equal(peer.len, 12);
    b->sent[c->kind]++;
    b->yes |= mesh_match(c->message, "{_, :yes}") == MESH_OK;
    b->features |= mesh_match(c->message, "{:features_reply, :\"n@127.0.0.1\", [:erpc]}") == MESH_OK;
    b->init_connect |= mesh_match(c->message, "{:init_connect_ack, :\"n@127.0.0.1\", _, 1}") == MESH_OK;
}

static void beam_connect(void *context, mesh_bytes peer)
{
    (void)context;
    (void)peer;
    fail_msg("nobody else is known");
}

static void beam_disconnect(void *context, mesh_bytes peer)
{
    struct beam *b = context;
    (void)peer;
    b->disconnected = true;
}

static uint64_t beam_next_pid(void *context)
{
    (void)context;
    return 1000;
}

static bool beam_deliver(void *context, mesh_bytes peer, const struct control *message)
{
    (void)context;
    (void)peer;
    (void)message;
    return false;
}

static bool beam_alive(void *context, uint64_t number)
{
    (void)context;
    return number == 8;
}

static void beam_done(void *context, uint64_t token, bool yes)
{
    (void)context;
    (void)token;
    (void)yes;
}

static void a_recorded_beam_gets_its_answers(void **state)
{
    static const struct service_actions actions = {beam_send, beam_connect, beam_disconnect};
    struct beam b = {.yes = false};
    const struct system_config config = {.self = mesh_str("n@127.0.0.1"),
                                         .creation = 0x6b05ed77,
                                         .first_pid = 16,
                                         .ref_word = 1,
                                         .actions = &actions,
                                         .next_pid = beam_next_pid,
                                         .deliver = beam_deliver,
                                         .alive = beam_alive,
                                         .done = beam_done,
                                         .context = &b};
    const mesh_bytes peer = mesh_str("va@127.0.0.1");
    struct recording all = recorded_all();
    struct frame_reader reader;
    struct frame frame;
    struct control c;
    enum refusal why;
    (void)state;
    system_init(&b.system, &config);
    system_peer_up(&b.system, peer, true, 1000);
    assert_int_equal(b.sent[CONTROL_SEND_NAME], 1);
    frame_reader_init(&reader, NULL);
    for (size_t i = 0; i < all.count; i++) {
        mesh_bytes in = mesh_buf_bytes(&all.list[i].bytes);
        if (strcmp(all.list[i].who, "<") != 0 || frame_read(&reader, &in, &frame, &why) != FRAME_MESSAGE)
            continue;
        assert_int_equal(control_read(frame.body, peer, NULL, &c), REFUSAL_NONE);
        system_message(&b.system, peer, &c, 1000 + i);
    }
    assert_true(b.yes);
    assert_true(b.features);
    assert_true(b.init_connect);
    assert_false(b.disconnected);
    assert_true(b.sent[CONTROL_SPAWN_REPLY] > 0);
    assert_true(b.sent[CONTROL_DOWN] > 0);
    assert_true(b.sent[CONTROL_UNLINK_ACK] > 0);
    system_tick(&b.system, 20000);
    system_peer_down(&b.system, peer, 20001);
    frame_reader_fini(&reader);
    recorded_free(&all);
    system_fini(&b.system);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(net_kernel_says_yes),
        cmocka_unit_test(rex_tells_its_features),
        cmocka_unit_test(the_group_leader_takes_output),
        cmocka_unit_test(services_can_be_monitored_and_linked),
        cmocka_unit_test(nobody_is_noproc),
        cmocka_unit_test(the_rest_is_the_users),
        cmocka_unit_test(a_recorded_beam_gets_its_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
