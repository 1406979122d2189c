/* The socket of the gossip strategy: one UDP socket that receives and sends.
 *
 * - SO_REUSEADDR, so that several nodes of one machine share the port, libcluster's among them.
 * - Bound to 0.0.0.0 or the group. The membership is on multicast_if, and packets leave by it; loopback of multicast is
 *   on, for the other nodes of this machine. So multicast_if 127.0.0.1 is a cluster on one machine, without a route.
 * - Broadcast is allowed, as libcluster has it, and with broadcast_only there is no membership.
 *
 * Packets are read into one small buffer; what does not fit is too long anyway. Sending never waits and never queues:
 * a packet that the kernel does not take is counted, and the next one follows in seconds. */
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "base/alloc.h"
#include "discovery/drive_io.h"
#include "discovery/gossip.h"

struct gossip_io {
    struct discovery base;
    uv_udp_t socket;
    struct sockaddr_in target;
    bool failing;                               /* the last packet could not be sent */
    char received[GOSSIP_PACKET_MAX_BYTES + 1]; /* one byte more than any good packet */
};

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct gossip_io *io = handle->data;
    (void)suggested;
    *buf = uv_buf_init(io->received, sizeof io->received);
}

static void on_packet(uv_udp_t *socket, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
    struct gossip_io *io = socket->data;
    (void)flags;               /* a packet that was cut fills the buffer, and so is too long */
    if (from == NULL || n < 0) /* nothing more to read, or an error of an earlier send (ICMP) */
        return;
    gossip_receive(io->base.source, (mesh_bytes){buf->base, (size_t)n}, drive_now_ms(&io->base));
    drive_soon(&io->base);
}

static void perform(struct discovery *d, const struct action *action)
{
    struct gossip_io *io = (struct gossip_io *)d;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)action->packet.data, (unsigned)action->packet.len);
    int n = uv_udp_try_send(&io->socket, &buf, 1, (const struct sockaddr *)&io->target);
    if (n < 0)
        gossip_send_failed(d->source);
    if (n < 0 && !io->failing && d->env.logger != NULL) /* once, until one is sent again */
        log_write(d->env.logger, MESH_LOG_WARN, "gossip cannot send", log_bytes("why", mesh_str(uv_strerror(n))));
    io->failing = n < 0;
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct gossip_io *io = handle->data;
    drive_release(&io->base);
}

static void close_socket(struct discovery *d)
{
    uv_close((uv_handle_t *)&((struct gossip_io *)d)->socket, on_socket_closed);
}

static const struct drive_ops ops = {.perform = perform, .close = close_socket};

static struct sockaddr_in address_of(const uint8_t ip[4], uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&address.sin_addr, ip, 4);
    return address;
}

/* One step of setting up: what it is about for people, and libuv's error. */
static int step(int error, const char *option, const char *value, struct discovery_reason *reason)
{
    if (error == 0)
        return MESH_OK;
    reason_say(reason, "gossip: %s %s: %s", option, value, uv_strerror(error));
    return MESH_ESYSTEM;
}

static int join(struct gossip_io *io, const mesh_gossip_options *o, uint8_t ttl, struct discovery_reason *reason)
{
    const char *group = o->multicast_addr != NULL ? o->multicast_addr : GOSSIP_MULTICAST_ADDR;
    int error = step(uv_udp_set_membership(&io->socket, group, o->multicast_if, UV_JOIN_GROUP), "multicast_addr", group,
                     reason);
    if (error == MESH_OK && o->multicast_if != NULL)
        error =
            step(uv_udp_set_multicast_interface(&io->socket, o->multicast_if), "multicast_if", o->multicast_if, reason);
    if (error == MESH_OK)
        error = step(uv_udp_set_multicast_ttl(&io->socket, ttl), "multicast_ttl", "", reason);
    return error == MESH_OK ? step(uv_udp_set_multicast_loop(&io->socket, 1), "multicast loopback", "", reason) : error;
}

static int open_socket(struct gossip_io *io, const mesh_gossip_options *o, const struct gossip_addresses *a,
                       struct discovery_reason *reason)
{
    struct sockaddr_in local = address_of(a->if_addr, a->port);
    char port[16];
    snprintf(port, sizeof port, "%u", (unsigned)a->port);
    int error = step(uv_udp_bind(&io->socket, (const struct sockaddr *)&local, UV_UDP_REUSEADDR), "port", port, reason);
    if (error == MESH_OK)
        error = step(uv_udp_set_broadcast(&io->socket, 1), "broadcast", "", reason);
    if (error == MESH_OK && !o->broadcast_only)
        error = join(io, o, a->ttl, reason);
    if (error == MESH_OK)
        error = step(uv_udp_recv_start(&io->socket, give_buffer, on_packet), "port", port, reason);
    return error;
}

static int check(const void *options, struct discovery_reason *reason)
{
    return gossip_options_check(options, NULL, reason);
}

static int start(const struct discovery_env *given, const void *options, struct discovery **out,
                 struct discovery_reason *reason)
{
    const mesh_gossip_options *o = options;
    struct discovery_env env = drive_env(given);
    struct gossip_addresses addresses;
    struct source *source;
    int error = gossip_options_check(o, &addresses, reason);
    if (error != MESH_OK)
        return error;
    error = gossip_create(&env, o, &source);
    if (error != MESH_OK)
        return drive_refuse("gossip", given, error, reason);
    struct gossip_io *io = must_calloc(1, sizeof *io);
    io->target = address_of(addresses.multicast_addr, addresses.port);
    io->socket.data = io;
    drive_open(&io->base, &ops, &env, source);
    drive_hold(&io->base);
    uv_udp_init(env.loop, &io->socket); /* opens nothing yet, and so cannot fail */
    error = open_socket(io, o, &addresses, reason);
    if (error != MESH_OK) {
        drive_close(&io->base, NULL, NULL);
        return error;
    }
    *out = &io->base;
    return MESH_OK;
}

const struct discovery_strategy discovery_gossip = {
    .name = "gossip", .check = check, .start = start, .stop = drive_close, .counts = drive_counts};
