/* Against a real BEAM, over real sockets: login both ways with the right and a wrong cookie, ping, and large messages.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dist/flags.h"
#include "system/dist/beam.h"
#include "system/dist/epmd_loop.h"
#include "system/dist/link.h"
#include "unit/check.h"

enum { LARGE = 1 << 20 };

/* A BEAM, an epmd for it, and this node, registered there. */
struct cluster {
    const char *us, *them; /* full names */
    pid_t epmd;
    struct beam beam;
    int listener;
    int registration;
    uint16_t beam_port;
    struct handshake_config config;
    struct link link;
};

static bool anybody(void *context, mesh_bytes peer)
{
    (void)context;
    return names_full(peer);
}

static bool none_outstanding(void *context, uint32_t challenge)
{
    (void)context;
    (void)challenge;
    return false;
}

static void start(struct cluster *c, bool long_names, bool own_epmd)
{
    uint16_t epmd_port = beam_free_port(), port;
    c->us = long_names ? "n@127.0.0.1" : "n@localhost";
    c->them = long_names ? "va@127.0.0.1" : "va@localhost";
    c->epmd = own_epmd ? epmd_loop_start(epmd_port) : beam_start_epmd(epmd_port);
    beam_start(&c->beam, long_names ? "-name" : "-sname", c->them, "mesh", epmd_port);
    c->listener = link_listen(&port);
    uint32_t creation;
    c->registration = link_register(epmd_port, c->us, port, &creation);
    c->beam_port = link_look_up(epmd_port, c->them);
    c->config = (struct handshake_config){mesh_str(c->us), mesh_str("mesh"), DIST_OFFERED, creation,
                                          anybody,         none_outstanding, NULL};
}

static void stop(struct cluster *c)
{
    beam_stop(&c->beam);
    close(c->registration);
    close(c->listener);
    beam_end(c->epmd);
}

/* Has expressions evaluated in which # stands for this node's name. */
static void tell(struct cluster *c, const char *expressions)
{
    char text[512];
    size_t len = 0;
    for (; *expressions; expressions++) {
        const char *piece = *expressions == '#' ? c->us : expressions;
        size_t n = *expressions == '#' ? strlen(c->us) : 1;
        assert_true(len + n < sizeof text);
        memcpy(text + len, piece, n);
        len += n;
    }
    text[len] = '\0';
    beam_tell(&c->beam, text);
}

/* Waits for a result. What the BEAM logs in between, such as its opinion of our cookie, is printed. */
static void assert_hears(struct cluster *c, const char *wanted)
{
    char line[256] = "";
    for (int lines = 0; lines < 100; lines++) {
        beam_hear(&c->beam, line, sizeof line);
        if (strcmp(line, wanted) == 0)
            return;
        print_message("the BEAM: %s\n", line);
    }
    fail_msg("it does not say %s", wanted);
}

static enum handshake_event accept_one(struct cluster *c)
{
    link_accept(&c->link, c->listener);
    handshake_accept(&c->link.handshake, &c->config, 0x80000001, beam_now_ms());
    return link_shake(&c->link);
}

static enum handshake_event dial(struct cluster *c)
{
    link_connect(&c->link, c->beam_port);
    handshake_dial(&c->link.handshake, &c->config, mesh_str(c->them), 0xFFFFFFFF, beam_now_ms());
    return link_shake(&c->link);
}

/* The next message for a registered name of ours. */
static void next_for(struct cluster *c, const char *name, struct control *out)
{
    do {
        if (!link_next(&c->link, out))
            fail_msg("the BEAM has closed the connection");
    } while (out->kind != CONTROL_SEND_NAME || mesh_match(out->to, name) != MESH_OK);
}

static mesh_term our_pid(const struct cluster *c, mesh_buf *buf)
{
    mesh_pid pid = {.number = 1, .creation = c->config.creation};
    snprintf(pid.node, sizeof pid.node, "%s", c->us);
    mesh_buf_clear(buf);
    assert_int_equal(mesh_put_pid(buf, &pid), MESH_OK);
    return mesh_buf_term(buf);
}

/* Answers the question that every ping begins with. */
static void answer_is_auth(struct cluster *c)
{
    struct control question;
    mesh_term from, tag;
    mesh_bytes asking;
    mesh_buf pid, reply;
    mesh_buf_init(&pid);
    mesh_buf_init(&reply);
    next_for(c, ":net_kernel", &question);
    assert_int_equal(mesh_match(question.message, "{:\"$gen_call\", {~t, ~t}, {:is_auth, ~a}}", &from, &tag, &asking),
                     MESH_OK);
    assert_int_equal(asking.len, strlen(c->them));
    assert_int_equal(mesh_build(&reply, "{~t, :yes}", tag), MESH_OK);
    struct control answer = {
        .kind = CONTROL_SEND, .from = our_pid(c, &pid), .to = from, .message = mesh_buf_term(&reply)};
    link_send(&c->link, &answer);
    mesh_buf_fini(&pid);
    mesh_buf_fini(&reply);
}

static void another_cookie_is_refused_by_both(struct cluster *c)
{
    tell(c, "erlang:set_cookie('#', other), net_adm:ping('#')");
    assert_int_equal(accept_one(c), HANDSHAKE_FAILED);
    assert_int_equal(c->link.handshake.why, REFUSAL_DIGEST);
    link_close(&c->link);
    assert_hears(c, "pang");
    assert_int_equal(dial(c), HANDSHAKE_FAILED);
    assert_int_equal(c->link.handshake.why, REFUSAL_NONE); /* it closes, and does not say why */
    link_close(&c->link);
    tell(c, "erlang:set_cookie('#', mesh)");
    assert_hears(c, "true");
}

/* What it sends us, in fragments, and what it got from us, byte for byte. */
static void large_messages_go_both_ways(struct cluster *c)
{
    struct control message;
    mesh_bytes binary;
    mesh_buf out, pid, name;
    tell(c, "{large, '#'} ! binary:copy(<<\"mesh\">>, 262144), {small, '#'} ! x, ok");
    next_for(c, ":large", &message);
    assert_int_equal(mesh_match(message.message, "~b", &binary), MESH_OK);
    assert_int_equal(binary.len, LARGE);
    for (size_t i = 0; i < LARGE; i++)
        if (((const char *)binary.data)[i] != "mesh"[i % 4])
            fail_msg("byte %zu differs", i);
    next_for(c, ":small", &message);
    assert_hears(c, "ok");

    tell(c, "register(probe, self()), receive B -> {byte_size(B), erlang:phash2(B, 1 bsl 32)} end");
    mesh_buf_init(&out);
    mesh_buf_init(&pid);
    mesh_buf_init(&name);
    uint8_t *bytes = malloc(LARGE);
    assert_non_null(bytes);
    for (size_t i = 0; i < LARGE; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    binary = (mesh_bytes){bytes, LARGE};
    assert_int_equal(mesh_put_binary(&out, binary), MESH_OK);
    assert_int_equal(mesh_put_atom(&name, mesh_str("probe")), MESH_OK);
    message = (struct control){.kind = CONTROL_SEND_NAME,
                               .from = our_pid(c, &pid),
                               .to = mesh_buf_term(&name),
                               .message = mesh_buf_term(&out)};
    link_send(&c->link, &message);
    char wanted[64];
    snprintf(wanted, sizeof wanted, "{%d,%lu}", LARGE, (unsigned long)mesh_phash2(binary, 0));
    assert_hears(c, wanted);
    tell(c, "unregister(probe)");
    assert_hears(c, "true");
    free(bytes);
    mesh_buf_fini(&out);
    mesh_buf_fini(&pid);
    mesh_buf_fini(&name);
}

static void log_in_and_talk(struct cluster *c)
{
    another_cookie_is_refused_by_both(c);

    tell(c, "net_adm:ping('#')");
    assert_int_equal(accept_one(c), HANDSHAKE_DONE);
    assert_string_equal(c->link.handshake.peer, c->them);
    assert_true(c->link.handshake.flags == DIST_OFFERED);
    answer_is_auth(c);
    assert_hears(c, "pong");
    large_messages_go_both_ways(c);

    /* A second connection while one is up: alive, and then this one takes its place. */
    int old = c->link.fd;
    frame_reader_fini(&c->link.reader);
    assert_int_equal(dial(c), HANDSHAKE_DONE);
    struct control features;
    next_for(c, ":rex", &features); /* the first that it sends to a node that has come up */
    tell(c, "nodes() =:= ['#']");
    assert_hears(c, "true");
    close(old);
    large_messages_go_both_ways(c);
    tell(c, "nodes() =:= ['#']");
    assert_hears(c, "true");
    link_close(&c->link);
}

static void with_long_names_and_their_epmd(void **state)
{
    (void)state;
    static struct cluster c;
    if (!beam_installed())
        skip();
    start(&c, true, false);
    log_in_and_talk(&c);
    stop(&c);
}

static void with_short_names_and_our_epmd(void **state)
{
    (void)state;
    static struct cluster c;
    if (!beam_installed())
        skip();
    start(&c, false, true);
    log_in_and_talk(&c);
    stop(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_long_names_and_their_epmd),
        cmocka_unit_test(with_short_names_and_our_epmd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
