/* What the kernel charges for a round trip between two blocked threads: the measure for a call from a thread.
 *
 * The same ping-pong as thread_call and thread_call_busy of bench/latency.c, with the same pauses and counts, by two
 * POSIX semaphores: no message, no reply, no work. Unpinned, as there.
 *
 * Run: semaphore [--quick] thread_call|thread_call_busy */
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PAUSED_CALLS = 1500, BUSY_CALLS = 300000, WARM_UP_CALLS = 100 };

struct table {
    sem_t ping;
    sem_t pong;
    uint64_t served; /* written by the server before it posts pong, read by the other after */
    uint32_t rounds;
};

static void take(sem_t *sem)
{
    while (sem_wait(sem) != 0)
        ;
}

static void *serve(void *arg)
{
    struct table *table = arg;
    for (uint32_t i = 0; i < table->rounds; i++) {
        take(&table->ping);
        table->served++;
        sem_post(&table->pong);
    }
    return NULL;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int measure(const char *name, uint32_t count, bool pause)
{
    static uint64_t took[BUSY_CALLS];
    struct table table = {.rounds = WARM_UP_CALLS + count};
    pthread_t server;
    sem_init(&table.ping, 0, 0);
    sem_init(&table.pong, 0, 0);
    if (pthread_create(&server, NULL, serve, &table) != 0)
        return 1;
    for (uint32_t i = 0; i < table.rounds; i++) {
        struct timespec ms = {0, 1000000};
        if (pause)
            nanosleep(&ms, NULL);
        uint64_t from = now_ns();
        sem_post(&table.ping);
        take(&table.pong);
        if (i >= WARM_UP_CALLS)
            took[i - WARM_UP_CALLS] = now_ns() - from;
    }
    pthread_join(server, NULL);
    if (table.served != table.rounds)
        return 1;
    qsort(took, count, sizeof took[0], by_value);
    uint64_t median_ns = took[count / 2];
    printf("{\"bench\":\"%s\",\"who\":\"semaphore\",\"value\":%.3f,\"unit\":\"us\"}\n", name, (double)median_ns * 1e-3);
    return 0;
}

int main(int argc, char **argv)
{
    bool quick = argc == 3 && strcmp(argv[1], "--quick") == 0;
    const char *name = argc == 2 + quick ? argv[1 + quick] : "";
    if (strcmp(name, "thread_call") == 0)
        return measure(name, quick ? PAUSED_CALLS / 5 : PAUSED_CALLS, true);
    if (strcmp(name, "thread_call_busy") == 0)
        return measure(name, quick ? BUSY_CALLS / 5 : BUSY_CALLS, false);
    fputs("usage: semaphore [--quick] thread_call|thread_call_busy\n", stderr);
    return 2;
}
