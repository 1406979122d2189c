/* Configuration files: what is read, and in which words the rest is refused. */
#include "unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/words.h"

static const char sound[] = "# all kinds of values\n"
                            "name: game@127.0.0.1\n"
                            "cookie: '0123'\n"
                            "modules: [./game.so, \"./chat.so\"]\n"
                            "capabilities:\n"
                            "  - game\n"
                            "  - name: chat\n"
                            "    strategy: modulo\n"
                            "    shards: 1024\n"
                            "    weight: 2\n"
                            "wait-for: 2\n"
                            "no-epmd: true\n"
                            "gossip:\n"
                            "  port: 45893\n"
                            "  broadcast_only: true\n"
                            "  multicast_addr: 255.255.255.255\n"
                            "local-epmd: false\n"
                            "epmd: {hosts: [a@b], timeout: 100}\n"
                            "log-level: warn\n"
                            "max-message: 104857600\n";

static bool parse(struct settings *s, const char *text, size_t len, mesh_reason *reason)
{
    settings_init(s);
    reason->text[0] = '\0';
    /* A copy of exactly this size, so that a sanitizer sees a read beyond it. */
    char *bytes = malloc(len > 0 ? len : 1);
    assert_non_null(bytes);
    memcpy(bytes, text, len);
    bool ok = config_parse(s, "f.yml", (mesh_bytes){bytes, len}, reason);
    free(bytes);
    return ok;
}

static void check_sound(const struct settings *s)
{
    assert_string_equal(settings_text(s, SETTING_NAME), "game@127.0.0.1");
    assert_int_equal(s->values[SETTING_NAME].line, 2);
    assert_string_equal(settings_text(s, SETTING_COOKIE), "0123");
    assert_int_equal(s->values[SETTING_MODULES].count, 2);
    assert_string_equal(s->values[SETTING_MODULES].list[1], "./chat.so");
    assert_int_equal(s->capability_count, 2);
    assert_string_equal(s->capabilities[1].name, "chat");
    assert_int_equal(s->capabilities[1].strategy, MESH_MODULO);
    assert_int_equal(s->capabilities[1].shards, 1024);
    assert_int_equal(s->capabilities[1].weight, 2);
    assert_int_equal(settings_number(s, SETTING_WAIT_FOR), 2);
    assert_true(settings_on(s, SETTING_NO_EPMD));
    assert_true(settings_on(s, SETTING_GOSSIP));
    assert_int_equal(settings_number(s, SETTING_GOSSIP_PORT), 45893);
    assert_true(settings_on(s, SETTING_GOSSIP_BROADCAST_ONLY));
    assert_false(settings_on(s, SETTING_LOCAL_EPMD));
    assert_true(settings_on(s, SETTING_EPMD));
    assert_int_equal(settings_number(s, SETTING_EPMD_TIMEOUT), 100);
    assert_int_equal(settings_number(s, SETTING_LOG_LEVEL), 2);
    assert_int_equal(settings_number(s, SETTING_MAX_MESSAGE), 104857600);
    assert_int_equal(s->values[SETTING_MAX_MESSAGE].line, 20);
    assert_int_equal(s->values[SETTING_DRAIN_MS].origin, FROM_DEFAULT);
}

static void every_kind_of_value_is_read(void **state)
{
    (void)state;
    struct settings s;
    mesh_reason reason;
    assert_true(parse(&s, sound, strlen(sound), &reason));
    check_sound(&s);
    settings_fini(&s);
}

static void line_ends_may_be_those_of_other_systems(void **state)
{
    (void)state;
    char text[2 * sizeof sound];
    size_t len = 0;
    struct settings s;
    mesh_reason reason;
    for (const char *c = sound; *c; c++) {
        if (*c == '\n')
            text[len++] = '\r';
        text[len++] = *c;
    }
    assert_true(parse(&s, text, len, &reason));
    check_sound(&s);
    settings_fini(&s);
}

static void nothing_is_no_settings(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n", "# a comment\n", "---\n", "---\n...\n", "~\n", "{}\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct settings s;
        mesh_reason reason;
        assert_true(parse(&s, texts[i], strlen(texts[i]), &reason));
        for (enum setting which = 0; which < SETTING_COUNT; which++)
            assert_int_equal(s.values[which].origin, FROM_DEFAULT);
        settings_fini(&s);
    }
}

struct fault {
    const char *text;
    size_t len; /* 0: up to the NUL */
    const char *reason;
};

static const struct fault faults[] = {
    /* keys */
    {"prot: 1\n", 0, "f.yml:1: expected a setting, got \"prot\"; did you mean port?"},
    {"\n\nfrobnicate: 1\n", 0, "f.yml:3: expected a setting, got \"frobnicate\""},
    {"gossip:\n  prt: 1\n", 0, "f.yml:2: gossip: expected a setting, got \"prt\"; did you mean port?"},
    {"<<: {port: 1}\n", 0, "f.yml:1: expected a setting, got \"<<\""},
    {"? [a]\n: 1\n", 0, "f.yml:1: expected a setting, got a list"},
    {"port: 1\nworkers: 2\nport: 1\n", 0, "f.yml:3: port: given twice: it is in line 1 already"},
    {"gossip:\n  port: 1\n  port: 1\n", 0, "f.yml:3: gossip.port: given twice: it is in line 2 already"},
    {"gossip: true\ngossip: {}\n", 0, "f.yml:2: gossip: given twice: it is in line 1 already"},
    {"name: a\nsname: b\n", 0, "f.yml:2: sname: expected either this or name, got both"},
    {"\"po\\0rt\": 1\n", 0, "f.yml:1: expected a setting, got \"po\\x00rt\""},
    /* kinds of values */
    {"port: \"80\"\n", 0, "f.yml:1: port: expected a number, 1 to 65535, without quotes, got \"80\""},
    {"port: [80]\n", 0, "f.yml:1: port: expected a number, 1 to 65535, got a list"},
    {"port:\n", 0, "f.yml:1: port: expected a number, 1 to 65535, got \"\""},
    {"port: 1.5\n", 0, "f.yml:1: port: expected a number, 1 to 65535, got \"1.5\""},
    {"port: -1\n", 0, "f.yml:1: port: expected a number, 1 to 65535, got \"-1\""},
    {"port: 99999999999999999999\n", 0, "f.yml:1: port: expected a number, 1 to 65535, got \"99999999999999999999\""},
    {"no-epmd: yes\n", 0, "f.yml:1: no-epmd: expected true or false, got \"yes\""},
    {"no-epmd: 'true'\n", 0, "f.yml:1: no-epmd: expected true or false, without quotes, got \"true\""},
    {"gossip: 1\n", 0, "f.yml:1: gossip: expected true, false, or a mapping with its options, got \"1\""},
    {"gossip:\n", 0, "f.yml:1: gossip: expected true, false, or a mapping with its options, got \"\""},
    {"name: {a: b}\n", 0,
     "f.yml:1: name: expected NAME or NAME@HOST, with letters, digits, _ and - in NAME, got a mapping"},
    {"cookie:\n", 0, "f.yml:1: cookie: expected 1 to 255 printable characters of ASCII, got another text"},
    {"cookie: \"a\\0b\"\n", 0, "f.yml:1: cookie: expected 1 to 255 printable characters of ASCII"},
    {"cookie-file: \"a\\0b\"\n", 0,
     "f.yml:1: cookie-file: expected a text without control characters, got \"a\\x00b\""},
    {"log-level: loud\n", 0, "f.yml:1: log-level: expected error, warn, info or debug, got \"loud\""},
    /* lists */
    {"modules: a.so\n", 0, "f.yml:1: modules: expected a list, got \"a.so\""},
    {"modules:\n - a\n - [b]\n", 0, "f.yml:3: modules: expected a list of texts, got a list"},
    {"modules:\n - a\n -\n", 0, "f.yml:3: modules: expected a list of texts, got \"\""},
    {"connect:\n - a@b\n - a@b\n", 0, "f.yml:3: connect: \"a@b\" is given twice"},
    {"capabilities: game\n", 0, "f.yml:1: capabilities: expected a list, got \"game\""},
    {"capabilities:\n - [a]\n", 0,
     "f.yml:2: capabilities: expected a name, or a mapping with name, strategy, shards, weight, got a list"},
    {"capabilities:\n - a\n - a\n", 0, "f.yml:3: capabilities: \"a\" is given twice"},
    {"capabilities:\n - weight: 2\n", 0, "f.yml:2: capabilities: expected a name among the options"},
    {"capabilities:\n - name: a\n   wait: 1\n", 0,
     "f.yml:3: capabilities: expected name, strategy, shards or weight, got \"wait\""},
    {"capabilities:\n - name: a\n   weight: '2'\n", 0, "f.yml:3: capabilities: weight: expected a number, got \"2\""},
    {"capabilities:\n - name: a\n   name: b\n", 0, "f.yml:3: capabilities: name: given twice"},
    {"capabilities:\n - name: a\n   weight: 101\n", 0,
     "f.yml:3: capabilities: weight: expected a number, 1 to 100, got \"101\""},
    /* YAML */
    {"- port\n", 0, "f.yml:1: expected settings, KEY: VALUE, got a list"},
    {"port\n", 0, "f.yml:1: expected settings, KEY: VALUE, got \"port\""},
    {"port: 1\n---\nport: 2\n", 0, "f.yml:2: expected one document, got a second"},
    {"name: &a b\n", 0, "f.yml:1: expected a plain value, got an anchor"},
    {"port: !!int 1\n", 0, "f.yml:1: expected a plain value, got a tag"},
    {"name: *a\n", 0, "f.yml:1: name: expected NAME or NAME@HOST, with letters, digits, _ and - in NAME, got an alias"},
    {"port: 1\n\tname: a\n", 0, "f.yml:2: expected YAML: found a tab character that violates indentation"},
    {"port: 1\nmodules: [a\n", 0, "f.yml:3: expected YAML: did not find expected ',' or ']'"},
    {"port: 1\r\n\0\n", 11, "f.yml:2: expected YAML: control characters are not allowed"},
    {"port: 1\nname: \xff\n", 0, "f.yml:2: expected YAML: invalid leading UTF-8 octet"},
};

static void faults_have_a_line_and_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        struct settings s;
        mesh_reason reason;
        size_t len = faults[i].len > 0 ? faults[i].len : strlen(faults[i].text);
        assert_false(parse(&s, faults[i].text, len, &reason));
        assert_string_equal(reason.text, faults[i].reason);
        settings_fini(&s);
    }
}

/* Each is read, or refused with a line that there is. */
static void try(const char *text, size_t len)
{
    struct settings s;
    mesh_reason reason;
    size_t lines = 1, line = 0;
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n' || text[i] == '\r';
    if (!parse(&s, text, len, &reason)) {
        assert_int_equal(sscanf(reason.text, "f.yml:%zu: expected", &line), 1);
        assert_true(line >= 1 && line <= lines + 1);
    }
    settings_fini(&s);
}

static void every_cut_and_every_changed_byte_is_survived(void **state)
{
    (void)state;
    static const char bytes[] = "\0\n\r\t :-[]{}\"'#&*!|>%@`\xff\xc3,?~0";
    char text[sizeof sound];
    for (size_t len = 0; len < sizeof sound; len++)
        try(sound, len);
    for (size_t at = 0; at < strlen(sound); at++)
        for (size_t i = 0; i < sizeof bytes - 1; i++) {
            memcpy(text, sound, sizeof sound);
            text[at] = bytes[i];
            try(text, strlen(sound));
        }
}

static void size_and_depth_are_bounded(void **state)
{
    (void)state;
    struct settings s;
    mesh_reason reason;
    char *text = malloc(CONFIG_MAX_BYTES + 1);
    assert_non_null(text);
    memset(text, '#', CONFIG_MAX_BYTES + 1);
    assert_true(parse(&s, text, CONFIG_MAX_BYTES, &reason));
    settings_fini(&s);
    assert_false(parse(&s, text, CONFIG_MAX_BYTES + 1, &reason));
    assert_string_equal(reason.text, "f.yml: expected at most 1048576 bytes, got 1048577");
    settings_fini(&s);
    memset(text, '[', CONFIG_MAX_BYTES);
    for (int i = 0; i < 6; i++)
        text[i] = "port: "[i];
    assert_false(parse(&s, text, CONFIG_MAX_BYTES, &reason));
    assert_string_equal(reason.text, "f.yml:1: port: expected a number, 1 to 65535, got a list");
    settings_fini(&s);
    free(text);
}

static void files_that_cannot_be_read_are_told(void **state)
{
    (void)state;
    struct settings s;
    mesh_reason reason;
    settings_init(&s);
    assert_false(config_read(&s, "/nonexistent/mesh.yml", &reason));
    assert_string_equal(reason.text, "/nonexistent/mesh.yml: No such file or directory");
    assert_false(config_read(&s, "/tmp", &reason));
    assert_string_equal(reason.text, "/tmp: Is a directory");
    char path[] = "/tmp/mesh-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, sound, strlen(sound)), (ssize_t)strlen(sound));
    close(fd);
    assert_true(config_read(&s, path, &reason));
    check_sound(&s);
    unlink(path);
    settings_fini(&s);
}

int main(void)
{
    words_use_utf8();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(line_ends_may_be_those_of_other_systems),
        cmocka_unit_test(nothing_is_no_settings),
        cmocka_unit_test(faults_have_a_line_and_words),
        cmocka_unit_test(every_cut_and_every_changed_byte_is_survived),
        cmocka_unit_test(size_and_depth_are_bounded),
        cmocka_unit_test(files_that_cannot_be_read_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
