/* The bytes of epmd's requests and replies: the table is in epmd.h. */
#include "dist/epmd.h"

#include <stdio.h>
#include <stdlib.h>

#include "dist/cursor.h"
#include "dist/names.h"

enum {
    REPLY_REGISTERED_16 = 121,
    REPLY_REGISTERED_32 = 118,
    REPLY_FOUND = 119,
    FIXED_NODE_BYTES = 8, /* port, type, protocol, highest, lowest */
};

/* The number that a text is; 0 when it is none that a port can have. */
static uint16_t read_port(const char *text, size_t len)
{
    uint32_t port = 0;
    if (len < 1 || len > 5)
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        port = 10 * port + (uint32_t)(text[i] - '0');
    }
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

bool epmd_port(uint16_t option, uint16_t *port, const char **text)
{
    *text = getenv("ERL_EPMD_PORT");
    uint16_t number = option ? option : EPMD_PORT;
    if (option == 0 && *text != NULL && **text != '\0')
        number = read_port(*text, strlen(*text));
    if (number != 0)
        *port = number;
    return number != 0;
}

/* ---- what requests and replies share ----------------------------------------------------------------------------- */

static mesh_bytes read_counted(struct cursor *c)
{
    return cursor_bytes(c, cursor_u16(c));
}

static void read_node(struct cursor *c, struct epmd_node *node)
{
    node->port = cursor_u16(c);
    node->type = cursor_u8(c);
    node->protocol = cursor_u8(c);
    node->highest = cursor_u16(c);
    node->lowest = cursor_u16(c);
    node->name = read_counted(c);
    node->extra = read_counted(c);
}

static uint8_t *put_counted(uint8_t *p, mesh_bytes bytes)
{
    wire_put_u16(p, (uint16_t)bytes.len);
    if (bytes.len)
        memcpy(p + 2, bytes.data, bytes.len);
    return p + 2 + bytes.len;
}

static size_t node_bytes(const struct epmd_node *node)
{
    return FIXED_NODE_BYTES + 2 + node->name.len + 2 + node->extra.len;
}

static void put_node(uint8_t *p, const struct epmd_node *node)
{
    wire_put_u16(p, node->port);
    p[2] = node->type;
    p[3] = node->protocol;
    wire_put_u16(p + 4, node->highest);
    wire_put_u16(p + 6, node->lowest);
    put_counted(put_counted(p + FIXED_NODE_BYTES, node->name), node->extra);
}

/* Room for len bytes, which the caller writes; NULL with *error. */
static uint8_t *grow(mesh_buf *out, size_t len, int *error)
{
    *error = mesh_buf_reserve(out, len);
    if (*error)
        return NULL;
    out->len += len;
    return out->data + out->len - len;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

int epmd_put_register(mesh_buf *out, const struct epmd_node *node)
{
    int error;
    if (!names_alive(node->name))
        return MESH_EBADNAME;
    if (node->extra.len > EPMD_EXTRA_MAX_BYTES)
        return MESH_EINVAL;
    size_t len = 1 + node_bytes(node);
    uint8_t *p = grow(out, 2 + len, &error);
    if (p) {
        wire_put_u16(p, (uint16_t)len);
        p[2] = EPMD_REGISTER;
        put_node(p + 3, node);
    }
    return error;
}

int epmd_put_lookup(mesh_buf *out, mesh_bytes name)
{
    int error;
    if (!names_alive(name))
        return MESH_EBADNAME;
    uint8_t *p = grow(out, 3 + name.len, &error);
    if (p) {
        wire_put_u16(p, (uint16_t)(1 + name.len));
        p[2] = EPMD_LOOKUP;
        memcpy(p + 3, name.data, name.len);
    }
    return error;
}

int epmd_put_names(mesh_buf *out)
{
    const uint8_t request[] = {0, 1, EPMD_NAMES};
    return mesh_buf_append(out, request, sizeof request);
}

enum refusal epmd_read_request(mesh_bytes body, struct epmd_request *out)
{
    struct cursor c = cursor_of(body);
    struct epmd_request request = {.op = EPMD_NAMES};
    if (body.len == 0 || body.len > EPMD_REQUEST_MAX_BYTES)
        return REFUSAL_LENGTH;
    switch (cursor_u8(&c)) {
    case EPMD_REGISTER:
        request.op = EPMD_REGISTER;
        read_node(&c, &request.node);
        if (c.failed || cursor_left(&c) > 0 || request.node.port == 0)
            return REFUSAL_MALFORMED;
        if (request.node.extra.len > EPMD_EXTRA_MAX_BYTES)
            return REFUSAL_LENGTH;
        break;
    case EPMD_LOOKUP:
        request.op = EPMD_LOOKUP;
        request.node.name = cursor_rest(&c);
        break;
    case EPMD_NAMES:
    case EPMD_KILL:
        request.op = body.len == 1 ? *(const uint8_t *)body.data : 0;
        if (body.len != 1)
            return REFUSAL_MALFORMED;
        *out = request;
        return REFUSAL_NONE;
    default:
        return REFUSAL_UNEXPECTED;
    }
    if (!names_alive(request.node.name))
        return REFUSAL_NAME;
    *out = request;
    return REFUSAL_NONE;
}

/* ---- replies ----------------------------------------------------------------------------------------------------- */

int epmd_put_registered(mesh_buf *out, bool taken, uint32_t creation, uint16_t highest)
{
    uint8_t reply[6] = {highest >= 6 ? REPLY_REGISTERED_32 : REPLY_REGISTERED_16, taken};
    if (highest < 6) {
        wire_put_u16(reply + 2, (uint16_t)(creation % 3 + 1));
        return mesh_buf_append(out, reply, 4);
    }
    wire_put_u32(reply + 2, creation);
    return mesh_buf_append(out, reply, 6);
}

int epmd_put_found(mesh_buf *out, const struct epmd_node *node)
{
    int error;
    uint8_t *p = grow(out, node ? 2 + node_bytes(node) : 2, &error);
    if (p) {
        p[0] = REPLY_FOUND;
        p[1] = node == NULL;
        if (node)
            put_node(p + 2, node);
    }
    return error;
}

int epmd_put_name_line(mesh_buf *out, const struct epmd_node *node)
{
    char port[32];
    int len = snprintf(port, sizeof port, " at port %u\n", (unsigned)node->port);
    int error = mesh_buf_reserve(out, 5 + node->name.len + (size_t)len);
    if (error)
        return error;
    mesh_buf_append(out, "name ", 5);
    mesh_buf_append(out, node->name.data, node->name.len);
    return mesh_buf_append(out, port, (size_t)len);
}

static enum epmd_read refuse(enum refusal *why, enum refusal reason)
{
    *why = reason;
    return EPMD_REFUSED;
}

enum epmd_read epmd_read_register(mesh_bytes reply, uint32_t *creation, enum refusal *why)
{
    struct cursor c = cursor_of(reply);
    uint8_t tag = cursor_u8(&c);
    if (reply.len > 0 && tag != REPLY_REGISTERED_16 && tag != REPLY_REGISTERED_32)
        return refuse(why, REFUSAL_UNEXPECTED);
    uint8_t result = cursor_u8(&c);
    uint32_t value = tag == REPLY_REGISTERED_32 ? cursor_u32(&c) : cursor_u16(&c);
    if (c.failed)
        return EPMD_MORE;
    if (cursor_left(&c) > 0)
        return refuse(why, REFUSAL_LENGTH);
    if (result != 0)
        return EPMD_DENIED;
    if (value == 0) /* means "any creation" in a pid */
        return refuse(why, REFUSAL_MALFORMED);
    *creation = value;
    return EPMD_COMPLETE;
}

enum epmd_read epmd_read_lookup(mesh_bytes reply, mesh_bytes name, struct epmd_node *node, enum refusal *why)
{
    struct cursor c = cursor_of(reply);
    struct epmd_node found;
    if (cursor_u8(&c) != REPLY_FOUND)
        return c.failed ? EPMD_MORE : refuse(why, REFUSAL_UNEXPECTED);
    uint8_t result = cursor_u8(&c);
    if (c.failed)
        return EPMD_MORE;
    if (result != 0)
        return EPMD_DENIED;
    read_node(&c, &found);
    if (c.failed)
        return reply.len > 1 + EPMD_REQUEST_MAX_BYTES ? refuse(why, REFUSAL_LENGTH) : EPMD_MORE;
    if (cursor_left(&c) > 0 || found.port == 0)
        return refuse(why, REFUSAL_MALFORMED);
    if (found.name.len != name.len || memcmp(found.name.data, name.data, name.len) != 0)
        return refuse(why, REFUSAL_OTHER_NAME);
    *node = found;
    return EPMD_COMPLETE;
}

enum epmd_read epmd_read_names(mesh_bytes reply, mesh_bytes *text, enum refusal *why)
{
    struct cursor c = cursor_of(reply);
    if (reply.len > EPMD_NAMES_MAX_BYTES)
        return refuse(why, REFUSAL_LENGTH);
    cursor_u32(&c);
    mesh_bytes rest = cursor_rest(&c);
    if (c.failed || (rest.len > 0 && ((const char *)rest.data)[rest.len - 1] != '\n'))
        return refuse(why, REFUSAL_MALFORMED);
    *text = rest;
    return EPMD_COMPLETE;
}

/* One line without its end. A name has no control characters, but it may have spaces: the last " at port " counts. */
static bool read_line(mesh_bytes line, mesh_bytes *name, uint16_t *port)
{
    static const char head[] = "name ", middle[] = " at port ";
    const size_t head_len = sizeof head - 1, middle_len = sizeof middle - 1;
    const char *text = line.data;
    if (line.len < head_len + middle_len || memcmp(text, head, head_len) != 0)
        return false;
    for (size_t at = line.len - middle_len; at >= head_len; at--) {
        if (memcmp(text + at, middle, middle_len) != 0)
            continue;
        mesh_bytes found = {text + head_len, at - head_len};
        uint16_t number = read_port(text + at + middle_len, line.len - at - middle_len);
        if (number == 0 || !names_alive(found))
            return false;
        *name = found;
        *port = number;
        return true;
    }
    return false;
}

bool epmd_next_name(mesh_bytes *text, mesh_bytes *name, uint16_t *port, uint32_t *bad)
{
    while (text->len > 0) {
        const char *data = text->data;
        const char *end = memchr(data, '\n', text->len);
        mesh_bytes line = {data, end ? (size_t)(end - data) : text->len};
        size_t step = line.len + (end != NULL);
        text->data = data + step;
        text->len -= step;
        if (read_line(line, name, port))
            return true;
        if (bad != NULL)
            ++*bad;
    }
    return false;
}
