/* Modules in a shared object: two of them, in a file that any program with the library can load (main.c beside it). */
#include <mesh.h>

/* Counts its visitors: the state is the process's, the code is this file's. */
static int greet(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    int *visits = state;
    mesh_bytes name;
    if (mesh_match(message, "{:greet, ~b}", &name) != MESH_OK)
        return mesh_crash(self, message);
    mesh_buf reply;
    mesh_buf_init(&reply);
    int error = mesh_build(&reply, "{:hello, ~b, ~i}", name, ++*visits);
    error = error ? error : mesh_reply(from, mesh_buf_term(&reply));
    mesh_buf_fini(&reply);
    return error;
}

/* Answers with what it was sent. */
static int echo(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    (void)self;
    (void)state;
    return mesh_reply(from, message);
}

static const mesh_module greeter_module = {
    .size = sizeof greeter_module, .name = "Greeter", .state_size = sizeof(int), .handle_call = greet};
static const mesh_module echo_module = {.size = sizeof echo_module, .name = "Echo", .handle_call = echo};

MESH_PLUGIN(&greeter_module, &echo_module);
