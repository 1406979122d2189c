/* mesh_bench NAME: runs one benchmark of Mesh and prints its values as JSON lines.
 *
 * Alone it serves whoever tunes the library; bench/runner.c runs it in turn with the contenders. */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "pair.h"

static const struct bench benches[] = {
    {"call_spread", "500 callers over 1,000 of 100,000 processes", bench_call_spread},
    {"call_hot", "500 callers, one process", bench_call_hot},
    {"activate", "500 callers, the first call to each of 1,000,000 ids", bench_activate},
    {"idle_bytes", "memory of an idle process, after a minute", bench_idle_bytes},
    {"idle_10m", "memory of 10,000,000 idle processes, of which 1,000 are then called", bench_idle_10m},
    {"idle_cpu", "what an idle node uses of a core", bench_idle_cpu},
    {"thread_call", "round trip from a thread that pauses 1 ms between calls", bench_thread_call},
    {"thread_call_busy", "round trip from a thread that calls without a pause", bench_thread_call_busy},
    {"neighbour", "calls beside a handler that blocks for 4 s", bench_neighbour},
    {"neighbour_spin", "calls beside a handler that computes for 4 s", bench_neighbour_spin},
    {"crash_survivors", "20,000 processes beside 60,000 crashes", bench_crash_survivors},
    {"remote_call", "500 callers over 1,000 processes of another program", bench_remote_call},
    {"remote_cast", "the same with casts", bench_remote_cast},
    {"remote_activate", "500 callers, the first call to each of 500,000 ids of another program", bench_remote_activate},
    {"remote_sequential", "one caller, processes of another program", bench_remote_sequential},
    {"join_1m", "a node joins and takes half of 1,000,000 processes, while calls go on", bench_join_1m},
    {"ring_1000", "building the ring of 4,096 shards and 1,000 nodes", bench_ring_1000},
};

enum { BENCHES = sizeof benches / sizeof benches[0] };

static void usage(FILE *to)
{
    fputs("usage: mesh_bench [--quick] [--verbose] NAME\n\n", to);
    for (size_t i = 0; i < BENCHES; i++)
        fprintf(to, "  %-18s %s\n", benches[i].name, benches[i].what);
    fputs("\n  --quick            a fifth of the time, to try things out\n"
          "  --verbose          more numbers, on stderr\n",
          to);
}

int main(int argc, char **argv)
{
    struct bench_options options = {false, false};
    const char *name = NULL;
    if (argc > 1 && strcmp(argv[1], "serve") == 0) /* the second program of a pair */
        return pair_serve(argc - 1, argv + 1);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            return 0;
        }
        if (strcmp(argv[i], "--quick") == 0) {
            options.quick = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            options.verbose = true;
        } else if (name == NULL && argv[i][0] != '-') {
            name = argv[i];
        } else {
            usage(stderr);
            return 2;
        }
    }
    for (size_t i = 0; name != NULL && i < BENCHES; i++) {
        if (strcmp(benches[i].name, name) == 0) {
            benches[i].run(&options);
            return 0;
        }
    }
    usage(stderr);
    return 2;
}
