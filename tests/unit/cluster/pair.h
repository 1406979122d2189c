/* A few clusters in one test, linked by hand; what they send arrives at once and in order. */
#ifndef TESTS_UNIT_CLUSTER_PAIR_H
#define TESTS_UNIT_CLUSTER_PAIR_H

#include <stdio.h>
#include <string.h>

#include "cluster/cluster.h"
#include "unit/check.h"

enum { PAIR_MAX = 3, PAIR_SHARDS = 16, PAIR_KEPT = 64 };

/* What one node was told to do, apart from sending. */
struct seen {
    enum cluster_action_kind kind;
    uint32_t shard;
    uint64_t epoch, number;
    enum cluster_note note;
    char id[16];
    char text[128];
};

struct pair_node {
    char name[16];
    struct cluster *cluster;
    uint16_t peer[PAIR_MAX]; /* its numbers for the others */
    struct seen seen[PAIR_KEPT];
    size_t count;
    bool slow; /* does not answer RELEASE by itself */
};

struct pair {
    struct pair_node node[PAIR_MAX];
    uint64_t now_ms;
    uint64_t messages;
    int error; /* of the last message that was refused */
};

static inline void pair_init(struct pair *p, uint32_t count)
{
    memset(p, 0, sizeof *p);
    p->now_ms = 100000;
    for (uint32_t i = 0; i < count; i++) {
        snprintf(p->node[i].name, sizeof p->node[i].name, "%c@h", (char)('a' + i));
        const struct cluster_config config = {.name = mesh_str(p->node[i].name), .creation = i + 1};
        p->node[i].cluster = cluster_create(&config, p->now_ms, p->now_ms);
    }
}

static inline void pair_fini(struct pair *p)
{
    for (uint32_t i = 0; i < PAIR_MAX; i++)
        cluster_destroy(p->node[i].cluster);
}

static inline void pair_note(struct pair_node *n, const struct cluster_action *a)
{
    if (n->count == PAIR_KEPT || a->kind == CLUSTER_WAKE)
        return;
    struct seen *s = &n->seen[n->count++];
    *s = (struct seen){.kind = a->kind, .shard = a->shard, .epoch = a->epoch, .number = a->number, .note = a->note};
    snprintf(s->id, sizeof s->id, "%.*s", (int)a->key.id.len, (const char *)a->key.id.data);
    snprintf(s->text, sizeof s->text, "%.*s", (int)a->text.len, (const char *)a->text.data);
}

/* Runs all until nothing is left to do at this moment. */
static inline void pair_run(struct pair *p)
{
    bool more = true;
    for (int round = 0; more && round < 100; round++) {
        more = false;
        for (uint32_t i = 0; i < PAIR_MAX; i++) {
            struct pair_node *n = &p->node[i];
            struct cluster_action a;
            if (n->cluster == NULL)
                continue;
            cluster_begin(n->cluster, p->now_ms, p->now_ms);
            cluster_run(n->cluster);
            while (cluster_next(n->cluster, &a)) {
                more = true;
                pair_note(n, &a);
                if (a.kind == CLUSTER_RELEASE && !n->slow)
                    cluster_released(n->cluster, a.capability, a.shard);
                for (uint32_t j = 0; a.kind == CLUSTER_SEND && j < PAIR_MAX; j++)
                    if (n->peer[j] == a.peer && p->node[j].peer[i] != 0) {
                        int error = cluster_receive(p->node[j].cluster, p->node[j].peer[i], a.message);
                        p->error = error ? error : p->error;
                        p->messages++;
                    }
            }
        }
    }
    assert_false(more);
}

static inline void pair_wait(struct pair *p, uint32_t ms)
{
    for (; ms > 0; ms -= ms < 10 ? ms : 10) {
        p->now_ms += ms < 10 ? ms : 10;
        pair_run(p);
    }
}

static inline void pair_link(struct pair *p, uint32_t i, uint32_t j)
{
    assert_int_equal(
        cluster_link_up(p->node[i].cluster, mesh_str(p->node[j].name), j + 1, CLUSTER_C, &p->node[i].peer[j]), MESH_OK);
    assert_int_equal(
        cluster_link_up(p->node[j].cluster, mesh_str(p->node[i].name), i + 1, CLUSTER_C, &p->node[j].peer[i]), MESH_OK);
    pair_wait(p, 30); /* until both have told of it */
}

static inline void pair_unlink(struct pair *p, uint32_t i, uint32_t j)
{
    cluster_link_down(p->node[i].cluster, p->node[i].peer[j]);
    cluster_link_down(p->node[j].cluster, p->node[j].peer[i]);
    p->node[i].peer[j] = p->node[j].peer[i] = 0;
    pair_run(p);
}

static inline int pair_register_as(struct pair *p, uint32_t i, enum mesh_strategy strategy, uint32_t shards)
{
    const struct cluster_capability own = {.strategy = strategy, .shards = shards, .weight = 1};
    int error = cluster_register(p->node[i].cluster, mesh_str("game"), &own);
    pair_run(p);
    return error;
}

static inline void pair_register(struct pair *p, uint32_t i)
{
    assert_int_equal(pair_register_as(p, i, MESH_CAPPED, PAIR_SHARDS), MESH_OK);
}

static inline struct cluster_stats pair_stats(const struct pair *p, uint32_t i)
{
    struct cluster_stats stats;
    cluster_stats(p->node[i].cluster, &stats);
    return stats;
}

static inline const struct seen *pair_saw(const struct pair *p, uint32_t i, enum cluster_action_kind kind)
{
    for (size_t k = p->node[i].count; k > 0; k--)
        if (p->node[i].seen[k - 1].kind == kind)
            return &p->node[i].seen[k - 1];
    return NULL;
}

static inline const struct seen *pair_told(const struct pair *p, uint32_t i, enum cluster_note note)
{
    for (size_t k = p->node[i].count; k > 0; k--)
        if (p->node[i].seen[k - 1].kind == CLUSTER_LOG && p->node[i].seen[k - 1].note == note)
            return &p->node[i].seen[k - 1];
    return NULL;
}

/* A shard that this node holds. */
static inline uint32_t pair_held(const struct pair *p, uint32_t i)
{
    for (uint32_t s = 0; s < PAIR_SHARDS; s++)
        if (cluster_epoch(p->node[i].cluster, mesh_str("game"), s) != 0)
            return s;
    fail_msg("%s holds nothing", p->node[i].name);
    return 0;
}

#endif
