/* Writing control messages. Which of the older and newer forms is right depends on the flags that were negotiated. */
#include "dist/control.h"

#include "dist/flags.h"

static int put_op(mesh_buf *out, uint32_t arity, uint32_t op)
{
    int error = mesh_put_tuple(out, arity);
    return error ? error : mesh_put_uint(out, op);
}

/* The operation and up to three terms. Missing ones (of length 0) are MESH_EINVAL. */
static int put_terms(mesh_buf *out, uint32_t op, const mesh_term *terms, uint32_t count)
{
    int error = put_op(out, 1 + count, op);
    for (uint32_t i = 0; i < count && !error; i++)
        error = mesh_put_term(out, terms[i]);
    return error;
}

/* {Op, Unused, To}: unused is an atom without a name. */
static int put_send_old(mesh_buf *out, const struct control *c)
{
    int error = put_op(out, 3, 2);
    if (!error)
        error = mesh_put_atom(out, mesh_str(""));
    return error ? error : mesh_put_term(out, c->to);
}

static int put_send_name(mesh_buf *out, const struct control *c)
{
    int error = put_op(out, 4, 6);
    if (!error)
        error = mesh_put_term(out, c->from);
    if (!error)
        error = mesh_put_atom(out, mesh_str(""));
    return error ? error : mesh_put_term(out, c->to);
}

static int put_unlink(mesh_buf *out, const struct control *c, uint32_t op)
{
    int error = c->id == 0 ? MESH_EINVAL : put_op(out, 4, op);
    if (!error)
        error = mesh_put_uint(out, c->id);
    if (!error)
        error = mesh_put_term(out, c->from);
    return error ? error : mesh_put_term(out, c->to);
}

/* A signal with a reason: as the message behind the tuple, or as its last element for peers that do not know that. */
static int put_reason(mesh_buf *out, const struct control *c, uint64_t flags, uint32_t op, uint32_t payload_op)
{
    mesh_term terms[4] = {c->from, c->to};
    uint32_t count = 2;
    if (c->kind == CONTROL_DOWN)
        terms[count++] = c->ref;
    if (flags & DIST_EXIT_PAYLOAD)
        return put_terms(out, payload_op, terms, count);
    terms[count++] = c->message;
    return put_terms(out, op, terms, count);
}

static bool is_pid(mesh_term term)
{
    mesh_reader r = mesh_reader_of(term);
    return mesh_read_type(&r) == MESH_TYPE_PID;
}

static int put_spawn(mesh_buf *out, const struct control *c)
{
    const mesh_term terms[] = {c->ref, c->from, c->leader};
    int error = put_op(out, 6, 29);
    for (int i = 0; i < 3 && !error; i++)
        error = mesh_put_term(out, terms[i]);
    if (!error)
        error = mesh_put_tuple(out, 3);
    if (!error)
        error = mesh_put_atom(out, c->module);
    if (!error)
        error = mesh_put_atom(out, c->function);
    if (!error)
        error = mesh_put_uint(out, c->arity);
    return error ? error : mesh_put_term(out, c->options);
}

static int put_spawn_reply(mesh_buf *out, const struct control *c)
{
    int error = put_op(out, 5, 31);
    if (!error)
        error = mesh_put_term(out, c->ref);
    if (!error)
        error = mesh_put_term(out, c->to);
    if (!error)
        error = mesh_put_uint(out, c->flags);
    return error ? error : mesh_put_term(out, c->result);
}

static int put_tuple(mesh_buf *out, const struct control *c, uint64_t flags)
{
    const mesh_term pair[] = {c->from, c->to};
    const mesh_term monitor[] = {c->from, c->to, c->ref};
    switch (c->kind) {
    case CONTROL_SEND:
        return flags & DIST_SEND_SENDER && c->from.len > 0 ? put_terms(out, 22, pair, 2) : put_send_old(out, c);
    case CONTROL_SEND_NAME:
        return put_send_name(out, c);
    case CONTROL_SEND_ALIAS:
        return flags & DIST_ALIAS ? put_terms(out, 33, pair, 2) : MESH_EINVAL;
    case CONTROL_LINK:
        return put_terms(out, 1, pair, 2);
    case CONTROL_UNLINK:
        return put_unlink(out, c, 35);
    case CONTROL_UNLINK_ACK:
        return put_unlink(out, c, 36);
    case CONTROL_EXIT:
        return put_reason(out, c, flags, 3, 24);
    case CONTROL_EXIT2:
        return is_pid(c->to) ? put_reason(out, c, flags, 8, 26) : MESH_EINVAL;
    case CONTROL_MONITOR:
        return put_terms(out, 19, monitor, 3);
    case CONTROL_DEMONITOR:
        return put_terms(out, 20, monitor, 3);
    case CONTROL_DOWN:
        return put_reason(out, c, flags, 21, 28);
    case CONTROL_SPAWN:
        return put_spawn(out, c);
    case CONTROL_SPAWN_REPLY:
        return put_spawn_reply(out, c);
    default:
        return MESH_EINVAL;
    }
}

/* Whether the message goes behind the tuple. */
static bool has_message(enum control_kind kind, uint64_t flags)
{
    switch (kind) {
    case CONTROL_SEND:
    case CONTROL_SEND_NAME:
    case CONTROL_SEND_ALIAS:
    case CONTROL_SPAWN:
        return true;
    case CONTROL_EXIT:
    case CONTROL_EXIT2:
    case CONTROL_DOWN:
        return flags & DIST_EXIT_PAYLOAD;
    default:
        return false;
    }
}

int control_put(mesh_buf *out, const struct control *c, uint64_t flags, mesh_bytes *message)
{
    size_t before = out->len;
    bool behind = has_message(c->kind, flags);
    int error = behind && c->message.len == 0 ? MESH_EINVAL : put_tuple(out, c, flags);
    if (error) {
        out->len = before;
        return error;
    }
    *message = behind ? (mesh_bytes){c->message.data, c->message.len} : (mesh_bytes){NULL, 0};
    return MESH_OK;
}
