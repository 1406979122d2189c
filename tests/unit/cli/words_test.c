/* Quotations and guesses, and cutting command lines. */
#include "unit/check.h"

#include <string.h>

#include "cli/args.h"
#include "cli/words.h"

static void quotes(const char *text, size_t len, const char *wanted)
{
    char out[QUOTE_SIZE];
    assert_string_equal(words_quote(text, len, out, sizeof out), wanted);
}

static void quotations_are_safe(void **state)
{
    (void)state;
    quotes("", 0, "\"\"");
    quotes("plain", 5, "\"plain\"");
    quotes("a\"b\\c", 5, "\"a\\\"b\\\\c\"");
    quotes("a\0b", 3, "\"a\\x00b\"");
    quotes("\033[1m", 4, "\"\\x1b[1m\"");
    quotes("gr\303\274n", 5, "\"gr\303\274n\"");
    quotes("\377x", 2, "\"\\xffx\"");
    quotes("\302\233x", 3, "\"\\xc2\\x9bx\""); /* a C1 control */
    quotes("\303", 1, "\"\\xc3\"");            /* cut */
}

static void long_texts_are_cut_within_any_size(void **state)
{
    (void)state;
    char text[300], out[QUOTE_SIZE];
    for (int c = 0; c < 3; c++) {
        memset(text, "a\x01\""[c], sizeof text);
        for (size_t size = 16; size <= sizeof out; size++) {
            out[size - 1] = '~';
            size_t len = strlen(words_quote(text, sizeof text, out, size));
            assert_true(len < size);
            assert_string_equal(out + len - 4, "...\"");
        }
    }
}

static const char *guess(const char *word)
{
    struct guess g;
    guess_begin(&g, word);
    guess_offer(&g, "check-config");
    guess_offer(&g, "epmd");
    guess_offer(&g, "nodes");
    return g.best;
}

static void guesses_are_near_misses_only(void **state)
{
    (void)state;
    assert_string_equal(guess("epdm"), "epmd");
    assert_string_equal(guess("empd"), "epmd");
    assert_string_equal(guess("node"), "nodes");
    assert_string_equal(guess("chek-config"), "check-config");
    assert_string_equal(guess("checkconfig"), "check-config");
    assert_null(guess("start"));
    assert_null(guess(""));
    char text[100];
    memset(text, 'e', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_null(guess(text));
}

static void command_lines_are_cut(void **state)
{
    (void)state;
    char *words[] = {"--port", "1", "file", "--json=yes", "-", "--x", "--", "--y"};
    struct args args;
    struct arg arg;
    args_init(&args, 8, words);
    assert_true(args_next(&args, &arg));
    assert_string_equal(arg.flag, "port");
    assert_string_equal(args_value(&args, &arg), "1");
    assert_true(args_next(&args, &arg));
    assert_string_equal(arg.flag, "");
    assert_string_equal(arg.word, "file");
    assert_true(args_next(&args, &arg));
    assert_string_equal(arg.flag, "json");
    assert_string_equal(args_value(&args, &arg), "yes");
    assert_true(args_next(&args, &arg));
    assert_string_equal(arg.flag, "");
    assert_string_equal(arg.word, "-");
    assert_true(args_next(&args, &arg));
    assert_string_equal(arg.flag, "x");
    assert_true(args_next(&args, &arg)); /* behind "--" */
    assert_string_equal(arg.flag, "");
    assert_string_equal(arg.word, "--y");
    assert_false(args_next(&args, &arg));
    assert_null(args_value(&args, &(struct arg){.word = "--z"}));
}

static void long_flags_are_cut(void **state)
{
    (void)state;
    char word[200];
    memset(word, 'a', sizeof word - 1);
    memcpy(word, "--", 2);
    word[sizeof word - 1] = '\0';
    char *words[] = {word};
    struct args args;
    struct arg arg;
    args_init(&args, 1, words);
    assert_true(args_next(&args, &arg));
    assert_int_equal(strlen(arg.flag), ARG_NAME_MAX_BYTES);
}

int main(void)
{
    words_use_utf8();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotations_are_safe),          cmocka_unit_test(long_texts_are_cut_within_any_size),
        cmocka_unit_test(guesses_are_near_misses_only), cmocka_unit_test(command_lines_are_cut),
        cmocka_unit_test(long_flags_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
