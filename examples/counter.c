/* The first program: a process that counts. Nobody starts it; the first call to its id does. */
#include <inttypes.h>
#include <stdio.h>

#include <mesh.h>

static int handle_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    int64_t *count = state, by;
    if (mesh_match(message, "%{action: :increment, by: ~i}", &by) != MESH_OK)
        return mesh_crash(self, message); /* this process only; the next call starts a fresh one */
    *count += by;

    mesh_buf reply;
    mesh_buf_init(&reply);
    mesh_build(&reply, "{:ok, ~i}", *count);
    int error = mesh_reply(from, mesh_buf_term(&reply));
    mesh_buf_fini(&reply);
    return error;
}

static const mesh_module counter = {
    .size = sizeof counter, .name = "Counter", .state_size = sizeof(int64_t), .handle_call = handle_call};

static int increment(mesh_node *node, const char *id, int by)
{
    mesh_buf message;
    mesh_buf_init(&message);
    mesh_build(&message, "%{action: :increment, by: ~i}", by);
    const mesh_request request = {
        .module = "Counter", .capability = "counters", .id = mesh_str(id), .payload = mesh_buf_term(&message)};
    mesh_result result = {0};
    int error = mesh_call(node, &request, &result);
    char text[64];
    if (error == MESH_OK)
        printf("%-6s %-10s from process %" PRIu64 " on %s\n", id, mesh_inspect_text(result.value, text, sizeof text),
               result.pid.number, result.pid.node);
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    return error;
}

int main(void)
{
    const mesh_node_options options = {.size = sizeof options, .name = "demo@127.0.0.1", .crash_reports = true};
    mesh_node *node = NULL;
    int error = mesh_node_start(&options, &node);
    error = error ? error : mesh_register_module(node, &counter);
    error = error ? error : mesh_register_capability(node, "counters", NULL);
    error = error ? error : increment(node, "apples", 1);
    error = error ? error : increment(node, "pears", 10);
    error = error ? error : increment(node, "apples", 2);
    if (error)
        fprintf(stderr, "counter: %s\n", mesh_strerror(error));
    mesh_node_stop(node);
    return error != MESH_OK;
}
