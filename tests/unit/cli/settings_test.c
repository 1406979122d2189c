/* The list of settings, flags, and which of two places counts. */
#include "unit/check.h"

#include <stdlib.h>
#include <string.h>

#include "cli/flags.h"
#include "cli/words.h"

/* Takes all words as flags. The reason of the first that is refused; NULL when none is. */
static const char *take(struct settings *s, int count, char **words)
{
    static mesh_reason reason;
    struct args args;
    struct arg arg;
    args_init(&args, count, words);
    while (args_next(&args, &arg)) {
        enum flags_result result = flags_take(s, &args, &arg, &reason);
        assert_int_not_equal(result, FLAGS_OTHER);
        if (result == FLAGS_REFUSED)
            return reason.text;
    }
    return NULL;
}

#define TAKE(s, ...) take((s), (int)(sizeof(char *[]){__VA_ARGS__} / sizeof(char *)), (char *[]){__VA_ARGS__})

#define REFUSED(wanted, ...)                                                                                           \
    do {                                                                                                               \
        struct settings refused_;                                                                                      \
        settings_init(&refused_);                                                                                      \
        const char *why_ = TAKE(&refused_, __VA_ARGS__);                                                               \
        assert_non_null(why_);                                                                                         \
        assert_string_equal(why_, wanted);                                                                             \
        settings_fini(&refused_);                                                                                      \
    } while (0)

static void the_list_is_sound(void **state)
{
    (void)state;
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        const struct setting_row *row = &setting_rows[i];
        assert_non_null(row->flag);
        assert_int_equal(setting_by_flag(row->flag), i);
        assert_int_equal(setting_by_key(row->section, row->key), i);
        assert_true((row->value == NULL) == (row->kind == KIND_SWITCH));
        if (row->section) /* its switch */
            assert_int_equal(setting_rows[setting_by_key(NULL, row->section)].kind, KIND_SWITCH);
        if (row->kind == KIND_NUMBER && !row->otherwise_is)
            assert_true(row->otherwise >= row->min && row->otherwise <= row->max);
    }
    assert_int_equal(setting_by_flag("nonsense"), SETTING_COUNT);
    assert_int_equal(setting_by_flag(""), SETTING_COUNT);
    assert_int_equal(setting_by_key("gossip", "hosts"), SETTING_COUNT);
    assert_int_equal(setting_by_key("port", "port"), SETTING_COUNT);
}

static void nothing_given_is_the_defaults(void **state)
{
    (void)state;
    struct settings s;
    enum setting which;
    mesh_reason reason;
    settings_init(&s);
    assert_null(settings_text(&s, SETTING_NAME));
    assert_int_equal(settings_number(&s, SETTING_MAX_MESSAGE), 16 << 20);
    assert_false(settings_on(&s, SETTING_GOSSIP));
    assert_true(settings_on(&s, SETTING_CRASH_REPORTS));
    assert_true(settings_check(&s, &which, &reason));
    settings_fini(&s);
}

static void flags_are_taken(void **state)
{
    (void)state;
    struct settings s;
    settings_init(&s);
    assert_null(TAKE(&s, "--name", "game@127.0.0.1", "--cookie=a=b", "--module", "a.so", "--module", "b.so", "--gossip",
                     "--no-epmd=false", "--port", "65535", "--log-level", "debug", "--capability",
                     "chat,strategy=modulo,shards=1024,weight=2", "--capability", "game", "--max-processes",
                     "9223372036854775807"));
    assert_string_equal(settings_text(&s, SETTING_NAME), "game@127.0.0.1");
    assert_string_equal(settings_text(&s, SETTING_COOKIE), "a=b");
    assert_int_equal(s.values[SETTING_MODULES].count, 2);
    assert_string_equal(s.values[SETTING_MODULES].list[1], "b.so");
    assert_true(settings_on(&s, SETTING_GOSSIP));
    assert_false(settings_on(&s, SETTING_NO_EPMD));
    assert_int_equal(settings_number(&s, SETTING_PORT), 65535);
    assert_int_equal(settings_number(&s, SETTING_LOG_LEVEL), 4);
    assert_true(settings_number(&s, SETTING_MAX_PROCESSES) == INT64_MAX);
    assert_int_equal(s.capability_count, 2);
    assert_string_equal(s.capabilities[0].name, "chat");
    assert_int_equal(s.capabilities[0].strategy, MESH_MODULO);
    assert_int_equal(s.capabilities[0].shards, 1024);
    assert_int_equal(s.capabilities[0].weight, 2);
    assert_int_equal(s.capabilities[1].strategy, MESH_CAPPED);
    assert_int_equal(s.capabilities[1].shards, 0);
    settings_fini(&s);
}

static void an_option_turns_its_section_on(void **state)
{
    (void)state;
    struct settings s;
    settings_init(&s);
    assert_null(TAKE(&s, "--gossip-secret", "x", "--local-epmd-timeout", "10", "--local-epmd=false"));
    assert_true(settings_on(&s, SETTING_GOSSIP));
    assert_false(settings_on(&s, SETTING_LOCAL_EPMD));
    assert_false(settings_on(&s, SETTING_ERLANG_HOSTS));
    settings_fini(&s);
}

static void bad_values_are_refused(void **state)
{
    (void)state;
    REFUSED("--port: expected a number, 1 to 65535, got \"0\"", "--port", "0");
    REFUSED("--port: expected a number, 1 to 65535, got \"-1\"", "--port", "-1");
    REFUSED("--port: expected a number, 1 to 65535, got \"\"", "--port=");
    REFUSED("--port: expected a number, 1 to 65535, got \"1 \"", "--port", "1 ");
    REFUSED("--port: expected a number, 1 to 65535, got \"0x10\"", "--port", "0x10");
    REFUSED("--port: expected a number, 1 to 65535, got \"18446744073709551617\"", "--port", "18446744073709551617");
    REFUSED("--port: expected a value, PORT", "--port");
    REFUSED("--port: given twice", "--port", "1", "--port", "1");
    REFUSED("--gossip: expected true or false, got \"yes\"", "--gossip=yes");
    REFUSED("--log-level: expected error, warn, info or debug, got \"loud\"", "--log-level", "loud");
    REFUSED("--sname: expected either this or name, got both", "--name", "a", "--sname", "a");
    REFUSED("--cookie-file: expected either this or cookie, got both", "--cookie", "a", "--cookie-file", "f");
    REFUSED("--gossip-if-addr: expected an IPv4 address, got \"::1\"", "--gossip-if-addr", "::1");
    REFUSED("--gossip-if-addr: expected an IPv4 address, got \"1.2.3\"", "--gossip-if-addr", "1.2.3");
    REFUSED("--connect: expected the full name of a node, NAME@HOST, got \"a\"", "--connect", "a");
    REFUSED("--connect: \"a@b\" is given twice", "--connect", "a@b", "--connect", "a@b");
    REFUSED("--module: expected a text without control characters, got \"\"", "--module", "");
    REFUSED("--module: expected a text without control characters, got \"a\\x0ab\"", "--module", "a\nb");
    REFUSED("--cookie: expected 1 to 255 printable characters of ASCII", "--cookie", "gr\303\274n"); /* not shown */
}

static void bad_names_are_refused(void **state)
{
    (void)state;
    static char *const names[] = {"",     "@h",   "a b",   "a@",     "a@b@c", "a.b@h",      "gr\303\274n@h",
                                  "a@\n", "a@ b", "a/b@c", "\377@h", "a@b c", "a@b\302\233"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct settings s;
        settings_init(&s);
        const char *why = TAKE(&s, "--name", names[i]);
        assert_non_null(why);
        assert_non_null(strstr(why, "expected NAME or NAME@HOST"));
        settings_fini(&s);
    }
    char text[258];
    memset(text, 'a', 257);
    text[257] = '\0';
    struct settings s;
    settings_init(&s);
    assert_non_null(TAKE(&s, "--name", text));
    text[255] = '\0';
    settings_fini(&s);
    settings_init(&s);
    assert_null(TAKE(&s, "--name", text));
    settings_fini(&s);
}

static void bad_capabilities_are_refused(void **state)
{
    (void)state;
    REFUSED("--capability: name: expected 1 to 255 bytes without control characters, got \"\"", "--capability", "");
    REFUSED("--capability: strategy: expected capped or modulo, got \"best\"", "--capability", "a,strategy=best");
    REFUSED("--capability: shards: expected a number, 1 to 65536, got \"65537\"", "--capability", "a,shards=65537");
    REFUSED("--capability: weight: expected a number, 1 to 100, got \"\"", "--capability", "a,weight");
    REFUSED("--capability: weight: expected a number, 1 to 100, got \"0\"", "--capability", "a,weight=0");
    REFUSED("--capability: weight: given twice", "--capability", "a,weight=1,weight=1");
    REFUSED("--capability: expected name, strategy, shards or weight, got \"wait\"", "--capability", "a,wait=1");
    REFUSED("--capability: expected name, strategy, shards or weight, got \"\"", "--capability", "a,");
    REFUSED("--capability: expected NAME[,OPTION=VALUE], with strategy, shards or weight as OPTION", "--capability",
            "a,name=b");
    REFUSED("--capability: \"a\" is given twice", "--capability", "a", "--capability", "a,weight=2");
}

/* What a file would have said. */
static void put(struct settings *s, enum setting which, const char *text, unsigned line)
{
    mesh_reason reason;
    assert_true(settings_begin(s, which, FROM_FILE, line, &reason));
    assert_true(settings_put(s, which, text, strlen(text), &reason));
}

static void flags_go_over_the_file(void **state)
{
    (void)state;
    struct settings flags, file;
    mesh_reason reason;
    settings_init(&flags);
    settings_init(&file);
    put(&file, SETTING_NAME, "a@b", 1);
    put(&file, SETTING_PORT, "1", 2);
    put(&file, SETTING_WORKERS, "3", 3);
    put(&file, SETTING_MODULES, "file.so", 4);
    put(&file, SETTING_CONNECT, "c@d", 5);
    struct capability_setting c = {.name = NULL};
    assert_true(settings_begin(&file, SETTING_CAPABILITIES, FROM_FILE, 6, &reason));
    assert_true(capability_put(&c, "name", "game", 4, &reason));
    assert_true(settings_add_capability(&file, &c, &reason));
    assert_null(TAKE(&flags, "--sname", "x", "--port", "9", "--module", "flag.so"));
    settings_merge(&flags, &file);
    assert_null(settings_text(&flags, SETTING_NAME)); /* sname excludes it */
    assert_string_equal(settings_text(&flags, SETTING_SNAME), "x");
    assert_int_equal(settings_number(&flags, SETTING_PORT), 9);
    assert_int_equal(flags.values[SETTING_PORT].origin, FROM_FLAG);
    assert_int_equal(settings_number(&flags, SETTING_WORKERS), 3);
    assert_int_equal(flags.values[SETTING_WORKERS].origin, FROM_FILE);
    assert_int_equal(flags.values[SETTING_WORKERS].line, 3);
    assert_int_equal(flags.values[SETTING_MODULES].count, 1); /* replaced, not added to */
    assert_string_equal(flags.values[SETTING_MODULES].list[0], "flag.so");
    assert_string_equal(flags.values[SETTING_CONNECT].list[0], "c@d");
    assert_int_equal(flags.capability_count, 1);
    assert_int_equal(flags.values[SETTING_DRAIN_MS].origin, FROM_DEFAULT);
    settings_fini(&flags);
    settings_fini(&file); /* empty, and may be freed again */
}

static void what_belongs_together_is_checked(void **state)
{
    (void)state;
    struct settings s;
    enum setting which;
    mesh_reason reason;
    settings_init(&s);
    assert_null(TAKE(&s, "--epmd"));
    assert_false(settings_check(&s, &which, &reason));
    assert_int_equal(which, SETTING_EPMD);
    assert_null(TAKE(&s, "--epmd-host", "a@b"));
    assert_true(settings_check(&s, &which, &reason));
    settings_fini(&s);
}

static void lists_are_bounded(void **state)
{
    (void)state;
    struct settings s;
    mesh_reason reason = {""};
    char name[32];
    unsigned count = 0;
    settings_init(&s);
    assert_true(settings_begin(&s, SETTING_CONNECT, FROM_FILE, 1, &reason));
    do
        snprintf(name, sizeof name, "n%u@h", count);
    while (settings_put(&s, SETTING_CONNECT, name, strlen(name), &reason) && ++count);
    assert_int_equal(count, SETTING_LIST_MAX);
    assert_string_equal(reason.text, "expected at most 1024");
    settings_fini(&s);
}

int main(void)
{
    words_use_utf8();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_list_is_sound),
        cmocka_unit_test(nothing_given_is_the_defaults),
        cmocka_unit_test(flags_are_taken),
        cmocka_unit_test(an_option_turns_its_section_on),
        cmocka_unit_test(bad_values_are_refused),
        cmocka_unit_test(bad_names_are_refused),
        cmocka_unit_test(bad_capabilities_are_refused),
        cmocka_unit_test(flags_go_over_the_file),
        cmocka_unit_test(what_belongs_together_is_checked),
        cmocka_unit_test(lists_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
