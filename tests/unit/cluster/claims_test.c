/* Views, claims and grants between two and three nodes, step by step; the simulator does the rest by chance. */
#include "unit/cluster/pair.h"

static void one_node_holds_all(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, 1);
    pair_register(&p, 0);
    assert_int_equal(pair_stats(&p, 0).held, PAIR_SHARDS);
    uint64_t before = 0;
    for (uint32_t s = 0; s < PAIR_SHARDS; s++) {
        uint64_t epoch = cluster_epoch(p.node[0].cluster, mesh_str("game"), s);
        assert_true(epoch > before && epoch >> 16 >= p.now_ms);
        before = epoch;
    }
    assert_int_equal(pair_register_as(&p, 0, MESH_CAPPED, 32), MESH_EEXISTS);
    pair_fini(&p);
}

/* The second node gets its share after a quiet second, and epochs grow with every hold. */
static void shards_move_when_it_is_quiet(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, 2);
    pair_register(&p, 0);
    pair_register(&p, 1);
    uint64_t old = cluster_epoch(p.node[0].cluster, mesh_str("game"), 0);
    p.node[1].count = 0;
    pair_unlink(&p, 0, 1); /* nothing: they are not linked */
    pair_link(&p, 0, 1);
    assert_int_equal(pair_stats(&p, 0).held + pair_stats(&p, 1).held, PAIR_SHARDS); /* rule 6, at once */
    assert_true(pair_stats(&p, 0).conflicts + pair_stats(&p, 1).conflicts == PAIR_SHARDS);
    pair_wait(&p, 2000);
    assert_int_equal(pair_stats(&p, 0).held + pair_stats(&p, 1).held, PAIR_SHARDS);
    for (uint32_t s = 0; s < PAIR_SHARDS; s++) {
        mesh_bytes holder = cluster_holder(p.node[0].cluster, mesh_str("game"), s);
        assert_int_equal(holder.len, 3);
        assert_memory_equal(cluster_holder(p.node[1].cluster, mesh_str("game"), s).data, holder.data, 3);
        uint64_t epoch = cluster_epoch(p.node[((const char *)holder.data)[0] - 'a'].cluster, mesh_str("game"), s);
        assert_true(epoch >= old);
    }
    assert_int_equal(p.error, MESH_OK);
    pair_fini(&p);
}

static void a_joining_node_waits_for_quiet(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, 2);
    pair_link(&p, 0, 1);
    pair_register(&p, 0);
    assert_int_equal(pair_stats(&p, 0).held, PAIR_SHARDS);
    pair_register(&p, 1);
    pair_wait(&p, 900);
    assert_int_equal(pair_stats(&p, 1).held, 0);
    pair_wait(&p, 300);
    assert_in_range(pair_stats(&p, 1).held, 1, PAIR_SHARDS - 1);
    /* leaving is not waited for: what nobody in the view holds is claimed at once */
    assert_int_equal(cluster_unregister(p.node[0].cluster, mesh_str("game")), MESH_OK);
    pair_wait(&p, 50);
    assert_int_equal(pair_stats(&p, 1).held, PAIR_SHARDS);
    assert_int_equal(cluster_unregister(p.node[0].cluster, mesh_str("game")), MESH_ENOCAPABILITY);
    pair_fini(&p);
}

/* What leaves together waits for each other: so few do. */
static void shards_move_a_few_at_a_time(void **state)
{
    enum { SHARDS = 1024, AT_ONCE = 128, ENOUGH = PAIR_KEPT };
    (void)state;
    struct pair p;
    pair_init(&p, 2);
    pair_link(&p, 0, 1);
    assert_int_equal(pair_register_as(&p, 0, MESH_CAPPED, SHARDS), MESH_OK);
    assert_int_equal(pair_register_as(&p, 1, MESH_CAPPED, SHARDS), MESH_OK);
    p.node[0].slow = true;
    p.node[0].count = 0;
    pair_wait(&p, 1200);
    assert_int_equal(pair_stats(&p, 1).claiming, AT_ONCE);
    assert_int_equal(pair_stats(&p, 0).releasing, AT_ONCE);
    assert_int_equal(pair_stats(&p, 0).held, SHARDS - AT_ONCE);

    /* The next follow when half of them have moved. */
    for (uint32_t i = 0; i < ENOUGH; i++) {
        assert_int_equal(p.node[0].seen[i].kind, CLUSTER_RELEASE);
        assert_int_equal(pair_stats(&p, 1).claiming, AT_ONCE - i);
        cluster_released(p.node[0].cluster, mesh_str("game"), p.node[0].seen[i].shard);
        pair_run(&p);
    }
    assert_int_equal(pair_stats(&p, 1).held, ENOUGH);
    assert_int_equal(pair_stats(&p, 1).claiming, AT_ONCE);
    assert_int_equal(pair_stats(&p, 0).releasing, AT_ONCE);
    pair_fini(&p);
}

static void a_dead_node_is_replaced_at_once(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, 3);
    pair_link(&p, 0, 1);
    pair_link(&p, 0, 2);
    pair_link(&p, 1, 2);
    for (uint32_t i = 0; i < 3; i++)
        pair_register(&p, i);
    pair_wait(&p, 3000);
    assert_in_range(pair_stats(&p, 2).held, 1, PAIR_SHARDS);
    pair_unlink(&p, 0, 2);
    pair_unlink(&p, 1, 2);
    pair_wait(&p, 60);
    assert_int_equal(pair_stats(&p, 0).held + pair_stats(&p, 1).held, PAIR_SHARDS);
    pair_fini(&p);
}

/* Rule 3: a third that one of two is linked to, and the other is not, is waited for join_ms; then it is told. */
static void strangers_are_waited_for(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, 3);
    pair_link(&p, 0, 1);
    pair_link(&p, 1, 2);
    pair_register(&p, 0);
    pair_wait(&p, 1000);
    assert_false(pair_stats(&p, 0).synced);
    assert_int_equal(pair_stats(&p, 0).held, 0);
    pair_wait(&p, 3000);
    assert_true(pair_stats(&p, 0).synced);
    assert_int_equal(pair_stats(&p, 0).held, PAIR_SHARDS);
    assert_non_null(pair_told(&p, 0, CLUSTER_NOTE_UNREACHABLE));
    assert_string_equal(pair_told(&p, 0, CLUSTER_NOTE_UNREACHABLE)->text, "c@h");
    pair_fini(&p);
}

/* Of two parties the larger goes on; the other is told what to set. */
static void nodes_that_disagree_are_left_out(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, 3);
    pair_link(&p, 0, 1);
    pair_link(&p, 0, 2);
    pair_link(&p, 1, 2);
    pair_register(&p, 1);
    pair_register(&p, 2);
    assert_int_equal(pair_register_as(&p, 0, MESH_MODULO, 32), MESH_OK);
    pair_wait(&p, 2000);
    assert_int_equal(pair_stats(&p, 0).held, 0);
    assert_int_equal(pair_stats(&p, 1).held + pair_stats(&p, 2).held, PAIR_SHARDS);
    const struct seen *told = pair_told(&p, 0, CLUSTER_NOTE_DISAGREE);
    assert_non_null(told);
    assert_int_equal(told->number, PAIR_SHARDS);
    assert_string_equal(told->text, "this node differs from the others: set shards to 16 and strategy to capped");
    assert_int_equal(ring_shards(cluster_ring(p.node[0].cluster, mesh_str("game"))), PAIR_SHARDS);
    pair_fini(&p);
}

/* A BEAM node has it too: everyone places by modulo, and it is not asked. */
static void beam_nodes_make_it_modulo(void **state)
{
    (void)state;
    struct pair p;
    uint16_t beam = 0;
    const mesh_bytes game = mesh_str("game");
    pair_init(&p, 1);
    assert_int_equal(pair_register_as(&p, 0, MESH_CAPPED, 4096), MESH_OK);
    assert_int_equal(pair_stats(&p, 0).held, 4096);
    assert_int_equal(cluster_link_up(p.node[0].cluster, mesh_str("b@h"), 7, CLUSTER_BEAM, &beam), MESH_OK);
    cluster_beam_capabilities(p.node[0].cluster, beam, &game, 1);
    pair_wait(&p, 50);
    assert_int_equal(pair_stats(&p, 0).held, 2048);
    const struct ring *ring = cluster_ring(p.node[0].cluster, game);
    for (uint32_t s = 0; s < 4096; s++)
        assert_int_equal(ring_owner(ring, s), s % 2);
    cluster_beam_capabilities(p.node[0].cluster, beam, NULL, 0);
    pair_wait(&p, 50);
    assert_int_equal(pair_stats(&p, 0).held, 4096);
    pair_fini(&p);
}

/* Rule 8, and after it the clock is enough. */
static void nothing_is_claimed_before_boot(void **state)
{
    (void)state;
    const struct cluster_config config = {.name = mesh_str("a@h"), .creation = 1, .discovery = true};
    const struct cluster_capability own = {.strategy = MESH_CAPPED, .shards = PAIR_SHARDS, .weight = 1};
    struct cluster *c = cluster_create(&config, 1000, 1000);
    struct cluster_stats stats;
    assert_int_equal(cluster_register(c, mesh_str("game"), &own), MESH_OK);
    for (uint64_t ms = 1000; ms <= 3990; ms += 10) {
        cluster_begin(c, ms, ms);
        cluster_run(c);
    }
    cluster_stats(c, &stats);
    assert_int_equal(stats.held, 0);
    cluster_begin(c, 4000, 4000);
    cluster_run(c);
    cluster_stats(c, &stats);
    assert_int_equal(stats.held, PAIR_SHARDS);
    /* the wall clock steps back: epochs do not */
    uint64_t before = cluster_clock(c);
    cluster_begin(c, 4001, 1);
    assert_true(cluster_clock(c) > before);
    cluster_destroy(c);
}

static void a_node_that_stood_still_asks_first(void **state)
{
    (void)state;
    struct pair p;
    pair_init(&p, 2);
    pair_link(&p, 0, 1);
    pair_register(&p, 0);
    struct cluster *c = p.node[0].cluster;
    cluster_begin(c, p.now_ms + 1500, p.now_ms + 1500);
    assert_false(cluster_serves(c));
    p.now_ms += 1500;
    pair_run(&p);
    assert_true(cluster_serves(c));
    assert_non_null(pair_told(&p, 0, CLUSTER_NOTE_SUSPECT));
    pair_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_node_holds_all),
        cmocka_unit_test(shards_move_when_it_is_quiet),
        cmocka_unit_test(a_joining_node_waits_for_quiet),
        cmocka_unit_test(shards_move_a_few_at_a_time),
        cmocka_unit_test(a_dead_node_is_replaced_at_once),
        cmocka_unit_test(strangers_are_waited_for),
        cmocka_unit_test(nodes_that_disagree_are_left_out),
        cmocka_unit_test(beam_nodes_make_it_modulo),
        cmocka_unit_test(nothing_is_claimed_before_boot),
        cmocka_unit_test(a_node_that_stood_still_asks_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
