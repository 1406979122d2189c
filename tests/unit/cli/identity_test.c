/* Names and cookies as erl has them. */
#include "unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/identity.h"
#include "cli/words.h"

static const struct host with_domain = {"box.example.org", "box"}, bare = {"", "box"}, nameless = {"", ""};

/* The full name that becomes of a name; NULL, with *reason, when it is refused. */
static const char *name_of(enum setting which, const char *text, const struct host *host, mesh_reason *reason)
{
    static char name[MESH_NAME_SIZE];
    struct settings s;
    enum setting blamed = SETTING_COUNT;
    settings_init(&s);
    assert_true(settings_begin(&s, which, FROM_FLAG, 0, reason));
    assert_true(settings_put(&s, which, text, strlen(text), reason));
    bool ok = identity_name(&s, host, name, &blamed, reason);
    assert_int_equal(blamed, which);
    settings_fini(&s);
    return ok ? name : NULL;
}

static void names_get_their_host(void **state)
{
    (void)state;
    mesh_reason reason;
    assert_string_equal(name_of(SETTING_SNAME, "game", &with_domain, &reason), "game@box");
    assert_string_equal(name_of(SETTING_SNAME, "game", &bare, &reason), "game@box");
    assert_string_equal(name_of(SETTING_SNAME, "game@other", &bare, &reason), "game@other");
    assert_string_equal(name_of(SETTING_NAME, "game", &with_domain, &reason), "game@box.example.org");
    assert_string_equal(name_of(SETTING_NAME, "game@127.0.0.1", &nameless, &reason), "game@127.0.0.1");
    assert_string_equal(name_of(SETTING_NAME, "game@localhost", &nameless, &reason), "game@localhost");
    assert_null(name_of(SETTING_SNAME, "game@127.0.0.1", &bare, &reason));
    assert_string_equal(reason.text, "expected a host without dots, got \"127.0.0.1\" (name is for those with)");
    assert_null(name_of(SETTING_NAME, "game", &bare, &reason));
    assert_string_equal(reason.text, "expected game@HOST, since the name of this machine has no domain");
    assert_null(name_of(SETTING_SNAME, "game", &nameless, &reason));
    char longest[256];
    memset(longest, 'a', 255);
    longest[255] = '\0';
    assert_null(name_of(SETTING_SNAME, longest, &bare, &reason));
    struct settings s;
    char name[MESH_NAME_SIZE];
    enum setting which;
    settings_init(&s);
    assert_true(identity_name(&s, &bare, name, &which, &reason)); /* a node without a name */
    assert_string_equal(name, "");
}

static void the_machine_has_a_name(void **state)
{
    (void)state;
    struct host host;
    host_read(&host, false);
    assert_null(strchr(host.brief, '.'));
    assert_true(host.full[0] == '\0' || strncmp(host.full, host.brief, strlen(host.brief)) == 0);
}

static void cookie(const char *text, size_t len, const char *wanted)
{
    char out[COOKIE_SIZE];
    mesh_reason reason;
    bool ok = cookie_parse(text, len, out, &reason);
    assert_int_equal(ok, wanted != NULL);
    if (ok)
        assert_string_equal(out, wanted);
}

static void cookies_are_read_as_erl_does(void **state)
{
    (void)state;
    char text[300];
    cookie("mesh", 4, "mesh");
    cookie("mesh\n", 5, "mesh");
    cookie("mesh\r\n", 6, "mesh");
    cookie("mesh \n\n \r\n", 10, "mesh "); /* a space before the end of the line belongs to it */
    cookie("a b", 3, "a b");
    cookie("", 0, NULL);
    cookie("\n", 1, NULL);
    cookie("a\nb", 3, NULL);
    cookie("a\tb", 3, NULL);
    cookie("a\0", 2, NULL);
    cookie("gr\303\274n", 5, NULL);
    memset(text, 'a', sizeof text);
    cookie(text, 256, NULL);
    text[255] = '\n';
    char longest[256];
    memset(longest, 'a', 255);
    longest[255] = '\0';
    cookie(text, 256, longest);
}

static void a_cookie_file_is_its_owners_alone(void **state)
{
    (void)state;
    char path[] = "/tmp/mesh-cookie-XXXXXX", out[COOKIE_SIZE], wanted[256];
    mesh_reason reason;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "mesh\n", 5), 5);
    static const mode_t open_modes[] = {0640, 0604, 0620, 0602, 0610, 0601};
    for (size_t i = 0; i < sizeof open_modes / sizeof open_modes[0]; i++) {
        assert_int_equal(fchmod(fd, open_modes[i]), 0);
        assert_false(cookie_read(path, out, &reason));
        snprintf(wanted, sizeof wanted, "%s: expected a file for its owner alone, got mode %04o: chmod 400 %s", path,
                 (unsigned)open_modes[i], path);
        assert_string_equal(reason.text, wanted);
    }
    assert_int_equal(fchmod(fd, 0400), 0);
    assert_true(cookie_read(path, out, &reason));
    assert_string_equal(out, "mesh");
    assert_int_equal(write(fd, "x", 1), 1);
    assert_false(cookie_read(path, out, &reason));
    snprintf(wanted, sizeof wanted,
             "%s:1: expected one line of printable ASCII as the cookie, got something else in byte 6", path);
    assert_string_equal(reason.text, wanted);
    close(fd);
    unlink(path);
    assert_false(cookie_read(path, out, &reason));
    snprintf(wanted, sizeof wanted, "%s: No such file or directory", path);
    assert_string_equal(reason.text, wanted);
    assert_false(cookie_read("/tmp", out, &reason));
    assert_string_equal(reason.text, "/tmp: expected a regular file");
}

static void the_cookie_is_in_one_place(void **state)
{
    (void)state;
    struct settings s;
    char path[64];
    mesh_reason reason;
    settings_init(&s);
    assert_true(identity_cookie_file(&s, "/home/ada", path, sizeof path, &reason));
    assert_string_equal(path, "/home/ada/.erlang.cookie");
    assert_false(identity_cookie_file(&s, NULL, path, sizeof path, &reason));
    assert_false(identity_cookie_file(&s, "", path, sizeof path, &reason));
    assert_false(identity_cookie_file(&s, "/home/ada", path, 12, &reason));
    assert_true(settings_begin(&s, SETTING_COOKIE_FILE, FROM_FLAG, 0, &reason));
    assert_true(settings_put(&s, SETTING_COOKIE_FILE, "f", 1, &reason));
    assert_true(identity_cookie_file(&s, NULL, path, sizeof path, &reason));
    assert_string_equal(path, "f");
    settings_fini(&s);
    assert_true(settings_begin(&s, SETTING_COOKIE, FROM_FLAG, 0, &reason));
    assert_true(settings_put(&s, SETTING_COOKIE, "mesh", 4, &reason));
    assert_true(identity_cookie_file(&s, NULL, path, sizeof path, &reason));
    assert_string_equal(path, "");
    settings_fini(&s);
}

int main(void)
{
    words_use_utf8();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_get_their_host),         cmocka_unit_test(the_machine_has_a_name),
        cmocka_unit_test(cookies_are_read_as_erl_does), cmocka_unit_test(a_cookie_file_is_its_owners_alone),
        cmocka_unit_test(the_cookie_is_in_one_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
