/* Memory that is refused: each allocation of each operation fails once, and the operation says so and leaks nothing
 * (the leak sanitizer looks). See unit/refuse.h. */
#include <stdlib.h>

#include "unit/refuse.h"
#include "unit/term/help.h"

/* Tuples inside each other, and a map of 100 keys in no order: both need memory to be walked. */
static mesh_term large(mesh_buf *b)
{
    mesh_buf_clear(b);
    for (int i = 0; i < 20; i++)
        assert_int_equal(mesh_put_tuple(b, 1), MESH_OK);
    assert_int_equal(mesh_put_map(b, 100), MESH_OK);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(mesh_put_int(b, i * 37 % 101), MESH_OK);
        assert_int_equal(mesh_put_list(b, 1), MESH_OK);
        assert_int_equal(mesh_put_binary(b, mesh_str("value")), MESH_OK);
        assert_int_equal(mesh_put_empty(b), MESH_OK);
    }
    return mesh_buf_term(b);
}

struct work {
    mesh_buf term, text, out;
    const char *pattern;
};

static int check(struct work *w)
{
    return mesh_term_check(w->term.data, w->term.len, NULL, NULL);
}

static int keep(struct work *w)
{
    mesh_term kept = {NULL, 7, NULL};
    int error = mesh_term_keep(mesh_buf_term(&w->term), &kept);
    assert_true(!error || kept.len == 7);
    if (!error)
        mesh_term_release(&kept);
    return error;
}

static int inspect(struct work *w)
{
    mesh_buf_fini(&w->out);
    int error = mesh_inspect(mesh_buf_term(&w->term), &w->out);
    assert_true(!error || w->out.len == 0);
    return error;
}

static int parse(struct work *w)
{
    mesh_buf_fini(&w->out);
    int error = mesh_parse((char *)w->text.data, w->text.len, &w->out, NULL);
    assert_true(!error || w->out.len == 0);
    return error;
}

static int build(struct work *w)
{
    mesh_buf_fini(&w->out);
    int error = mesh_build(&w->out, w->pattern, 1, mesh_buf_term(&w->term));
    assert_true(!error || w->out.len == 0);
    return error;
}

static int match(struct work *w)
{
    static const uint8_t list[] = {104, 2, 107, 0, 2, 1, 2, 108, 0, 0, 0, 2, 97, 1, 97, 2, 106};
    mesh_term a = {NULL, 0, NULL}, b = {NULL, 0, NULL};
    (void)w;
    int error = mesh_match(((mesh_term){list, sizeof list, NULL}), "{[1 | ~t], [1 | ~t]}", &a, &b);
    assert_true(!error || (a.data == NULL && b.data == NULL));
    mesh_term_release(&a);
    mesh_term_release(&b);
    return error;
}

static int equal(struct work *w)
{
    mesh_buf other;
    mesh_buf_init(&other);
    int failing = refuse_left();
    refuse_end();
    large(&other);
    const uint8_t old_form[] = {98, 0, 0, 0, 0}; /* of the first key: not the same bytes, so the terms are walked */
    mesh_buf longer;
    mesh_buf_init(&longer);
    assert_int_equal(mesh_buf_append(&longer, other.data, 45), MESH_OK);
    assert_int_equal(mesh_buf_append(&longer, old_form, sizeof old_form), MESH_OK);
    assert_int_equal(mesh_buf_append(&longer, other.data + 47, other.len - 47), MESH_OK);
    refuse_after(failing);
    bool same = mesh_term_equal(mesh_buf_term(&longer), mesh_buf_term(&w->term));
    mesh_buf_fini(&other);
    mesh_buf_fini(&longer);
    return same ? MESH_OK : MESH_ENOMEM;
}

static void every_refused_allocation_is_reported(void **state)
{
    (void)state;
    int (*const works[])(struct work *) = {check, keep, inspect, parse, build, match, equal};
    struct work w;
    mesh_buf_init(&w.term);
    mesh_buf_init(&w.text);
    mesh_buf_init(&w.out);
    large(&w.term);
    assert_int_equal(mesh_inspect(mesh_buf_term(&w.term), &w.text), MESH_OK);
    static const char head[] = "{~i, ~t, \"";
    char pattern[1200];
    memset(pattern, 'a', sizeof pattern);
    memcpy(pattern, head, sizeof head - 1);
    memcpy(pattern + sizeof pattern - 3, "\"}", 3);
    w.pattern = pattern;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        int n = 0;
        for (;; n++) {
            refuse_after(n);
            int error = works[i](&w);
            bool all_succeeded = refuse_end();
            assert_int_equal(error, all_succeeded ? MESH_OK : MESH_ENOMEM);
            if (all_succeeded)
                break;
        }
        assert_true(n > 0);
    }
    mesh_buf_fini(&w.term);
    mesh_buf_fini(&w.text);
    mesh_buf_fini(&w.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_refused_allocation_is_reported)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
