/* Calls and casts from threads: ids, payloads, init_arg, results, asynchronous calls, deadlines, and every error that
 * has no effect. */
#include "unit/api/fixture.h"

/* A request to an id of any bytes, with the payload 7: the agent answers with the payload. */
static int call_id(const void *id, size_t len, mesh_result *result)
{
    static const uint8_t seven[] = {97, 7};
    mesh_request r = {.module = "Agent", .capability = "test", .id = {id, len}, .payload = {.data = seven, .len = 2}};
    return mesh_call(node, &r, result);
}

static void test_every_id_byte(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        uint8_t id[2] = {(uint8_t)byte, (uint8_t)byte};
        mesh_result result;
        for (size_t len = 1; len <= 2; len++) {
            assert_int_equal(call_id(id, len, &result), MESH_OK);
            mesh_result_release(&result);
        }
    }
    assert_int_equal(script_count(&script.inits), 512);
}

static void test_id_lengths(void **state)
{
    (void)state;
    static uint8_t id[MESH_ID_MAX + 1];
    mesh_result result;
    assert_int_equal(call_id(id, 0, &result), MESH_EBADID);
    assert_int_equal(call_id(NULL, 0, &result), MESH_EBADID);
    assert_int_equal(call_id(id, MESH_ID_MAX + 1, &result), MESH_EBADID);
    assert_int_equal(call_id(NULL, 1, &result), MESH_EINVAL);
    assert_int_equal(script_count(&script.inits), 0);
    assert_int_equal(call_id(id, 1, &result), MESH_OK);
    mesh_result_release(&result);
    assert_int_equal(call_id(id, MESH_ID_MAX, &result), MESH_OK);
    mesh_result_release(&result);
    id[MESH_ID_MAX - 1] = 1; /* ids that differ in the last byte are two processes */
    assert_int_equal(call_id(id, MESH_ID_MAX, &result), MESH_OK);
    mesh_result_release(&result);
    assert_int_equal(script_count(&script.inits), 3);
}

/* A process is its capability, module and id together. */
static void test_module_and_capability_are_part_of_the_name(void **state)
{
    (void)state;
    mesh_module other = agent_module(false);
    mesh_buf message;
    other.name = "Other";
    assert_int_equal(mesh_register_module(node, &other), MESH_OK);
    assert_int_equal(mesh_register_capability(node, "more", NULL), MESH_OK);
    act_message(&message, act_add, NULL);
    const char *const modules[] = {"Agent", "Other"}, *const capabilities[] = {"test", "more"};
    for (int i = 0; i < 4; i++) {
        mesh_request r = act_request("same", &message);
        mesh_result result;
        int64_t n = 0;
        r.module = modules[i / 2];
        r.capability = capabilities[i % 2];
        assert_int_equal(mesh_call(node, &r, &result), MESH_OK);
        assert_int_equal(mesh_match(result.value, "~i", &n), MESH_OK);
        assert_int_equal(n, 1);
        mesh_result_release(&result);
    }
    assert_int_equal(script_count(&script.inits), 4);
    mesh_buf_fini(&message);
}

/* Payloads around the size that fits into a message, and large ones, come back as they went. */
static void test_payload_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 58, 59, 60, 1000, 100 << 10, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        mesh_buf payload;
        uint8_t *bytes = malloc(sizes[i] + 1);
        assert_non_null(bytes);
        memset(bytes, (int)i, sizes[i]);
        mesh_bytes binary = {bytes, sizes[i]};
        mesh_buf_init(&payload);
        assert_int_equal(mesh_build(&payload, "~b", binary), MESH_OK);
        mesh_request r = act_request("sizes", &payload);
        mesh_result result;
        assert_int_equal(mesh_call(node, &r, &result), MESH_OK);
        assert_true(mesh_term_equal(result.value, mesh_buf_term(&payload)));
        mesh_result_release(&result);
        mesh_buf_fini(&payload);
        free(bytes);
    }
}

static bool is_nil(mesh_term term)
{
    return mesh_match(term, "nil") == MESH_OK;
}

static void test_no_payload_is_nil(void **state)
{
    (void)state;
    mesh_request r = {.module = "Agent", .capability = "test", .id = mesh_str("nil")};
    mesh_result result;
    assert_int_equal(mesh_call(node, &r, &result), MESH_OK);
    assert_true(is_nil(result.value));
    mesh_result_release(&result);
}

static int reply_nothing(struct scene *s)
{
    return mesh_reply(s->from, (mesh_term){0});
}

static void test_no_reply_value_is_nil(void **state)
{
    (void)state;
    mesh_result result;
    assert_int_equal(act_call(node, "nil", reply_nothing, NULL, &result), MESH_OK);
    assert_true(is_nil(result.value));
    mesh_result_release(&result);
    mesh_result_release(&result); /* a second does nothing */
    assert_true(is_nil(result.value));
    mesh_result_release(NULL);
}

static int check_init_arg(struct scene *s)
{
    return mesh_match(s->term, "~i", &s->agent->n) == MESH_OK || is_nil(s->term) ? MESH_OK : MESH_EINVAL;
}

static void test_init_arg(void **state)
{
    (void)state;
    mesh_buf message, arg;
    script.on_init = check_init_arg;
    act_message(&message, act_add, NULL);
    mesh_buf_init(&arg);
    assert_int_equal(mesh_build(&arg, "~i", 41), MESH_OK);
    mesh_request r = act_request("armed", &message);
    r.init_arg = mesh_buf_term(&arg);
    for (int i = 0; i < 2; i++) { /* the second finds it running: init_arg is not used */
        mesh_result result;
        int64_t n = 0;
        assert_int_equal(mesh_call(node, &r, &result), MESH_OK);
        assert_int_equal(mesh_match(result.value, "~i", &n), MESH_OK);
        assert_int_equal(n, 42 + i);
        mesh_result_release(&result);
    }
    assert_int_equal(act_number(node, "unarmed", act_add, NULL), 1);
    mesh_buf_fini(&message);
    mesh_buf_fini(&arg);
}

static void test_result_names_the_process(void **state)
{
    (void)state;
    mesh_pid self = {0};
    mesh_result result;
    assert_int_equal(act_call(node, "a", act_self, &self, &result), MESH_OK);
    assert_true(mesh_pid_equal(&self, &result.pid));
    assert_true(self.number != 0);
    assert_string_equal(self.node, mesh_node_name(node));
    mesh_result_release(&result);
    assert_int_equal(act_call(node, "a", act_crash, NULL, &result), MESH_ECRASHED);
    assert_int_equal(result.pid.number, 0);
    mesh_result_release(&result);
}

/* ---- What is refused has no effect ---- */

static void check_refused(const mesh_request *r, int expected)
{
    mesh_result result;
    assert_int_equal(mesh_call(node, r, &result), expected);
    if (expected != MESH_EINVAL) {
        assert_true(is_nil(result.value));
        assert_int_equal(result.pid.number, 0);
        mesh_result_release(&result);
    }
    assert_int_equal(mesh_cast(node, r), expected);
    assert_int_equal(script_count(&script.inits), 0);
}

static void test_names(void **state)
{
    (void)state;
    char name[300];
    mesh_buf message;
    act_message(&message, act_ok, NULL);
    mesh_request r = act_request("x", &message);
    memset(name, 'a', sizeof name);
    r.module = "Nobody";
    check_refused(&r, MESH_ENOMODULE);
    r.module = "";
    check_refused(&r, MESH_EBADNAME);
    name[249] = '\0';
    r.module = name;
    check_refused(&r, MESH_EBADNAME);
    r.module = "\xff\xfe";
    check_refused(&r, MESH_EBADNAME);
    r.module = NULL;
    check_refused(&r, MESH_EINVAL);
    r = act_request("x", &message);
    r.capability = "nothing";
    check_refused(&r, MESH_ENOCAPABILITY);
    r.capability = "";
    check_refused(&r, MESH_EBADNAME);
    name[249] = 'a';
    name[256] = '\0';
    r.capability = name;
    check_refused(&r, MESH_EBADNAME);
    r.capability = NULL;
    check_refused(&r, MESH_EINVAL);
    r = act_request("x", &message);
    r.reserved = 1;
    check_refused(&r, MESH_EINVAL);
    mesh_buf_fini(&message);
}

static void test_max_message_above_the_default(void **state)
{
    mesh_node_options o = {.max_message = 20 << 20};
    (void)state;
    restart(&o);
    mesh_buf payload;
    size_t len = 18 << 20;
    uint8_t *bytes = calloc(1, len);
    assert_non_null(bytes);
    mesh_bytes binary = {bytes, len};
    mesh_buf_init(&payload);
    assert_int_equal(mesh_build(&payload, "~b", binary), MESH_OK);
    mesh_request r = act_request("x", &payload);
    mesh_result result;
    assert_int_equal(mesh_call(node, &r, &result), MESH_OK);
    assert_int_equal(result.value.len, len + 5);
    mesh_result_release(&result);
    mesh_buf_fini(&payload);
    free(bytes);
}

static void test_null_arguments(void **state)
{
    (void)state;
    mesh_buf message;
    mesh_result result;
    act_message(&message, act_ok, NULL);
    mesh_request r = act_request("x", &message);
    assert_int_equal(mesh_call(NULL, &r, &result), MESH_EINVAL);
    assert_int_equal(mesh_call(node, NULL, &result), MESH_EINVAL);
    assert_int_equal(mesh_call(node, &r, NULL), MESH_EINVAL);
    assert_int_equal(mesh_cast(NULL, &r), MESH_EINVAL);
    assert_int_equal(mesh_cast(node, NULL), MESH_EINVAL);
    assert_int_equal(mesh_call_async(node, &r, NULL, NULL), MESH_EINVAL);
    assert_int_equal(mesh_reply((mesh_from){0}, (mesh_term){0}), MESH_EINVAL);
    assert_int_equal(mesh_from_drop((mesh_from){0}), MESH_EINVAL);
    assert_int_equal(script_count(&script.inits), 0);
    mesh_buf_fini(&message);
}

/* ---- Outcomes ---- */

static int crash_with_reason(struct scene *s)
{
    mesh_buf buf;
    static const char text[100] = "a reason that is longer than what fits into a message";
    mesh_bytes detail = {text, sizeof text};
    mesh_buf_init(&buf);
    int rc = mesh_build(&buf, "{:broken, ~b}", detail);
    if (rc == MESH_OK)
        rc = mesh_crash(s->self, mesh_buf_term(&buf));
    mesh_buf_fini(&buf);
    return rc;
}

static void test_crash_tells_the_caller_why(void **state)
{
    (void)state;
    mesh_result result;
    mesh_bytes detail;
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    assert_int_equal(act_call(node, "x", crash_with_reason, NULL, &result), MESH_ECRASHED);
    assert_int_equal(mesh_match(result.value, "{:broken, ~b}", &detail), MESH_OK);
    assert_int_equal(detail.len, 100);
    mesh_result_release(&result);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1); /* a fresh one */
    assert_int_equal(script_count(&script.inits), 2);
}

static void test_failing_init_tells_the_caller_why(void **state)
{
    (void)state;
    mesh_result result;
    mesh_bytes detail;
    script.on_init = crash_with_reason;
    assert_int_equal(act_call(node, "x", act_ok, NULL, &result), MESH_EINIT);
    assert_int_equal(mesh_match(result.value, "{:broken, ~b}", &detail), MESH_OK);
    mesh_result_release(&result);
    assert_int_equal(script_count(&script.terminates), 0); /* what did not start does not end */
    script.on_init = NULL;
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
}

static int drop(struct scene *s)
{
    return mesh_from_drop(s->from);
}

static void test_dropped_call(void **state)
{
    (void)state;
    mesh_result result;
    uint64_t before = now_ms();
    assert_int_equal(act_call(node, "x", drop, NULL, &result), MESH_ENOREPLY);
    assert_true(now_ms() - before < MESH_DEFAULT_TIMEOUT_MS);
    assert_true(is_nil(result.value));
    mesh_result_release(&result);
}

/* A module needs nothing but a name. */
static void test_empty_module(void **state)
{
    (void)state;
    mesh_module empty = {.size = sizeof empty, .name = "Empty"};
    mesh_request r = {.module = "Empty", .capability = "test", .id = mesh_str("x")};
    mesh_result result;
    assert_int_equal(mesh_register_module(node, &empty), MESH_OK);
    assert_int_equal(mesh_cast(node, &r), MESH_OK);
    assert_int_equal(mesh_call(node, &r, &result), MESH_ENOREPLY);
    mesh_result_release(&result);
}

/* ---- Deadlines ---- */

static void test_timeout(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    mesh_buf message;
    mesh_result result;
    act_message(&message, act_park, &parked);
    mesh_request r = act_request("x", &message);
    r.timeout_ms = 30;
    uint64_t before = now_ms();
    assert_int_equal(mesh_call(node, &r, &result), MESH_ETIMEOUT);
    uint64_t took = now_ms() - before;
    assert_true(took >= 29);
    assert_true(took < 2000); /* 130 on a machine with nothing else to do */
    assert_true(is_nil(result.value));
    mesh_result_release(&result);
    gate_await(&parked.gate, 1);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1);
    /* The late answer goes nowhere, and does not disturb the calls that may use the same memory. */
    assert_int_equal(reply_number(parked.from[0], 99), MESH_OK);
    assert_int_equal(reply_number(parked.from[0], 99), MESH_EREPLIED);
    for (int i = 2; i < 300; i++)
        assert_int_equal(act_number(node, "x", act_add, NULL), i);
    mesh_buf_fini(&message);
}

static void test_default_timeout(void **state)
{
    (void)state;
    static struct parked parked = PARKED_INIT;
    mesh_result result;
    uint64_t before = now_ms();
    assert_int_equal(act_call(node, "x", act_park, &parked, &result), MESH_ETIMEOUT);
    uint64_t took = now_ms() - before;
    assert_true(took >= MESH_DEFAULT_TIMEOUT_MS - 1);
    assert_true(took < MESH_DEFAULT_TIMEOUT_MS + 2000);
    mesh_result_release(&result);
}

/* ---- Asynchronous calls ---- */

struct outcome {
    struct gate gate;
    int error;
    int64_t value;
    uint64_t pid;
    int nested; /* what mesh_call gave inside done */
    int cast;   /* and mesh_cast */
};

static void done(void *context, int error, const mesh_result *result)
{
    struct outcome *o = context;
    mesh_buf message;
    mesh_result inner;
    o->error = error;
    o->pid = result->pid.number;
    o->value = -1;
    mesh_match(result->value, "~i", &o->value);
    act_message(&message, act_add, NULL);
    mesh_request r = act_request("nested", &message);
    o->nested = mesh_call(node, &r, &inner);
    o->cast = mesh_cast(node, &r);
    mesh_buf_fini(&message);
    gate_add(&o->gate);
}

static int start(const char *id, act_fn fn, const void *arg, uint32_t timeout_ms, struct outcome *o)
{
    mesh_buf message;
    act_message(&message, fn, arg);
    mesh_request r = act_request(id, &message);
    r.timeout_ms = timeout_ms;
    int rc = mesh_call_async(node, &r, done, o);
    mesh_buf_fini(&message);
    return rc;
}

static void test_async_reply(void **state)
{
    (void)state;
    static struct outcome o = {.gate = GATE_INIT};
    for (int i = 1; i <= 100; i++) {
        assert_int_equal(start("x", act_add, NULL, 0, &o), MESH_OK);
        gate_await(&o.gate, i);
        assert_int_equal(o.error, MESH_OK);
        assert_int_equal(o.value, i);
        assert_true(o.pid != 0);
        assert_int_equal(o.nested, MESH_ECONTEXT);
        assert_int_equal(o.cast, MESH_OK);
    }
    assert_int_equal(o.gate.count, 100);
}

static void test_async_failures(void **state)
{
    (void)state;
    static struct outcome o = {.gate = GATE_INIT};
    static struct parked parked = PARKED_INIT;
    assert_int_equal(start("x", act_crash, NULL, 0, &o), MESH_OK);
    gate_await(&o.gate, 1);
    assert_int_equal(o.error, MESH_ECRASHED);
    assert_int_equal(o.pid, 0);
    assert_int_equal(start("x", drop, NULL, 0, &o), MESH_OK);
    gate_await(&o.gate, 2);
    assert_int_equal(o.error, MESH_ENOREPLY);
    script.on_init = act_crash;
    assert_int_equal(start("y", act_ok, NULL, 0, &o), MESH_OK);
    gate_await(&o.gate, 3);
    assert_int_equal(o.error, MESH_EINIT);
    assert_int_equal(start("x", act_park, &parked, 20, &o), MESH_OK);
    gate_await(&o.gate, 4);
    assert_int_equal(o.error, MESH_ETIMEOUT);
    gate_await(&parked.gate, 1);
    assert_int_equal(reply_number(parked.from[0], 1), MESH_OK); /* nobody is told again */
    assert_int_equal(start("x", act_add, NULL, 0, &o), MESH_OK);
    gate_await(&o.gate, 5);
    assert_int_equal(o.gate.count, 5);
    assert_int_equal(o.error, MESH_OK);
    mesh_buf message;
    act_message(&message, act_ok, NULL);
    mesh_request r = act_request("x", &message);
    r.capability = "nothing";
    assert_int_equal(mesh_call_async(node, &r, done, &o), MESH_ENOCAPABILITY);
    r = act_request("", &message);
    assert_int_equal(mesh_call_async(node, &r, done, &o), MESH_EBADID);
    assert_int_equal(o.gate.count, 5);
    mesh_buf_fini(&message);
}

static void test_casts_keep_their_order(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(act_cast(node, "x", act_add, NULL), MESH_OK);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1001);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_id_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_id_lengths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_module_and_capability_are_part_of_the_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_payload_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_payload_is_nil, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_reply_value_is_nil, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_init_arg, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_result_names_the_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_max_message_above_the_default, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_null_arguments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_crash_tells_the_caller_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failing_init_tells_the_caller_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_dropped_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_empty_module, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_timeout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_default_timeout, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_async_reply, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_async_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_casts_keep_their_order, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
