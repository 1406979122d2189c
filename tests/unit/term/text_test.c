/* Printing and parsing. What Elixir prints for the same terms is compared in property/term. */
#include "unit/term/help.h"

/* Texts that print as they parse. */
static const char *const same[] = {
    "0",
    "-1",
    "255",
    "256",
    "-2147483649",
    "18446744073709551616",
    "-123456789012345678901234567890",
    "1.0",
    "-0.0",
    "0.0",
    "1.0e-10",
    "1.0e22",
    "5.0e-324",
    "1.7976931348623157e308",
    "0.1",
    "100000.0",
    "1.2345e-4",
    "123456.789",
    ":ok",
    ":foo?",
    ":foo!",
    ":foo@bar",
    ":Foo",
    ":_a",
    ":\"a b\"",
    ":\"\"",
    ":\"1a\"",
    ":\"é\"",
    ":\"a\\nb\"",
    ":+",
    ":<<>>",
    ":%{}",
    ":{}",
    ":..",
    ":\"Elixir.foo\"",
    "Foo",
    "Foo.Bar1",
    "Elixir",
    "nil",
    "true",
    "false",
    ":when",
    "\"\"",
    "\"text\"",
    "\"é ✓ 😀\"",
    "\"a\\\"b\\\\c\\n\\t\\r\\e\\a\\b\\d\\f\\v\"",
    "\"a\\#{b}\"",
    "\"\\uFEFF\"",
    "<<0>>",
    "<<128, 255>>",
    "<<1, 2::size(3)>>",
    "<<1::size(1)>>",
    "<<97, 98, 1::size(7)>>",
    "[]",
    "[1]",
    "[1, 2 | 3]",
    "[[], [[]]]",
    "'abc'",
    "'a\\'b\"\\\\\\n'",
    "[97 | 98]",
    "[127]",
    "[a: 1]",
    "[\"a b\": 1, c: 2]",
    "[{:a, 1}, 2]",
    "[{Foo, 1}]",
    "[nil: 1, true: 2]",
    "[{:a, 1} | 2]",
    "[+: 1]",
    "{}",
    "{1}",
    "{:ok, \"x\", [1.5]}",
    "%{}",
    "%{a: 1}",
    "%{1 => 2, :a => 1}",
    "%{\"a b\": 1, b: %{c: []}}",
    "%{Foo => 1}",
    "%{[] => 1, \"k\" => 2}",
    "%Foo{}",
    "%Foo.Bar{a: 1, b: [c: 2]}",
    "%{__struct__: :foo}",
    "%{%{a: 1} => %{}}",
};

static void what_prints_parses(void **state)
{
    (void)state;
    mesh_buf b;
    mesh_buf_init(&b);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        size_t column = 0;
        if (mesh_parse(same[i], strlen(same[i]), &b, &column) != MESH_OK)
            fail_msg("%s: column %zu", same[i], column);
        assert_int_equal(mesh_term_check(b.data, b.len, NULL, NULL), MESH_OK);
        assert_inspects(mesh_buf_term(&b), same[i]);
    }
    mesh_buf_fini(&b);
}

static void other_spellings_parse_too(void **state)
{
    (void)state;
    const char *const pairs[][2] = {
        {" [ 1 ,2|3 ] ", "[1, 2 | 3]"},
        {"1_000_000", "1000000"},
        {"0xFF", "255"},
        {"-0x1F", "-31"},
        {"1.5E+3", "1500.0"},
        {":\"ok\"", ":ok"},
        {":é", ":\"é\""},
        {"Elixir.Foo", "Foo"},
        {"\"\\x41\\u0042\\u{1F600}\\s\\0\"", "<<65, 66, 240, 159, 152, 128, 32, 0>>"},
        {"\"\\xFF\"", "<<255>>"},
        {":\"\\x85\"", ":\"\\x85\""},
        {"<<\"ab\", 99>>", "\"abc\""},
        {"<<>>", "\"\""},
        {"<< 1 , 2 >>", "<<1, 2>>"},
        {"''", "[]"},
        {"'é'", "[233]"},
        {"[97, 98]", "'ab'"},
        {"%{b: 1, a: 2}", "%{a: 2, b: 1}"},
        {"%{ 1 => 2 , a: 3 }", "%{1 => 2, :a => 3}"},
        {"[1, a: 2, b: 3]", "[1, {:a, 2}, {:b, 3}]"},
        {"[1 | [2, 3 | []]]", "[1, 2, 3]"},
        {"{\n\t1,\r\n2}", "{1, 2}"},
        {"<<5::size(8)>>", "<<5>>"},
    };
    mesh_buf b;
    mesh_buf_init(&b);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        parsed(&b, pairs[i][0]);
        assert_inspects(mesh_buf_term(&b), pairs[i][1]);
    }
    mesh_buf_fini(&b);
}

static void what_is_no_term_is_refused_with_its_column(void **state)
{
    (void)state;
    const struct {
        const char *text;
        size_t column;
    } cases[] = {
        {"", 1},
        {"  ", 3},
        {"1 1", 3},
        {"{1, 2", 6},
        {"[1, ]", 5},
        {"[,]", 2},
        {"{1]", 3},
        {"%{1}", 4},
        {"%{a 1}", 3},
        {"%{a:1}", 3},
        {"foo", 1},
        {"_", 1},
        {"~i", 1},
        {":", 2},
        {"\"abc", 5},
        {"\"\\q\"", 4},
        {"\"#{x}\"", 2},
        {"\"\xFF\"", 2},
        {"<<256>>", 6},
        {"<<1::size(0)>>", 12},
        {"<<1::size(3), 2>>", 15},
        {"<<8::size(3)>>", 12},
        {"1.", 2},
        {"-", 2},
        {"0x", 3},
        {"1.0e", 5},
        {"1.0e999", 1},
        {"#PID<0.1.2>", 1},
        {"&a.b/1", 1},
        {"%{a: 1, a: 2}", 13},
        {"%{1 => 2, 0x1 => 3}", 19},
        {"%foo{}", 1},
        {"[1 | 2 | 3]", 8},
        {"'a", 3},
        {"[a: 1 2]", 7},
        {"(1)", 1},
    };
    mesh_buf b;
    mesh_buf_init(&b);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t column = 0;
        mesh_buf_append(&b, "x", 1);
        int error = mesh_parse(cases[i].text, strlen(cases[i].text), &b, &column);
        if (error != MESH_EINVAL || column != cases[i].column)
            fail_msg("%s: %s, column %zu", cases[i].text, mesh_error_name(error), column);
        assert_int_equal(b.len, 0);
        assert_int_equal(mesh_parse(cases[i].text, strlen(cases[i].text), &b, NULL), MESH_EINVAL);
    }
    assert_int_equal(mesh_parse("1\0", 2, &b, NULL), MESH_EINVAL);
    mesh_buf_fini(&b);
}

static void depth_is_limited_both_ways(void **state)
{
    (void)state;
    char text[2 * 513 + 1];
    mesh_buf b, out;
    mesh_buf_init(&b);
    mesh_buf_init(&out);
    memset(text, '[', 512);
    memset(text + 512, ']', 512);
    assert_int_equal(mesh_parse(text, 1024, &b, NULL), MESH_OK);
    assert_int_equal(mesh_inspect(mesh_buf_term(&b), &out), MESH_OK);
    assert_memory_equal(out.data, text, 1024);
    memset(text, '[', 513);
    memset(text + 513, ']', 513);
    assert_int_equal(mesh_parse(text, 1026, &b, NULL), MESH_ETOOBIG);
    mesh_buf_clear(&b);
    for (int i = 0; i < 513; i++)
        assert_int_equal(mesh_put_tuple(&b, 1), MESH_OK);
    assert_int_equal(mesh_put_empty(&b), MESH_OK);
    assert_int_equal(mesh_inspect(mesh_buf_term(&b), &out), MESH_ETOOBIG);
    assert_int_equal(out.len, 0);
    assert_int_equal(mesh_inspect((mesh_term){NULL, 0, NULL}, &out), MESH_EINVAL);
    mesh_buf_fini(&b);
    mesh_buf_fini(&out);
}

static void long_texts_cost_what_they_are_long(void **state)
{
    (void)state;
    mesh_buf b, out, again;
    mesh_buf_init(&b);
    mesh_buf_init(&out);
    mesh_buf_init(&again);
    static uint8_t magnitude[200000];
    memset(magnitude, 0xA5, sizeof magnitude);
    assert_int_equal(mesh_put_bigint(&b, true, (mesh_bytes){magnitude, sizeof magnitude}), MESH_OK);
    assert_int_equal(mesh_inspect(mesh_buf_term(&b), &out), MESH_OK);
    assert_int_equal(out.len, 3 + 2 * sizeof magnitude);
    assert_memory_equal(out.data, "-0xA5A5", 7);
    assert_int_equal(mesh_parse((const char *)out.data, out.len, &again, NULL), MESH_OK);
    assert_true(mesh_term_equal(mesh_buf_term(&b), mesh_buf_term(&again)));
    memset(out.data, '9', out.len);
    assert_int_equal(mesh_parse((const char *)out.data, out.len, &again, NULL), MESH_EINVAL);
    /* 300 elements need a tuple's long header */
    mesh_buf_clear(&out);
    mesh_buf_append(&out, "{", 1);
    for (int i = 0; i < 300; i++)
        mesh_buf_append(&out, i < 299 ? "1, " : "1}", i < 299 ? 3 : 2);
    assert_int_equal(mesh_parse((const char *)out.data, out.len, &again, NULL), MESH_OK);
    assert_int_equal(again.len, 5 + 600);
    assert_int_equal(mesh_term_check(again.data, again.len, NULL, NULL), MESH_OK);
    mesh_buf_fini(&b);
    mesh_buf_fini(&out);
    mesh_buf_fini(&again);
}

static void what_has_no_text_form_still_prints(void **state)
{
    (void)state;
    assert_inspects(TERM(88, 119, 3, 'n', '@', 'h', 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 9), "#PID<n@h.5.1>");
    assert_inspects(TERM(90, 0, 2, 119, 3, 'n', '@', 'h', 0, 0, 0, 9, 0, 0, 0, 5, 0, 0, 0, 6), "#Reference<n@h.6.5>");
    assert_inspects(TERM(120, 119, 3, 'n', '@', 'h', 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 9), "#Port<n@h.5>");
    assert_inspects(TERM(113, 119, 4, 'l', 'i', 's', 't', 119, 3, 'm', 'a', 'p', 97, 2), "&:list.map/2");
    assert_inspects(TERM(112, 0, 0, 0, 59, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0, 0, 0, 2, 0, 0,
                         0, 0, 119, 3, 'f', 'o', 'o', 97, 2, 98, 0, 0, 1, 0, 88, 119, 3, 'n', '@', 'h', 0, 0, 0, 1, 0,
                         0, 0, 0, 0, 0, 0, 1),
                    "#Function<2.256/1 in :foo>");
    assert_inspects(TERM(107, 0, 3, 1, 20, 200), "[1, 20, 200]");
    assert_inspects(TERM(107, 0, 2, 'h', 'i'), "'hi'");
    assert_inspects(TERM(100, 0, 1, 0xE9), ":\"é\"");
    assert_inspects(TERM(108, 0, 0, 0, 1, 97, 1, 108, 0, 0, 0, 1, 97, 2, 106), "[1, 2]");
    assert_inspects(TERM(105, 0, 0, 0, 2, 119, 1, 'a', 97, 1), "{:a, 1}");
    assert_inspects(TERM(108, 0, 0, 0, 1, 105, 0, 0, 0, 2, 119, 1, 'a', 97, 1, 106), "[a: 1]");
}

static void short_texts_are_cut_at_a_character(void **state)
{
    (void)state;
    char text[16];
    mesh_buf b;
    mesh_buf_init(&b);
    mesh_term t = parsed(&b, "{\"é\", :abcdef}");
    assert_string_equal(mesh_inspect_text(t, text, sizeof text), "{\"é\", :abcdef}");
    assert_string_equal(mesh_inspect_text(t, text, 15), "{\"é\", :abcdef");
    assert_string_equal(mesh_inspect_text(t, text, 4), "{\"");
    assert_string_equal(mesh_inspect_text(t, text, 5), "{\"é");
    assert_string_equal(mesh_inspect_text(t, text, 1), "");
    assert_string_equal(mesh_inspect_text((mesh_term){NULL, 0, NULL}, text, sizeof text), "invalid argumen");
    mesh_buf_fini(&b);
}

/* A list of many numbers inside so many maps, or keyword lists, of one key. */
static void nest(mesh_buf *b, int levels, bool maps)
{
    enum { MANY = 100000 };
    for (int i = 0; i < levels; i++) {
        if (maps) {
            assert_int_equal(mesh_put_map(b, 1), MESH_OK);
        } else {
            assert_int_equal(mesh_put_list(b, 1), MESH_OK);
            assert_int_equal(mesh_put_tuple(b, 2), MESH_OK);
        }
        assert_int_equal(mesh_put_atom(b, mesh_str("a")), MESH_OK);
    }
    assert_int_equal(mesh_put_list(b, MANY), MESH_OK);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(mesh_put_int(b, 1000), MESH_OK);
    for (int i = 0; i < (maps ? 1 : levels + 1); i++)
        assert_int_equal(mesh_put_empty(b), MESH_OK);
}

/* Where looking ahead would take for ever the text is plainer, and still says the same. */
static void costly_terms_print_plainly(void **state)
{
    (void)state;
    static const char *const first[] = {"[a: [a: [a: ", "%{a: %{a: %{a: "}, *const later[] = {"[{:a, [", "%{:a => "};
    for (int maps = 0; maps < 2; maps++) {
        mesh_buf term, text, back;
        mesh_buf_init(&term);
        mesh_buf_init(&text);
        mesh_buf_init(&back);
        nest(&term, 10, maps); /* deep enough for anybody: in short form to the end */
        assert_int_equal(mesh_inspect(mesh_buf_term(&term), &text), MESH_OK);
        assert_null(strstr((char *)text.data, later[maps]));
        mesh_buf_clear(&term);
        nest(&term, 200, maps);
        assert_int_equal(mesh_inspect(mesh_buf_term(&term), &text), MESH_OK);
        assert_memory_equal(text.data, first[maps], strlen(first[maps]));
        assert_non_null(strstr((char *)text.data, later[maps]));
        assert_int_equal(mesh_parse((char *)text.data, text.len, &back, NULL), MESH_OK);
        assert_true(mesh_term_equal(mesh_buf_term(&term), mesh_buf_term(&back)));
        mesh_buf_fini(&term);
        mesh_buf_fini(&text);
        mesh_buf_fini(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_prints_parses),
        cmocka_unit_test(other_spellings_parse_too),
        cmocka_unit_test(what_is_no_term_is_refused_with_its_column),
        cmocka_unit_test(depth_is_limited_both_ways),
        cmocka_unit_test(long_texts_cost_what_they_are_long),
        cmocka_unit_test(what_has_no_text_form_still_prints),
        cmocka_unit_test(short_texts_are_cut_at_a_character),
        cmocka_unit_test(costly_terms_print_plainly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
