/* mesh/process.h: checks of arguments in front of the runtime. */
#include <mesh/process.h>

#include "api/check.h"
#include "node/node.h"

mesh_node *mesh_process_node(const mesh_process *self)
{
    return self->runtime->owner;
}

void mesh_self(const mesh_process *self, mesh_pid *pid)
{
    runtime_pid(self->runtime, actor_number(self->actor), pid);
}

mesh_bytes mesh_id(const mesh_process *self)
{
    return (mesh_bytes){actor_id(self->actor), self->actor->id_len};
}

uint32_t mesh_shard(const mesh_process *self)
{
    return self->actor->shard;
}

uint64_t mesh_epoch(const mesh_process *self)
{
    struct row *row = actor_row(self->actor);
    spin_lock(&row->lock);
    uint64_t epoch = row->epoch;
    spin_unlock(&row->lock);
    return epoch;
}

static int set_reason(mesh_process *self, mesh_term reason)
{
    if (self->ending) /* terminate has it, and it is too late for another */
        return MESH_OK;
    payload_drop(&self->reason);
    return payload_set(&self->reason, self->reason_space, reason);
}

int mesh_stop(mesh_process *self, mesh_term reason)
{
    if (self == NULL)
        return MESH_EINVAL;
    int rc = check_given(self->runtime, "mesh_stop", "reason", reason);
    if (rc == MESH_OK)
        rc = set_reason(self, reason);
    if (rc == MESH_OK)
        self->stop = true;
    return rc;
}

int mesh_crash(mesh_process *self, mesh_term reason)
{
    if (self != NULL && check_given(self->runtime, "mesh_crash", "reason", reason) == MESH_OK)
        set_reason(self, reason);
    return MESH_ECRASHED;
}

int mesh_checkpoint(mesh_process *self)
{
    if (self == NULL || self->actor == NULL || self->actor->class->module->ops.snapshot == NULL)
        return MESH_EINVAL;
    self->checkpoint = true;
    return MESH_OK;
}

int mesh_exit(mesh_node *node, const mesh_pid *pid, mesh_term reason)
{
    if (node == NULL || pid == NULL || reason.data == NULL)
        return MESH_EINVAL;
    int rc = check_given(&node->runtime, "mesh_exit", "reason", reason);
    return rc == MESH_OK ? signal_exit(&node->runtime, pid, reason) : rc;
}

int mesh_send(mesh_node *node, const mesh_pid *pid, mesh_term message)
{
    if (node == NULL || pid == NULL)
        return MESH_EINVAL;
    int rc = check_given(&node->runtime, "mesh_send", "message", message);
    return rc == MESH_OK ? signal_info(&node->runtime, pid, message) : rc;
}

int mesh_monitor(mesh_process *self, const mesh_pid *pid, mesh_ref *ref)
{
    return self == NULL || pid == NULL || ref == NULL ? MESH_EINVAL : signal_monitor(self, pid, ref);
}

int mesh_demonitor(mesh_process *self, const mesh_ref *ref)
{
    return self == NULL || ref == NULL ? MESH_EINVAL : signal_demonitor(self, ref);
}

int mesh_link(mesh_process *self, const mesh_pid *pid)
{
    return self == NULL || pid == NULL ? MESH_EINVAL : signal_link(self, pid);
}

int mesh_unlink(mesh_process *self, const mesh_pid *pid)
{
    return self == NULL || pid == NULL ? MESH_EINVAL : signal_unlink(self, pid);
}

void mesh_trap_exits(mesh_process *self, bool trap)
{
    _Atomic uint16_t *flags = &self->actor->flags;
    if (trap)
        atomic_fetch_or_explicit(flags, ACTOR_TRAPS, memory_order_relaxed);
    else
        atomic_fetch_and_explicit(flags, (uint16_t)~ACTOR_TRAPS, memory_order_relaxed);
}

int mesh_send_after(mesh_node *node, uint32_t delay_ms, const mesh_pid *pid, mesh_term message, mesh_timer *timer)
{
    if (node == NULL || pid == NULL)
        return MESH_EINVAL;
    int rc = check_given(&node->runtime, "mesh_send_after", "message", message);
    uint64_t number = runtime_number(&node->runtime, pid);
    if (rc == MESH_OK && number == 0)
        rc = MESH_ENOPROCESS;
    return rc == MESH_OK ? timers_send_after(&node->runtime, delay_ms, number, message, timer) : rc;
}

int mesh_cancel_timer(mesh_node *node, mesh_timer timer)
{
    return node == NULL ? MESH_EINVAL : timers_cancel(&node->runtime, timer);
}

int mesh_spawn(mesh_node *node, mesh_task_fn fn, void *arg, mesh_task **task)
{
    return node == NULL || fn == NULL ? MESH_EINVAL : task_spawn(&node->runtime, fn, arg, task);
}

int mesh_await(mesh_task *task, uint32_t timeout_ms, int *value)
{
    return task == NULL ? MESH_EINVAL : task_await(task, timeout_ms, value);
}

int mesh_blocking(mesh_node *node, void (*fn)(void *arg), void *arg)
{
    return node == NULL || fn == NULL ? MESH_EINVAL : task_blocking(&node->runtime, fn, arg);
}
