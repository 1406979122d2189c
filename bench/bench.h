/* What the benchmarks share: the process they call, the callers, clocks, and the line that reports a value.
 *
 * A benchmark is a function that does its whole work, checks every answer, and reports; what is wrong ends the program
 * with exit code 1 and a sentence on stderr, so that a number is never printed for work that was not done. */
#ifndef MESH_BENCH_H
#define MESH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh.h>

enum {
    BENCH_CALLERS = 500, /* tasks that call at the same time, as in the contenders */
    BENCH_ID_BYTES = 24, /* room for any id made by bench_actor_id, NUL included */
};

struct bench_options {
    bool quick;   /* a fifth of the time, for trying things out: not a result */
    bool verbose; /* what else there is to know, on stderr */
};

struct bench {
    const char *name;
    const char *what; /* one line for --help */
    void (*run)(const struct bench_options *options);
};

/* ---- the local benchmarks, by file: calls.c, idle.c, latency.c, crash.c ---- */

void bench_call_spread(const struct bench_options *options);
void bench_call_hot(const struct bench_options *options);
void bench_activate(const struct bench_options *options);
void bench_idle_bytes(const struct bench_options *options);
void bench_idle_10m(const struct bench_options *options);
void bench_idle_cpu(const struct bench_options *options);
void bench_thread_call(const struct bench_options *options);
void bench_thread_call_busy(const struct bench_options *options);
void bench_neighbour(const struct bench_options *options);
void bench_neighbour_spin(const struct bench_options *options);
void bench_crash_survivors(const struct bench_options *options);

/* ---- of two programs, by file: across.c, join_1m.c; and ring_1000.c ---- */

void bench_remote_call(const struct bench_options *options);
void bench_remote_cast(const struct bench_options *options);
void bench_remote_activate(const struct bench_options *options);
void bench_remote_sequential(const struct bench_options *options);
void bench_join_1m(const struct bench_options *options);
void bench_ring_1000(const struct bench_options *options);

/* ---- results ---- */

/* Prints one value as a line of JSON on stdout. */
void bench_report(const char *name, double value, const char *unit);

/* Says on stderr what is wrong and ends the program with exit code 1. Any thread, also inside handlers. */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Dies, naming what was done, unless error is MESH_OK. */
void bench_must(int error, const char *doing);

/* ---- the node, its counters and their callers ---- */

/* Starts a node with default options but for its log, which is thrown away (crashes and stuck handlers
 * are what some benchmarks are about), and with the capability and module that bench_request names. */
mesh_node *bench_start(void);

/* The module of the counters: they add one for each call or cast that says so. */
mesh_module bench_module(void);

/* The same, and they keep their count when they move to another node. */
mesh_module bench_moving_module(void);

/* Stops it. */
void bench_stop(mesh_node *node);

/* A request to the counter with this id, without a payload; everything else is default. */
mesh_request bench_request(mesh_bytes id);

/* Calls a counter once, as a program does: builds the payload, calls, matches the reply. Dies unless it is answered.
 * Any thread, handler or task. increment gives the count with this call in it, read the count as it is. */
int64_t bench_increment(mesh_node *node, mesh_bytes id);
int64_t bench_read(mesh_node *node, mesh_bytes id);

/* Makes the counter with this id crash; dies unless the call ends with MESH_ECRASHED. */
void bench_crash(mesh_node *node, mesh_bytes id);

/* Writes "actor_<number>" into text and returns it as an id, which points into text. */
mesh_bytes bench_actor_id(uint32_t number, char text[BENCH_ID_BYTES]);

/* What one of the BENCH_CALLERS tasks does; index counts from 0. */
typedef void (*bench_caller_fn)(mesh_node *node, uint32_t index, void *arg);

/* Runs all callers at once and returns after how many ns the last of them was done. */
uint64_t bench_swarm(mesh_node *node, bench_caller_fn fn, void *arg);

/* Makes counters actor_0 to actor_<count - 1> by one call to each, from all callers; dies unless each answers 1.
 * count is a multiple of BENCH_CALLERS. Returns how long it took in ns. */
uint64_t bench_populate(mesh_node *node, uint32_t count);

/* Reads one set of numbers of the node. */
mesh_stats bench_stats(mesh_node *node);

/* ---- the machine ---- */

uint64_t bench_now_ns(void);
void bench_sleep_until_ns(uint64_t when_ns);
void bench_sleep_ms(uint32_t ms);
uint64_t bench_resident_bytes(void);
unsigned bench_usable_cores(void);

/* Sorts samples and returns the one below which a share of them lies, 0 to 1. count is at least 1. */
uint64_t bench_percentile(uint64_t *samples, size_t count, double share);

#endif
