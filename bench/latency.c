/* How long one call takes: from an ordinary thread, and beside a process that will not come back for 4 seconds.
 *
 * The second is an open loop: 1,000 calls a second leave at times fixed beforehand, whether the ones before were
 * answered or not, and each latency counts from the time the call should have left. So a stall of 100 ms shows as the
 * hundred calls it delayed, not as one. */
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "bench.h"

enum {
    PAUSED_CALLS = 1500, /* with 1 ms between them */
    BUSY_CALLS = 300000,
    WARM_UP_CALLS = 100,
    NEIGHBOURS = 16,
    HANDLER_MS = 4000,
    OPEN_LOOP_CALLS = 3500, /* one a millisecond, all within the 4 s */
};

/* ---- thread_call, thread_call_busy ---- */

static void round_trips(const char *name, uint64_t *took, uint32_t count, uint32_t pause_ms)
{
    mesh_node *node = bench_start();
    mesh_bytes id = mesh_str("actor_0");
    for (int64_t i = 0; i < WARM_UP_CALLS + (int64_t)count; i++) {
        if (pause_ms != 0)
            bench_sleep_ms(pause_ms);
        uint64_t from = bench_now_ns();
        int64_t answer = bench_increment(node, id);
        uint64_t to = bench_now_ns();
        if (answer != i + 1)
            bench_die("call %lld answered %lld", (long long)i + 1, (long long)answer);
        if (i >= WARM_UP_CALLS)
            took[i - WARM_UP_CALLS] = to - from;
    }
    bench_report(name, (double)bench_percentile(took, count, 0.5) * 1e-3, "us");
    bench_stop(node);
}

static uint64_t round_trip_ns[BUSY_CALLS];

void bench_thread_call(const struct bench_options *options)
{
    round_trips("thread_call", round_trip_ns, options->quick ? PAUSED_CALLS / 5 : PAUSED_CALLS, 1);
}

void bench_thread_call_busy(const struct bench_options *options)
{
    round_trips("thread_call_busy", round_trip_ns, options->quick ? BUSY_CALLS / 5 : BUSY_CALLS, 0);
}

/* ---- neighbour, neighbour_spin ---- */

/* The busy process: one call, which ends HANDLER_MS after it has begun. */
static atomic_bool begun; /* set by the handler, awaited by the thread that calls the neighbours */

static void block(void *arg)
{
    (void)arg;
    bench_sleep_ms(HANDLER_MS);
}

static void spin(void)
{
    uint64_t until_ns = bench_now_ns() + HANDLER_MS * 1000000ull;
    while (bench_now_ns() < until_ns)
        ;
}

static int handle_busy_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    (void)state;
    mesh_buf reply;
    int error = MESH_OK;
    /* Release: pairs with the acquire in start_busy; nothing but the order in time matters. */
    atomic_store_explicit(&begun, true, memory_order_release);
    if (mesh_match(message, ":block") == MESH_OK)
        error = mesh_blocking(mesh_process_node(self), block, NULL);
    else
        spin();
    mesh_buf_init(&reply);
    if (error == MESH_OK)
        error = mesh_build(&reply, ":done");
    if (error == MESH_OK)
        error = mesh_reply(from, mesh_buf_term(&reply));
    mesh_buf_fini(&reply);
    return error;
}

struct busy {
    mesh_term payload;
    uint64_t ended_ns; /* written before ended is posted */
    sem_t ended;
};

static void busy_done(void *context, int error, const mesh_result *result)
{
    struct busy *busy = context;
    bench_must(error, "the call to the busy process");
    if (mesh_match(result->value, ":done") != MESH_OK)
        bench_die("the busy process answered something else");
    busy->ended_ns = bench_now_ns();
    sem_post(&busy->ended);
}

/* Calls the busy process and returns when its handler has begun. */
static void start_busy(mesh_node *node, struct busy *busy, mesh_bytes id)
{
    mesh_request request = {
        .module = "Busy",
        .id = id,
        .payload = busy->payload,
        .capability = "bench",
        .timeout_ms = 4 * HANDLER_MS,
    };
    atomic_store(&begun, false);
    sem_init(&busy->ended, 0, 0);
    bench_must(mesh_call_async(node, &request, busy_done, busy), "calling the busy process");
    while (!atomic_load_explicit(&begun, memory_order_acquire))
        sched_yield();
}

/* Finds ids of the same shard and starts their processes. */
static void find_neighbours(mesh_node *node, mesh_bytes of, char ids[NEIGHBOURS][BENCH_ID_BYTES])
{
    uint32_t shard = mesh_shard_for(of);
    uint32_t number = 0;
    for (int found = 0; found < NEIGHBOURS; number++)
        if (mesh_shard_for(bench_actor_id(number, ids[found])) == shard)
            found++;
    for (int i = 0; i < NEIGHBOURS; i++)
        for (int64_t call = 1; call <= WARM_UP_CALLS; call++)
            if (bench_increment(node, mesh_str(ids[i])) != call)
                bench_die("%s lost a call", ids[i]);
}

struct shot {
    uint64_t intended_ns;
    struct volley *volley;
};

struct volley {
    struct shot shots[OPEN_LOOP_CALLS];
    uint64_t latency_ns[OPEN_LOOP_CALLS]; /* each written by the done of its call */
    atomic_uint left;                     /* the done that takes it to 0 posts */
    sem_t ended;
};

static struct volley volley;

static void shot_done(void *context, int error, const mesh_result *result)
{
    struct shot *shot = context;
    struct volley *v = shot->volley;
    int64_t count = 0;
    v->latency_ns[shot - v->shots] = bench_now_ns() - shot->intended_ns;
    bench_must(error, "a call to a neighbour");
    if (mesh_match(result->value, "~i", &count) != MESH_OK || count <= WARM_UP_CALLS)
        bench_die("a neighbour has lost its count");
    /* Release and acquire: the last one sees what all the others wrote. */
    if (atomic_fetch_sub_explicit(&v->left, 1, memory_order_acq_rel) == 1)
        sem_post(&v->ended);
}

/* One call a millisecond to the neighbours in turn; returns when all are answered. */
static void fire(mesh_node *node, char ids[NEIGHBOURS][BENCH_ID_BYTES])
{
    mesh_buf payload;
    mesh_buf_init(&payload);
    bench_must(mesh_build(&payload, "%{action: :increment}"), "building a payload");
    sem_init(&volley.ended, 0, 0);
    atomic_store(&volley.left, OPEN_LOOP_CALLS);
    uint64_t first_ns = bench_now_ns() + 1000000u;
    for (uint32_t i = 0; i < OPEN_LOOP_CALLS; i++) {
        volley.shots[i] = (struct shot){first_ns + i * 1000000ull, &volley};
        mesh_request request = bench_request(mesh_str(ids[i % NEIGHBOURS]));
        request.payload = mesh_buf_term(&payload);
        bench_sleep_until_ns(volley.shots[i].intended_ns);
        bench_must(mesh_call_async(node, &request, shot_done, &volley.shots[i]), "calling a neighbour");
    }
    while (sem_wait(&volley.ended) != 0)
        ;
    sem_destroy(&volley.ended);
    mesh_buf_fini(&payload);
}

static void beside(const char *how, const char *suffix)
{
    static const mesh_module module = {.size = sizeof module, .name = "Busy", .handle_call = handle_busy_call};
    char ids[NEIGHBOURS][BENCH_ID_BYTES], name[64];
    mesh_buf payload;
    struct busy busy;
    mesh_node *node = bench_start();
    bench_must(mesh_register_module(node, &module), "registering the busy module");
    mesh_buf_init(&payload);
    size_t column = 0;
    bench_must(mesh_parse(how, strlen(how), &payload, &column), "building the busy payload");
    busy.payload = mesh_buf_term(&payload);
    find_neighbours(node, mesh_str("busy"), ids);
    prctl(PR_SET_TIMERSLACK, 1ul); /* else every intended time is missed by 50 us */

    start_busy(node, &busy, mesh_str("busy"));
    fire(node, ids);
    while (sem_wait(&busy.ended) != 0)
        ;
    sem_destroy(&busy.ended);
    if (busy.ended_ns < volley.shots[OPEN_LOOP_CALLS - 1].intended_ns)
        bench_die("the busy process was done before the calls beside it were");
    snprintf(name, sizeof name, "neighbour_p99%s", suffix);
    bench_report(name, (double)bench_percentile(volley.latency_ns, OPEN_LOOP_CALLS, 0.99) * 1e-3, "us");
    snprintf(name, sizeof name, "neighbour_max%s", suffix);
    bench_report(name, (double)bench_percentile(volley.latency_ns, OPEN_LOOP_CALLS, 1.0) * 1e-3, "us");
    mesh_buf_fini(&payload);
    bench_stop(node);
}

void bench_neighbour(const struct bench_options *options)
{
    (void)options;
    beside(":block", "");
}

void bench_neighbour_spin(const struct bench_options *options)
{
    (void)options;
    beside(":spin", "_spin");
}
