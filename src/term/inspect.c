/* Printing terms, without recursion: a stack of frames for the open containers, at most MESH_TERM_MAX_DEPTH.
 *
 * A list is looked through before it is printed, since a list of printable characters prints as 'text' and one of
 * atom-and-value tuples as [key: value]; a map's entries are sorted first. Both look at all that is inside, and again
 * at each level: what that may cost together is a budget that grows with the length. Terms that are built to be costly
 * (hundreds of levels around a million elements) use it up; what is left of them prints plainly, lists as lists and
 * maps in the order of the wire. */
#include <stdlib.h>

#include "term/name.h"
#include "term/order.h"
#include "term/print.h"
#include "term/wire.h"

enum frame_kind { FRAME_TUPLE, FRAME_LIST, FRAME_MAP, FRAME_PLAIN_MAP };

struct frame {
    enum frame_kind kind;
    bool keys;        /* list, map: in the short form `key: value` */
    bool first;       /* nothing printed yet, so no comma */
    bool value;       /* map: the key is printed, its value is next */
    bool tail;        /* list: the improper tail is printed */
    uint32_t next;    /* tuple: elements left; map: index of the next entry; plain map: pairs left */
    uint32_t skipped; /* struct: index of the entry __struct__, or UINT32_MAX */
    struct list_at list;
    struct entries *map;
};

struct printer {
    struct print text;
    const uint8_t *base;
    const uint8_t *at;
    const uint8_t *end;
    size_t stop_at;    /* length of text after which the rest is not of interest */
    struct order look; /* what looking ahead may still cost, in units of 8 bytes */
    struct frame *frames;
    uint32_t depth, cap;
};

static struct frame *push(struct printer *p, enum frame_kind kind)
{
    if (p->depth == MESH_TERM_MAX_DEPTH) {
        p->text.error = MESH_ETOOBIG;
        return NULL;
    }
    if (p->depth == p->cap) {
        uint32_t cap = p->cap ? 2 * p->cap : 8;
        struct frame *frames = realloc(p->frames, cap * sizeof *frames);
        if (!frames) {
            p->text.error = MESH_ENOMEM;
            return NULL;
        }
        p->frames = frames;
        p->cap = cap;
    }
    struct frame *f = &p->frames[p->depth++];
    *f = (struct frame){.kind = kind, .first = true, .skipped = UINT32_MAX};
    return f;
}

static void pop(struct printer *p)
{
    struct frame *f = &p->frames[--p->depth];
    if (f->map) {
        order_entries_free(f->map);
        free(f->map);
    }
}

/* Whether the term at `at` is an atom that can be a key in the short form. */
static bool is_short_key(const uint8_t *at, const uint8_t *end)
{
    struct head h;
    char scratch[HEAD_ATOM_SCRATCH];
    return head_read(at, end, &h) == MESH_OK && h.type == MESH_TYPE_ATOM && !name_is_module(head_atom(&h, scratch));
}

/* Whether the element at *at is {key, value}; moves over it in any case. */
static bool is_pair(const uint8_t **at, const uint8_t *end)
{
    struct head h;
    bool pair =
        head_read(*at, end, &h) == MESH_OK && h.type == MESH_TYPE_TUPLE && h.count == 2 && is_short_key(h.next, end);
    return pair && head_skip(at, end) == MESH_OK;
}

static bool is_keyword(struct printer *p, struct list_at list)
{
    uint8_t c;
    for (;;) {
        const uint8_t *before = list.at;
        switch (list_next(&list, &c)) {
        case LIST_ELEMENT:
            if (p->look.budget == 0 || !is_pair(&list.at, list.end))
                return false;
            order_spend(&p->look, 1 + (uint64_t)(list.at - before) / 8);
            break;
        case LIST_END:
            return true;
        default:
            return false;
        }
    }
}

/* The next character of a list that may be text; -1 at its end, -2 when it is something else. */
static int64_t next_character(struct list_at *list)
{
    struct head h;
    int64_t value;
    uint8_t c;
    switch (list_next(list, &c)) {
    case LIST_CHAR:
        return c;
    case LIST_END:
        return -1;
    case LIST_ELEMENT:
        if (head_read(list->at, list->end, &h) != MESH_OK || h.type != MESH_TYPE_INT || !head_int64(&h, &value))
            return -2;
        list->at = h.next;
        return value < 0 ? -2 : value;
    default:
        return -2;
    }
}

/* Whether a list is of printable ASCII, and so prints as 'text'. */
static bool is_text(struct list_at list)
{
    int64_t c;
    while ((c = next_character(&list)) >= 0)
        if (!((c >= 0x20 && c <= 0x7E) || (c >= 7 && c <= 13) || c == 27))
            return false;
    return c == -1;
}

static void print_characters(struct printer *p, struct list_at list)
{
    mesh_buf text;
    mesh_buf_init(&text);
    for (int64_t c; (c = next_character(&list)) >= 0 && !p->text.error;) {
        uint8_t byte = (uint8_t)c;
        p->text.error = mesh_buf_append(&text, &byte, 1);
    }
    print_quoted(&p->text, mesh_buf_bytes(&text), '\'');
    mesh_buf_fini(&text);
    p->at = list.at;
}

static void open_list(struct printer *p, const struct head *h)
{
    struct list_at list;
    list_start(&list, h, p->end);
    if (is_text(list)) {
        print_characters(p, list);
        return;
    }
    bool keys = is_keyword(p, list);
    struct frame *f = push(p, FRAME_LIST);
    if (!f)
        return;
    f->list = list;
    f->keys = keys;
    p->at = list.at;
    print_text(&p->text, "[");
}

/* Whether the value at `at` is the name of a module; prints it if so. */
static bool print_module(struct printer *p, const uint8_t *at)
{
    struct head h;
    char scratch[HEAD_ATOM_SCRATCH];
    if (head_read(at, p->end, &h) != MESH_OK || h.type != MESH_TYPE_ATOM)
        return false;
    mesh_bytes name = head_atom(&h, scratch);
    if (!name_is_module(name) || name_kind(name) != NAME_ALIAS)
        return false;
    print_text(&p->text, "%");
    print_atom(&p->text, name);
    print_text(&p->text, "{");
    return true;
}

/* The index of the key __struct__, or UINT32_MAX. */
static uint32_t find_struct(const struct printer *p, const struct entries *map)
{
    static const uint8_t key[] = {TAG_SMALL_ATOM_UTF8, 10, '_', '_', 's', 't', 'r', 'u', 'c', 't', '_', '_'};
    for (uint32_t i = 0; i < map->count; i++) {
        const uint8_t *at = p->base + map->list[i].key;
        if ((size_t)(p->end - at) >= sizeof key && memcmp(at, key, sizeof key) == 0)
            return i;
    }
    return UINT32_MAX;
}

/* The entries of a map in order; NULL with MESH_ETOOBIG in look.error: it would cost too much. */
static struct entries *sort_map(struct printer *p, const struct head *h)
{
    struct entries *map = malloc(sizeof *map);
    p->look.error = MESH_OK;
    if (!map)
        p->look.error = MESH_ENOMEM;
    else if (p->look.budget == 0)
        p->look.error = MESH_ETOOBIG;
    else if (order_entries(&p->look, p->base, h->next, p->end, h->count, map) == MESH_OK)
        return map;
    free(map);
    return NULL;
}

static void open_map(struct printer *p, const struct head *h)
{
    struct frame *f = push(p, FRAME_MAP);
    if (!f)
        return;
    struct entries *map = sort_map(p, h);
    if (!map && p->look.error == MESH_ETOOBIG) {
        f->kind = FRAME_PLAIN_MAP;
        f->next = h->count;
        print_text(&p->text, "%{");
        return;
    }
    if (!map) {
        p->text.error = p->look.error;
        return;
    }
    f->map = map;
    f->keys = true;
    for (uint32_t i = 0; i < map->count && f->keys; i++)
        f->keys = is_short_key(p->base + map->list[i].key, p->end);
    uint32_t name = f->keys ? find_struct(p, map) : UINT32_MAX;
    if (name != UINT32_MAX && print_module(p, p->base + map->list[name].value))
        f->skipped = name;
    else
        print_text(&p->text, "%{");
}

/* Prints the scalar at p->at, or opens the container there. */
static void print_here(struct printer *p)
{
    struct head h;
    p->text.error = p->text.error ? p->text.error : head_read(p->at, p->end, &h);
    if (p->text.error)
        return;
    p->at = h.next;
    if (h.type == MESH_TYPE_LIST) {
        open_list(p, &h);
    } else if (h.type == MESH_TYPE_MAP) {
        open_map(p, &h);
    } else if (h.type == MESH_TYPE_TUPLE) {
        struct frame *f = push(p, FRAME_TUPLE);
        if (f)
            f->next = h.count;
        print_text(&p->text, "{");
    } else {
        print_scalar(&p->text, &h);
    }
}

static void close(struct printer *p, const char *bracket)
{
    pop(p);
    print_text(&p->text, bracket);
}

static void comma(struct printer *p, struct frame *f)
{
    if (!f->first)
        print_text(&p->text, ", ");
    f->first = false;
}

/* Prints the atom at p->at as a key of the short form. */
static void print_key_here(struct printer *p)
{
    struct head h;
    char scratch[HEAD_ATOM_SCRATCH];
    p->text.error = p->text.error ? p->text.error : head_read(p->at, p->end, &h);
    if (p->text.error)
        return;
    p->at = h.next;
    print_key(&p->text, head_atom(&h, scratch));
}

static void step_list(struct printer *p, struct frame *f)
{
    char text[8];
    uint8_t c = 0;
    if (f->tail) {
        close(p, "]");
        return;
    }
    f->list.at = p->at;
    enum list_step step = list_next(&f->list, &c);
    p->at = f->list.at;
    if (step == LIST_END) {
        close(p, "]");
        return;
    }
    if (step == LIST_TAIL) {
        print_text(&p->text, " | ");
        f->tail = true;
        print_here(p);
        return;
    }
    comma(p, f);
    if (step == LIST_CHAR) {
        static const char digits[] = "0123456789";
        size_t n = 0;
        if (c >= 100)
            text[n++] = digits[c / 100];
        if (c >= 10)
            text[n++] = digits[c / 10 % 10];
        text[n++] = digits[c % 10];
        print_bytes(&p->text, text, n);
        return;
    }
    if (f->keys) {
        p->at += 2; /* the head of a small tuple; the long form is 5 */
        if (p->at[-2] == TAG_LARGE_TUPLE)
            p->at += 3;
        print_key_here(p);
    }
    print_here(p);
}

static void step_map(struct printer *p, struct frame *f)
{
    if (f->value) {
        print_text(&p->text, " => ");
        f->value = false;
        p->at = p->base + f->map->list[f->next++].value;
        print_here(p);
        return;
    }
    if (f->next == f->skipped)
        f->next++;
    if (f->next == f->map->count) {
        p->at = f->map->end;
        close(p, "}");
        return;
    }
    comma(p, f);
    p->at = p->base + f->map->list[f->next].key;
    if (!f->keys) {
        f->value = true;
        print_here(p);
        return;
    }
    print_key_here(p);
    p->at = p->base + f->map->list[f->next++].value;
    print_here(p);
}

static void step_plain_map(struct printer *p, struct frame *f)
{
    if (f->value) {
        f->value = false;
        f->next--;
        print_text(&p->text, " => ");
    } else if (f->next == 0) {
        close(p, "}");
        return;
    } else {
        f->value = true;
        comma(p, f);
    }
    print_here(p);
}

static void step(struct printer *p)
{
    struct frame *f = &p->frames[p->depth - 1];
    if (f->kind == FRAME_LIST) {
        step_list(p, f);
    } else if (f->kind == FRAME_MAP) {
        step_map(p, f);
    } else if (f->kind == FRAME_PLAIN_MAP) {
        step_plain_map(p, f);
    } else if (f->next == 0) {
        close(p, "}");
    } else {
        f->next--;
        comma(p, f);
        print_here(p);
    }
}

static int inspect(mesh_term term, mesh_buf *out, size_t stop_at)
{
    struct printer p = {.text = {out, MESH_OK}, .base = term.data, .at = term.data, .stop_at = stop_at};
    p.look.budget = (UINT64_C(1) << 20) + 4 * (uint64_t)term.len;
    mesh_buf_clear(out);
    if (term.len == 0)
        return MESH_EINVAL;
    p.end = term.data + term.len;
    print_here(&p);
    while (p.depth > 0 && !p.text.error && out->len < p.stop_at)
        step(&p);
    while (p.depth > 0)
        pop(&p);
    free(p.frames);
    print_bytes(&p.text, "", 1);
    if (p.text.error)
        mesh_buf_clear(out);
    else
        out->len--;
    return p.text.error;
}

int mesh_inspect(mesh_term term, mesh_buf *out)
{
    return inspect(term, out, SIZE_MAX);
}

const char *mesh_inspect_text(mesh_term term, char *text, size_t size)
{
    mesh_buf out;
    mesh_buf_init(&out);
    int error = inspect(term, &out, size);
    mesh_bytes result = error ? mesh_str(mesh_strerror(error)) : mesh_buf_bytes(&out);
    size_t n = result.len;
    const uint8_t *bytes = result.data;
    if (n > size - 1) {
        n = size - 1;
        while (n > 0 && (bytes[n] & 0xC0) == 0x80)
            n--;
    }
    memcpy(text, bytes, n);
    text[n] = '\0';
    mesh_buf_fini(&out);
    return text;
}
