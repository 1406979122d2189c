/* The grammar of the text form, without recursion: a stack of frames for the open brackets.
 *
 * A container's header is written when its bracket opens, and completed when it closes, since only then its count is
 * known. Tuples of more than 255 elements need a longer header; the elements are moved when the 256th comes. */
#include "term/parse.h"

#include <stdlib.h>

#include "term/name.h"
#include "term/order.h"
#include "term/scan.h"
#include "term/wire.h"

enum frame_kind { FRAME_TUPLE, FRAME_LIST, FRAME_MAP };

enum expected {
    EXPECT_FIRST, /* an element (or key), or the closing bracket */
    EXPECT_NEXT,  /* an element (or key) */
    EXPECT_VALUE, /* what belongs to a key */
    EXPECT_TAIL,  /* what follows | */
    EXPECT_CLOSE, /* the bracket behind a tail */
};

struct frame {
    uint8_t kind;
    uint8_t expected;
    bool in_key;
    uint8_t key_maps; /* see check.c */
    uint32_t count;
    size_t header;
};

struct parser {
    struct scan s;
    struct holes *holes; /* or NULL */
    mesh_buf *out;
    bool due; /* a bracket has been opened, or a key read: something must follow */
    uint32_t depth, max_depth;
    struct frame frames[MESH_TERM_MAX_DEPTH];
};

static struct frame *top(struct parser *p)
{
    return p->depth ? &p->frames[p->depth - 1] : NULL;
}

/* Whether what is read now is the key of a map, or inside one. */
static bool in_key(struct parser *p)
{
    struct frame *f = top(p);
    return f && (f->in_key || (f->kind == FRAME_MAP && f->expected <= EXPECT_NEXT));
}

static int open(struct parser *p, enum frame_kind kind)
{
    if (p->depth == p->max_depth)
        return MESH_ETOOBIG;
    struct frame *around = top(p);
    struct frame *f = &p->frames[p->depth];
    *f = (struct frame){.kind = (uint8_t)kind, .expected = EXPECT_FIRST, .in_key = in_key(p), .header = p->out->len};
    f->key_maps = around ? around->key_maps : 0;
    if (f->in_key && kind == FRAME_MAP && ++f->key_maps > MESH_TERM_MAX_KEY_MAPS)
        return MESH_ETOOBIG;
    p->depth++;
    p->due = true;
    switch (kind) {
    case FRAME_TUPLE:
        return mesh_put_tuple(p->out, 0);
    case FRAME_LIST:
        return mesh_put_list(p->out, 1);
    default:
        return mesh_put_map(p->out, 0);
    }
}

/* Makes room for the long header of a tuple that gets its 256th element. */
static int widen_tuple(struct parser *p, struct frame *f)
{
    const size_t more = 3;
    int error = mesh_buf_reserve(p->out, more);
    if (error)
        return error;
    uint8_t *body = p->out->data + f->header + 2;
    memmove(body + more, body, p->out->len - f->header - 2);
    p->out->len += more;
    p->out->data[f->header] = TAG_LARGE_TUPLE;
    for (uint32_t i = 0; p->holes && i < p->holes->count; i++)
        if (p->holes->at[i] > f->header)
            p->holes->at[i] += (uint32_t)more;
    return MESH_OK;
}

/* Like head_skip, over code that may have holes. */
static const uint8_t *skip_code(const uint8_t *at, const uint8_t *end, bool *hole)
{
    for (uint64_t left = 1; left > 0; left--) {
        struct head h;
        if (at < end && *at < HOLE_END) {
            at++;
            *hole = true;
        } else if (head_read(at, end, &h) == MESH_OK) {
            at = h.next;
            left += head_children(&h);
        } else {
            return end;
        }
    }
    return at;
}

/* Refuses a map in which a key is there twice; keys with holes are judged when they are filled. */
static int check_keys(struct parser *p, const struct frame *f)
{
    const uint8_t *data = p->out->data;
    const uint8_t *end = data + p->out->len;
    const uint8_t *at = data + f->header + 5;
    struct order o = {(1u << 16) + 8 * (uint64_t)p->out->len, MESH_OK};
    struct entry local[16];
    uint32_t n = 0;
    if (f->count < 2)
        return MESH_OK;
    struct entry *list = f->count <= 16 ? local : malloc(f->count * sizeof *list);
    if (!list)
        return MESH_ENOMEM;
    for (uint32_t i = 0; i < f->count; i++) {
        bool hole = false;
        list[n].key = (uint32_t)(at - data);
        at = skip_code(at, end, &hole);
        n += !hole;
        at = skip_code(at, end, &hole);
    }
    bool unique = order_unique(&o, data, end, list, n);
    if (list != local)
        free(list);
    return o.error ? o.error : unique ? MESH_OK : MESH_EINVAL;
}

static int close(struct parser *p)
{
    struct frame *f = top(p);
    uint8_t *header = p->out->data + f->header;
    int error = MESH_OK;
    if (f->kind == FRAME_LIST && f->count == 0) {
        p->out->len = f->header;
        error = mesh_put_empty(p->out);
    } else if (f->kind == FRAME_TUPLE && f->count <= 255) {
        header[1] = (uint8_t)f->count;
    } else {
        wire_put_u32(header + 1, f->count);
        if (f->kind == FRAME_MAP)
            error = check_keys(p, f);
        else if (f->kind == FRAME_LIST && f->expected != EXPECT_CLOSE)
            error = mesh_put_empty(p->out);
    }
    if (!error)
        p->depth--;
    return error;
}

static int put_alias(struct parser *p, size_t len)
{
    char name[7 + MESH_ATOM_MAX_CHARS] = "Elixir.";
    const char *text = p->s.text + p->s.at;
    if (len > MESH_ATOM_MAX_CHARS - 7)
        return MESH_EINVAL;
    memcpy(name + 7, text, len);
    bool elixir = len == 6 && memcmp(text, "Elixir", 6) == 0;
    bool prefixed = len > 7 && memcmp(text, "Elixir.", 7) == 0;
    mesh_bytes atom = elixir || prefixed ? (mesh_bytes){text, len} : (mesh_bytes){name, len + 7};
    int error = mesh_put_atom(p->out, atom);
    if (!error)
        p->s.at += len;
    return error;
}

/* Text in quotes, as an atom or a binary. */
static int put_quoted(struct parser *p, bool atom)
{
    mesh_buf raw;
    mesh_buf_init(&raw);
    int error = scan_quoted(&p->s, atom, &raw);
    if (!error)
        error = atom ? mesh_put_atom(p->out, mesh_buf_bytes(&raw)) : mesh_put_binary(p->out, mesh_buf_bytes(&raw));
    mesh_buf_fini(&raw);
    return error;
}

/* An atom behind its colon. */
static int put_atom(struct parser *p)
{
    const char *text = p->s.text + p->s.at;
    size_t len = p->s.len - p->s.at;
    if (scan_peek(&p->s, 0) == '"')
        return put_quoted(p, true);
    size_t n = name_identifier(text, len);
    n = n ? n : name_operator(text, len);
    int error = n ? mesh_put_atom(p->out, (mesh_bytes){text, n}) : MESH_EINVAL;
    if (!error)
        p->s.at += n;
    return error;
}

/* Whether a key of the short form ends here: a colon, and white space behind it. */
static bool is_key_end(const struct scan *s, size_t ahead)
{
    char behind = scan_peek(s, ahead + 1);
    return scan_peek(s, ahead) == ':' && (behind == ' ' || behind == '\n' || behind == '\t' || behind == '\r');
}

/* The length of the key of the short form that comes next, without its colon; 0 when none does. */
static size_t key_length(struct parser *p)
{
    const char *text = p->s.text + p->s.at;
    size_t len = p->s.len - p->s.at;
    if (scan_peek(&p->s, 0) == '"') {
        size_t n = 1;
        while (n < len && text[n] != '"')
            n += text[n] == '\\' ? 2 : 1;
        return n < len && is_key_end(&p->s, n + 1) ? n + 1 : 0;
    }
    size_t n = name_identifier(text, len);
    n = n ? n : name_operator(text, len);
    return n > 0 && is_key_end(&p->s, n) ? n : 0;
}

/* Reads `key:`; in a list, the pair's tuple begins with it. */
static int put_key(struct parser *p, struct frame *f)
{
    int error = f->kind == FRAME_LIST ? mesh_put_tuple(p->out, 2) : MESH_OK;
    if (!error)
        error = put_atom(p);
    if (!error) {
        p->s.at++;
        f->expected = EXPECT_VALUE;
        p->due = true;
    }
    return error;
}

static int put_hole(struct parser *p)
{
    static const char letters[] = "iufbsaotpr";
    char letter = scan_peek(&p->s, 1);
    const char *known = letter ? strchr(letters, letter) : NULL;
    struct holes *h = p->holes;
    if (!h || !known || h->count == PARSE_MAX_HOLES)
        return MESH_EINVAL;
    uint8_t byte = (uint8_t)(known - letters + HOLE_INT);
    h->column[h->count] = (uint32_t)p->s.at + 1;
    h->at[h->count++] = (uint32_t)p->out->len;
    if (!h->in_key && in_key(p))
        h->in_key = (uint32_t)p->s.at + 1;
    p->s.at += 2;
    return mesh_buf_append(p->out, &byte, 1);
}

static int put_any(struct parser *p)
{
    const uint8_t byte = HOLE_ANY;
    if (!p->holes->any)
        p->holes->any_column = (uint32_t)p->s.at + 1;
    p->holes->any = true;
    if (!p->holes->in_key && in_key(p))
        p->holes->in_key = (uint32_t)p->s.at + 1;
    p->s.at++;
    return mesh_buf_append(p->out, &byte, 1);
}

/* nil, true, false, an alias, or `_`. */
static int put_word(struct parser *p)
{
    const char *text = p->s.text + p->s.at;
    size_t n = name_identifier(text, p->s.len - p->s.at);
    size_t alias = name_alias(text, p->s.len - p->s.at);
    if (alias > 0)
        return put_alias(p, alias);
    if (p->holes && n == 1 && text[0] == '_')
        return put_any(p);
    if (!(n == 3 && memcmp(text, "nil", 3) == 0) && !(n == 4 && memcmp(text, "true", 4) == 0) &&
        !(n == 5 && memcmp(text, "false", 5) == 0))
        return MESH_EINVAL;
    p->s.at += n;
    return mesh_put_atom(p->out, (mesh_bytes){text, n});
}

/* A map or a struct, behind its percent sign. */
static int open_map(struct parser *p)
{
    size_t start = p->s.at++;
    size_t alias = name_alias(p->s.text + p->s.at, p->s.len - p->s.at);
    if (scan_peek(&p->s, alias) != '{') {
        p->s.at = start;
        return MESH_EINVAL;
    }
    int error = open(p, FRAME_MAP);
    if (!error && alias > 0) {
        top(p)->count = 1;
        error = mesh_put_atom(p->out, mesh_str("__struct__"));
        if (!error)
            error = put_alias(p, alias);
    }
    if (!error)
        p->s.at++;
    return error;
}

/* What a value starts with says what it is. Containers are opened, and not yet complete afterwards. */
static int put_value(struct parser *p)
{
    char c = scan_peek(&p->s, 0);
    if (c == '-' || (c >= '0' && c <= '9'))
        return scan_number(&p->s, p->out);
    if (scan_word(&p->s, "<<"))
        return scan_bits(&p->s, p->out);
    switch (c) {
    case '"':
        return put_quoted(p, false);
    case '\'':
        return scan_characters(&p->s, p->out);
    case ':':
        p->s.at++;
        return put_atom(p);
    case '~':
        return put_hole(p);
    case '%':
        return open_map(p);
    case '{':
    case '[':
        p->s.at++;
        return open(p, c == '{' ? FRAME_TUPLE : FRAME_LIST);
    default:
        return put_word(p);
    }
}

/* What comes next: an element, a key, a value or a tail, as the brackets on top expect. */
static int put_element(struct parser *p)
{
    struct frame *f = top(p);
    if (!f || f->expected > EXPECT_NEXT)
        return put_value(p);
    f->count++;
    if (f->kind != FRAME_TUPLE && key_length(p) > 0)
        return put_key(p, f);
    int error = f->kind == FRAME_TUPLE && f->count == 256 ? widen_tuple(p, f) : MESH_OK;
    return error ? error : put_value(p);
}

/* Moves over what stands between two values: commas, arrows, bars, and closing brackets. *done: the text's value is
 * complete. */
static int between(struct parser *p, bool *done)
{
    for (;;) {
        struct frame *f = top(p);
        scan_space(&p->s);
        if (!f) {
            *done = true;
            return MESH_OK;
        }
        bool key = f->kind == FRAME_MAP && f->expected <= EXPECT_NEXT;
        if (key) {
            if (!scan_word(&p->s, "=>"))
                return MESH_EINVAL;
            f->expected = EXPECT_VALUE;
            return MESH_OK;
        }
        if (f->expected != EXPECT_TAIL && scan_word(&p->s, ",")) {
            f->expected = EXPECT_NEXT;
            return MESH_OK;
        }
        if (f->kind == FRAME_LIST && f->expected != EXPECT_TAIL && scan_word(&p->s, "|")) {
            f->expected = EXPECT_TAIL;
            return MESH_OK;
        }
        if (f->expected == EXPECT_TAIL)
            f->expected = EXPECT_CLOSE;
        if (scan_peek(&p->s, 0) != (f->kind == FRAME_LIST ? ']' : '}'))
            return MESH_EINVAL;
        int error = close(p);
        if (error)
            return error;
        p->s.at++;
    }
}

/* The closing bracket of an empty container. A struct may have no other keys. */
static bool is_closed_at_once(struct parser *p)
{
    struct frame *f = top(p);
    return f && f->expected == EXPECT_FIRST && scan_peek(&p->s, 0) == (f->kind == FRAME_LIST ? ']' : '}');
}

static int parse(struct parser *p)
{
    bool done = false;
    while (!done) {
        int error;
        scan_space(&p->s);
        p->due = false;
        if (is_closed_at_once(p)) {
            p->s.at++;
            error = close(p);
        } else {
            error = put_element(p);
        }
        if (!error && !p->due)
            error = between(p, &done);
        if (error)
            return error;
    }
    return p->s.at == p->s.len ? MESH_OK : MESH_EINVAL;
}

int parse_text(const char *text, size_t len, uint32_t max_depth, struct holes *holes, mesh_buf *out, size_t *column)
{
    struct parser p;
    p.s = (struct scan){text, len, 0};
    p.holes = holes;
    p.out = out;
    p.depth = 0;
    p.max_depth = max_depth;
    int error = parse(&p);
    if (error)
        *column = p.s.at + 1;
    return error;
}

int mesh_parse(const char *text, size_t len, mesh_buf *out, size_t *column)
{
    size_t fault = 1;
    mesh_buf_clear(out);
    int error =
        len > MESH_TERM_MAX_BYTES ? MESH_ETOOBIG : parse_text(text, len, MESH_TERM_MAX_DEPTH, NULL, out, &fault);
    if (error)
        mesh_buf_clear(out);
    if (error == MESH_EINVAL && column)
        *column = fault;
    return error;
}
