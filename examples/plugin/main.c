/* Loads the shared objects that it is given, and calls a process of the module Greeter, which one of them has. */
#include <stdio.h>

#include <mesh.h>

static int greet(mesh_node *node, const char *name)
{
    mesh_buf message;
    mesh_buf_init(&message);
    int error = mesh_build(&message, "{:greet, ~s}", name);
    const mesh_request request = {
        .module = "Greeter", .capability = "hall", .id = mesh_str("door"), .payload = mesh_buf_term(&message)};
    mesh_result result = {0};
    error = error ? error : mesh_call(node, &request, &result);
    char text[64];
    if (error)
        fprintf(stderr, "%s: %s\n", name, mesh_strerror(error));
    else
        printf("%s\n", mesh_inspect_text(result.value, text, sizeof text));
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    return error;
}

static int load(mesh_node *node, const char *path)
{
    mesh_reason reason;
    int error = mesh_load_modules(node, path, NULL, &reason);
    if (error)
        fprintf(stderr, "%s: %s\n", path, reason.text);
    return error;
}

int main(int argc, char **argv)
{
    mesh_node *node = NULL;
    int error = mesh_node_start(NULL, &node);
    for (int i = 1; i < argc && !error; i++)
        error = load(node, argv[i]);
    error = error ? error : mesh_register_capability(node, "hall", NULL);
    error = error ? error : greet(node, "Ada");
    error = error ? error : greet(node, "Grace");
    mesh_node_stop(node);
    return error != MESH_OK;
}
