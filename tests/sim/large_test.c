/* A thousand nodes, and twenty changes. */
#include <stdio.h>

#include "sim/sim.h"
#include "unit/check.h"

static void a_thousand_nodes_agree(void **state)
{
    (void)state;
    struct sim_options options = sim_defaults(7);
    options.nodes = 1000;
    options.shards = 4096;
    options.changes = 20;
    struct sim *sim = sim_create(&options);
    sim_run(sim);
    printf("1000 nodes, %llu changes: %llu messages, %llu rings built; %s\n", (unsigned long long)sim->result.faults,
           (unsigned long long)sim->result.messages, (unsigned long long)sim->result.rings_built,
           sim_broken(&sim->result) ? sim->result.first : "all promises kept");
    assert_false(sim_broken(&sim->result));
    assert_int_equal(sim->result.faults, 20);
    assert_in_range(sim->result.rings_built, 10, 60); /* shared by all nodes, not built by each */
    sim_destroy(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_nodes_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
