/* A link between two nodes in memory: see wire.h.
 *
 * Each node has an end, with the buffer of what is said to it: messages, each behind its length. Whoever puts the first
 * one into an empty buffer gives the node's worker 0 an errand, which takes the whole buffer and leaves the other of
 * two there. */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/lock.h"
#include "bench.h"

enum { BUFFER_BYTES = 16 << 20, UP = UINT32_MAX, DOWN = UINT32_MAX - 1, PATIENCE_MS = 10000 };

struct end {
    struct errand errand; /* first */
    mesh_node *node;
    struct end *other;
    struct node_link *link; /* the worker's */

    struct spin lock; /* the rest */
    uint8_t *full, *empty;
    size_t len;
    bool asked; /* the errand is on its way */
    bool up;
    bool stopped; /* its workers do not run any more */
};

struct wire {
    struct end ends[2];
};

/* ---- reading ---- */

static void end_link(struct end *e, struct worker *w)
{
    struct node_link *link = e->link;
    e->link = NULL;
    if (link != NULL)
        node_link_down(link, w);
}

static void deliver(struct end *e, struct worker *w, uint32_t len, const uint8_t *bytes)
{
    struct runtime *other = &e->other->node->runtime;
    if (len == UP)
        node_link_up(e->node, mesh_str(other->name), other->creation, CLUSTER_C, e, &e->link);
    else if (len == DOWN)
        end_link(e, w);
    else
        bench_must(node_link_message(e->link, w, (mesh_bytes){bytes, len}), "reading a message");
}

static void read_all(struct worker *w, struct errand *errand)
{
    struct end *e = (struct end *)errand;
    spin_lock(&e->lock);
    uint8_t *bytes = e->full;
    size_t len = e->stopped ? 0 : e->len;
    e->full = e->empty;
    e->empty = bytes;
    e->len = 0;
    e->asked = false;
    spin_unlock(&e->lock);
    for (size_t at = 0; at < len;) {
        uint32_t size;
        memcpy(&size, bytes + at, sizeof size);
        at += sizeof size;
        deliver(e, w, size, bytes + at);
        at += size < DOWN ? size : 0;
    }
}

/* ---- what the nodes call ---- */

/* Locked. Whether the errand has to be given, which is done without the lock. */
static bool put(struct end *to, uint32_t size, const uint8_t *bytes)
{
    bool first = !to->asked;
    memcpy(to->full + to->len, &size, sizeof size);
    to->len += sizeof size;
    if (size < DOWN) {
        memcpy(to->full + to->len, bytes, size);
        to->len += size;
    }
    to->asked = true;
    return first;
}

static int say(struct end *to, uint32_t size, const uint8_t *bytes)
{
    int rc = MESH_OK;
    bool ask = false;
    spin_lock(&to->lock);
    if (!to->up || to->stopped)
        rc = MESH_ENOPROCESS;
    else if (to->len + size % DOWN + 64 > BUFFER_BYTES)
        rc = MESH_EBUSY;
    else
        ask = put(to, size, bytes);
    to->up = to->up && size != DOWN;
    spin_unlock(&to->lock);
    if (ask)
        worker_errand(&to->node->runtime.workers[0], &to->errand);
    return rc;
}

static int wire_send(void *peer, mesh_bytes message, struct block *block, uint64_t order, bool must)
{
    (void)order; /* nothing passes here */
    (void)must;
    (void)block;
    return say(((struct end *)peer)->other, (uint32_t)message.len, message.data);
}

static void wire_close(void *peer)
{
    (void)peer; /* a benchmark in which a link breaks has failed already */
}

static void wire_release(void *peer)
{
    (void)peer;
}

static void wire_stop(void *context)
{
    struct end *e = context;
    (void)say(e->other, DOWN, NULL);
    spin_lock(&e->lock);
    e->stopped = true;
    spin_unlock(&e->lock);
    end_link(e, NULL);
}

static const struct transport_ops ops = {
    .send = wire_send, .close = wire_close, .release = wire_release, .stop = wire_stop};

/* ---- what benchmarks call ---- */

struct wire *wire_create(mesh_node *a, mesh_node *b)
{
    struct wire *wire = must_calloc(1, sizeof *wire);
    mesh_node *nodes[2] = {a, b};
    for (int i = 0; i < 2; i++) {
        struct end *e = &wire->ends[i];
        const struct transport transport = {&ops, e};
        const struct membership_options options = {.quiet_ms = 30};
        *e = (struct end){.errand.run = read_all, .node = nodes[i], .other = &wire->ends[1 - i]};
        e->full = must_calloc(BUFFER_BYTES, 1);
        e->empty = must_calloc(BUFFER_BYTES, 1);
        bench_must(node_join_cluster(nodes[i], &options, &transport), "joining a cluster");
    }
    /* Before either of them hears of the other: it answers at once. */
    for (int i = 0; i < 2; i++) {
        wire->ends[i].up = true;
        (void)put(&wire->ends[i], UP, NULL);
    }
    for (int i = 0; i < 2; i++)
        worker_errand(&nodes[i]->runtime.workers[0], &wire->ends[i].errand);
    return wire;
}

static bool is_settled(const struct wire *wire, uint32_t shards)
{
    uint32_t held = 0;
    for (int i = 0; i < 2; i++) {
        struct membership_stats stats;
        membership_read_stats(wire->ends[i].node->membership, &stats);
        if (stats.cluster.linked != 1 || !stats.cluster.synced || stats.cluster.claiming > 0)
            return false;
        held += stats.cluster.held;
    }
    return held == shards;
}

void wire_await(struct wire *wire, uint32_t shards)
{
    for (int ms = 0; !is_settled(wire, shards); ms += 5) {
        if (ms > PATIENCE_MS)
            bench_die("the nodes do not settle");
        bench_sleep_ms(5);
    }
}

void wire_destroy(struct wire *wire)
{
    for (int i = 0; i < 2; i++) {
        free(wire->ends[i].full);
        free(wire->ends[i].empty);
    }
    free(wire);
}
