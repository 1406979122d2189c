/* Two nodes of two programs: see pair.h. */
#include "pair.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum order { ORDER_REPORT, ORDER_COUNT, ORDER_JOIN };
enum { PATIENCE_MS = 10000, ORDERS_FD = 0 };

static const char first_name[] = "load@127.0.0.1", second_name[] = "echo@127.0.0.1";

/* ---- both ---------------------------------------------------------------------------------------------------------
 */

static void ignore_log(void *context, const mesh_log_event *event)
{
    (void)context;
    (void)event;
}

static mesh_node *start(const char *name, bool moving)
{
    const mesh_node_options options = {.size = sizeof options, .name = name, .log = ignore_log};
    const mesh_module module = moving ? bench_moving_module() : bench_module();
    mesh_node *node = NULL;
    bench_must(mesh_node_start(&options, &node), "starting a node");
    bench_must(mesh_register_module(node, &module), "registering the module");
    return node;
}

static void join(mesh_node *node, uint16_t port, uint16_t peer_port)
{
    const mesh_cluster_options options = {.size = sizeof options,
                                          .cookie = "bench",
                                          .port = port,
                                          .listen = "127.0.0.1",
                                          .no_epmd = true,
                                          .dial_port = peer_port};
    mesh_reason reason = {""};
    int error = mesh_cluster_join(node, &options, &reason);
    if (error != MESH_OK)
        bench_die("joining: %s: %s", mesh_strerror(error), reason.text);
}

static mesh_cluster_stats cluster_stats(mesh_node *node)
{
    mesh_cluster_stats stats = {.size = sizeof stats};
    bench_must(mesh_cluster_stats_read(node, &stats), "reading the numbers of the cluster");
    return stats;
}

/* Registers the capability, and waits until this node, the only one that has it, holds every shard. */
static void hold_all(mesh_node *node)
{
    const uint64_t until_ns = bench_now_ns() + PATIENCE_MS * 1000000ull;
    bench_must(mesh_register_capability(node, "bench", NULL), "registering the capability");
    while (cluster_stats(node).held < MESH_DEFAULT_SHARDS) {
        if (bench_now_ns() > until_ns)
            bench_die("the shards are not held after %d s", PATIENCE_MS / 1000);
        bench_sleep_ms(1);
    }
}

uint64_t bench_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Moves all bytes. False: the other side has gone. */
static bool move(int fd, void *bytes, size_t len, bool in)
{
    for (size_t at = 0; at < len;) {
        char *from = (char *)bytes + at;
        ssize_t n = in ? recv(fd, from, len - at, 0) : send(fd, from, len - at, MSG_NOSIGNAL);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* ---- the second ----------------------------------------------------------------------------------------------------
 */

static struct pair_report report(mesh_node *node, bool joined, bool count)
{
    struct pair_report r = {.cpu_ns = bench_cpu_ns()};
    char text[BENCH_ID_BYTES];
    for (uint32_t i = 0; count && i < PAIR_TARGETS; i++)
        r.sum += (uint64_t)bench_read(node, bench_actor_id(i, text));
    const mesh_stats stats = bench_stats(node);
    r.calls = stats.calls;
    r.casts = stats.casts;
    r.activations = stats.activations;
    r.processes = stats.processes;
    if (joined) {
        const mesh_cluster_stats cluster = cluster_stats(node);
        r.held = cluster.held;
        r.settled = cluster.claiming + cluster.leaving == 0;
    }
    return r;
}

static void join_late(mesh_node *node, uint16_t port, uint16_t peer_port)
{
    join(node, port, peer_port);
    bench_must(mesh_connect(node, first_name, PATIENCE_MS), "connecting");
    bench_must(mesh_register_capability(node, "bench", NULL), "registering the capability");
}

int pair_serve(int argc, char **argv)
{
    if (argc != 3)
        bench_die("serve takes two ports");
    const uint16_t port = (uint16_t)strtoul(argv[1], NULL, 10), peer_port = (uint16_t)strtoul(argv[2], NULL, 10);
    bool joined = peer_port == 0; /* else it is told when */
    mesh_node *node = start(second_name, !joined);
    uint8_t order;
    if (joined) {
        join(node, port, port); /* it does not dial */
        hold_all(node);
    }
    struct pair_report r = report(node, joined, false);
    bool heard = move(ORDERS_FD, &r, sizeof r, false);
    while (heard && move(ORDERS_FD, &order, sizeof order, true)) {
        if (order == ORDER_JOIN) {
            join_late(node, port, peer_port);
            joined = true;
        } else {
            r = report(node, joined, order == ORDER_COUNT);
            heard = move(ORDERS_FD, &r, sizeof r, false);
        }
    }
    bench_stop(node);
    return 0;
}

/* ---- the first -----------------------------------------------------------------------------------------------------
 */

static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &len) != 0)
        bench_die("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(at.sin_port);
}

/* Starts the second program, which listens at port. */
static struct pair spawn(uint16_t port, uint16_t peer_port)
{
    int ends[2];
    char self[4096], listen[8], peer[8];
    char *argv[] = {"mesh_bench", "serve", listen, peer, NULL};
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    if (len < 0)
        bench_die("this program cannot be found: %s", strerror(errno));
    self[len] = '\0';
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        bench_die("no pair of sockets: %s", strerror(errno));
    snprintf(listen, sizeof listen, "%u", port);
    snprintf(peer, sizeof peer, "%u", peer_port);
    int pid = fork();
    if (pid < 0)
        bench_die("no second program: %s", strerror(errno));
    if (pid == 0) {
        dup2(ends[1], ORDERS_FD);
        execv(self, argv);
        _exit(127);
    }
    close(ends[1]);
    return (struct pair){.pid = pid, .fd = ends[0]};
}

static struct pair_report await_report(struct pair *p)
{
    struct pair_report r;
    if (!move(p->fd, &r, sizeof r, true))
        bench_die("the second program has ended");
    return r;
}

static void give(struct pair *p, enum order order)
{
    uint8_t byte = (uint8_t)order;
    if (!move(p->fd, &byte, sizeof byte, false))
        bench_die("the second program has ended");
}

struct pair pair_start(void)
{
    const uint16_t port = free_port();
    struct pair p = spawn(port, 0);
    p.node = start(first_name, false);
    join(p.node, 0, port);
    await_report(&p);
    bench_must(mesh_connect(p.node, second_name, PATIENCE_MS), "connecting");
    bench_must(mesh_wait_for(p.node, 2, PATIENCE_MS), "waiting for the second node");
    return p;
}

struct pair pair_start_alone(void)
{
    const uint16_t port = free_port();
    struct pair p = spawn(free_port(), port);
    p.node = start(first_name, true);
    join(p.node, port, port);
    hold_all(p.node);
    await_report(&p);
    return p;
}

void pair_join(struct pair *p)
{
    give(p, ORDER_JOIN);
}

struct pair_report pair_ask(struct pair *p, bool count)
{
    give(p, count ? ORDER_COUNT : ORDER_REPORT);
    return await_report(p);
}

void pair_stop(struct pair *p)
{
    int status = 0;
    bench_stop(p->node);
    close(p->fd);
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        bench_die("the second program ended with the status %d", status);
}
