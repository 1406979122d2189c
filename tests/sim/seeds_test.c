/* Many short runs of small clusters, each with nodes, shards and faults by its seed. Prints what they came to. */
#include <stdio.h>

#include "sim/sim.h"
#include "unit/check.h"

static void add(struct sim_result *sum, const struct sim_result *r)
{
    sum->events += r->events;
    sum->messages += r->messages;
    sum->faults += r->faults;
    sum->calls += r->calls;
    sum->replies += r->replies;
    sum->timeouts += r->timeouts;
    sum->activations += r->activations;
    sum->holds += r->holds;
    sum->forced += r->forced;
    sum->parcels += r->parcels;
    sum->conflicts += r->conflicts;
    if (r->most_hops > sum->most_hops)
        sum->most_hops = r->most_hops;
}

static void every_seed_keeps_the_promises(void **state)
{
    (void)state;
    struct sim_result sum = {.events = 0};
    uint32_t broken = 0;
    for (uint64_t seed = 1; seed <= SIM_SEEDS; seed++) {
        const struct sim_options options = sim_varied(seed);
        struct sim *sim = sim_create(&options);
        sim_run(sim);
        add(&sum, &sim->result);
        if (sim_broken(&sim->result)) {
            broken++;
            print_error("mesh-sim --varied --seed %llu: %s\n", (unsigned long long)seed, sim->result.first);
        }
        sim_destroy(sim);
    }
    printf("%d seeds: %llu events, %llu messages, %llu faults, %llu holds, %llu forced; %llu calls, %llu replies, "
           "%llu timeouts, %llu activations, %llu snapshots moved, %llu conflicts; broken: %u\n",
           SIM_SEEDS, (unsigned long long)sum.events, (unsigned long long)sum.messages, (unsigned long long)sum.faults,
           (unsigned long long)sum.holds, (unsigned long long)sum.forced, (unsigned long long)sum.calls,
           (unsigned long long)sum.replies, (unsigned long long)sum.timeouts, (unsigned long long)sum.activations,
           (unsigned long long)sum.parcels, (unsigned long long)sum.conflicts, broken);
    assert_int_equal(broken, 0);
    assert_in_range(sum.most_hops, 2, CLUSTER_HOPS_MAX + 2);
}

/* Nodes that only join and drain fail no call and lose no update. */
static void joins_and_drains_fail_no_call(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SIM_SEEDS / 20 + 1; seed++) {
        struct sim_options options = sim_varied(seed);
        options.faults = SIM_JOIN | SIM_DRAIN;
        options.majority_of = 0;
        options.nodes = 4;
        struct sim *sim = sim_create(&options);
        sim_run(sim);
        if (sim_broken(&sim->result) || sim->result.timeouts > 0)
            print_error("seed %llu: %llu timeouts; %s\n", (unsigned long long)seed,
                        (unsigned long long)sim->result.timeouts, sim->result.first);
        assert_false(sim_broken(&sim->result));
        assert_int_equal(sim->result.timeouts, 0);
        for (size_t i = 0; i < 64; i++)
            assert_int_equal(sim->result.refused[i], 0);
        sim_destroy(sim);
    }
}

static void the_same_seed_is_the_same_run(void **state)
{
    (void)state;
    struct sim_result results[2];
    for (int i = 0; i < 2; i++) {
        const struct sim_options options = sim_varied(5);
        struct sim *sim = sim_create(&options);
        sim_run(sim);
        results[i] = sim->result;
        sim_destroy(sim);
    }
    assert_memory_equal(&results[0], &results[1], sizeof results[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_seed_keeps_the_promises),
        cmocka_unit_test(joins_and_drains_fail_no_call),
        cmocka_unit_test(the_same_seed_is_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
