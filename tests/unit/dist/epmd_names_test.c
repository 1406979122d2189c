/* epmd's answer to who is there: one recorded from a real epmd, every truncation and every one-byte change of it, and
 * lines that are none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dist/epmd.h"
#include "unit/check.h"

/* From the epmd of OTP 25 with two nodes, on port 4370. */
static const char recorded[] = "\0\0\x11\x12"
                               "name beta at port 36051\n"
                               "name alpha at port 41839\n";
enum { RECORDED_BYTES = sizeof recorded - 1 };

static mesh_bytes bytes_of(const char *text, size_t len)
{
    return (mesh_bytes){text, len};
}

/* The names of an answer, each followed by a space; NULL when the answer is refused. */
static const char *names_in(mesh_bytes reply, char *out, size_t size, uint32_t *bad)
{
    mesh_bytes text, name;
    enum refusal why;
    uint16_t port;
    size_t len = 0;
    if (epmd_read_names(reply, &text, &why) != EPMD_COMPLETE) {
        assert_int_equal(why, REFUSAL_MALFORMED);
        return NULL;
    }
    out[0] = 0;
    *bad = 0;
    while (epmd_next_name(&text, &name, &port, bad)) {
        assert_true(port > 0 && name.len > 0);
        assert_true((const char *)name.data >= (const char *)reply.data + 4 &&
                    (const char *)name.data + name.len < (const char *)reply.data + reply.len);
        len += (size_t)snprintf(out + len, size - len, "%.*s ", (int)name.len, (const char *)name.data);
        assert_true(len < size);
    }
    return out;
}

static void a_recorded_answer_is_read(void **state)
{
    (void)state;
    mesh_bytes text, name;
    enum refusal why;
    uint16_t port;
    uint32_t bad = 0;
    assert_int_equal(epmd_read_names(bytes_of(recorded, RECORDED_BYTES), &text, &why), EPMD_COMPLETE);
    assert_true(epmd_next_name(&text, &name, &port, &bad));
    assert_int_equal(name.len, 4);
    assert_memory_equal(name.data, "beta", 4);
    assert_int_equal(port, 36051);
    assert_true(epmd_next_name(&text, &name, &port, &bad));
    assert_memory_equal(name.data, "alpha", 5);
    assert_int_equal(port, 41839);
    assert_false(epmd_next_name(&text, &name, &port, &bad));
    assert_false(epmd_next_name(&text, &name, &port, &bad));
    assert_int_equal(bad, 0);
}

static void an_epmd_without_nodes_sends_its_port_only(void **state)
{
    (void)state;
    char out[64];
    uint32_t bad;
    assert_string_equal(names_in(bytes_of("\0\0\x11\x11", 4), out, sizeof out, &bad), "");
    assert_int_equal(bad, 0);
}

static void every_truncation_is_refused_or_ends_with_a_line(void **state)
{
    (void)state;
    char out[128];
    uint32_t bad;
    for (size_t len = 0; len < RECORDED_BYTES; len++) {
        char *exact = malloc(len > 0 ? len : 1); /* so that the sanitizers see a read beyond the end */
        assert_non_null(exact);
        memcpy(exact, recorded, len);
        const char *names = names_in(bytes_of(exact, len), out, sizeof out, &bad);
        if (len == 4)
            assert_string_equal(names, "");
        else if (len == 28)
            assert_string_equal(names, "beta ");
        else
            assert_null(names);
        free(exact);
    }
}

static void every_one_byte_change_leaves_the_other_lines(void **state)
{
    (void)state;
    char changed[RECORDED_BYTES], out[128];
    uint32_t bad = 0;
    for (size_t i = 0; i < RECORDED_BYTES; i++) {
        for (unsigned v = 0; v < 256; v++) {
            memcpy(changed, recorded, RECORDED_BYTES);
            changed[i] = (char)v;
            const char *names = names_in(bytes_of(changed, RECORDED_BYTES), out, sizeof out, &bad);
            bool end_lost = i == RECORDED_BYTES - 1 && v != '\n';
            assert_int_equal(names == NULL, end_lost);
            if (names == NULL)
                continue;
            assert_true(bad <= 2);
            if (i < 28)
                assert_non_null(strstr(i == 27 && v != '\n' ? "alpha " : names, "alpha "));
            else
                assert_non_null(strstr(names, "beta "));
        }
    }
}

static void lines_that_are_none_are_passed_over(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "\n",
        "name\n",
        "name \n",
        "name  at port\n",
        "name a at port \n",
        "name a at port 0\n",
        "name a at port 65536\n",
        "name a at port 99999999999999999999\n",
        "name a at port -1\n",
        "name a at port 1 \n",
        "name a at port 1\r\n",
        "name a@b at port 1\n",
        "name a\tb at port 1\n",
        "name a\x7F at port 1\n",
        "Name a at port 1\n",
        "active name a at port 1\n",
        " name a at port 1\n",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char reply[128] = {0}, out[64];
        uint32_t bad = 0;
        int len = snprintf(reply + 4, sizeof reply - 4, "%sname good at port 1\n", lines[i]);
        assert_string_equal(names_in(bytes_of(reply, 4 + (size_t)len), out, sizeof out, &bad), "good ");
        assert_int_equal(bad, 1);
    }
}

static void an_answer_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char *reply = malloc(EPMD_NAMES_MAX_BYTES + 1);
    mesh_bytes text, name;
    enum refusal why;
    uint16_t port;
    uint32_t bad = 0;
    assert_non_null(reply);
    memset(reply, '\n', EPMD_NAMES_MAX_BYTES + 1);
    assert_int_equal(epmd_read_names(bytes_of(reply, EPMD_NAMES_MAX_BYTES + 1), &text, &why), EPMD_REFUSED);
    assert_int_equal(why, REFUSAL_LENGTH);
    assert_int_equal(epmd_read_names(bytes_of(reply, EPMD_NAMES_MAX_BYTES), &text, &why), EPMD_COMPLETE);
    assert_false(epmd_next_name(&text, &name, &port, &bad));
    assert_int_equal(bad, EPMD_NAMES_MAX_BYTES - 4);
    free(reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recorded_answer_is_read),
        cmocka_unit_test(an_epmd_without_nodes_sends_its_port_only),
        cmocka_unit_test(every_truncation_is_refused_or_ends_with_a_line),
        cmocka_unit_test(every_one_byte_change_leaves_the_other_lines),
        cmocka_unit_test(lines_that_are_none_are_passed_over),
        cmocka_unit_test(an_answer_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
