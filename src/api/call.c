/* mesh/call.h: checks of arguments in front of the runtime. */
#include <mesh/call.h>

#include "api/check.h"
#include "node/node.h"
#include "runtime/queue.h"

/* What a call that is not made has for a result, if it is given one. */
static int refuse(int rc, mesh_result *result, size_t fault_at, bool in_init_arg)
{
    static const uint8_t nil[] = {119, 3, 'n', 'i', 'l'};
    if (result != NULL)
        *result = (mesh_result){
            .value = {.data = nil, .len = sizeof nil}, .fault_at = fault_at, .fault_in_init_arg = in_init_arg};
    return rc;
}

/* What can be said of a request without looking anything up. result: of function, or NULL; set after an error. */
static int check_request(mesh_node *node, const char *function, const mesh_request *r, mesh_result *result)
{
    if (node == NULL || r == NULL || r->module == NULL || r->capability == NULL || r->reserved != 0 ||
        (r->id.data == NULL && r->id.len > 0))
        return refuse(MESH_EINVAL, result, 0, false);
    if (r->id.len == 0 || r->id.len > MESH_ID_MAX)
        return refuse(MESH_EBADID, result, 0, false);
    size_t max = node->runtime.options.max_message, at = 0;
    bool in_init_arg = false;
    int rc = check_term(r->payload, max, &at);
    if (rc == MESH_OK) {
        in_init_arg = true;
        rc = check_term(r->init_arg, max, &at);
    }
    if (__builtin_expect(rc == MESH_OK, 1))
        return MESH_OK;
    log_refused_term(&node->runtime, function, in_init_arg ? "init_arg" : "payload", rc, at);
    return refuse(rc, result, at, in_init_arg);
}

/* A name that was not found may be no name at all. */
static int explain(const mesh_request *r, int rc)
{
    if (rc == MESH_ENOMODULE && check_module_name(r->module) != MESH_OK)
        return MESH_EBADNAME;
    if (rc == MESH_ENOCAPABILITY && check_name(r->capability) != MESH_OK)
        return MESH_EBADNAME;
    return rc == MESH_EMOVED ? MESH_ENOCAPABILITY : rc; /* on one node a shard is not held when nothing is */
}

int mesh_call(mesh_node *node, const mesh_request *request, mesh_result *result)
{
    if (result == NULL)
        return MESH_EINVAL;
    int rc = check_request(node, "mesh_call", request, result);
    if (rc != MESH_OK)
        return rc;
    result->fault_at = 0;
    result->fault_in_init_arg = false;
    rc = call_run(&node->runtime, request, result);
    return __builtin_expect(rc == MESH_OK, 1) ? MESH_OK : explain(request, rc);
}

void mesh_result_release(mesh_result *result)
{
    if (result != NULL)
        call_release(result);
}

int mesh_cast(mesh_node *node, const mesh_request *request)
{
    int rc = check_request(node, "mesh_cast", request, NULL);
    if (rc == MESH_OK)
        rc = call_cast(&node->runtime, request);
    return rc == MESH_OK ? rc : explain(request, rc);
}

int mesh_call_async(mesh_node *node, const mesh_request *request, mesh_done_fn done, void *context)
{
    int rc = done == NULL ? MESH_EINVAL : check_request(node, "mesh_call_async", request, NULL);
    if (rc == MESH_OK)
        rc = call_async(&node->runtime, request, done, context);
    return rc == MESH_OK ? rc : explain(request, rc);
}

int mesh_reply(mesh_from from, mesh_term value)
{
    if (from.call == NULL)
        return MESH_EINVAL;
    const struct message *m = from.call;
    int rc = check_given(m->runtime, "mesh_reply", "value", value);
    return rc == MESH_OK ? call_answer(from, value) : rc;
}

int mesh_from_drop(mesh_from from)
{
    return from.call == NULL ? MESH_EINVAL : call_drop(from);
}

/* ---- Completions on a descriptor ---- */

int mesh_queue_create(mesh_node *node, mesh_queue **queue)
{
    return node == NULL || queue == NULL ? MESH_EINVAL : queue_create(&node->runtime, queue);
}

void mesh_queue_destroy(mesh_queue *queue)
{
    if (queue != NULL)
        queue_destroy(queue);
}

int mesh_queue_fd(const mesh_queue *queue)
{
    return queue != NULL ? queue_fd(queue) : -1;
}

bool mesh_queue_take(mesh_queue *queue, mesh_completion *completion)
{
    return queue != NULL && completion != NULL && queue_take(queue, completion);
}

int mesh_call_queued(mesh_node *node, const mesh_request *request, mesh_queue *queue, void *tag)
{
    int rc = queue == NULL ? MESH_EINVAL : check_request(node, "mesh_call_queued", request, NULL);
    if (rc == MESH_OK)
        rc = queue_call(&node->runtime, request, queue, tag);
    return rc == MESH_OK ? rc : explain(request, rc);
}
