/* A real BEAM as the judge: terms that it must read, and give back byte for byte, or print as we do.
 *
 * All terms go through one run of erl or elixir: a file of `u32 length, bytes` in, the same out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "property/term/random_term.h"
#include "unit/check.h"

enum { TERMS = 20000 };

/* minor_version 2: atoms in UTF-8, as between nodes; the default of OTP 25 and older for files is Latin-1. */
static const char erl_program[] = "{ok, In} = file:read_file(os:getenv(\"MESH_IN\")),"
                                  "Each = fun F(<<N:32, B:N/binary, Rest/binary>>, Out) ->"
                                  "           T = term_to_binary(binary_to_term(B), [{minor_version, 2}]), F(Rest, "
                                  "[<<(byte_size(T)):32, T/binary>> | Out]);"
                                  "           F(<<>>, Out) -> lists:reverse(Out) end,"
                                  "ok = file:write_file(os:getenv(\"MESH_OUT\"), Each(In, [])), halt().";

/* The sign of each term against the next, as text: "<", "=" or ">". cmp_term is the order of the keys of maps. */
static const char order_program[] =
    "{ok, In} = file:read_file(os:getenv(\"MESH_IN\")),"
    "Read = fun F(<<N:32, B:N/binary, Rest/binary>>, Out) -> F(Rest, [binary_to_term(B) | Out]);"
    "           F(<<>>, Out) -> lists:reverse(Out) end,"
    "Each = fun F([A, B | Rest], Out) -> C = erts_internal:cmp_term(A, B),"
    "           F([B | Rest], [if C < 0 -> $<; C > 0 -> $>; true -> $= end | Out]);"
    "           F(_, Out) -> lists:reverse(Out) end,"
    "ok = file:write_file(os:getenv(\"MESH_OUT\"), Each(Read(In, []), [])), halt().";

static const char elixir_program[] =
    "defmodule Each do\n"
    "  def run(<<n::32, b::binary-size(n), rest::binary>>, out) do\n"
    "    t = inspect(:erlang.binary_to_term(b), limit: :infinity, printable_limit: :infinity, width: :infinity)\n"
    "    run(rest, [<<byte_size(t)::32>> <> t | out])\n"
    "  end\n"
    "  def run(<<>>, out), do: Enum.reverse(out)\n"
    "end\n"
    "File.write!(System.get_env(\"MESH_OUT\"), Each.run(File.read!(System.get_env(\"MESH_IN\")), []))\n";

struct files {
    char in[64];
    char out[64];
    char program[64];
};

static bool has(const char *program)
{
    char command[64];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return system(command) == 0;
}

static void make_files(struct files *f)
{
    char *const names[] = {f->in, f->out, f->program};
    for (int i = 0; i < 3; i++) {
        snprintf(names[i], sizeof f->in, "/tmp/mesh-term-XXXXXX");
        int fd = mkstemp(names[i]);
        assert_true(fd >= 0);
        close(fd);
    }
    setenv("MESH_IN", f->in, 1);
    setenv("MESH_OUT", f->out, 1);
}

static void remove_files(const struct files *f)
{
    unlink(f->in);
    unlink(f->out);
    unlink(f->program);
}

static void put_file(const char *name, const void *data, size_t len)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void get_file(const char *name, mesh_buf *into)
{
    char chunk[4096];
    size_t n;
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    while ((n = fread(chunk, 1, sizeof chunk, file)) > 0)
        assert_int_equal(mesh_buf_append(into, chunk, n), MESH_OK);
    fclose(file);
}

static void put_counted(mesh_buf *into, mesh_bytes bytes)
{
    const uint8_t len[4] = {(uint8_t)(bytes.len >> 24), (uint8_t)(bytes.len >> 16), (uint8_t)(bytes.len >> 8),
                            (uint8_t)bytes.len};
    assert_int_equal(mesh_buf_append(into, len, 4), MESH_OK);
    assert_int_equal(mesh_buf_append(into, bytes.data, bytes.len), MESH_OK);
}

/* The next counted bytes at *at. */
static mesh_bytes get_counted(const mesh_buf *from, size_t *at)
{
    const uint8_t *p = from->data + *at;
    if (*at + 4 > from->len) {
        fail_msg("no count at %zu of %zu", *at, from->len);
        return mesh_str("");
    }
    mesh_bytes bytes = {p + 4, (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]};
    *at += 4 + bytes.len;
    assert_true(*at <= from->len);
    return bytes;
}

/* Writes TERMS encoded terms to the file, from seeds. */
static void put_terms(const struct files *f, const struct random *kind, unsigned depth)
{
    mesh_buf all, term, encoded;
    mesh_buf_init(&all);
    mesh_buf_init(&term);
    mesh_buf_init(&encoded);
    for (uint64_t seed = 0; seed < TERMS; seed++) {
        struct random r = *kind;
        r.state = seed;
        mesh_buf_clear(&term);
        random_term(&r, depth, &term);
        assert_int_equal(mesh_encode(mesh_buf_term(&term), &encoded), MESH_OK);
        put_counted(&all, mesh_buf_bytes(&encoded));
    }
    put_file(f->in, all.data, all.len);
    mesh_buf_fini(&all);
    mesh_buf_fini(&term);
    mesh_buf_fini(&encoded);
}

/* Has a program of Erlang read terms of some depth, and gives what it read and wrote. The test is skipped without one.
 */
static void run_erl(struct files *f, const char *program, unsigned depth, mesh_buf *in, mesh_buf *out)
{
    char command[2048];
    if (!has("erl")) {
        print_message("erl is not installed: skipped\n");
        skip();
    }
    make_files(f);
    put_terms(f, &(struct random){.canonical = true}, depth);
    int len = snprintf(command, sizeof command, "erl -noshell -eval '%s'", program);
    assert_in_range(len, 1, sizeof command - 1);
    assert_int_equal(system(command), 0);
    mesh_buf_init(in);
    mesh_buf_init(out);
    get_file(f->in, in);
    get_file(f->out, out);
}

static void a_beam_gives_back_the_same_bytes(void **state)
{
    (void)state;
    struct files f;
    mesh_buf in, out;
    run_erl(&f, erl_program, 4, &in, &out);
    size_t at = 0, back_at = 0;
    for (uint64_t seed = 0; seed < TERMS; seed++) {
        mesh_bytes bytes = get_counted(&in, &at);
        mesh_bytes back = get_counted(&out, &back_at);
        mesh_term term;
        char text[512];
        assert_int_equal(mesh_decode(back, NULL, &term, NULL), MESH_OK);
        if (bytes.len != back.len || memcmp(bytes.data, back.data, back.len) != 0)
            fail_msg("seed %lu: %s", (unsigned long)seed, mesh_inspect_text(term, text, sizeof text));
    }
    assert_int_equal(back_at, out.len);
    mesh_buf_fini(&in);
    mesh_buf_fini(&out);
    remove_files(&f);
}

static void a_beam_has_the_same_order(void **state)
{
    (void)state;
    struct files f;
    mesh_buf in, out;
    run_erl(&f, order_program, 1, &in, &out);
    assert_int_equal(out.len, TERMS - 1);
    mesh_term last = {NULL, 0, NULL};
    size_t at = 0;
    for (uint64_t seed = 0; seed < TERMS; seed++) {
        mesh_term term;
        char a[256], b[256];
        assert_int_equal(mesh_decode(get_counted(&in, &at), NULL, &term, NULL), MESH_OK);
        if (seed > 0) {
            int c = mesh_term_compare(last, term);
            char ours = c < 0 ? '<' : c > 0 ? '>' : '=';
            if (ours != (char)out.data[seed - 1])
                fail_msg("%s %c %s, but Erlang says %c", mesh_inspect_text(last, a, sizeof a), ours,
                         mesh_inspect_text(term, b, sizeof b), (char)out.data[seed - 1]);
        }
        last = term;
    }
    mesh_buf_fini(&in);
    mesh_buf_fini(&out);
    remove_files(&f);
}

static void elixir_prints_the_same_text(void **state)
{
    (void)state;
    struct files f;
    mesh_buf in, out, text;
    if (!has("elixir")) {
        print_message("elixir is not installed: skipped\n");
        skip();
    }
    make_files(&f);
    put_terms(&f, &(struct random){.text_only = true}, 3);
    put_file(f.program, elixir_program, strlen(elixir_program));
    char command[128];
    snprintf(command, sizeof command, "elixir %s", f.program);
    setenv("LC_ALL", "C.UTF-8", 1);
    assert_int_equal(system(command), 0);
    mesh_buf_init(&in);
    mesh_buf_init(&out);
    mesh_buf_init(&text);
    get_file(f.in, &in);
    get_file(f.out, &out);
    size_t at = 0, back_at = 0;
    unsigned compared = 0;
    for (uint64_t seed = 0; seed < TERMS; seed++) {
        mesh_bytes bytes = get_counted(&in, &at);
        mesh_bytes printed = get_counted(&out, &back_at);
        mesh_term t;
        assert_int_equal(mesh_decode(bytes, NULL, &t, NULL), MESH_OK);
        assert_int_equal(mesh_inspect(t, &text), MESH_OK);
        if (memmem(printed.data, printed.len, ":é", 3) || memmem(text.data, text.len, "é", 2) ||
            memmem(text.data, text.len, "\xE2\x9C\x93", 3))
            continue; /* atoms beyond ASCII: docs/terms.md */
        compared++;
        if (printed.len != text.len || memcmp(printed.data, text.data, text.len) != 0)
            fail_msg("seed %lu: %s, but Elixir prints %.*s", (unsigned long)seed, (char *)text.data, (int)printed.len,
                     (const char *)printed.data);
    }
    assert_true(compared > TERMS / 2);
    mesh_buf_fini(&in);
    mesh_buf_fini(&out);
    mesh_buf_fini(&text);
    remove_files(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_beam_gives_back_the_same_bytes),
        cmocka_unit_test(a_beam_has_the_same_order),
        cmocka_unit_test(elixir_prints_the_same_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
