/* Loggers: what a sink is given, the text of a line, its bounds and escapes, the limit on floods. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "unit/check.h"

/* 2026-11-23T21:41:52.123Z */
#define WHEN_MS 1795470112123U

/* A sink that keeps the last message, as a line. */
struct capture {
    int messages;
    mesh_log_event last;
    char line[LOG_LINE_MAX_BYTES + 1];
};

static void keep(void *context, const mesh_log_event *event)
{
    struct capture *c = context;
    c->messages++;
    c->last = *event;
    mesh_log_event fixed = *event;
    fixed.wall_ms = WHEN_MS;
    c->line[log_line(&fixed, false, c->line, LOG_LINE_MAX_BYTES)] = 0;
}

static const char *line_of(const mesh_log_field *field, size_t count)
{
    static char line[LOG_LINE_MAX_BYTES + 1];
    const mesh_log_event event = {MESH_LOG_INFO, WHEN_MS, "m", field, count};
    line[log_line(&event, false, line, LOG_LINE_MAX_BYTES)] = 0;
    return line;
}

static const char *line_of_one(mesh_log_field field)
{
    return line_of(&field, 1);
}

#define START "2026-11-23T21:41:52.123Z INFO m"

static void a_message_reaches_the_sink_with_its_fields(void **state)
{
    (void)state;
    struct capture c = {0};
    struct logger logger;
    log_init(&logger, MESH_LOG_INFO, keep, &c);
    const uint64_t before = clock_wall_ms();
    log_write(&logger, MESH_LOG_WARN, "message", log_name("module", mesh_str("Counter")),
              log_bytes("id", mesh_str("c1")));
    assert_int_equal(c.messages, 1);
    assert_int_equal(c.last.level, MESH_LOG_WARN);
    assert_int_equal(c.last.count, 2);
    assert_in_range(c.last.wall_ms, before, clock_wall_ms());
    assert_string_equal(c.line, "2026-11-23T21:41:52.123Z WARN message module=Counter id=\"c1\"\n");
    log_text(&logger, MESH_LOG_ERROR, "no fields");
    assert_string_equal(c.line, "2026-11-23T21:41:52.123Z ERROR no fields\n");
}

static mesh_log_field count_call(int *calls)
{
    (*calls)++;
    return log_number("n", 1);
}

static void what_is_below_the_level_costs_nothing(void **state)
{
    (void)state;
    struct capture c = {0};
    struct logger logger;
    int calls = 0;
    log_init(&logger, MESH_LOG_WARN, keep, &c);
    log_write(&logger, MESH_LOG_INFO, "message", count_call(&calls));
    log_text(&logger, MESH_LOG_DEBUG, "message");
    assert_int_equal(c.messages, 0);
    assert_int_equal(calls, 0);
    log_set_level(&logger, MESH_LOG_DEBUG);
    log_write(&logger, MESH_LOG_DEBUG, "message", count_call(&calls));
    assert_int_equal(c.messages, 1);
    assert_int_equal(calls, 1);
}

static void values_are_escaped(void **state)
{
    (void)state;
    assert_string_equal(line_of_one(log_name("k", mesh_str("a-b_c.D@h:1/+"))), START " k=a-b_c.D@h:1/+\n");
    assert_string_equal(line_of_one(log_name("k", mesh_str("a b"))), START " k=\"a b\"\n");
    assert_string_equal(line_of_one(log_name("k", mesh_str("a=b"))), START " k=\"a=b\"\n");
    assert_string_equal(line_of_one(log_name("k", mesh_str(NULL))), START " k=\"\"\n");
    assert_string_equal(line_of_one(log_bytes("k", mesh_str("\"\\\n\r\t"))), START " k=\"\\\"\\\\\\n\\r\\t\"\n");
    assert_string_equal(line_of_one(log_bytes("k", (mesh_bytes){"\0\x1b[31m\x7f\xc3\xa9", 9})),
                        START " k=\"\\x00\\x1b[31m\\x7f\\xc3\\xa9\"\n");
    assert_string_equal(line_of_one(log_number("k", INT64_MIN)), START " k=-9223372036854775808\n");
}

static void every_byte_gives_one_printable_line(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        const unsigned char bytes[] = {(unsigned char)byte};
        const mesh_log_field fields[] = {log_name("a", (mesh_bytes){bytes, 1}), log_bytes("b", (mesh_bytes){bytes, 1})};
        const char *line = line_of(fields, 2);
        size_t len = strlen(line);
        assert_int_equal(line[len - 1], '\n');
        for (size_t i = 0; i < len - 1; i++)
            assert_in_range((unsigned char)line[i], 0x20, 0x7e);
    }
}

static void long_lines_are_cut_between_characters(void **state)
{
    (void)state;
    char bytes[2 * LOG_LINE_MAX_BYTES];
    memset(bytes, 0x01, sizeof bytes);
    for (size_t len = 0; len <= sizeof bytes; len += 3) {
        const char *line = line_of_one(log_bytes("k", (mesh_bytes){bytes, len}));
        size_t n = strlen(line);
        assert_true(n <= LOG_LINE_MAX_BYTES);
        if (4 * len + 64 < LOG_LINE_MAX_BYTES)
            assert_string_equal(line + n - 2, "\"\n");
        if (4 * len > LOG_LINE_MAX_BYTES)
            assert_string_equal(line + n - 8, "\\x01...\n");
    }
    /* Any buffer that is allowed, with and without colours; the buffer is exactly that long. */
    for (size_t size = 80; size < 160; size++) {
        char *line = malloc(size);
        assert_non_null(line);
        const mesh_log_field field = log_bytes("k", (mesh_bytes){bytes, 64});
        const mesh_log_event event = {MESH_LOG_ERROR, UINT64_MAX, "a message of some length", &field, 1};
        for (int colour = 0; colour < 2; colour++) {
            size_t n = log_line(&event, colour, line, size);
            assert_true(n <= size);
            assert_memory_equal(line + n - 4, "...\n", 4);
        }
        free(line);
    }
}

static void the_default_sink_writes_a_line_at_a_time(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK | O_DIRECT), 0); /* O_DIRECT: a read gives what one write wrote */
    struct logger logger;
    log_init_fd(&logger, MESH_LOG_INFO, ends[1]);
    assert_false(logger.colour);
    log_write(&logger, MESH_LOG_INFO, "one", log_number("n", 1));
    log_text(&logger, MESH_LOG_INFO, "two");
    char text[LOG_LINE_MAX_BYTES + 1];
    ssize_t n = read(ends[0], text, sizeof text);
    assert_in_range(n, 30, 60);
    assert_memory_equal(text + 24, " INFO one n=1\n", (size_t)n - 24);
    n = read(ends[0], text, sizeof text);
    assert_memory_equal(text + 24, " INFO two\n", (size_t)n - 24);
    assert_int_equal(text[10], 'T');

    /* A full pipe loses lines, and stops nobody. */
    for (int i = 0; i < 1000; i++)
        log_text(&logger, MESH_LOG_INFO, "more than a pipe holds");
    close(ends[0]);
    close(ends[1]);
}

static void colours_surround_the_level_only(void **state)
{
    (void)state;
    char line[LOG_LINE_MAX_BYTES];
    const mesh_log_event event = {MESH_LOG_WARN, WHEN_MS, "m", NULL, 0};
    size_t n = log_line(&event, true, line, sizeof line);
    const char want[] = "2026-11-23T21:41:52.123Z \033[33mWARN\033[0m m\n";
    assert_int_equal(n, sizeof want - 1);
    assert_memory_equal(line, want, n);
}

static void a_flood_is_limited_and_counted(void **state)
{
    (void)state;
    const uint64_t second_ns = 1000000000U, start_ns = 77 * second_ns;
    struct capture c = {0};
    struct logger logger;
    struct log_limit limit = LOG_LIMIT(3);
    log_init(&logger, MESH_LOG_INFO, keep, &c);
    for (uint64_t i = 0; i < 10; i++)
        log_limited(&logger, &limit, start_ns + i, MESH_LOG_WARN, "bad frame", log_number("i", (int64_t)i));
    assert_int_equal(c.messages, 3);
    /* A clock read a moment earlier on another thread does not open a second again. */
    log_limited(&logger, &limit, start_ns - 1, MESH_LOG_WARN, "bad frame", log_number("i", 0));
    assert_int_equal(c.messages, 3);

    uint32_t dropped = 99;
    assert_true(log_limit_pass(&limit, start_ns + second_ns, &dropped));
    assert_int_equal(dropped, 8);
    assert_true(log_limit_pass(&limit, start_ns + second_ns, &dropped));
    assert_int_equal(dropped, 0);
    log_dropped(&logger, MESH_LOG_WARN, "bad frame", 0);
    assert_int_equal(c.messages, 3);

    for (uint64_t i = 0; i < 5; i++)
        log_limited(&logger, &limit, start_ns + 5 * second_ns, MESH_LOG_WARN, "bad frame", log_number("i", 1));
    assert_int_equal(c.messages, 6);
    log_limited(&logger, &limit, start_ns + 9 * second_ns, MESH_LOG_WARN, "bad frame", log_number("i", 2));
    assert_int_equal(c.messages, 8); /* the count of those dropped, and the message */
    assert_string_equal(c.line, "2026-11-23T21:41:52.123Z WARN bad frame i=2\n");
    log_dropped(&logger, MESH_LOG_WARN, "bad frame", 2);
    assert_string_equal(c.line, "2026-11-23T21:41:52.123Z WARN messages were dropped, too many in a second "
                                "message=\"bad frame\" dropped=2\n");
}

enum { THREADS = 4, TRIES = 5000 };

static void *try_many(void *arg)
{
    uintptr_t passed = 0;
    for (int i = 0; i < TRIES; i++) {
        uint32_t dropped;
        passed += log_limit_pass(arg, 1000000000U, &dropped);
    }
    return (void *)passed;
}

static void a_limit_holds_for_all_threads_together(void **state)
{
    (void)state;
    struct log_limit limit = LOG_LIMIT(100);
    pthread_t threads[THREADS];
    uintptr_t passed = 0;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, try_many, &limit), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        passed += (uintptr_t)result;
    }
    assert_int_equal(passed, 100);
    uint32_t dropped;
    assert_true(log_limit_pass(&limit, 2000000000U, &dropped));
    assert_int_equal(dropped, THREADS * TRIES - 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_reaches_the_sink_with_its_fields),
        cmocka_unit_test(what_is_below_the_level_costs_nothing),
        cmocka_unit_test(values_are_escaped),
        cmocka_unit_test(every_byte_gives_one_printable_line),
        cmocka_unit_test(long_lines_are_cut_between_characters),
        cmocka_unit_test(the_default_sink_writes_a_line_at_a_time),
        cmocka_unit_test(colours_surround_the_level_only),
        cmocka_unit_test(a_flood_is_limited_and_counted),
        cmocka_unit_test(a_limit_holds_for_all_threads_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
