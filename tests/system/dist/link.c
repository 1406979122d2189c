/* The driver of the tests: read, feed, write. */
#include "system/dist/link.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "system/dist/beam.h"
#include "unit/check.h"

static void await(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    if (poll(&p, 1, BEAM_DEADLINE_MS) != 1)
        fail_msg("the peer is silent");
}

/* What the peer has sent; 0 when it has closed. */
static size_t receive(int fd, void *into, size_t size)
{
    await(fd, POLLIN);
    ssize_t n = recv(fd, into, size, 0);
    return n > 0 ? (size_t)n : 0;
}

static void transmit(int fd, mesh_bytes bytes)
{
    const char *p = bytes.data;
    for (size_t sent = 0; sent < bytes.len;) {
        ssize_t n = send(fd, p + sent, bytes.len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the peer has closed: reading will tell */
        sent += (size_t)n;
    }
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static int open_to(uint16_t port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

int link_ask_epmd(uint16_t port, const mesh_buf *request, mesh_buf *reply, size_t enough, bool keep)
{
    uint8_t chunk[512];
    size_t n;
    int fd = open_to(port);
    transmit(fd, mesh_buf_bytes(request));
    while (reply->len < enough && (n = receive(fd, chunk, sizeof chunk)) > 0)
        assert_int_equal(mesh_buf_append(reply, chunk, n), MESH_OK);
    if (keep)
        return fd;
    close(fd);
    return -1;
}

static mesh_bytes alive_part(const char *name)
{
    return (mesh_bytes){name, strcspn(name, "@")};
}

int link_register(uint16_t epmd_port, const char *name, uint16_t port, uint32_t *creation)
{
    mesh_buf request, reply;
    enum refusal why = REFUSAL_NONE;
    const struct epmd_node us = {alive_part(name), {NULL, 0}, port, EPMD_VISIBLE, 0, 6, 6};
    mesh_buf_init(&request);
    mesh_buf_init(&reply);
    assert_int_equal(epmd_put_register(&request, &us), MESH_OK);
    int registration = link_ask_epmd(epmd_port, &request, &reply, 6, true);
    assert_int_equal(epmd_read_register(mesh_buf_bytes(&reply), creation, &why), EPMD_COMPLETE);
    mesh_buf_fini(&request);
    mesh_buf_fini(&reply);
    return registration;
}

uint16_t link_look_up(uint16_t epmd_port, const char *name)
{
    mesh_buf request, reply;
    enum refusal why = REFUSAL_NONE;
    struct epmd_node found;
    mesh_buf_init(&request);
    mesh_buf_init(&reply);
    assert_int_equal(epmd_put_lookup(&request, alive_part(name)), MESH_OK);
    link_ask_epmd(epmd_port, &request, &reply, EPMD_REQUEST_MAX_BYTES, false);
    const enum epmd_read result = epmd_read_lookup(mesh_buf_bytes(&reply), alive_part(name), &found, &why);
    uint16_t port = result == EPMD_COMPLETE ? found.port : 0;
    mesh_buf_fini(&request);
    mesh_buf_fini(&reply);
    return port;
}

int link_listen(uint16_t *port)
{
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void start(struct link *link, int fd)
{
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    link->fd = fd;
    link->left = (mesh_bytes){NULL, 0};
    link->sequence = 0;
    frame_reader_init(&link->reader, NULL);
}

void link_connect(struct link *link, uint16_t port)
{
    start(link, open_to(port));
}

void link_accept(struct link *link, int listener)
{
    await(listener, POLLIN);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    start(link, fd);
}

void link_close(struct link *link)
{
    close(link->fd);
    frame_reader_fini(&link->reader);
}

/* Reads more, if nothing is left; false when the peer has closed. */
static bool refill(struct link *link)
{
    if (link->left.len > 0)
        return true;
    size_t n = receive(link->fd, link->bytes, sizeof link->bytes);
    link->left = (mesh_bytes){link->bytes, n};
    return n > 0;
}

enum handshake_event link_shake(struct link *link)
{
    struct handshake *h = &link->handshake;
    enum handshake_event event = HANDSHAKE_MORE;
    for (;;) {
        transmit(link->fd, handshake_output(h));
        if (event == HANDSHAKE_DONE || event == HANDSHAKE_FAILED)
            return event;
        if (!refill(link))
            return HANDSHAKE_FAILED;
        event = handshake_feed(h, &link->left, beam_now_ms());
        if (event == HANDSHAKE_NAMED)
            event = handshake_answer(h, HANDSHAKE_OK);
        else if (event == HANDSHAKE_ASKED)
            event = handshake_insist(h, true);
        else if (event == HANDSHAKE_PROVEN)
            event = handshake_finish(h);
    }
}

bool link_next(struct link *link, struct control *out)
{
    enum refusal why = REFUSAL_NONE;
    for (;;) {
        enum frame_event event = frame_read(&link->reader, &link->left, &link->frame, &why);
        if (event == FRAME_REFUSED)
            fail_msg("refused a packet: %s", refusal_text(why));
        if (event == FRAME_MESSAGE) {
            why = control_read(link->frame.body, mesh_str(link->handshake.peer), NULL, out);
            if (why)
                fail_msg("refused a message: %s", refusal_text(why));
            return true;
        }
        if (event == FRAME_MORE && !refill(link))
            return false;
    }
}

void link_send(struct link *link, const struct control *control)
{
    mesh_buf tuple, packet_bytes;
    mesh_bytes message;
    struct frame_writer writer;
    struct frame_packet packet;
    mesh_buf_init(&tuple);
    mesh_buf_init(&packet_bytes);
    assert_int_equal(control_put(&tuple, control, link->handshake.flags, &message), MESH_OK);
    assert_int_equal(frame_writer_init(&writer, mesh_buf_bytes(&tuple), message, ++link->sequence), MESH_OK);
    while (frame_writer_next(&writer, &packet)) {
        mesh_buf_clear(&packet_bytes);
        mesh_buf_append(&packet_bytes, packet.header, packet.header_len);
        mesh_buf_append(&packet_bytes, packet.control.data, packet.control.len);
        assert_int_equal(mesh_buf_append(&packet_bytes, packet.message.data, packet.message.len), MESH_OK);
        transmit(link->fd, mesh_buf_bytes(&packet_bytes));
        if (writer.left > 0)
            transmit(link->fd, (mesh_bytes){FRAME_TICK_BYTES, 4}); /* a tick between fragments */
    }
    mesh_buf_fini(&tuple);
    mesh_buf_fini(&packet_bytes);
}
