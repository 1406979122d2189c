/* The table of names, and one connection after the other. */
#include "dist/epmd_server.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "term/wire.h"

struct epmd_entry {
    struct epmd_entry *next;
    struct epmd_node node; /* its texts are in bytes */
    char bytes[];
};

void epmd_server_init(struct epmd_server *server, uint16_t port, uint32_t first_creation)
{
    *server = (struct epmd_server){.creation = first_creation, .port = port};
}

void epmd_server_fini(struct epmd_server *server)
{
    for (struct epmd_entry *next, *e = server->entries; e; e = next) {
        next = e->next;
        free(e);
    }
    server->entries = NULL;
    server->count = 0;
}

static struct epmd_entry *find(const struct epmd_server *server, mesh_bytes name)
{
    struct epmd_entry *e = server->entries;
    while (e && (e->node.name.len != name.len || memcmp(e->node.name.data, name.data, name.len) != 0))
        e = e->next;
    return e;
}

/* The creation for one more incarnation: never one of the numbers that old nodes use, nor 0, which means any. */
static uint32_t next_creation(struct epmd_server *server)
{
    if (server->creation < 4)
        server->creation = 4;
    return server->creation++;
}

static struct epmd_entry *add(struct epmd_server *server, const struct epmd_node *node)
{
    assert(node->name.len + node->extra.len <= EPMD_REQUEST_MAX_BYTES);
    struct epmd_entry *e = must_calloc(1, sizeof *e + node->name.len + node->extra.len);
    e->node = *node;
    memcpy(e->bytes, node->name.data, node->name.len);
    if (node->extra.len)
        memcpy(e->bytes + node->name.len, node->extra.data, node->extra.len);
    e->node.name.data = e->bytes;
    e->node.extra.data = e->bytes + node->name.len;
    e->next = server->entries;
    server->entries = e;
    server->count++;
    return e;
}

static void drop(struct epmd_server *server, struct epmd_entry *entry)
{
    struct epmd_entry **at = &server->entries;
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    server->count--;
    free(entry);
}

bool epmd_conn_open(struct epmd_server *server, struct epmd_conn *conn, bool local, uint64_t now_ms)
{
    if (server->waiting == EPMD_WAITING_MAX)
        return false;
    server->waiting++;
    conn->entry = NULL;
    conn->deadline_ms = now_ms + EPMD_REQUEST_TIMEOUT_MS;
    conn->len = 0;
    conn->local = local;
    conn->done = false;
    return true;
}

bool epmd_conn_expired(const struct epmd_conn *conn, uint64_t now_ms)
{
    return conn->entry == NULL && now_ms >= conn->deadline_ms;
}

bool epmd_conn_registered(const struct epmd_conn *conn, mesh_bytes *name, uint16_t *port)
{
    if (!conn->entry)
        return false;
    *name = conn->entry->node.name;
    *port = conn->entry->node.port;
    return true;
}

void epmd_conn_closed(struct epmd_server *server, struct epmd_conn *conn)
{
    if (conn->entry)
        drop(server, conn->entry);
    else
        server->waiting--;
    conn->entry = NULL;
}

static enum epmd_action refuse(struct epmd_conn *conn, enum refusal reason, enum refusal *why)
{
    conn->done = true;
    *why = reason;
    return EPMD_CLOSE;
}

/* What a reply that could not be written ends as. */
static enum epmd_action finish(struct epmd_conn *conn, int error, enum epmd_action action, enum refusal *why)
{
    return error ? refuse(conn, REFUSAL_MEMORY, why) : action;
}

static enum epmd_action do_register(struct epmd_server *server, struct epmd_conn *conn, const struct epmd_node *node,
                                    mesh_buf *out, enum refusal *why)
{
    if (!conn->local)
        return refuse(conn, REFUSAL_REMOTE, why);
    bool taken = find(server, node->name) != NULL;
    if (!taken && server->count == EPMD_NODES_MAX)
        return refuse(conn, REFUSAL_FULL, why);
    uint32_t creation = taken ? 0 : next_creation(server);
    int error = epmd_put_registered(out, taken, creation, node->highest);
    if (taken || error)
        return finish(conn, error, EPMD_CLOSE, why);
    conn->entry = add(server, node);
    server->waiting--;
    return EPMD_KEEP;
}

static enum epmd_action do_names(const struct epmd_server *server, struct epmd_conn *conn, mesh_buf *out,
                                 enum refusal *why)
{
    uint8_t port[4];
    wire_put_u32(port, server->port);
    int error = mesh_buf_append(out, port, sizeof port);
    for (const struct epmd_entry *e = server->entries; e && !error; e = e->next)
        error = epmd_put_name_line(out, &e->node);
    return finish(conn, error, EPMD_CLOSE, why);
}

/* As the original: it stops only while no node is registered. */
static enum epmd_action do_kill(const struct epmd_server *server, struct epmd_conn *conn, mesh_buf *out,
                                enum refusal *why)
{
    if (!conn->local)
        return refuse(conn, REFUSAL_REMOTE, why);
    bool idle = server->count == 0;
    int error = mesh_buf_append(out, idle ? "OK" : "NO", 2);
    return finish(conn, error, idle ? EPMD_STOP : EPMD_CLOSE, why);
}

static enum epmd_action answer(struct epmd_server *server, struct epmd_conn *conn, const struct epmd_request *request,
                               mesh_buf *out, enum refusal *why)
{
    const struct epmd_entry *found;
    conn->done = true;
    switch (request->op) {
    case EPMD_REGISTER:
        return do_register(server, conn, &request->node, out, why);
    case EPMD_LOOKUP:
        found = find(server, request->node.name);
        return finish(conn, epmd_put_found(out, found ? &found->node : NULL), EPMD_CLOSE, why);
    case EPMD_KILL:
        return do_kill(server, conn, out, why);
    default:
        return do_names(server, conn, out, why);
    }
}

/* The length of the request without its own two bytes, once they are there. */
static size_t announced(const struct epmd_conn *conn)
{
    return wire_u16(conn->request);
}

enum epmd_action epmd_conn_feed(struct epmd_server *server, struct epmd_conn *conn, mesh_bytes in, uint64_t now_ms,
                                mesh_buf *out, enum refusal *why)
{
    struct epmd_request request;
    const uint8_t *bytes = in.data;
    *why = REFUSAL_NONE;
    if (in.len == 0)
        return EPMD_WAIT;
    if (conn->done) /* one request a connection */
        return refuse(conn, REFUSAL_UNEXPECTED, why);
    if (epmd_conn_expired(conn, now_ms))
        return refuse(conn, REFUSAL_TIMEOUT, why);
    for (size_t used = 0; used < in.len; used++) {
        conn->request[conn->len++] = bytes[used];
        if (conn->len < 2)
            continue;
        if (announced(conn) == 0 || announced(conn) > EPMD_REQUEST_MAX_BYTES)
            return refuse(conn, REFUSAL_LENGTH, why);
        if (conn->len < 2 + announced(conn))
            continue;
        if (used + 1 < in.len)
            return refuse(conn, REFUSAL_UNEXPECTED, why);
        enum refusal reason = epmd_read_request((mesh_bytes){conn->request + 2, announced(conn)}, &request);
        return reason ? refuse(conn, reason, why) : answer(server, conn, &request, out, why);
    }
    return EPMD_WAIT;
}
