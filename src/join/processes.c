/* Processes of other nodes: node/foreign.h on the links of the net. See join.h.
 *
 * A message to the pid of a process needs none of the services, and takes none of their locks. What may have to be
 * answered with noproc, or is for a name, goes by the services, which know all that has a name. */
#include "join/join.h"

static int on_send(void *context, mesh_bytes peer, const struct control *message, uint64_t sender)
{
    return link_owe(context, peer, message, sender != 0 ? sender : SENDER_SERVICES);
}

static void on_connect(void *context, mesh_bytes peer)
{
    link_want(context, peer);
}

void processes_begin(struct join *j)
{
    const struct foreign_ops ops = {.send = on_send, .connect = on_connect};
    j->node->foreign = foreign_create(&j->node->runtime, &ops, j, NULL);
}

static struct worker *running_worker(void)
{
    return seat_current()->worker;
}

bool processes_deliver(struct join *j, mesh_bytes peer, const struct control *message)
{
    uint64_t number;
    if (message->kind == CONTROL_SEND && service_is_own(&j->system.service, message->to, &number) &&
        (uint32_t)number == PIDS_CALLERS) {
        rpc_answered(j, number, message->message);
        return true;
    }
    return foreign_deliver(j->node->foreign, running_worker(), peer, message);
}

bool processes_take(struct join *j, mesh_bytes peer, const struct control *message)
{
    uint64_t number;
    return message->kind == CONTROL_SEND && service_is_own(&j->system.service, message->to, &number) &&
           (uint32_t)number >= PIDS_RESERVED && processes_deliver(j, peer, message);
}
