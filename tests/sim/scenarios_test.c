/* Scripted runs: the counterexamples that the rules are for, one each; and that the checks see it when rules are off.
 */
#include <string.h>

#include "sim/sim.h"
#include "unit/check.h"

enum { SHARDS = 256, CONVERGED_MS = 2500, SETTLE_MS = 5000 };

/* A cluster of `up` nodes that has settled, in a run of `nodes`. No fault comes by chance. */
static struct sim *scene(uint16_t nodes, uint16_t up, uint32_t rules_off, uint32_t majority_of)
{
    struct sim_options options = {.seed = 42, .nodes = nodes, .seconds = 60, .shards = SHARDS};
    options.rules_off = rules_off;
    options.majority_of = majority_of;
    struct sim *sim = sim_create(&options);
    sim->scripted = true;
    for (uint16_t i = 0; i < up; i++)
        node_start(sim, i, 3);
    sim_run_until(sim, sim->now_ms + CONVERGED_MS);
    return sim;
}

static void wait_ms(struct sim *sim, uint32_t ms)
{
    sim_run_until(sim, sim->now_ms + ms);
}

static void set_capability(struct sim *sim, uint16_t node, uint32_t cap, bool on)
{
    node_begin(sim, &sim->nodes[node]);
    node_register(sim, node, cap, on);
    node_settle(sim, &sim->nodes[node]);
}

static void end_well(struct sim *sim)
{
    wait_ms(sim, SETTLE_MS);
    check_end(sim);
    if (sim_broken(&sim->result))
        print_error("%s\n", sim->result.first);
    assert_false(sim_broken(&sim->result));
    assert_true(sim->result.replies > 0);
    sim_destroy(sim);
}

/* Two nodes that join a cluster of three are linked to it before they are linked to each other. The first has its
 * shards when the second comes, and by the ring of five some of them are the second's. */
static uint64_t join_twice(uint32_t rules_off, struct sim **out)
{
    struct sim *sim = scene(5, 3, rules_off, 0);
    wire_of(sim, 3, 4)->not_before_ms = sim->now_ms + 1200;
    node_start(sim, 3, 3);
    wait_ms(sim, 500);
    node_start(sim, 4, 3);
    wait_ms(sim, 1500);
    *out = sim;
    return sim->result.doubled_holds;
}

static void two_joins_at_once(void **state)
{
    (void)state;
    struct sim *sim;
    assert_int_equal(join_twice(0, &sim), 0);
    end_well(sim);
}

static void a_capability_that_is_announced_late(void **state)
{
    (void)state;
    struct sim *sim = scene(4, 2, 0, 0);
    node_start(sim, 2, 1);
    node_start(sim, 3, 0);
    wait_ms(sim, 700);
    set_capability(sim, 2, 1, true);
    wait_ms(sim, 3); /* before all have heard of it */
    set_capability(sim, 3, 0, true);
    set_capability(sim, 3, 1, true);
    end_well(sim);
}

/* The link between a joining node and each holder, and between two holders, breaks while shards move. */
static void a_link_that_blinks_during_a_claim(void **state)
{
    (void)state;
    for (uint32_t ms = 60; ms < 400; ms += 20) {
        struct sim *sim = scene(4, 3, 0, 0);
        node_start(sim, 3, 3);
        wait_ms(sim, ms);
        net_break(sim, 3, (uint16_t)(ms / 20 % 3), 1, 30);
        wait_ms(sim, 5);
        net_break(sim, 0, 1, 1, 30);
        end_well(sim);
    }
}

/* Its peers go on sending requests to it for a while; each is sent on a bounded number of times. */
static void a_capability_that_is_taken_away_while_views_lag(void **state)
{
    (void)state;
    struct sim *sim = scene(4, 4, 0, 0);
    for (int round = 0; round < 6; round++) {
        set_capability(sim, (uint16_t)(round % 4), 0, false);
        wait_ms(sim, 150);
        set_capability(sim, (uint16_t)(round % 4), 0, true);
        wait_ms(sim, 40);
    }
    assert_in_range(sim->result.most_hops, 1, CLUSTER_HOPS_MAX + 2);
    assert_int_equal(sim->result.timeouts, 0);
    end_well(sim);
}

static void a_join_while_another_leaves(void **state)
{
    (void)state;
    for (uint32_t ms = 0; ms < 200; ms += 25) {
        struct sim *sim = scene(4, 3, 0, 0);
        set_capability(sim, 0, 0, false);
        set_capability(sim, 0, 1, false);
        wait_ms(sim, ms);
        node_start(sim, 3, 3);
        end_well(sim);
    }
}

static void a_restart_under_the_same_name(void **state)
{
    (void)state;
    struct sim *sim = scene(3, 3, 0, 0);
    uint32_t creation = sim->nodes[1].creation;
    node_crash(sim, 1, false);
    wait_ms(sim, 20); /* some peers have not noticed */
    node_start(sim, 1, 3);
    assert_int_not_equal(sim->nodes[1].creation, creation);
    end_well(sim);
}

/* Both are linked to a third, which promises each shard once. */
static void two_nodes_cut_off_that_share_a_third(void **state)
{
    (void)state;
    struct sim *sim = scene(3, 3, 0, 0);
    uint64_t holds = sim->result.holds;
    net_cut(sim, 0, 1);
    net_cut(sim, 1, 0);
    wait_ms(sim, 5000);
    assert_int_equal(sim->result.holds, holds); /* neither took the other's shards */
    net_heal(sim, 0, 1);
    net_heal(sim, 1, 0);
    end_well(sim);
}

/* Policy `available`: a node that does not answer is waited for claim_ms, and no longer. */
static void a_silent_node_is_not_waited_for(void **state)
{
    (void)state;
    struct sim *sim = scene(4, 3, 0, 0);
    faults_pause(sim, 1, 950);
    node_start(sim, 3, 3);
    wait_ms(sim, 5000);
    assert_true(sim->result.forced == 0); /* rule 3: it is not linked to the silent one, and so waits */
    sim_destroy(sim);

    sim = scene(3, 3, 0, 0);
    set_capability(sim, 0, 0, false); /* its shards go to others, which ask the silent one as well */
    faults_pause(sim, 1, 950);
    wait_ms(sim, 900);
    assert_true(sim->result.forced > 0);
    end_well(sim);
}

/* Policy `majority`: the node that is alone refuses, the others go on, and what they did stays. */
static void a_minority_refuses(void **state)
{
    (void)state;
    struct sim *sim = scene(3, 3, 0, 3);
    for (uint16_t i = 0; i < 2; i++) {
        net_cut(sim, 2, i);
        net_cut(sim, i, 2);
    }
    wait_ms(sim, 3000);
    assert_false(cluster_serves(sim->nodes[2].cluster));
    assert_true(cluster_serves(sim->nodes[0].cluster));
    assert_true(sim->result.refused[MESH_ENOQUORUM] > 0);
    struct cluster_stats stats;
    cluster_stats(sim->nodes[2].cluster, &stats);
    assert_int_equal(stats.held, 0);
    for (uint16_t i = 0; i < 2; i++) {
        net_heal(sim, 2, i);
        net_heal(sim, i, 2);
    }
    end_well(sim);
}

/* A node that starts and dies again and again is given its shards back later each time. */
static void a_flapping_node_is_left_to_calm_down(void **state)
{
    (void)state;
    struct sim *sim = scene(4, 4, 0, 0);
    uint64_t holds[6];
    for (size_t round = 0; round < 6; round++) {
        node_crash(sim, 3, false);
        wait_ms(sim, 400);
        struct cluster_stats stats;
        uint32_t held = 0;
        for (uint16_t i = 0; i < 3; i++) {
            cluster_stats(sim->nodes[i].cluster, &stats);
            held += stats.held;
        }
        assert_int_equal(held, 2 * SHARDS); /* no shard is without a holder 400 ms after it died */
        node_start(sim, 3, 3);
        uint64_t before = sim->result.holds;
        wait_ms(sim, 1000);
        holds[round] = sim->result.holds - before;
    }
    assert_true(holds[0] > 0); /* once it is forgiven */
    assert_int_equal(holds[4], 0);
    assert_int_equal(holds[5], 0);
    sim_destroy(sim);
}

/* ---- the checks themselves ---- */

static uint32_t doubled(uint32_t rules_off, uint32_t faults)
{
    uint32_t found = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct sim_options options = {.seed = seed, .nodes = 4, .seconds = 8, .shards = 16};
        options.faults = faults;
        options.rules_off = rules_off;
        struct sim *sim = sim_create(&options);
        sim_run(sim);
        found += sim->result.doubled_holds + sim->result.doubled_processes + sim->result.unsettled > 0;
        sim_destroy(sim);
    }
    return found;
}

static void without_rules_3_and_5_processes_are_doubled(void **state)
{
    (void)state;
    struct sim *sim;
    assert_true(join_twice(1U << 3 | 1U << 5, &sim) > 0);
    assert_non_null(strstr(sim->result.first, "holds"));
    sim_destroy(sim);
}

static void without_rules_3_and_6_processes_are_doubled(void **state)
{
    (void)state;
    assert_true(doubled(1U << 3 | 1U << 6, SIM_JOIN) > 0);
    assert_int_equal(doubled(0, SIM_JOIN), 0);
}

static void without_rule_6_partitions_double_processes(void **state)
{
    (void)state;
    assert_true(doubled(1U << 6, SIM_PARTITION) > 0);
    assert_int_equal(doubled(0, SIM_PARTITION), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_joins_at_once),
        cmocka_unit_test(a_capability_that_is_announced_late),
        cmocka_unit_test(a_link_that_blinks_during_a_claim),
        cmocka_unit_test(a_capability_that_is_taken_away_while_views_lag),
        cmocka_unit_test(a_join_while_another_leaves),
        cmocka_unit_test(a_restart_under_the_same_name),
        cmocka_unit_test(two_nodes_cut_off_that_share_a_third),
        cmocka_unit_test(a_silent_node_is_not_waited_for),
        cmocka_unit_test(a_minority_refuses),
        cmocka_unit_test(a_flapping_node_is_left_to_calm_down),
        cmocka_unit_test(without_rules_3_and_5_processes_are_doubled),
        cmocka_unit_test(without_rules_3_and_6_processes_are_doubled),
        cmocka_unit_test(without_rule_6_partitions_double_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
