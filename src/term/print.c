/* Scalars as Elixir's inspect prints them. */
#include "term/print.h"

#include <stdio.h>

#include "term/name.h"
#include "term/number.h"
#include "term/utf8.h"
#include "term/wire.h"

void print_bytes(struct print *p, const void *data, size_t len)
{
    if (!p->error)
        p->error = mesh_buf_append(p->out, data, len);
}

void print_text(struct print *p, const char *text)
{
    print_bytes(p, text, strlen(text));
}

/* The letter that stands behind a backslash for c, or 0. */
static char escape_letter(uint32_t c)
{
    static const char letters[] = "abtnvfr"; /* 7 to 13 */
    if (c >= 7 && c <= 13)
        return letters[c - 7];
    return c == 27 ? 'e' : c == 127 ? 'd' : 0;
}

/* String.printable? of one character. */
static bool is_printable(uint32_t c)
{
    if (c < 0xA0)
        return (c >= 0x20 && c <= 0x7E) || escape_letter(c) != 0;
    return c <= 0xFFFD || c >= 0x10000;
}

static bool is_printable_text(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t c;
        size_t n = utf8_read(text + i, len - i, &c);
        if (n == 0 || !is_printable(c))
            return false;
        i += n;
    }
    return true;
}

/* One character that cannot stand for itself. */
static void print_escaped(struct print *p, uint32_t c)
{
    char text[16];
    char letter = escape_letter(c);
    if (c == 0)
        snprintf(text, sizeof text, "\\0");
    else if (letter)
        snprintf(text, sizeof text, "\\%c", letter);
    else if (c == 0xFEFF)
        snprintf(text, sizeof text, "\\uFEFF");
    else if (c < 0x100)
        snprintf(text, sizeof text, "\\x%02X", (unsigned)c);
    else
        snprintf(text, sizeof text, "\\x{%X}", (unsigned)c);
    print_text(p, text);
}

void print_quoted(struct print *p, mesh_bytes text, char quote)
{
    const uint8_t *bytes = text.data;
    print_bytes(p, &quote, 1);
    for (size_t i = 0; i < text.len && !p->error;) {
        uint32_t c = 0;
        size_t n = utf8_read(bytes + i, text.len - i, &c);
        if (n == 0) {
            p->error = MESH_EBADTERM;
            return;
        }
        bool opens = c == '#' && i + 1 < text.len && bytes[i + 1] == '{';
        if (c == (uint8_t)quote || c == '\\' || opens)
            print_bytes(p, "\\", 1);
        if (is_printable(c) && !escape_letter(c) && c != 0xFEFF)
            print_bytes(p, bytes + i, n);
        else
            print_escaped(p, c);
        i += n;
    }
    print_bytes(p, &quote, 1);
}

static bool is_word(mesh_bytes name, const char *word)
{
    return name.len == strlen(word) && memcmp(name.data, word, name.len) == 0;
}

void print_atom(struct print *p, mesh_bytes name)
{
    switch (name_kind(name)) {
    case NAME_ALIAS:
        /* Without "Elixir.", unless what is left would then read as another name. */
        if (is_word(name, "Elixir") || is_word(name, "Elixir.Elixir") ||
            (name.len > 14 && memcmp(name.data, "Elixir.Elixir.", 14) == 0))
            print_bytes(p, name.data, name.len);
        else
            print_bytes(p, (const char *)name.data + 7, name.len - 7);
        return;
    case NAME_PLAIN:
        if (!is_word(name, "nil") && !is_word(name, "true") && !is_word(name, "false"))
            print_text(p, ":");
        print_bytes(p, name.data, name.len);
        return;
    default:
        print_text(p, ":");
        print_quoted(p, name, '"');
    }
}

void print_key(struct print *p, mesh_bytes name)
{
    if (name_kind(name) == NAME_PLAIN)
        print_bytes(p, name.data, name.len);
    else
        print_quoted(p, name, '"');
    print_text(p, ": ");
}

static void print_integer(struct print *p, const struct head *h)
{
    struct integer n;
    int64_t value;
    char text[24];
    if (head_int64(h, &value)) {
        print_bytes(p, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)value));
        return;
    }
    head_integer(h, &n);
    if (!p->error)
        p->error = number_integer_text(n.negative, (mesh_bytes){n.magnitude, n.len}, p->out);
}

static void print_float(struct print *p, const struct head *h)
{
    char text[NUMBER_FLOAT_MAX];
    double value;
    if (head_double(h, &value))
        print_bytes(p, text, number_float_text(value, text));
    else
        p->error = MESH_EBADTERM;
}

static void print_bits(struct print *p, const struct head *h)
{
    char text[32];
    bool whole = h->type == MESH_TYPE_BINARY;
    if (whole && is_printable_text(h->data, h->count)) {
        print_quoted(p, (mesh_bytes){h->data, h->count}, '"');
        return;
    }
    print_text(p, "<<");
    for (uint32_t i = 0; i < h->count && !p->error; i++) {
        const char *comma = i ? ", " : "";
        if (whole || i + 1 < h->count)
            snprintf(text, sizeof text, "%s%u", comma, h->data[i]);
        else
            snprintf(text, sizeof text, "%s%u::size(%u)", comma, (unsigned)h->data[i] >> (8 - h->bits), h->bits);
        print_text(p, text);
    }
    print_text(p, ">>");
}

static void print_node_and(struct print *p, const char *what, const char *node, const char *numbers)
{
    print_text(p, what);
    print_text(p, node);
    print_text(p, numbers);
    print_text(p, ">");
}

static void print_pid_or_port(struct print *p, const struct head *h)
{
    mesh_pid pid;
    char numbers[64];
    if (head_pid(h, &pid) != MESH_OK) {
        print_text(p, h->type == MESH_TYPE_PID ? "#PID<>" : "#Port<>");
        return;
    }
    if (h->type == MESH_TYPE_PID)
        snprintf(numbers, sizeof numbers, ".%u.%u", (unsigned)pid.number, (unsigned)(pid.number >> 32));
    else
        snprintf(numbers, sizeof numbers, ".%llu", (unsigned long long)pid.number);
    print_node_and(p, h->type == MESH_TYPE_PID ? "#PID<" : "#Port<", pid.node, numbers);
}

static void print_ref(struct print *p, const struct head *h)
{
    mesh_ref ref;
    char numbers[64] = "";
    if (head_ref(h, &ref) != MESH_OK) {
        print_text(p, "#Reference<>");
        return;
    }
    int at = 0;
    for (uint32_t i = ref.count; i > 0; i--)
        at += snprintf(numbers + at, sizeof numbers - (size_t)at, ".%u", (unsigned)ref.words[i - 1]);
    print_node_and(p, "#Reference<", ref.node, numbers);
}

/* The next scalar of a fun that has been checked. */
static const uint8_t *print_next(struct print *p, const uint8_t *at, const uint8_t *end)
{
    struct head h;
    if (head_read(at, end, &h) != MESH_OK || head_children(&h) > 0 || head_is_string(&h)) {
        p->error = MESH_EBADTERM;
        return end;
    }
    print_scalar(p, &h);
    return h.next;
}

static void print_fun(struct print *p, const struct head *h)
{
    char arity[16];
    const uint8_t *at = h->data;
    if (h->tag == TAG_EXPORT) {
        struct head name;
        char scratch[HEAD_ATOM_SCRATCH];
        print_text(p, "&");
        at = print_next(p, at, h->next);
        print_text(p, ".");
        if (head_read(at, h->next, &name) != MESH_OK)
            return;
        mesh_bytes function = head_atom(&name, scratch);
        if (name_kind(function) == NAME_PLAIN)
            print_bytes(p, function.data, function.len);
        else
            print_quoted(p, function, '"');
        snprintf(arity, sizeof arity, "/%u", h->next[-1]);
        print_text(p, arity);
        return;
    }
    struct head module;
    unsigned arguments = h->data[4];
    at += 4 + 1 + 16 + 4 + 4;
    if (head_read(at, h->next, &module) != MESH_OK || module.type != MESH_TYPE_ATOM) {
        p->error = MESH_EBADTERM;
        return;
    }
    print_text(p, "#Function<");
    at = print_next(p, module.next, h->next);
    print_text(p, ".");
    print_next(p, at, h->next);
    snprintf(arity, sizeof arity, "/%u in ", arguments);
    print_text(p, arity);
    print_scalar(p, &module);
    print_text(p, ">");
}

void print_scalar(struct print *p, const struct head *h)
{
    char scratch[HEAD_ATOM_SCRATCH];
    switch (h->type) {
    case MESH_TYPE_INT:
        print_integer(p, h);
        return;
    case MESH_TYPE_FLOAT:
        print_float(p, h);
        return;
    case MESH_TYPE_ATOM:
        print_atom(p, head_atom(h, scratch));
        return;
    case MESH_TYPE_EMPTY:
        print_text(p, "[]");
        return;
    case MESH_TYPE_BINARY:
    case MESH_TYPE_BITS:
        print_bits(p, h);
        return;
    case MESH_TYPE_PID:
    case MESH_TYPE_PORT:
        print_pid_or_port(p, h);
        return;
    case MESH_TYPE_REF:
        print_ref(p, h);
        return;
    case MESH_TYPE_FUN:
        print_fun(p, h);
        return;
    default:
        p->error = MESH_EBADTERM;
    }
}
