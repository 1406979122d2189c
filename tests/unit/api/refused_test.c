/* Terms that are refused: malformed ones and those over the node's limit, given to every function that takes one. Each
 * has its error, the exact place of the fault, a log event, and no effect. */
#include "unit/api/fixture.h"

#include <stdio.h>

static bool is_nil(mesh_term term)
{
    return mesh_match(term, "nil") == MESH_OK;
}

/* What the node logged of terms that it refused: the last, and how many. */
static struct {
    atomic_int count;
    char function[32], term[16], error[24];
    int64_t offset;
} refusal;

static void note_field(const mesh_log_field *f)
{
    const struct {
        const char *key;
        char *text;
        size_t size;
    } texts[] = {{"function", refusal.function, sizeof refusal.function},
                 {"term", refusal.term, sizeof refusal.term},
                 {"error", refusal.error, sizeof refusal.error}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(f->key, texts[i].key) == 0)
            snprintf(texts[i].text, texts[i].size, "%.*s", (int)f->bytes.len, (const char *)f->bytes.data);
    if (strcmp(f->key, "offset") == 0)
        refusal.offset = f->number;
}

static void note_refusal(void *context, const mesh_log_event *event)
{
    (void)context;
    if (strcmp(event->message, "a term was refused") != 0)
        return;
    for (size_t i = 0; i < event->count; i++)
        note_field(&event->fields[i]);
    atomic_fetch_add(&refusal.count, 1);
}

/* One more refusal was logged, and says this. */
static void check_refusal(int *count, const char *function, const char *term, const char *error, size_t offset)
{
    assert_int_equal(atomic_load(&refusal.count), ++*count);
    assert_string_equal(refusal.function, function);
    assert_string_equal(refusal.term, term);
    assert_string_equal(refusal.error, error);
    assert_int_equal(refusal.offset, offset);
}

static void start_logging(uint32_t max_message)
{
    mesh_node_options o = {.max_message = max_message, .log = note_refusal, .log_level = MESH_LOG_DEBUG};
    restart(&o);
    atomic_store(&refusal.count, 0);
}

/* Terms that are refused, why, and where exactly. */
static const uint8_t cut[] = {109, 0, 0, 0, 9, 'x'}, trailing[] = {97, 1, 97, 2},
                     inside[] = {104, 2, 97, 1, 119, 1, 0xff},   /* {1, an atom that is not UTF-8} */
    twice[] = {104, 1, 116, 0, 0, 0, 2, 97, 1, 106, 97, 1, 106}; /* {%{1 => [], 1 => []}} */
static uint8_t large[1 << 12] = {109, 0, 0, 1 << 3, 0};          /* 2048 bytes are promised, more follow */
static const struct {
    mesh_term term;
    size_t offset;
} bad_terms[] = {
    {{cut, sizeof cut, NULL}, 0},
    {{trailing, sizeof trailing, NULL}, 2},
    {{inside, sizeof inside, NULL}, 4},
    {{twice, sizeof twice, NULL}, 2},
    {{cut, 0, NULL}, 0},
    {{large, sizeof large, NULL}, 5 + 2048},
    {{NULL, 100, NULL}, 0},
};
enum { BAD_TERMS = sizeof bad_terms / sizeof *bad_terms };

static void never_done(void *context, int error, const mesh_result *result)
{
    (void)context, (void)error, (void)result;
    abort();
}

/* Every function that takes a request refuses it, says where the fault is, and starts nothing. */
static void check_bad_request(const mesh_request *r, const char *term, int error, size_t offset, int *count)
{
    mesh_result result;
    const char *name = mesh_error_name(error);
    assert_int_equal(mesh_call(node, r, &result), error);
    assert_int_equal(result.fault_at, offset);
    assert_int_equal(result.fault_in_init_arg, strcmp(term, "init_arg") == 0);
    assert_true(is_nil(result.value));
    assert_int_equal(result.pid.number, 0);
    mesh_result_release(&result);
    check_refusal(count, "mesh_call", term, name, offset);
    assert_int_equal(mesh_cast(node, r), error);
    check_refusal(count, "mesh_cast", term, name, offset);
    assert_int_equal(mesh_call_async(node, r, never_done, NULL), error);
    check_refusal(count, "mesh_call_async", term, name, offset);
    mesh_queue *queue;
    mesh_completion completion;
    assert_int_equal(mesh_queue_create(node, &queue), MESH_OK);
    assert_int_equal(mesh_call_queued(node, r, queue, NULL), error);
    check_refusal(count, "mesh_call_queued", term, name, offset);
    assert_false(mesh_queue_take(queue, &completion));
    mesh_queue_destroy(queue);
    assert_int_equal(script_count(&script.inits), 0);
}

static void test_bad_terms(void **state)
{
    (void)state;
    int count = 0;
    start_logging(0);
    mesh_request r = {.module = "Agent", .capability = "test", .id = mesh_str("x")};
    for (size_t i = 0; i < BAD_TERMS; i++) {
        r.payload = bad_terms[i].term;
        r.init_arg = (mesh_term){0};
        check_bad_request(&r, "payload", MESH_EBADTERM, bad_terms[i].offset, &count);
        r.init_arg = bad_terms[i].term;
        r.payload = (mesh_term){0};
        check_bad_request(&r, "init_arg", MESH_EBADTERM, bad_terms[i].offset, &count);
    }
    mesh_stats stats = {.size = sizeof stats};
    assert_int_equal(mesh_stats_read(node, NULL, NULL, &stats), MESH_OK);
    assert_int_equal(stats.processes + stats.activations + stats.calls + stats.casts, 0);
}

/* An offset belongs to the call that it was told by: the next has none. */
static void test_offset_is_of_this_call(void **state)
{
    (void)state;
    mesh_request r = {.module = "Agent", .capability = "test", .id = mesh_str("x"), .init_arg = bad_terms[1].term};
    mesh_result result;
    assert_int_equal(mesh_call(node, &r, &result), MESH_EBADTERM);
    assert_int_equal(result.fault_at, 2);
    r.init_arg = (mesh_term){0};
    assert_int_equal(mesh_call(node, &r, &result), MESH_OK);
    assert_int_equal(result.fault_at, 0);
    assert_false(result.fault_in_init_arg);
    mesh_result_release(&result);
    r.module = "Nobody";
    result.fault_at = 7;
    assert_int_equal(mesh_call(node, &r, &result), MESH_ENOMODULE);
    assert_int_equal(result.fault_at, 0);
}

/* Where no result tells, the log does: replies, infos, timers, exits, reasons. */
static int give_badly(struct scene *s)
{
    int64_t wrong = 0;
    int *count = s->arg;
    mesh_pid self;
    mesh_timer timer;
    mesh_self(s->self, &self);
    for (size_t i = 0; i < BAD_TERMS; i++) {
        mesh_term bad = bad_terms[i].term;
        const struct {
            const char *function;
            int error;
        } given[] = {{"mesh_reply", mesh_reply(s->from, bad)},
                     {"mesh_send", mesh_send(s->node, &self, bad)},
                     {"mesh_send_after", mesh_send_after(s->node, 0, &self, bad, &timer)},
                     {"mesh_stop", mesh_stop(s->self, bad)},
                     {"mesh_exit", bad.data == NULL ? MESH_EBADTERM : mesh_exit(s->node, &self, bad)}};
        for (size_t k = 0; k < sizeof given / sizeof *given; k++)
            wrong += given[k].error != MESH_EBADTERM;
        *count += bad.data == NULL ? 4 : 5;
        wrong += atomic_load(&refusal.count) != *count || refusal.offset != (int64_t)bad_terms[i].offset;
    }
    return reply_number(s->from, wrong); /* the call is still open */
}

static void test_bad_terms_from_a_handler(void **state)
{
    (void)state;
    int count = 0;
    start_logging(0);
    assert_int_equal(act_number(node, "x", give_badly, &count), 0);
    assert_true(count > 0);
    assert_int_equal(act_number(node, "x", act_add, NULL), 1); /* not stopped, nothing sent */
    assert_int_equal(script_count(&script.infos), 0);
}

static int crash_badly(struct scene *s)
{
    return mesh_crash(s->self, bad_terms[1].term);
}

static void test_bad_reason_of_a_crash(void **state)
{
    (void)state;
    int count = 0;
    mesh_result result;
    start_logging(0);
    assert_int_equal(act_call(node, "x", crash_badly, NULL, &result), MESH_ECRASHED);
    assert_int_equal(mesh_match(result.value, ":MESH_ECRASHED"), MESH_OK);
    check_refusal(&count, "mesh_crash", "reason", "MESH_EBADTERM", 2);
    mesh_result_release(&result);
}

static void test_max_message(void **state)
{
    (void)state;
    int count = 0;
    start_logging(1000);
    static uint8_t space[1001];
    mesh_buf payload;
    mesh_buf_init(&payload);
    mesh_bytes fits = {space, 995}, over = {space, 996};
    assert_int_equal(mesh_build(&payload, "~b", over), MESH_OK);
    mesh_request r = act_request("x", &payload);
    check_bad_request(&r, "payload", MESH_ETOOBIG, 1000, &count); /* the first byte too many */
    r.init_arg = r.payload;
    r.payload = (mesh_term){0};
    check_bad_request(&r, "init_arg", MESH_ETOOBIG, 1000, &count);
    assert_int_equal(mesh_build(&payload, "~b", fits), MESH_OK);
    r = act_request("x", &payload);
    mesh_result result;
    assert_int_equal(mesh_call(node, &r, &result), MESH_OK);
    mesh_result_release(&result);
    mesh_buf_fini(&payload);
}

static int check_deep(struct scene *s)
{
    const mesh_buf *deep = s->arg;
    size_t offset = 0;
    int error = mesh_term_check(deep->data, deep->len, NULL, &offset);
    return reply_number(s->from, error == MESH_ETOOBIG ? (int64_t)offset : -error);
}

/* The deepest term that may be, and one level more, fit the check on the smallest stack of a handler. */
static void test_check_on_a_small_stack(void **state)
{
    (void)state;
    mesh_node_options o = {.stack_bytes = 16 << 10};
    mesh_buf deep;
    mesh_buf_init(&deep);
    restart(&o);
    for (uint32_t i = 0; i < MESH_TERM_MAX_DEPTH; i++)
        assert_int_equal(mesh_put_tuple(&deep, 1), MESH_OK);
    assert_int_equal(mesh_put_int(&deep, 1), MESH_OK);
    assert_int_equal(act_number(node, "x", check_deep, &deep), -MESH_OK);
    deep.data[deep.len - 2] = 104; /* a tuple in place of the integer, of one element */
    deep.data[deep.len - 1] = 1;
    assert_int_equal(mesh_put_int(&deep, 1), MESH_OK);
    assert_int_equal(act_number(node, "x", check_deep, &deep), 2 * MESH_TERM_MAX_DEPTH);
    mesh_buf_fini(&deep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_terms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_offset_is_of_this_call, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_terms_from_a_handler, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_reason_of_a_crash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_max_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_check_on_a_small_stack, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
