/* The messages that all services send. */
#include "dist/service.h"

#include <stdio.h>

#include "term/head.h"

mesh_pid service_pid(const struct service *s, uint64_t number)
{
    mesh_pid pid = {.number = number, .creation = s->creation};
    memcpy(pid.node, s->self, sizeof s->self);
    return pid;
}

int service_put_pid(const struct service *s, mesh_buf *buf, uint64_t number)
{
    const mesh_pid pid = service_pid(s, number);
    return mesh_put_pid(buf, &pid);
}

enum mesh_type service_type(mesh_term term)
{
    const mesh_reader r = mesh_reader_of(term);
    return mesh_read_type(&r);
}

bool service_is_own(const struct service *s, mesh_term term, uint64_t *number)
{
    mesh_reader r = mesh_reader_of(term);
    mesh_pid pid;
    if (mesh_read_pid(&r, &pid) != MESH_OK || pid.creation != s->creation || strcmp(pid.node, s->self) != 0)
        return false;
    *number = pid.number;
    return true;
}

mesh_bytes service_node(mesh_term term)
{
    const mesh_bytes none = {NULL, 0};
    struct head h, node;
    const uint8_t *end = term.data + term.len;
    if (term.len == 0 || head_read(term.data, end, &h) != MESH_OK)
        return none;
    if ((h.type != MESH_TYPE_PID && h.type != MESH_TYPE_REF) || head_read(h.data, h.next, &node) != MESH_OK)
        return none;
    return (mesh_bytes){node.data, node.count};
}

static void emit(const struct service *s, mesh_bytes peer, int built, const struct control *message)
{
    if (built == MESH_OK)
        s->actions->send(s->context, peer, message);
    else
        s->actions->disconnect(s->context, peer);
}

void service_send(const struct service *s, mesh_bytes peer, uint64_t from, mesh_term to, int built, mesh_buf *message)
{
    mesh_buf pid;
    mesh_buf_init(&pid);
    struct control c = {.kind = CONTROL_SEND, .to = to};
    if (service_type(to) == MESH_TYPE_ATOM)
        c.kind = CONTROL_SEND_NAME;
    else if (service_type(to) == MESH_TYPE_REF)
        c.kind = CONTROL_SEND_ALIAS;
    if (built == MESH_OK)
        built = service_put_pid(s, &pid, from);
    c.from = mesh_buf_term(&pid);
    c.message = mesh_buf_term(message);
    emit(s, peer, built, &c);
    mesh_buf_fini(&pid);
    mesh_buf_fini(message);
}

void service_send_name(const struct service *s, mesh_bytes peer, uint64_t from, const char *name, int built,
                       mesh_buf *message)
{
    mesh_buf atom;
    mesh_buf_init(&atom);
    if (built == MESH_OK)
        built = mesh_put_atom(&atom, mesh_str(name));
    service_send(s, peer, from, mesh_buf_term(&atom), built, message);
    mesh_buf_fini(&atom);
}

bool service_is_call(mesh_term message, struct service_call *out)
{
    struct service_call call;
    if (mesh_match(message, "{:\"$gen_call\", {~t, ~t}, ~t}", &call.from, &call.tag, &call.request) != MESH_OK ||
        service_type(call.from) != MESH_TYPE_PID)
        return false;
    *out = call;
    return true;
}

/* Where the reply goes: the alias that the tag names, if any, else the process. */
static mesh_term reply_to(const struct service_call *call)
{
    mesh_term alias = {NULL, 0, NULL};
    if ((mesh_match(call->tag, "[:alias | ~t]", &alias) == MESH_OK ||
         mesh_match(call->tag, "[[:alias | ~t] | _]", &alias) == MESH_OK) &&
        service_type(alias) == MESH_TYPE_REF)
        return alias;
    mesh_term_release(&alias);
    return call->from;
}

void service_reply(const struct service *s, mesh_bytes peer, uint64_t from, const struct service_call *call, int built,
                   mesh_buf *value)
{
    mesh_buf message;
    mesh_buf_init(&message);
    if (built == MESH_OK)
        built = mesh_build(&message, "{~t, ~t}", call->tag, mesh_buf_term(value));
    service_send(s, peer, from, reply_to(call), built, &message);
    mesh_buf_fini(value);
}

void service_noproc(const struct service *s, mesh_bytes peer, const struct control *asked)
{
    mesh_buf reason;
    mesh_buf_init(&reason);
    int built = mesh_put_atom(&reason, mesh_str("noproc"));
    const struct control c = {.kind = asked->kind == CONTROL_MONITOR ? CONTROL_DOWN : CONTROL_EXIT,
                              .from = asked->to,
                              .to = asked->from,
                              .ref = asked->ref,
                              .message = mesh_buf_term(&reason)};
    emit(s, peer, built, &c);
    mesh_buf_fini(&reason);
}
