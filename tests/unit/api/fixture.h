/* A node for each test of a file: cmocka_unit_test_setup_teardown(test, set_up, tear_down). */
#ifndef TESTS_UNIT_API_FIXTURE_H
#define TESTS_UNIT_API_FIXTURE_H

#include "unit/api/agent.h"

static mesh_node *node;
static mesh_node_options node_options; /* how set_up starts it; a file may say something else than the defaults */

static int set_up(void **state)
{
    (void)state;
    node = agent_node(&node_options);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    agent_stop(node);
    return 0;
}

/* A node with other options in place of the one that set_up has started. */
static inline void restart(const mesh_node_options *options)
{
    agent_stop(node);
    node = agent_node(options);
}

#endif
