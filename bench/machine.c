/* The benchmarks' view of the machine: clocks, memory, cores, and the lines that they print. */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

void bench_report(const char *name, double value, const char *unit)
{
    printf("{\"bench\":\"%s\",\"who\":\"mesh\",\"value\":%.9g,\"unit\":\"%s\"}\n", name, value, unit);
    fflush(stdout);
}

_Noreturn void bench_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("mesh_bench: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\n", stderr);
    va_end(args);
    /* Not exit: other threads of the node still run. */
    _exit(1);
}

void bench_must(int error, const char *doing)
{
    if (error != MESH_OK)
        bench_die("%s: %s", doing, mesh_strerror(error));
}

uint64_t bench_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_sleep_until_ns(uint64_t when_ns)
{
    struct timespec t = {(time_t)(when_ns / 1000000000u), (long)(when_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        ;
}

void bench_sleep_ms(uint32_t ms)
{
    bench_sleep_until_ns(bench_now_ns() + ms * 1000000ull);
}

uint64_t bench_resident_bytes(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (status == NULL)
        bench_die("cannot read /proc/self/status: %s", strerror(errno));
    while (fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtoull(line + 6, NULL, 10);
    fclose(status);
    return kib * 1024;
}

unsigned bench_usable_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

uint64_t bench_percentile(uint64_t *samples, size_t count, double share)
{
    qsort(samples, count, sizeof samples[0], by_value);
    size_t at = (size_t)(share * (double)count);
    return samples[at < count ? at : count - 1];
}
