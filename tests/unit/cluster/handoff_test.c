/* Processes that move: snapshots before the grant, busy ones after it, and what happens when the link breaks. Routing,
 * since it depends on them. */
#include "unit/cluster/pair.h"

static struct cluster_key key_of(const char *id, uint32_t shard)
{
    struct cluster_key key = {mesh_str("game"), mesh_str("Counter"), mesh_str(id), shard};
    return key;
}

static mesh_bytes one(void)
{
    static const uint8_t term[] = {97, 1};
    return (mesh_bytes){term, sizeof term};
}

static enum cluster_route route(struct pair *p, uint32_t i, const char *id, uint32_t shard, uint16_t from, uint8_t hops,
                                uint16_t *peer)
{
    struct cluster_request r = {.key = key_of(id, shard), .from = from, .hops = hops, .moved = true};
    int error = MESH_OK;
    return cluster_route(p->node[i].cluster, &r, peer, &error);
}

/* Two nodes of which the second is about to get its share: `a` has been asked to release, and has not answered. Returns
 * one of the shards. */
static uint32_t moving(struct pair *p)
{
    pair_init(p, 2);
    pair_link(p, 0, 1);
    pair_register(p, 0);
    p->node[0].slow = true;
    pair_register(p, 1);
    pair_wait(p, 1100);
    assert_non_null(pair_saw(p, 0, CLUSTER_RELEASE));
    assert_int_equal(pair_stats(p, 1).held, 0);
    return pair_saw(p, 0, CLUSTER_RELEASE)->shard;
}

static void released(struct pair *p, uint32_t shard)
{
    cluster_released(p->node[0].cluster, mesh_str("game"), shard);
    pair_wait(p, 20);
}

static void snapshots_come_before_the_hold(void **state)
{
    (void)state;
    struct pair p;
    uint16_t peer = 0;
    uint32_t shard = moving(&p);
    struct cluster_key key = key_of("c1", shard);
    assert_int_equal(route(&p, 0, "c1", shard, 0, 0, &peer), CLUSTER_TO);   /* to the one that will hold it, */
    assert_int_equal(route(&p, 1, "c1", shard, 0, 0, &peer), CLUSTER_WAIT); /* where it waits */
    cluster_snapshot(p.node[0].cluster, &key, 5, one());
    pair_wait(&p, 20);
    assert_non_null(pair_saw(&p, 1, CLUSTER_ADOPT));
    assert_string_equal(pair_saw(&p, 1, CLUSTER_ADOPT)->id, "c1");
    assert_int_equal(pair_saw(&p, 1, CLUSTER_ADOPT)->epoch, 5);
    assert_int_equal(cluster_epoch(p.node[1].cluster, mesh_str("game"), shard), 0);
    released(&p, shard);
    assert_true(cluster_epoch(p.node[1].cluster, mesh_str("game"), shard) > 5);
    assert_int_equal(route(&p, 1, "c1", shard, 0, 0, &peer), CLUSTER_SERVE);
    assert_int_equal(pair_stats(&p, 0).parcels_waiting, 0); /* acknowledged */
    pair_fini(&p);
}

static void busy_ones_are_followed_until_they_end(void **state)
{
    (void)state;
    struct pair p;
    uint16_t peer = 0;
    uint32_t shard = moving(&p);
    struct cluster_key key = key_of("busy", shard);
    cluster_busy(p.node[0].cluster, &key);
    released(&p, shard);
    assert_int_equal(route(&p, 1, "busy", shard, 0, 0, &peer), CLUSTER_FOLLOW);
    assert_int_equal(peer, p.node[1].peer[0]);
    assert_int_equal(route(&p, 1, "other", shard, 0, 0, &peer), CLUSTER_SERVE);
    assert_int_equal(route(&p, 0, "busy", shard, p.node[0].peer[1], 1, &peer), CLUSTER_SERVE);
    cluster_snapshot(p.node[0].cluster, &key, 6, one());
    pair_wait(&p, 20);
    assert_int_equal(route(&p, 1, "busy", shard, 0, 0, &peer), CLUSTER_SERVE);
    assert_non_null(pair_saw(&p, 1, CLUSTER_ADOPT));
    assert_null(pair_saw(&p, 1, CLUSTER_CONFLICT));
    /* a call that comes now is answered MOVED, unless it came from the one that holds it */
    assert_int_equal(route(&p, 0, "busy", shard, 99, 1, &peer), CLUSTER_MOVED);
    assert_int_equal(route(&p, 0, "busy", shard, p.node[0].peer[1], 1, &peer), CLUSTER_WAIT);
    pair_fini(&p);
}

/* The giver takes back what was not acknowledged, and hands it to whoever claims next. */
static void a_broken_link_loses_nothing(void **state)
{
    (void)state;
    struct pair p;
    uint32_t shard = moving(&p);
    struct cluster_key key = key_of("c1", shard);
    cluster_snapshot(p.node[0].cluster, &key, 5, one());
    cluster_run(p.node[0].cluster); /* on its way, and then the link breaks */
    struct cluster_action a;
    while (cluster_next(p.node[0].cluster, &a))
        ;
    pair_unlink(&p, 0, 1);
    assert_non_null(pair_saw(&p, 0, CLUSTER_ADOPT));
    assert_string_equal(pair_saw(&p, 0, CLUSTER_ADOPT)->id, "c1");
    p.node[0].slow = false;
    for (uint32_t s = 0; s < PAIR_SHARDS; s++)
        cluster_released(p.node[0].cluster, mesh_str("game"), s);
    pair_wait(&p, 100);
    assert_int_equal(pair_stats(&p, 0).held, PAIR_SHARDS); /* alone again */
    pair_fini(&p);
}

/* Claims go on without a silent node; what it sends late overwrites nothing. */
static void a_late_snapshot_is_a_conflict(void **state)
{
    (void)state;
    struct pair p;
    uint32_t shard = moving(&p);
    struct cluster_key key = key_of("c1", shard);
    pair_wait(&p, 2500);
    assert_true(pair_stats(&p, 1).claims_forced > 0);
    assert_non_null(pair_told(&p, 1, CLUSTER_NOTE_FORCED));
    assert_true(cluster_epoch(p.node[1].cluster, mesh_str("game"), shard) != 0);
    cluster_snapshot(p.node[0].cluster, &key, 5, one());
    pair_wait(&p, 20);
    assert_null(pair_saw(&p, 1, CLUSTER_ADOPT));
    assert_non_null(pair_saw(&p, 1, CLUSTER_CONFLICT));
    pair_fini(&p);
}

/* The time in which the claimer itself stood still is none in which the other was silent: its answer may have come. */
static void nothing_is_forced_by_a_node_that_stood_still(void **state)
{
    (void)state;
    struct pair p;
    moving(&p);
    pair_wait(&p, 500);
    p.now_ms += 5000; /* neither runs */
    pair_run(&p);
    assert_non_null(pair_told(&p, 1, CLUSTER_NOTE_SUSPECT));
    pair_wait(&p, 1000);
    assert_int_equal(pair_stats(&p, 1).claims_forced, 0);
    pair_wait(&p, 1000);
    assert_true(pair_stats(&p, 1).claims_forced > 0);
    pair_fini(&p);
}

static void a_drained_node_says_so(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, 2);
    pair_link(&p, 0, 1);
    pair_register(&p, 0);
    pair_register(&p, 1);
    pair_wait(&p, 2000);
    cluster_drain(p.node[0].cluster);
    pair_wait(&p, 100);
    assert_non_null(pair_saw(&p, 0, CLUSTER_DRAINED));
    assert_int_equal(pair_stats(&p, 0).held, 0);
    assert_int_equal(pair_stats(&p, 1).held, PAIR_SHARDS);
    const struct cluster_capability own = {.strategy = MESH_CAPPED, .shards = PAIR_SHARDS, .weight = 1};
    assert_int_equal(cluster_register(p.node[0].cluster, mesh_str("game"), &own), MESH_ESTOPPING);
    pair_fini(&p);
}

static void what_nobody_has_is_refused(void **state)
{
    (void)state;
    struct pair p;
    uint16_t peer = 0;
    int error = MESH_OK;
    pair_init(&p, 1);
    struct cluster_request r = {.key = key_of("c1", 0)};
    assert_int_equal(cluster_route(p.node[0].cluster, &r, &peer, &error), CLUSTER_REFUSED);
    assert_int_equal(error, MESH_ENOCAPABILITY);
    pair_register(&p, 0);
    r.key.shard = PAIR_SHARDS;
    assert_int_equal(cluster_route(p.node[0].cluster, &r, &peer, &error), CLUSTER_REFUSED);
    assert_int_equal(error, MESH_EINVAL);
    assert_int_equal(route(&p, 0, "c1", pair_held(&p, 0), 0, 0, &peer), CLUSTER_SERVE);
    pair_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snapshots_come_before_the_hold),
        cmocka_unit_test(busy_ones_are_followed_until_they_end),
        cmocka_unit_test(a_broken_link_loses_nothing),
        cmocka_unit_test(a_late_snapshot_is_a_conflict),
        cmocka_unit_test(nothing_is_forced_by_a_node_that_stood_still),
        cmocka_unit_test(a_drained_node_says_so),
        cmocka_unit_test(what_nobody_has_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
