/* The process that every benchmark calls, a counter, and the 500 tasks that call it.
 *
 * One call is what a program would write: build the payload, mesh_call with the default time-out, match the reply; the
 * handler matches the payload and builds the reply. Nothing is cached between calls, and statistics are on. */
#include <stdio.h>
#include <string.h>

#include "bench.h"

struct counter {
    int64_t count;
};

static int handle_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    struct counter *counter = state;
    mesh_buf buf;
    mesh_buf_init(&buf);
    int error;
    if (mesh_match(message, "%{action: :increment}") == MESH_OK) {
        counter->count++;
    } else if (mesh_match(message, "%{action: :read}") != MESH_OK) {
        /* %{action: :crash}; the reason tells the caller that it was this line, and nothing else that failed. */
        error = mesh_build(&buf, ":asked_to_crash");
        error = error == MESH_OK ? mesh_crash(self, mesh_buf_term(&buf)) : error;
        mesh_buf_fini(&buf);
        return error;
    }
    error = mesh_build(&buf, "~i", counter->count);
    if (error == MESH_OK)
        error = mesh_reply(from, mesh_buf_term(&buf));
    mesh_buf_fini(&buf);
    return error;
}

static int handle_cast(mesh_process *self, void *state, mesh_term message)
{
    struct counter *counter = state;
    (void)self;
    if (mesh_match(message, "%{action: :increment}") == MESH_OK)
        counter->count++;
    return MESH_OK;
}

static int snapshot(mesh_process *self, const void *state, mesh_buf *out)
{
    const struct counter *counter = state;
    (void)self;
    return mesh_build(out, "~i", counter->count);
}

static int restore(mesh_process *self, void *state, mesh_term snapshot)
{
    struct counter *counter = state;
    (void)self;
    return mesh_match(snapshot, "~i", &counter->count);
}

mesh_module bench_module(void)
{
    mesh_module module = {
        .size = sizeof module,
        .name = "Counter",
        .state_size = sizeof(struct counter),
        .handle_call = handle_call,
        .handle_cast = handle_cast,
    };
    return module;
}

mesh_module bench_moving_module(void)
{
    mesh_module module = bench_module();
    module.snapshot = snapshot;
    module.restore = restore;
    return module;
}

static void ignore_log(void *context, const mesh_log_event *event)
{
    (void)context;
    (void)event;
}

mesh_node *bench_start(void)
{
    mesh_node_options options = {.size = sizeof options, .name = "bench@127.0.0.1", .log = ignore_log};
    mesh_module module = bench_module();
    mesh_node *node = NULL;
    bench_must(mesh_node_start(&options, &node), "starting the node");
    bench_must(mesh_register_module(node, &module), "registering the module");
    bench_must(mesh_register_capability(node, "bench", NULL), "registering the capability");
    return node;
}

void bench_stop(mesh_node *node)
{
    bench_must(mesh_node_stop(node), "stopping the node");
}

mesh_request bench_request(mesh_bytes id)
{
    mesh_request request = {.module = "Counter", .id = id, .capability = "bench"};
    return request;
}

/* Takes the count out of a reply. */
static int64_t count_of(int error, mesh_bytes id, mesh_result *result)
{
    int64_t count = 0;
    if (error != MESH_OK)
        bench_die("calling %.*s: %s", (int)id.len, (const char *)id.data, mesh_strerror(error));
    if (mesh_match(result->value, "~i", &count) != MESH_OK)
        bench_die("%.*s answered something that is no count", (int)id.len, (const char *)id.data);
    mesh_result_release(result);
    return count;
}

/* Calls with a payload, which ends with the call. */
static int call(mesh_node *node, mesh_bytes id, mesh_buf *payload, mesh_result *result)
{
    mesh_request request = bench_request(id);
    request.payload = mesh_buf_term(payload);
    int error = mesh_call(node, &request, result);
    mesh_buf_fini(payload);
    return error;
}

int64_t bench_increment(mesh_node *node, mesh_bytes id)
{
    mesh_buf payload;
    mesh_result result;
    mesh_buf_init(&payload);
    bench_must(mesh_build(&payload, "%{action: :increment}"), "building a payload");
    return count_of(call(node, id, &payload, &result), id, &result);
}

int64_t bench_read(mesh_node *node, mesh_bytes id)
{
    mesh_buf payload;
    mesh_result result;
    mesh_buf_init(&payload);
    bench_must(mesh_build(&payload, "%{action: :read}"), "building a payload");
    return count_of(call(node, id, &payload, &result), id, &result);
}

void bench_crash(mesh_node *node, mesh_bytes id)
{
    mesh_buf payload;
    mesh_result result;
    mesh_buf_init(&payload);
    bench_must(mesh_build(&payload, "%{action: :crash}"), "building a payload");
    int error = call(node, id, &payload, &result);
    if (error != MESH_ECRASHED)
        bench_die("a crash ended the call with: %s", mesh_strerror(error));
    if (mesh_match(result.value, ":asked_to_crash") != MESH_OK)
        bench_die("a crash ended the call with another reason than its own");
    mesh_result_release(&result);
}

mesh_bytes bench_actor_id(uint32_t number, char text[BENCH_ID_BYTES])
{
    int len = snprintf(text, BENCH_ID_BYTES, "actor_%u", number);
    mesh_bytes id = {text, (size_t)len};
    return id;
}

/* ---- callers ---- */

struct caller {
    bench_caller_fn fn;
    void *arg;
    uint32_t index;
};

static int run_caller(mesh_node *node, void *arg)
{
    struct caller *caller = arg;
    caller->fn(node, caller->index, caller->arg);
    return (int)caller->index;
}

uint64_t bench_swarm(mesh_node *node, bench_caller_fn fn, void *arg)
{
    struct caller callers[BENCH_CALLERS];
    mesh_task *tasks[BENCH_CALLERS];
    uint64_t from = bench_now_ns();
    for (uint32_t i = 0; i < BENCH_CALLERS; i++) {
        callers[i] = (struct caller){fn, arg, i};
        bench_must(mesh_spawn(node, run_caller, &callers[i], &tasks[i]), "starting a caller");
    }
    for (uint32_t i = 0; i < BENCH_CALLERS; i++) {
        int value = -1;
        bench_must(mesh_await(tasks[i], 0, &value), "awaiting a caller");
        if (value != (int)i)
            bench_die("caller %u ended with the value of another", i);
    }
    return bench_now_ns() - from;
}

static void make_share(mesh_node *node, uint32_t index, void *arg)
{
    const uint32_t *each = arg;
    char text[BENCH_ID_BYTES];
    for (uint32_t i = 0; i < *each; i++) {
        mesh_bytes id = bench_actor_id(index * *each + i, text);
        if (bench_increment(node, id) != 1)
            bench_die("the first call to %s did not answer 1", text);
    }
}

uint64_t bench_populate(mesh_node *node, uint32_t count)
{
    uint32_t each = count / BENCH_CALLERS;
    uint64_t took_ns = bench_swarm(node, make_share, &each);
    uint64_t live = bench_stats(node).processes;
    if (live != count)
        bench_die("%u processes were called, but %llu are live", count, (unsigned long long)live);
    return took_ns;
}

mesh_stats bench_stats(mesh_node *node)
{
    mesh_stats stats = {.size = sizeof stats};
    bench_must(mesh_stats_read(node, NULL, NULL, &stats), "reading the numbers of the node");
    return stats;
}
