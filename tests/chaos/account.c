/* The module that the scenarios call: an account that counts what is added, and says who answers.
 *
 *   {:add, N, Token}   adds N
 *   {:read, Token}
 *
 * Both are answered by {:ok, Value, Activation, Epoch, Node, Token}. The activation is a number that no other process
 * has: that of the program and a count. Each start and each end is written down (lives.h), so that two processes of one
 * id are seen whoever is called. The value moves with the process; a kill -9 loses it. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <mesh.h>

#include "lives.h"

struct account {
    int64_t value;
    uint64_t activation;
};

static pthread_once_t opened = PTHREAD_ONCE_INIT;
static int lives = -1;
static _Atomic uint32_t activations;

static void open_lives(void)
{
    const char *path = getenv(LIVES_VARIABLE);
    lives = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
}

/* An account that cannot be written down does not start: it would be invisible to the checks. */
static int record(const mesh_process *self, const struct account *a, uint8_t kind)
{
    struct timespec now;
    const mesh_bytes id = mesh_id(self);
    struct life_event e = {.activation = a->activation, .epoch = mesh_epoch(self), .shard = mesh_shard(self)};
    if (id.len > sizeof e.id)
        return MESH_EBADID;
    e.kind = kind;
    e.id_len = (uint8_t)id.len;
    memcpy(e.id, id.data, id.len);
    clock_gettime(CLOCK_MONOTONIC, &now);
    e.at_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    return write(lives, &e, sizeof e) == (ssize_t)sizeof e ? MESH_OK : MESH_ESYSTEM;
}

static int begin(mesh_process *self, struct account *a)
{
    pthread_once(&opened, open_lives);
    const uint32_t count = atomic_fetch_add_explicit(&activations, 1, memory_order_relaxed) + 1; /* unique, no more */
    a->activation = (uint64_t)getpid() << 32 | count;
    return record(self, a, LIFE_START);
}

static int init(mesh_process *self, void *state, mesh_term init_arg)
{
    (void)init_arg;
    return begin(self, state);
}

static int restore(mesh_process *self, void *state, mesh_term snapshot)
{
    struct account *a = state;
    int error = mesh_match(snapshot, "{:account, ~i}", &a->value);
    return error ? error : begin(self, a);
}

static int snapshot(mesh_process *self, const void *state, mesh_buf *out)
{
    const struct account *a = state;
    (void)self;
    return mesh_build(out, "{:account, ~i}", a->value);
}

static void terminate(mesh_process *self, void *state, mesh_term reason)
{
    (void)reason;
    (void)record(self, state, LIFE_STOP);
}

static int handle_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    struct account *a = state;
    int64_t n = 0;
    uint64_t token;
    if (mesh_match(message, "{:add, ~i, ~u}", &n, &token) != MESH_OK &&
        mesh_match(message, "{:read, ~u}", &token) != MESH_OK)
        return mesh_crash(self, message);
    a->value += n;
    mesh_buf reply;
    mesh_buf_init(&reply);
    int error = mesh_build(&reply, "{:ok, ~i, ~u, ~u, ~s, ~u}", a->value, a->activation, mesh_epoch(self),
                           mesh_node_name(mesh_process_node(self)), token);
    error = error ? error : mesh_reply(from, mesh_buf_term(&reply));
    mesh_buf_fini(&reply);
    return error;
}

static const mesh_module account = {.size = sizeof account,
                                    .name = "Account",
                                    .state_size = sizeof(struct account),
                                    .init = init,
                                    .restore = restore,
                                    .snapshot = snapshot,
                                    .terminate = terminate,
                                    .handle_call = handle_call};

MESH_PLUGIN(&account);
