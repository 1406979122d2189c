/* .hosts.erlang: what Erlang's own reader takes, and where it is told that something is wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "discovery/hosts_file.h"
#include "unit/check.h"

/* Parses text and gives the hosts, each followed by a space. */
static void reads(const char *text, const char *expected)
{
    mesh_bytes hosts[HOSTS_MAX];
    size_t count = 0, line = 0, len = 0;
    const char *missing = "";
    char out[512] = "";
    if (hosts_file_parse(mesh_str(text), hosts, &count, &line, &missing) != MESH_OK)
        fail_msg("\"%s\": line %zu: expected %s", text, line, missing);
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(out + len, sizeof out - len, "%.*s ", (int)hosts[i].len, (const char *)hosts[i].data);
    assert_string_equal(out, expected);
}

static void refuses(const char *text, size_t expected_line)
{
    mesh_bytes hosts[HOSTS_MAX];
    size_t count = 77, line = 0;
    const char *missing = NULL;
    assert_int_equal(hosts_file_parse(mesh_str(text), hosts, &count, &line, &missing), MESH_EINVAL);
    assert_int_equal(line, expected_line);
    assert_int_equal(count, 77);
    assert_non_null(missing);
}

static void hosts_are_atoms_with_a_dot(void **state)
{
    (void)state;
    reads("'super.eua.ericsson.se'.\n'renat.eua.ericsson.se'.\n", "super.eua.ericsson.se renat.eua.ericsson.se ");
    reads("localhost.\n", "localhost ");
    reads("localhost.", "localhost ");
    reads("'a'. b.\tc.\r\n", "a b c ");
    reads("  'a' \n .\n", "a ");
    reads("\"10.0.0.1\".\n'::1'.\n", "10.0.0.1 ::1 ");
    reads("% those of the second floor\n'a'. % the old one\n%'b'.\n'c'.%end", "a c ");
    reads("a.\na.\n'a'.\n", "a ");
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
    (void)state;
    refuses("", 1);
    refuses("% nothing\n\n", 3);
    refuses("'a'", 1);
    refuses("'a'\n'b'.\n", 2);
    refuses("a.b.\n", 1);
    refuses("'a'.\n\n'b", 3);
    refuses("A.\n", 1);
    refuses("_a.\n", 1);
    refuses("1.\n", 1);
    refuses("''.\n", 1);
    refuses("'a b'.\n", 1);
    refuses("'a@b'.\n", 1);
    refuses("a@b.\n", 1);
    refuses("'a\\x62'.\n", 1);
    refuses("'a\nb'.\n", 1);
    refuses("[a, b].\n", 1);
    refuses("{a}.\n", 1);
    refuses(".\n", 1);
    refuses("'a'.\n.\n", 2);
    refuses("'a'..\n", 1);
    refuses("'\xC3\xBC'.\n", 1);
}

static void hosts_and_files_are_bounded(void **state)
{
    (void)state;
    char text[HOSTS_MAX * 8 + 64], host[HOST_MAX_BYTES + 16];
    size_t len = 0, count = 0, line = 0;
    mesh_bytes hosts[HOSTS_MAX];
    const char *missing = NULL;
    for (unsigned i = 0; i < HOSTS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "h%u.\n", i);
    assert_int_equal(hosts_file_parse((mesh_bytes){text, len}, hosts, &count, &line, &missing), MESH_OK);
    assert_int_equal(count, HOSTS_MAX);
    snprintf(text + len, sizeof text - len, "h0.\nmore.\n"); /* the first is there already */
    refuses(text, HOSTS_MAX + 2);

    memset(host, 'x', sizeof host);
    host[0] = host[HOST_MAX_BYTES + 1] = '\'';
    host[HOST_MAX_BYTES + 2] = '.';
    host[HOST_MAX_BYTES + 3] = 0;
    assert_int_equal(hosts_file_parse(mesh_str(host), hosts, &count, &line, &missing), MESH_OK);
    assert_int_equal(hosts[0].len, HOST_MAX_BYTES);
    memmove(host + HOST_MAX_BYTES + 2, host + HOST_MAX_BYTES + 1, 3);
    host[HOST_MAX_BYTES + 1] = 'x';
    refuses(host, 1);

    char *large = malloc(HOSTS_FILE_MAX_BYTES + 1);
    assert_non_null(large);
    memset(large, '\n', HOSTS_FILE_MAX_BYTES + 1);
    large[0] = 'a';
    large[1] = '.';
    assert_int_equal(hosts_file_parse((mesh_bytes){large, HOSTS_FILE_MAX_BYTES}, hosts, &count, &line, &missing),
                     MESH_OK);
    assert_int_equal(hosts_file_parse((mesh_bytes){large, HOSTS_FILE_MAX_BYTES + 1}, hosts, &count, &line, &missing),
                     MESH_EINVAL);
    assert_string_equal(missing, "at most 65536 bytes");
    free(large);
}

static void every_truncation_and_one_byte_change_is_read_or_refused(void **state)
{
    (void)state;
    static const char text[] = "'a.b'. % c\nd.\n\"e\".\n";
    mesh_bytes hosts[HOSTS_MAX];
    size_t count, line;
    const char *missing;
    for (size_t len = 0; len <= sizeof text - 1; len++) {
        for (unsigned i = 0; i < (len > 0 ? len : 1) * 256; i++) {
            char *exact = malloc(len > 0 ? len : 1);
            assert_non_null(exact);
            memcpy(exact, text, len);
            if (len > 0)
                exact[i / 256] = (char)(i % 256);
            count = line = 0;
            int error = hosts_file_parse((mesh_bytes){exact, len}, hosts, &count, &line, &missing);
            if (error == MESH_OK)
                assert_in_range(count, 1, 3);
            else
                assert_in_range(line, 1, 5);
            for (size_t h = 0; h < count; h++)
                assert_true(hosts_file_valid(hosts[h]));
            free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_are_atoms_with_a_dot),
        cmocka_unit_test(what_is_wrong_is_told_with_its_line),
        cmocka_unit_test(hosts_and_files_are_bounded),
        cmocka_unit_test(every_truncation_and_one_byte_change_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
