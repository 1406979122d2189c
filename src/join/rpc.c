/* Calls of functions of other nodes: a gen_call to their process rex, which BEAM nodes of every age answer. See
 * join.h.
 *
 *   here    {'$gen_call', {Pid, N}, {call, Module, Function, Args, Leader}}
 *   there   {N, Value}, or {N, {badrpc, Reason}} */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "join/join.h"

/* Waits in join->calls, under join->lock. On the stack of whoever waits. */
struct call {
    struct call *next;
    const char *target;
    uint32_t number;
    bool ended;
    int error;
    mesh_buf *value;
};

static struct call *take(struct join *j, uint32_t number)
{
    struct call **at = &j->calls;
    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    struct call *call = *at;
    if (call != NULL)
        *at = call->next;
    return call;
}

static void end(struct join *j, struct call *call, int error)
{
    call->ended = true;
    call->error = error;
    pthread_cond_broadcast(&j->changed);
}

void rpc_answered(struct join *j, uint64_t number, mesh_term message)
{
    int64_t tag;
    mesh_term value, reason;
    if (mesh_match(message, "{~i, ~t}", &tag, &value) != MESH_OK || tag != (int64_t)(number >> 32))
        return;
    pthread_mutex_lock(&j->lock);
    struct call *call = take(j, (uint32_t)(number >> 32));
    if (call != NULL) {
        bool bad = mesh_match(value, "{:badrpc, ~t}", &reason) == MESH_OK;
        int rc = mesh_put_term(call->value, bad ? reason : value);
        end(j, call, rc != MESH_OK ? rc : bad ? MESH_ECRASHED : MESH_OK);
    }
    pthread_mutex_unlock(&j->lock);
}

void rpc_fail(struct join *j, const char *name, int error)
{
    pthread_mutex_lock(&j->lock);
    for (struct call **at = &j->calls; *at != NULL;) {
        struct call *call = *at;
        if (name != NULL && strcmp(call->target, name) != 0) {
            at = &call->next;
            continue;
        }
        *at = call->next;
        end(j, call, error);
    }
    pthread_mutex_unlock(&j->lock);
}

static int write_call(struct join *j, uint32_t number, const char *module, const char *function, mesh_term args,
                      mesh_buf *out)
{
    const struct service *s = &j->system.service;
    mesh_buf from, leader;
    mesh_buf_init(&from);
    mesh_buf_init(&leader);
    int rc = service_put_pid(s, &from, (uint64_t)number << 32 | PIDS_CALLERS);
    if (rc == MESH_OK)
        rc = service_put_pid(s, &leader, PIDS_SERVICES + SYSTEM_LEADER);
    if (rc == MESH_OK)
        rc = mesh_build(out, "{:\"$gen_call\", {~t, ~i}, {:call, ~a, ~a, ~t, ~t}}", mesh_buf_term(&from),
                        (int64_t)number, mesh_str(module), mesh_str(function), args, mesh_buf_term(&leader));
    mesh_buf_fini(&from);
    mesh_buf_fini(&leader);
    return rc;
}

static int send_call(struct join *j, struct net_link *link, uint32_t number, mesh_term message, uint32_t wait_ms)
{
    mesh_buf from, rex;
    mesh_buf_init(&from);
    mesh_buf_init(&rex);
    int rc = service_put_pid(&j->system.service, &from, (uint64_t)number << 32 | PIDS_CALLERS);
    if (rc == MESH_OK)
        rc = mesh_put_atom(&rex, mesh_str("rex"));
    const struct control c = {
        .kind = CONTROL_SEND_NAME, .from = mesh_buf_term(&from), .to = mesh_buf_term(&rex), .message = message};
    if (rc == MESH_OK)
        rc = link_tell(link, &c, SENDER_SERVICES, false, wait_ms);
    mesh_buf_fini(&from);
    mesh_buf_fini(&rex);
    return rc == MESH_ENOPROCESS ? MESH_ELOST : rc;
}

/* Waits for the answer, and takes the call out if none comes. */
static int await(struct join *j, struct call *call, uint64_t until_ns)
{
    pthread_mutex_lock(&j->lock);
    while (!call->ended && join_wait(j, until_ns))
        ;
    if (!call->ended) {
        take(j, call->number);
        end(j, call, MESH_ETIMEOUT);
    }
    pthread_mutex_unlock(&j->lock);
    return call->error;
}

static uint32_t left_ms(uint64_t until_ns)
{
    const uint64_t now_ns = clock_now_ns();
    return until_ns > now_ns ? (uint32_t)((until_ns - now_ns + 999999) / 1000000) : 1;
}

int join_rpc(struct join *j, const char *target, const char *module, const char *function, mesh_term args,
             uint32_t timeout_ms, mesh_buf *value)
{
    const uint64_t until_ns = clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    struct call call = {.target = target, .value = value};
    mesh_buf message;
    int rc = join_connect(j, target, timeout_ms);
    if (rc != MESH_OK)
        return rc;
    struct net_link *link = net_find(j->net, mesh_str(target));
    if (link == NULL)
        return MESH_ELOST;
    pthread_mutex_lock(&j->lock);
    call.number = ++j->last_call;
    call.next = j->calls;
    j->calls = &call;
    bool stopping = j->stopping;
    pthread_mutex_unlock(&j->lock);
    mesh_buf_init(&message);
    rc = stopping ? MESH_ESTOPPING : write_call(j, call.number, module, function, args, &message);
    if (rc == MESH_OK)
        rc = send_call(j, link, call.number, mesh_buf_term(&message), left_ms(until_ns));
    mesh_buf_fini(&message);
    net_link_release(link);
    if (rc == MESH_OK)
        return await(j, &call, until_ns);
    pthread_mutex_lock(&j->lock);
    take(j, call.number);
    pthread_mutex_unlock(&j->lock);
    return rc;
}
