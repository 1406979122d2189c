/* Tables as people and programs see them, and what is drawn where nobody watches. */
#include "unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/columns.h"
#include "cli/terminal.h"
#include "cli/words.h"

static const char *const headings[] = {"node", "calls", "last_seen"};

static void add(struct columns *t, const char *node, int64_t calls, const char *seen)
{
    columns_text(t, mesh_str(node));
    columns_number(t, calls);
    columns_text(t, mesh_str(seen));
}

enum form { PLAIN, COLOUR, JSON };

static void expect(const struct columns *t, enum form form, const char *wanted)
{
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);
    assert_non_null(to);
    if (form == JSON)
        columns_print_json(t, to);
    else
        columns_print(t, to, form == COLOUR);
    fclose(to);
    assert_string_equal(text, wanted);
    free(text);
}

static void columns_are_aligned_by_places(void **state)
{
    (void)state;
    struct columns *t = columns_create(headings, 3);
    add(t, "a@h", 7, "now");
    add(t, "gr\303\274n@h", 12345, "1 s"); /* an accent: two bytes, one place */
    add(t, "\347\214\253@h", -1, "2 s");   /* a wide character: three bytes, two places */
    add(t, "e\314\201@h", 0, "\033[2J\n"); /* a combining one; a terminal's commands */
    columns_text(t, mesh_str("an incomplete row is not shown, nor does it widen a column"));
    expect(t, PLAIN,
           "NODE    CALLS  LAST SEEN\n"
           "a@h         7  now\n"
           "gr\303\274n@h  12345  1 s\n"
           "\347\214\253@h       -1  2 s\n"
           "e\314\201@h         0  \\x1b[2J\\x0a\n");
    expect(t, JSON,
           "[{\"node\": \"a@h\", \"calls\": 7, \"last_seen\": \"now\"},\n"
           " {\"node\": \"gr\303\274n@h\", \"calls\": 12345, \"last_seen\": \"1 s\"},\n"
           " {\"node\": \"\347\214\253@h\", \"calls\": -1, \"last_seen\": \"2 s\"},\n"
           " {\"node\": \"e\314\201@h\", \"calls\": 0, \"last_seen\": \"\\u001b[2J\\u000a\"}]\n");
    columns_destroy(t);
}

static void a_table_without_rows_has_headings(void **state)
{
    (void)state;
    struct columns *t = columns_create(headings, 3);
    expect(t, PLAIN, "NODE  CALLS  LAST SEEN\n");
    expect(t, COLOUR, "\033[1mNODE  CALLS  LAST SEEN\033[0m\n");
    expect(t, JSON, "[]\n");
    columns_destroy(t);
    columns_destroy(NULL);
}

static void tenths_and_nothing_stand_with_numbers(void **state)
{
    (void)state;
    static const char *const two[] = {"id", "percent"};
    static const int64_t tenths[] = {336, 5, -5, -125, 0};
    struct columns *t = columns_create(two, 2);
    columns_none(t);
    columns_none(t);
    for (size_t i = 0; i < 5; i++) {
        columns_text(t, mesh_str("x"));
        columns_tenths(t, tenths[i]);
    }
    expect(t, PLAIN, "ID  PERCENT\n-         -\nx      33.6\nx       0.5\nx      -0.5\nx     -12.5\nx       0.0\n");
    expect(t, JSON,
           "[{\"id\": null, \"percent\": null},\n"
           " {\"id\": \"x\", \"percent\": 33.6},\n"
           " {\"id\": \"x\", \"percent\": 0.5},\n"
           " {\"id\": \"x\", \"percent\": -0.5},\n"
           " {\"id\": \"x\", \"percent\": -12.5},\n"
           " {\"id\": \"x\", \"percent\": 0.0}]\n");
    columns_destroy(t);
}

static void several_texts_are_an_array(void **state)
{
    (void)state;
    static const char *const two[] = {"node", "has"};
    const mesh_bytes texts[] = {mesh_str("a b"), mesh_str("\""), mesh_str("")};
    struct columns *t = columns_create(two, 2);
    columns_text(t, mesh_str("x"));
    columns_texts(t, texts, 3);
    columns_text(t, mesh_str("y"));
    columns_texts(t, NULL, 0);
    expect(t, PLAIN, "NODE  HAS\nx     a b \" \ny     \n");
    expect(t, JSON, "[{\"node\": \"x\", \"has\": [\"a b\", \"\\\"\", \"\"]},\n {\"node\": \"y\", \"has\": []}]\n");
    columns_destroy(t);
}

static void bytes_that_are_no_text_are_shown(void **state)
{
    (void)state;
    static const char *const one[] = {"id"};
    struct columns *t = columns_create(one, 1);
    columns_text(t, (mesh_bytes){"a\0\377\"\\", 5});
    columns_text(t, (mesh_bytes){NULL, 0});
    expect(t, PLAIN, "ID\na\\x00\\xff\"\\\n\n");
    expect(t, JSON, "[{\"id\": \"a\\u0000\\ufffd\\\"\\\\\"},\n {\"id\": \"\"}]\n");
    columns_destroy(t);
}

static void a_file_gets_no_progress(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *file = tmpfile();
    struct progress p;
    assert_non_null(file);
    progress_init(&p, file);
    progress_show(&p, 1, 2, "half");
    progress_clear(&p);
    assert_int_equal(ftell(file), 0);
    assert_false(terminal_colours(file));
    fclose(file);

    FILE *to = open_memstream(&text, &len); /* stands for a terminal */
    p = (struct progress){.to = to, .shown = true};
    progress_show(&p, 1, 3, "%d of 3", 1);
    progress_show(&p, 9, 3, "too many");
    progress_show(&p, 5, 0, "no end");
    progress_clear(&p);
    progress_clear(&p); /* nothing is there any more */
    fclose(to);
    assert_string_equal(text, "\r\033[K[##########....................]  33 %  1 of 3"
                              "\r\033[K[##############################] 100 %  too many"
                              "\r\033[Kno end\r\033[K");
    free(text);
}

int main(void)
{
    words_use_utf8();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned_by_places),         cmocka_unit_test(a_table_without_rows_has_headings),
        cmocka_unit_test(tenths_and_nothing_stand_with_numbers), cmocka_unit_test(several_texts_are_an_array),
        cmocka_unit_test(bytes_that_are_no_text_are_shown),      cmocka_unit_test(a_file_gets_no_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
