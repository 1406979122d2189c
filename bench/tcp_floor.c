/* The lower bounds for calls between two processes on one machine: a bare TCP echo over loopback.
 *
 * Prints the median round trip of a 150-byte message when both ends block, and when both ends poll (calling
 * sched_yield each turn), and how many messages a second are echoed when 300 travel in one write.
 *
 * Build: cc -O2 tcp_floor.c -o tcp_floor      Run: ./tcp_floor [tcp_blocking|tcp_polling|tcp_batched]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SIZE = 150, ROUNDS = 20000, BATCH = 300, BATCHES = 5000 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* Returns what one read gives; 0 when the peer is gone. */
static ssize_t take(int fd, char *buf, size_t size, bool poll)
{
    for (;;) {
        ssize_t n = recv(fd, buf, size, poll ? MSG_DONTWAIT : 0);
        if (n >= 0)
            return n;
        if (errno != EAGAIN && errno != EINTR)
            return 0;
        sched_yield();
    }
}

static void exchange(int fd, char *buf, size_t size, bool poll)
{
    if (send(fd, buf, size, MSG_NOSIGNAL) != (ssize_t)size)
        exit(1);
    for (size_t got = 0; got < size;) {
        ssize_t n = take(fd, buf + got, size - got, poll);
        if (n == 0)
            exit(1);
        got += (size_t)n;
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(bool poll, bool batched)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof where;
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    static char buf[SIZE * BATCH];
    if (bind(listener, (void *)&where, sizeof where) || listen(listener, 1) ||
        getsockname(listener, (void *)&where, &len))
        exit(1);
    pid_t echo = fork();
    if (echo == 0) {
        int fd = accept(listener, NULL, NULL);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        for (ssize_t n; (n = take(fd, buf, sizeof buf, poll)) > 0;)
            for (ssize_t sent = 0, w; sent < n; sent += w)
                if ((w = send(fd, buf + sent, (size_t)(n - sent), MSG_NOSIGNAL)) <= 0)
                    _exit(1);
        _exit(0);
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (void *)&where, sizeof where))
        exit(1);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    static double took[ROUNDS];
    for (int i = 0; i < ROUNDS && !batched; i++) {
        double from = now_us();
        exchange(fd, buf, SIZE, poll);
        took[i] = now_us() - from;
    }
    qsort(took, ROUNDS, sizeof took[0], by_value);
    if (!batched)
        printf("{\"bench\":\"remote_sequential_p50\",\"who\":\"tcp_%s\",\"value\":%.1f,\"unit\":\"us\"}\n",
               poll ? "polling" : "blocking", took[ROUNDS / 2]);
    else {
        double from = now_us();
        for (int i = 0; i < BATCHES; i++)
            exchange(fd, buf, sizeof buf, poll);
        printf("{\"bench\":\"remote_call\",\"who\":\"tcp_batched\",\"value\":%.0f,\"unit\":\"1/s\"}\n",
               (double)BATCHES * BATCH / (now_us() - from) * 1e6);
    }
    close(fd);
    close(listener);
    waitpid(echo, NULL, 0);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"tcp_blocking", "tcp_polling", "tcp_batched"};
    for (int i = 0; i < 3; i++) {
        if (argc > 1 && strcmp(argv[1], names[i]) != 0)
            continue;
        measure(i == 1, i == 2);
        fflush(stdout);
    }
    return 0;
}
