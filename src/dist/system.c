/* The dispatcher, and the services that are too small for a file of their own. */
#include "dist/system.h"

#include <stdlib.h>

#include "base/alloc.h"

static uint64_t number_of(const struct system *sys, unsigned which)
{
    return sys->config.first_pid + which;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void on_signal(void *context, const struct control *signal)
{
    struct system *sys = context;
    sys->config.deliver(sys->config.context, service_self(&sys->service), signal);
}

static bool is_alive(void *context, uint64_t number)
{
    const struct system *sys = context;
    return sys->config.alive(sys->config.context, number);
}

static void on_done(void *context, uint64_t token, bool yes)
{
    struct system *sys = context;
    sys->config.done(sys->config.context, token, yes);
}

/* global:resolve_it(Method, Name, Pid, Pid2), which the lower of two nodes asks for when a process of this one has a
 * name that another has too. */
static enum spawn_outcome resolve_it(void *context, const struct spawn_call *call, mesh_buf *result)
{
    struct system *sys = context;
    mesh_term method, name, a, b;
    if (mesh_match(call->args, "[~t, ~t, ~t, ~t]", &method, &name, &a, &b) != MESH_OK ||
        service_type(a) != MESH_TYPE_PID || service_type(b) != MESH_TYPE_PID ||
        global_resolve(sys->global, method, name, a, b, result) != MESH_OK)
        return SPAWN_UNDEF;
    return SPAWN_RETURN;
}

void system_init(struct system *sys, const struct system_config *config)
{
    const size_t count = config->function_count;
    *sys = (struct system){.config = *config};
    sys->service = (struct service){config->actions, config->context, config->creation, ""};
    memcpy(sys->service.self, config->self.data, config->self.len);
    sys->functions = must_calloc(count + 1, sizeof *sys->functions);
    if (count > 0)
        memcpy(sys->functions, config->functions, count * sizeof *sys->functions);
    sys->functions[count] = (struct spawn_function){"global", "resolve_it", 4, resolve_it, sys};
    spawn_init(&sys->spawn, &sys->service, sys->functions, count + 1, config->next_pid, config->context);
    const struct global_config global = {.service = &sys->service,
                                         .server = number_of(sys, SYSTEM_SERVER),
                                         .locker = number_of(sys, SYSTEM_LOCKER),
                                         .registrar = number_of(sys, SYSTEM_REGISTRAR),
                                         .ref_word = config->ref_word,
                                         .seed = config->seed,
                                         .overlapping = config->overlapping,
                                         .signal = on_signal,
                                         .alive = is_alive,
                                         .done = on_done,
                                         .context = sys};
    sys->global = global_create(&global);
}

void system_fini(struct system *sys)
{
    global_destroy(sys->global);
    spawn_fini(&sys->spawn);
    free(sys->functions);
}

/* ---- small services ---------------------------------------------------------------------------------------------- */

static void drop(struct system *sys)
{
    sys->counts.dropped++;
}

static void to_net_kernel(struct system *sys, mesh_bytes peer, mesh_term message)
{
    struct service_call call;
    mesh_bytes node;
    mesh_buf yes;
    if (!service_is_call(message, &call) || mesh_match(call.request, "{:is_auth, ~a}", &node) != MESH_OK) {
        drop(sys);
        return;
    }
    sys->counts.questions++;
    mesh_buf_init(&yes);
    const int built = mesh_build(&yes, ":yes");
    service_reply(&sys->service, peer, number_of(sys, SYSTEM_NET_KERNEL), &call, built, &yes);
}

static void to_rex(struct system *sys, mesh_bytes peer, mesh_term message)
{
    const uint64_t rex = number_of(sys, SYSTEM_REX);
    struct service_call call;
    mesh_term from, request;
    mesh_buf reply;
    if (mesh_match(message, "{~t, :features_request}", &from) == MESH_OK && service_type(from) == MESH_TYPE_PID) {
        sys->counts.questions++;
        mesh_buf_init(&reply);
        const int built = mesh_build(&reply, "{:features_reply, ~a, [:erpc]}", service_self(&sys->service));
        service_send(&sys->service, peer, rex, from, built, &reply);
        return;
    }
    bool taken;
    if (service_is_call(message, &call))
        taken = spawn_rex_call(&sys->spawn, peer, rex, &call);
    else if (mesh_match(message, "{:\"$gen_cast\", ~t}", &request) == MESH_OK)
        taken = spawn_rex_cast(&sys->spawn, peer, request);
    else
        taken = spawn_rex_info(&sys->spawn, peer, rex, message);
    if (!taken)
        drop(sys);
}

/* The I/O protocol of Erlang: whoever writes waits for the answer. */
static void to_leader(struct system *sys, mesh_bytes peer, mesh_term message)
{
    mesh_term from, as, request;
    mesh_buf reply;
    if (mesh_match(message, "{:io_request, ~t, ~t, ~t}", &from, &as, &request) != MESH_OK ||
        service_type(from) != MESH_TYPE_PID) {
        drop(sys);
        return;
    }
    const bool output = mesh_match(request, "{:put_chars, _, _}") == MESH_OK ||
                        mesh_match(request, "{:put_chars, _, _, _, _}") == MESH_OK ||
                        mesh_match(request, "{:put_chars, _}") == MESH_OK;
    sys->counts.output++;
    mesh_buf_init(&reply);
    const int built = output ? mesh_build(&reply, "{:io_reply, ~t, :ok}", as)
                             : mesh_build(&reply, "{:io_reply, ~t, {:error, :enotsup}}", as);
    service_send(&sys->service, peer, number_of(sys, SYSTEM_LEADER), from, built, &reply);
}

static void to_service(struct system *sys, mesh_bytes peer, unsigned which, mesh_term message, uint64_t now_ms)
{
    switch (which) {
    case SYSTEM_NET_KERNEL:
        to_net_kernel(sys, peer, message);
        break;
    case SYSTEM_REX:
        to_rex(sys, peer, message);
        break;
    case SYSTEM_LEADER:
        to_leader(sys, peer, message);
        break;
    default:
        global_message(sys->global, peer, message, now_ms);
        break;
    }
}

/* ---- whom it is for ---------------------------------------------------------------------------------------------- */

/* The service that a message is for, by its name or by its pid; SYSTEM_PIDS if none. */
static unsigned find_service(const struct system *sys, mesh_term to)
{
    uint64_t number;
    if (service_is_own(&sys->service, to, &number))
        return number - sys->config.first_pid < SYSTEM_PIDS ? (unsigned)(number - sys->config.first_pid) : SYSTEM_PIDS;
    if (mesh_match(to, ":net_kernel") == MESH_OK)
        return SYSTEM_NET_KERNEL;
    if (mesh_match(to, ":rex") == MESH_OK)
        return SYSTEM_REX;
    if (mesh_match(to, ":global_name_server") == MESH_OK)
        return SYSTEM_SERVER;
    return SYSTEM_PIDS;
}

static bool deliver(struct system *sys, mesh_bytes peer, const struct control *c)
{
    return sys->config.deliver(sys->config.context, peer, c);
}

/* Acknowledged at once, so that the other side may link anew. */
static void on_unlink(struct system *sys, mesh_bytes peer, const struct control *c, unsigned which)
{
    const struct control ack = {.kind = CONTROL_UNLINK_ACK, .id = c->id, .from = c->to, .to = c->from};
    if (!service_same(service_node(c->to), service_self(&sys->service))) {
        drop(sys); /* nobody can answer for a process of another node */
        return;
    }
    if (which == SYSTEM_PIDS)
        deliver(sys, peer, c);
    sys->service.actions->send(sys->service.context, peer, &ack);
}

static void on_demonitor(struct system *sys, mesh_bytes peer, const struct control *c)
{
    uint64_t number;
    if (service_is_own(&sys->service, c->to, &number) && spawn_abandon(&sys->spawn, peer, number, c->ref))
        return;
    deliver(sys, peer, c);
}

/* Services live as long as the node, so that their monitors and links need not be remembered. */
static void on_bond(struct system *sys, mesh_bytes peer, const struct control *c, unsigned which)
{
    if (which != SYSTEM_PIDS || deliver(sys, peer, c))
        return;
    sys->counts.noproc++;
    service_noproc(&sys->service, peer, c);
}

void system_message(struct system *sys, mesh_bytes peer, const struct control *c, uint64_t now_ms)
{
    if (c->kind == CONTROL_SPAWN) {
        spawn_request(&sys->spawn, peer, c);
        return;
    }
    const unsigned which = find_service(sys, c->to);
    switch (c->kind) {
    case CONTROL_SEND:
    case CONTROL_SEND_NAME:
    case CONTROL_SEND_ALIAS:
        if (which != SYSTEM_PIDS)
            to_service(sys, peer, which, c->message, now_ms);
        else if (!deliver(sys, peer, c))
            drop(sys);
        break;
    case CONTROL_MONITOR:
    case CONTROL_LINK:
        on_bond(sys, peer, c, which);
        break;
    case CONTROL_DEMONITOR:
        on_demonitor(sys, peer, c);
        break;
    case CONTROL_UNLINK:
        on_unlink(sys, peer, c, which);
        break;
    case CONTROL_GROUP_LEADER:
        break;
    default:
        if (which == SYSTEM_SERVER && c->kind == CONTROL_DOWN)
            global_monitor_down(sys->global, peer, c, now_ms);
        else if (which == SYSTEM_PIDS && !deliver(sys, peer, c))
            drop(sys);
        break;
    }
}

void system_peer_up(struct system *sys, mesh_bytes peer, bool visible, uint64_t now_ms)
{
    if (visible)
        global_peer_up(sys->global, peer, now_ms);
}

void system_peer_down(struct system *sys, mesh_bytes peer, uint64_t now_ms)
{
    spawn_peer_down(&sys->spawn, peer);
    global_peer_down(sys->global, peer, now_ms);
}

void system_tick(struct system *sys, uint64_t now_ms)
{
    global_tick(sys->global, now_ms);
}
