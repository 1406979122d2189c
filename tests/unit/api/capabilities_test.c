/* Modules and capabilities: adding, taking away, asking. */
#include "unit/api/fixture.h"

#include <stdio.h>

static void check_all(const char *expected)
{
    mesh_names *names = NULL;
    char text[200] = "";
    assert_int_equal(mesh_all_capabilities(node, &names), MESH_OK);
    for (size_t i = 0, len = 0; i < names->count; i++) {
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i > 0 ? " " : "", names->name[i]);
        assert_true(len < sizeof text);
    }
    assert_string_equal(text, expected);
    mesh_names_free(names);
}

static int call_on(const char *capability)
{
    mesh_buf message;
    mesh_result result;
    act_message(&message, act_add, NULL);
    mesh_request r = act_request("x", &message);
    r.capability = capability;
    int rc = mesh_call(node, &r, &result);
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    return rc;
}

static void test_register_adds(void **state)
{
    (void)state;
    static const char *const more[] = {"chat", "game", "chat"};
    check_all("test");
    assert_int_equal(mesh_register_capabilities(node, more, 3), MESH_OK);
    check_all("chat game test");
    assert_int_equal(mesh_register_capabilities(node, NULL, 0), MESH_OK);
    assert_int_equal(mesh_register_capability(node, "chat", NULL), MESH_OK); /* the same again */
    check_all("chat game test");
    assert_int_equal(call_on("game"), MESH_OK);
}

static void test_register_refuses(void **state)
{
    (void)state;
    mesh_capability_options few = {.size = sizeof few, .shards = 16}, bad = few;
    static const char *const conflict[] = {"new", "few"}, *const malformed[] = {"new", ""};
    assert_int_equal(mesh_register_capability(node, "few", &few), MESH_OK);
    assert_int_equal(mesh_register_capability(node, "few", NULL), MESH_EEXISTS);
    assert_int_equal(mesh_register_capabilities(node, conflict, 2), MESH_EEXISTS);
    assert_int_equal(mesh_register_capabilities(node, malformed, 2), MESH_EBADNAME);
    bad.size = 3;
    assert_int_equal(mesh_register_capability(node, "bad", &bad), MESH_EINVAL);
    bad = (mesh_capability_options){.size = sizeof bad, .shards = 65537};
    assert_int_equal(mesh_register_capability(node, "bad", &bad), MESH_EINVAL);
    bad = (mesh_capability_options){.size = sizeof bad, .weight = 101};
    assert_int_equal(mesh_register_capability(node, "bad", &bad), MESH_EINVAL);
    bad = (mesh_capability_options){.size = sizeof bad, .strategy = MESH_CUSTOM};
    assert_int_equal(mesh_register_capability(node, "bad", &bad), MESH_EINVAL);
    assert_int_equal(mesh_register_capability(node, NULL, NULL), MESH_EINVAL);
    assert_int_equal(mesh_register_capability(NULL, "bad", NULL), MESH_EINVAL);
    assert_int_equal(mesh_register_capabilities(node, NULL, 1), MESH_EINVAL);
    check_all("few test"); /* nothing of what was refused is there */
    assert_int_equal(call_on("new"), MESH_ENOCAPABILITY);
}

static void test_unregister(void **state)
{
    (void)state;
    static const char *const gone[] = {"test", "never there"};
    assert_int_equal(call_on("test"), MESH_OK);
    agent_passivate(node, 1); /* so that no handler is under way */
    assert_int_equal(call_on("test"), MESH_OK);
    assert_int_equal(mesh_unregister_capabilities(node, gone, 2), MESH_OK);
    check_all("");
    script_await(&script.terminates, 2);
    assert_string_equal(script.reason, ":shutdown");
    int rc;
    while ((rc = call_on("test")) == MESH_ESTOPPING)
        ; /* its handler had not returned when it was asked to end */
    assert_int_equal(rc, MESH_ENOCAPABILITY);
    assert_int_equal(act_cast(node, "x", act_add, NULL), MESH_ENOCAPABILITY);
    assert_int_equal(mesh_register_capability(node, "test", NULL), MESH_OK);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
}

static int unregister_own(struct scene *s)
{
    static const char *const own[] = {"test"};
    return reply_number(s->from, mesh_unregister_capabilities(s->node, own, 1));
}

static void test_unregister_in_a_handler(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        char id[16];
        snprintf(id, sizeof id, "id%d", i);
        assert_int_equal(act_number(node, id, act_add, NULL), 1);
    }
    assert_int_equal(act_number(node, "x", unregister_own, NULL), MESH_OK);
    script_await(&script.terminates, 6);
    check_all("");
}

static void test_set(void **state)
{
    (void)state;
    static const char *const first[] = {"a", "b"}, *const second[] = {"b", "c"};
    assert_int_equal(mesh_set_capabilities(node, first, 2), MESH_OK);
    check_all("a b");
    assert_int_equal(mesh_set_capabilities(node, second, 2), MESH_OK);
    check_all("b c");
    assert_int_equal(call_on("a"), MESH_ENOCAPABILITY);
    assert_int_equal(call_on("b"), MESH_OK);
    assert_int_equal(mesh_set_capabilities(node, NULL, 0), MESH_OK);
    check_all("");
    assert_int_equal(mesh_set_capabilities(NULL, first, 2), MESH_EINVAL);
}

/* A capability that is named again stays as it is: its options, and the processes in it. */
static void test_set_keeps_options(void **state)
{
    (void)state;
    static const char *const names[] = {"few", "new"};
    mesh_capability_options few = {.size = sizeof few, .shards = 16, .strategy = MESH_MODULO};
    uint32_t shard = 99;
    assert_int_equal(mesh_register_capability(node, "few", &few), MESH_OK);
    assert_int_equal(call_on("few"), MESH_OK);
    assert_int_equal(mesh_set_capabilities(node, names, 2), MESH_OK);
    check_all("few new");
    assert_int_equal(mesh_shard_for_capability(node, "few", mesh_str("x"), &shard), MESH_OK);
    assert_int_equal(shard, mesh_phash2(mesh_str("x"), 16));
    assert_int_equal(script_count(&script.terminates), 0);
    assert_int_equal(mesh_register_capability(node, "few", &few), MESH_OK); /* they are the same */
    assert_int_equal(mesh_set_capabilities(node, names + 1, 1), MESH_OK);
    assert_int_equal(mesh_set_capabilities(node, names, 2), MESH_EEXISTS); /* 4096 shards are not 16 */
    check_all("new");
}

static void test_nodes_for(void **state)
{
    (void)state;
    mesh_names *names = NULL;
    assert_int_equal(mesh_nodes_for(node, "test", &names), MESH_OK);
    assert_int_equal(names->count, 1);
    assert_string_equal(names->name[0], mesh_node_name(node));
    mesh_names_free(names);
    assert_int_equal(mesh_nodes_for(node, "unknown", &names), MESH_OK);
    assert_int_equal(names->count, 0);
    mesh_names_free(names);
    mesh_names_free(NULL);
    assert_int_equal(mesh_nodes_for(node, "", &names), MESH_EBADNAME);
    assert_int_equal(mesh_nodes_for(node, NULL, &names), MESH_EINVAL);
    assert_int_equal(mesh_nodes_for(NULL, "test", &names), MESH_EINVAL);
    assert_int_equal(mesh_nodes_for(node, "test", NULL), MESH_EINVAL);
    assert_int_equal(mesh_all_capabilities(NULL, &names), MESH_EINVAL);
}

static void test_shards(void **state)
{
    (void)state;
    mesh_capability_options few = {.size = sizeof few, .shards = 16, .strategy = MESH_MODULO};
    uint32_t shard = 99;
    mesh_bytes id = mesh_str("some id");
    assert_int_equal(mesh_register_capability(node, "few", &few), MESH_OK);
    assert_int_equal(mesh_shard_for(id), mesh_phash2(id, 4096));
    assert_int_equal(mesh_shard_for_capability(node, "few", id, &shard), MESH_OK);
    assert_int_equal(shard, mesh_phash2(id, 16));
    assert_int_equal(mesh_shard_for_capability(node, "nothing", id, &shard), MESH_ENOCAPABILITY);
    assert_int_equal(mesh_shard_for_capability(node, "few", mesh_str(""), &shard), MESH_EBADID);
    assert_int_equal(mesh_shard_for_capability(node, "", id, &shard), MESH_EBADNAME);
    assert_int_equal(mesh_shard_for_capability(node, "few", id, NULL), MESH_EINVAL);
}

static void test_owner_node(void **state)
{
    (void)state;
    char name[MESH_NAME_SIZE] = "unchanged";
    size_t need = strlen(mesh_node_name(node)) + 1;
    assert_int_equal(mesh_owner_node(node, 4096, "test", name, sizeof name), MESH_EINVAL);
    assert_int_equal(mesh_owner_node(node, 0, "nothing", name, sizeof name), MESH_ENOCAPABILITY);
    assert_int_equal(mesh_owner_node(node, 0, "", name, sizeof name), MESH_EBADNAME);
    assert_int_equal(mesh_owner_node(node, 0, "test", name, need - 1), MESH_ETOOBIG);
    assert_int_equal(mesh_owner_node(node, 0, "test", name, 0), MESH_ETOOBIG);
    assert_int_equal(mesh_owner_node(node, 0, "test", NULL, 10), MESH_EINVAL);
    assert_string_equal(name, "unchanged");
    assert_int_equal(mesh_owner_node(node, 4095, "test", name, need), MESH_OK);
    assert_string_equal(name, mesh_node_name(node));
}

static void test_modules(void **state)
{
    (void)state;
    mesh_module m = agent_module(false);
    char name[300];
    assert_int_equal(mesh_register_module(node, &m), MESH_OK); /* the same again */
    m.state_size++;
    assert_int_equal(mesh_register_module(node, &m), MESH_EEXISTS);
    m.name = "";
    assert_int_equal(mesh_register_module(node, &m), MESH_EBADNAME);
    memset(name, 'a', sizeof name);
    name[249] = '\0';
    m.name = name;
    assert_int_equal(mesh_register_module(node, &m), MESH_EBADNAME);
    name[248] = '\0';
    assert_int_equal(mesh_register_module(node, &m), MESH_OK);
    m = agent_module(false);
    m.name = NULL;
    assert_int_equal(mesh_register_module(node, &m), MESH_EINVAL);
    m.name = "Large";
    m.state_size = (16 << 20) + 1;
    assert_int_equal(mesh_register_module(node, &m), MESH_EINVAL);
    m.state_size = 8;
    m.size--;
    assert_int_equal(mesh_register_module(node, &m), MESH_EINVAL);
    assert_int_equal(mesh_register_module(NULL, &m), MESH_EINVAL);
    assert_int_equal(mesh_register_module(node, NULL), MESH_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_register_adds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_register_refuses, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unregister, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_unregister_in_a_handler, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_set_keeps_options, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nodes_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_shards, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_owner_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_modules, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
