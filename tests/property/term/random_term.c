/* Random terms: every kind of scalar, values at the edges of their encodings, small containers. */
#include "property/term/random_term.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

uint32_t random_below(struct random *r, uint32_t n)
{
    return (uint32_t)(random_next(r) % n);
}

static void must(int error)
{
    if (error)
        abort();
}

static void integer(struct random *r, mesh_buf *out)
{
    uint8_t magnitude[300];
    switch (random_below(r, 4)) {
    case 0:
        must(mesh_put_int(out, random_below(r, 300)));
        return;
    case 1:
        must(mesh_put_int(out, (int64_t)random_next(r) >> random_below(r, 64)));
        return;
    case 2:
        must(mesh_put_uint(out, random_next(r)));
        return;
    default: {
        size_t len = random_below(r, 20) ? random_below(r, 20) : random_below(r, sizeof magnitude);
        for (size_t i = 0; i < len; i++)
            magnitude[i] = (uint8_t)random_next(r);
        must(mesh_put_bigint(out, random_below(r, 2), (mesh_bytes){magnitude, len}));
    }
    }
}

static void number(struct random *r, mesh_buf *out)
{
    static const double plain[] = {0.0, 1.0, -1.5, 0.1, 100000.0, 1e-5, 123456.789, 1e22, 9007199254740993.0};
    double value = plain[random_below(r, sizeof plain / sizeof *plain)];
    uint64_t bits = random_next(r);
    if (random_below(r, 2))
        memcpy(&value, &bits, sizeof value);
    must(mesh_put_float(out, isfinite(value) ? value : 2.5));
}

/* A few characters: mostly letters, some that need care. */
static size_t text(struct random *r, char out[64])
{
    static const char *const pieces[] = {
        "a",  "b",    "Z", "_",    "9",  "é", "✓", "😀",       " ",        "\"",           "\\", "#{",
        "\n", "\x1B", "'", "\x01", "ok", "?", "!", "Elixir.", "\xC2\x85", "\xEF\xBB\xBF", "=>", ": "};
    size_t n = 0;
    for (uint32_t left = random_below(r, 6); left > 0; left--) {
        mesh_bytes piece = mesh_str(pieces[random_below(r, random_below(r, 3) ? 5 : sizeof pieces / sizeof *pieces)]);
        memcpy(out + n, piece.data, piece.len);
        n += piece.len;
    }
    return n;
}

static void atom(struct random *r, mesh_buf *out)
{
    static const char *const known[] = {"ok", "nil", "true", "false", "error", "Elixir.Foo.Bar", "+", "%{}", "a b", ""};
    char name[64];
    if (random_below(r, 2))
        must(mesh_put_atom(out, mesh_str(known[random_below(r, sizeof known / sizeof *known)])));
    else
        must(mesh_put_atom(out, (mesh_bytes){name, text(r, name)}));
}

static void bits(struct random *r, mesh_buf *out)
{
    uint8_t bytes[64];
    size_t len = random_below(r, 5);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)random_next(r);
    if (len > 0 && random_below(r, 2))
        must(mesh_put_bits(out, (mesh_bytes){bytes, len}, 1 + random_below(r, 7)));
    else if (random_below(r, 2))
        must(mesh_put_binary(out, (mesh_bytes){bytes, len}));
    else
        must(mesh_put_binary(out, (mesh_bytes){bytes, text(r, (char *)bytes)}));
}

static void identifier(struct random *r, mesh_buf *out)
{
    const mesh_pid pid = {random_next(r), 1 + (uint32_t)random_next(r) / 2, "node@host"};
    mesh_ref ref = {1 + (uint32_t)random_next(r) / 2, 1 + random_below(r, 5), {0}, "other@host"};
    for (uint32_t i = 0; i < ref.count; i++)
        ref.words[i] = (uint32_t)random_next(r);
    static const uint8_t port[] = {120, 119, 3, 'n', '@', 'h', 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 9};
    static const uint8_t fun[] = {113, 119, 5, 'l', 'i', 's', 't', 's', 119, 3, 'm', 'a', 'p', 97, 2};
    switch (random_below(r, 4)) {
    case 0:
        must(mesh_put_pid(out, &pid));
        return;
    case 1:
        must(mesh_put_ref(out, &ref));
        return;
    case 2:
        must(mesh_buf_append(out, port, sizeof port));
        return;
    default:
        must(mesh_buf_append(out, fun, sizeof fun));
    }
}

static void scalar(struct random *r, mesh_buf *out)
{
    switch (random_below(r, r->text_only ? 5 : 6)) {
    case 0:
        integer(r, out);
        return;
    case 1:
        number(r, out);
        return;
    case 2:
    case 3:
        atom(r, out);
        return;
    case 4:
        bits(r, out);
        return;
    default:
        identifier(r, out);
    }
}

/* A list; proper mostly. In canonical form it begins with something that is no byte, lest a BEAM sends a string. */
static void list(struct random *r, unsigned depth, mesh_buf *out)
{
    uint32_t n = random_below(r, 5);
    if (r->canonical)
        n++;
    must(mesh_put_list(out, n));
    if (r->canonical) {
        n--;
        must(mesh_put_atom(out, mesh_str("list")));
    }
    for (uint32_t i = 0; i < n; i++)
        random_term(r, depth - 1, out);
    if (random_below(r, 8) || n == 0)
        must(mesh_put_empty(out));
    else
        must(mesh_put_int(out, random_below(r, 9)));
}

/* A list of key and value. */
static void keywords(struct random *r, unsigned depth, mesh_buf *out)
{
    uint32_t n = 1 + random_below(r, 3);
    must(mesh_put_list(out, n));
    for (uint32_t i = 0; i < n; i++) {
        must(mesh_put_tuple(out, 2));
        atom(r, out);
        random_term(r, depth - 1, out);
    }
    must(mesh_put_empty(out));
}

/* A map whose keys, in ascending order or turned around, differ in their number at least. */
static void map(struct random *r, unsigned depth, mesh_buf *out)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    uint32_t n = random_below(r, 4);
    bool atoms = random_below(r, 2);
    bool turned = !r->canonical && random_below(r, 2);
    must(mesh_put_map(out, n));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t key = turned ? n - 1 - i : i;
        if (atoms) {
            must(mesh_put_atom(out, mesh_str(names[key])));
        } else {
            must(mesh_put_tuple(out, 2));
            must(mesh_put_int(out, key));
            random_term(r, depth - 1 < 2 ? depth - 1 : 2, out);
        }
        random_term(r, depth - 1, out);
    }
}

void random_term(struct random *r, unsigned depth, mesh_buf *out)
{
    uint32_t kind = depth ? random_below(r, 8) : 7;
    if (kind == 0 || kind == 1) {
        uint32_t arity = random_below(r, 300) ? random_below(r, 4) : 256;
        must(mesh_put_tuple(out, arity));
        for (uint32_t i = 0; i < arity; i++)
            random_term(r, arity < 10 ? depth - 1 : 0, out);
    } else if (kind == 2) {
        list(r, depth, out);
    } else if (kind == 3) {
        keywords(r, depth, out);
    } else if (kind == 4) {
        map(r, depth, out);
    } else {
        scalar(r, out);
    }
}
