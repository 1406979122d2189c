/* Requests of other nodes in the form of gen_server: to processes, and to the name `mesh`. See foreign_state.h.
 *
 * A call is one of the runtime, whose answer is sent at once: a process that answers and ends has answered first. What
 * cannot be answered with a value is not answered by a process, as in OTP: there the caller's monitor tells of the end
 * of the process. The name `mesh` answers everything:
 *
 *     {call, Capability, Module, Id, Payload}            {ok, Pid, Reply} | {error, Reason}
 *     {call, Capability, Module, Id, Payload, InitArg}
 *     {cast, Capability, Module, Id, Payload}            as a cast: nothing
 *     {cast, Capability, Module, Id, Payload, InitArg} */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "node/foreign_state.h"

/* A call that is being handled. */
struct asked {
    struct foreign *foreign;
    uint64_t number; /* of the process that answers */
    size_t from_len, tag_len;
    uint8_t bytes[]; /* from and tag */
};

/* ---- replies ---- */

static void on_disconnect(void *context, mesh_bytes peer)
{
    (void)peer; /* memory was refused: the caller waits in vain, which his time-out is for */
    count_dropped(context);
}

/* service_reply gives what it has made to this. A caller may be of this node, when a request was passed on. */
static void on_send(void *context, mesh_bytes peer, const struct control *message)
{
    struct foreign *f = context;
    uint64_t sender = 0, to;
    service_is_own(&f->service, message->from, &sender);
    if (!service_same(peer, service_self(&f->service)))
        foreign_send_answer(f, peer, message, sender);
    else if (service_is_own(&f->service, message->to, &to) && !pids_is_abroad(to))
        signal_push(f->runtime, NULL, to, &(struct signal){.kind = MESSAGE_INFO, .term = message->message});
}

static void on_connect(void *context, mesh_bytes peer)
{
    (void)context;
    (void)peer;
}

static const struct service_actions actions = {.send = on_send, .connect = on_connect, .disconnect = on_disconnect};

void foreign_call_init(struct foreign *f)
{
    f->service = (struct service){.actions = &actions, .context = f, .creation = f->runtime->creation};
    memcpy(f->service.self, f->runtime->name, f->runtime->name_size);
}

static void reply(struct foreign *f, uint64_t from, const struct service_call *call, int built, mesh_buf *value)
{
    service_reply(&f->service, service_node(call->from), from, call, built, value);
}

/* NULL: no memory, or too many are being handled. */
static struct asked *asked_create(struct foreign *f, uint64_t number, const struct service_call *call)
{
    struct asked *a = NULL;
    if (atomic_fetch_add_explicit(&f->calls, 1, memory_order_relaxed) < f->limits.calls)
        a = malloc(sizeof *a + call->from.len + call->tag.len);
    if (a == NULL) {
        atomic_fetch_sub_explicit(&f->calls, 1, memory_order_relaxed);
        return NULL;
    }
    *a = (struct asked){.foreign = f, .number = number, .from_len = call->from.len, .tag_len = call->tag.len};
    memcpy(a->bytes, call->from.data, call->from.len);
    memcpy(a->bytes + call->from.len, call->tag.data, call->tag.len);
    return a;
}

static void asked_free(struct asked *a)
{
    atomic_fetch_sub_explicit(&a->foreign->calls, 1, memory_order_relaxed);
    free(a);
}

static struct service_call call_of(const struct asked *a)
{
    return (struct service_call){.from = {a->bytes, a->from_len, NULL},
                                 .tag = {a->bytes + a->from_len, a->tag_len, NULL}};
}

/* ---- to a process ---- */

/* In whatever thread answers, in the runtime. */
static void process_answered(void *context, int error, const mesh_result *result)
{
    struct asked *a = context;
    if (error == MESH_OK) {
        const struct service_call call = call_of(a);
        mesh_buf value;
        mesh_buf_init(&value);
        int built = mesh_put_term(&value, result->value);
        reply(a->foreign, a->number, &call, built, &value);
    }
    asked_free(a);
}

static int ask_process(struct foreign *f, struct worker *w, uint64_t number, const struct service_call *call)
{
    struct asked *a = asked_create(f, number, call);
    if (a == NULL)
        return MESH_EBUSY;
    int rc = call_serve_pid(f->runtime, w, number, call->request, process_answered, a);
    if (rc != MESH_OK)
        asked_free(a);
    return rc;
}

bool foreign_call_process(struct foreign *f, struct worker *w, uint64_t number, mesh_term message)
{
    struct service_call call;
    struct signal signal = {.kind = MESSAGE_INFO, .term = message};
    int rc;
    if (service_is_call(message, &call)) {
        rc = ask_process(f, w, number, &call);
    } else {
        if (mesh_match(message, "{:\"$gen_cast\", ~t}", &signal.term) == MESH_OK)
            signal.kind = MESSAGE_CAST;
        rc = signal_push(f->runtime, w, number, &signal);
    }
    if (rc != MESH_OK && rc != MESH_ENOPROCESS)
        count_dropped(f);
    return rc != MESH_ENOPROCESS;
}

/* ---- to the name `mesh` ---- */

/* What a request says. */
struct wanted {
    char module[MESH_NAME_SIZE], capability[MESH_NAME_SIZE];
    mesh_request request;
};

static int copy_name(mesh_bytes name, char text[MESH_NAME_SIZE])
{
    if (name.len == 0 || name.len >= MESH_NAME_SIZE || memchr(name.data, '\0', name.len) != NULL)
        return MESH_EBADNAME;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    return MESH_OK;
}

/* A module of Elixir is an atom with a prefix that no program writes. */
static mesh_bytes without_prefix(mesh_bytes module)
{
    const mesh_bytes prefix = mesh_str("Elixir.");
    if (module.len > prefix.len && memcmp(module.data, prefix.data, prefix.len) == 0)
        return (mesh_bytes){(const char *)module.data + prefix.len, module.len - prefix.len};
    return module;
}

/* MESH_ENOMATCH: another request. */
static int read_wanted(mesh_term request, const char *op, struct wanted *want)
{
    mesh_bytes name, capability, module;
    mesh_request *r = &want->request;
    *r = (mesh_request){.module = want->module, .capability = want->capability};
    if (mesh_match(request, "{~a, ~a, ~a, ~b, ~t}", &name, &capability, &module, &r->id, &r->payload) != MESH_OK &&
        mesh_match(request, "{~a, ~a, ~a, ~b, ~t, ~t}", &name, &capability, &module, &r->id, &r->payload,
                   &r->init_arg) != MESH_OK)
        return MESH_ENOMATCH;
    if (!service_same(name, mesh_str(op)))
        return MESH_ENOMATCH;
    if (r->id.len == 0 || r->id.len > MESH_ID_MAX)
        return MESH_EBADID;
    int rc = copy_name(capability, want->capability);
    return rc == MESH_OK ? copy_name(without_prefix(module), want->module) : rc;
}

/* An error in the words of a BEAM: its name in lower case, with the reason where there is one. */
static int put_error(mesh_buf *out, int error, mesh_term reason)
{
    char name[32] = "";
    if (error == MESH_EMOVED) /* on one node a shard is not held when nothing is */
        error = MESH_ENOCAPABILITY;
    const char *text = mesh_error_name(error) + strlen("MESH_E");
    for (size_t i = 0; text[i] != '\0' && i < sizeof name - 1; i++)
        name[i] = (char)tolower((unsigned char)text[i]);
    if (error == MESH_ECRASHED || error == MESH_EINIT)
        return mesh_build(out, "{:error, {~a, ~t}}", name, reason);
    return mesh_build(out, "{:error, ~a}", name);
}

static void mesh_answered(void *context, int error, const mesh_result *result)
{
    struct asked *a = context;
    const struct service_call call = call_of(a);
    mesh_buf value;
    mesh_buf_init(&value);
    int built = error == MESH_OK ? mesh_build(&value, "{:ok, ~p, ~t}", &result->pid, result->value)
                                 : put_error(&value, error, result->value);
    reply(a->foreign, PIDS_MESH, &call, built, &value);
    asked_free(a);
}

static int ask_mesh(struct foreign *f, struct worker *w, const struct service_call *call)
{
    struct wanted want;
    int rc = read_wanted(call->request, "call", &want);
    if (rc != MESH_OK)
        return rc;
    struct asked *a = asked_create(f, PIDS_MESH, call);
    if (a == NULL)
        return MESH_EBUSY;
    rc = call_async_on(f->runtime, w, &want.request, mesh_answered, a);
    if (rc != MESH_OK)
        asked_free(a);
    return rc;
}

void foreign_call_mesh(struct foreign *f, struct worker *w, mesh_term message)
{
    struct service_call call;
    struct wanted want;
    mesh_term request;
    int rc;
    if (service_is_call(message, &call)) {
        rc = ask_mesh(f, w, &call);
        if (rc != MESH_OK) {
            mesh_buf value;
            mesh_buf_init(&value);
            reply(f, PIDS_MESH, &call, put_error(&value, rc, (mesh_term){0}), &value);
        }
        return;
    }
    rc = mesh_match(message, "{:\"$gen_cast\", ~t}", &request);
    if (rc == MESH_OK)
        rc = read_wanted(request, "cast", &want);
    if (rc == MESH_OK)
        rc = call_cast_on(f->runtime, w, &want.request);
    if (rc != MESH_OK)
        count_dropped(f);
}
