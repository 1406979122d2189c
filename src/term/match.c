/* Matching terms against patterns.
 *
 * A term that was built as its pattern reads is the pattern's code with values in the holes. So the first try goes
 * straight through both (try_straight); only a term that differs somewhere is matched by its structure: maps with
 * other keys or in another order, lists with a rest, `_`, the old forms of ETF.
 *
 * Either way what the holes found is kept in `found` first, and written to the arguments when all has matched. */
#include "term/block.h"
#include "term/order.h"
#include "term/pattern.h"
#include "term/wire.h"

struct found {
    union {
        int64_t i; /* the integer, as the target's signedness has it; a bool */
        double f;
        mesh_bytes bytes;  /* what a view of bytes or of a term points at */
        const uint8_t *at; /* a pid or a reference */
    } as;
    const uint8_t *end; /* behind the term */
    bool rest;          /* the rest of a list: as.at its first element, and then */
    bool string;
    uint32_t left;
};

struct match {
    const struct mesh_pattern *pattern;
    const uint8_t *code_end;
    const mesh_arg *args;
    uint32_t next; /* hole */
    int error;     /* MESH_ENOMEM */
    struct found found[MESH_PATTERN_MAX_HOLES];
};

/* ---- arguments --------------------------------------------------------------------------------------------------- */

static inline bool is_integer_target(enum mesh_arg_type type)
{
    return type >= MESH_ARG_TO_INT8 && type <= MESH_ARG_TO_UINT64;
}

/* Whether an argument can take what its hole finds. */
static inline bool fits(uint8_t hole, const mesh_arg *arg)
{
    static const uint8_t wanted[HOLE_END] = {
        [HOLE_FLOAT] = MESH_ARG_TO_DOUBLE, [HOLE_BINARY] = MESH_ARG_TO_BYTES, [HOLE_ATOM] = MESH_ARG_TO_BYTES,
        [HOLE_BOOL] = MESH_ARG_TO_BOOL,    [HOLE_TERM] = MESH_ARG_TO_TERM,    [HOLE_PID] = MESH_ARG_TO_PID,
        [HOLE_REF] = MESH_ARG_TO_REF,
    };
    if (hole <= HOLE_UINT)
        return is_integer_target(arg->type) && arg->as.to;
    return wanted[hole] != MESH_ARG_NONE && arg->type == (enum mesh_arg_type)wanted[hole] && arg->as.to;
}

/* Whether value is in the range of a signed type; those of MESH_ARG_TO_INT8 … are 1, 2, 4 and 8 bytes wide. */
static bool in_signed_range(int64_t value, enum mesh_arg_type type)
{
    unsigned unused = 64 - (8u << (type - MESH_ARG_TO_INT8));
    int64_t most = INT64_MAX >> unused;
    return value >= -most - 1 && value <= most;
}

static bool in_unsigned_range(uint64_t value, enum mesh_arg_type type)
{
    return value <= UINT64_MAX >> (64 - (8u << (type - MESH_ARG_TO_UINT8)));
}

static bool find_big(struct found *f, const struct head *h, uint8_t hole, enum mesh_arg_type type)
{
    uint64_t u;
    int64_t i;
    if (type >= MESH_ARG_TO_UINT8) {
        if (!head_uint64(h, &u) || !in_unsigned_range(u, type))
            return false;
        f->as.i = (int64_t)u;
        return true;
    }
    if (!head_int64(h, &i) || !in_signed_range(i, type) || (hole == HOLE_UINT && i < 0))
        return false;
    f->as.i = i;
    return true;
}

static inline bool find_integer(struct found *f, const uint8_t **t, const uint8_t *end, uint8_t hole,
                                enum mesh_arg_type type)
{
    const uint8_t *at = *t;
    struct head h;
    if (end - at >= 2 && at[0] == TAG_SMALL_INTEGER && type != MESH_ARG_TO_INT8) {
        f->as.i = at[1];
        *t = at + 2;
        return true;
    }
    if (end - at >= 5 && at[0] == TAG_INTEGER && type == MESH_ARG_TO_INT64 && hole == HOLE_INT) {
        f->as.i = (int32_t)wire_u32(at + 1);
        *t = at + 5;
        return true;
    }
    if (head_read(at, end, &h) != MESH_OK || h.type != MESH_TYPE_INT)
        return false;
    *t = h.next;
    return find_big(f, &h, hole, type);
}

static bool find_atom(struct found *f, const struct head *h)
{
    char scratch[HEAD_ATOM_SCRATCH];
    mesh_bytes name = head_atom(h, scratch);
    f->as.bytes = name;
    return name.data != scratch;
}

static bool find_bool(struct found *f, const struct head *h)
{
    f->as.i = h->count == 4 && memcmp(h->data, "true", 4) == 0;
    return f->as.i || (h->count == 5 && memcmp(h->data, "false", 5) == 0);
}

static bool find_identifier(struct found *f, const uint8_t *at, const struct head *h)
{
    mesh_pid pid;
    mesh_ref ref;
    f->as.at = at;
    f->end = h->next;
    return h->type == MESH_TYPE_PID ? head_pid(h, &pid) == MESH_OK : head_ref(h, &ref) == MESH_OK;
}

static bool find_scalar(struct found *f, const uint8_t **t, const uint8_t *end, uint8_t hole)
{
    static const uint8_t wanted[HOLE_END] = {
        [HOLE_FLOAT] = MESH_TYPE_FLOAT, [HOLE_BINARY] = MESH_TYPE_BINARY, [HOLE_ATOM] = MESH_TYPE_ATOM,
        [HOLE_BOOL] = MESH_TYPE_ATOM,   [HOLE_PID] = MESH_TYPE_PID,       [HOLE_REF] = MESH_TYPE_REF,
    };
    struct head h;
    const uint8_t *at = *t;
    if (head_read(at, end, &h) != MESH_OK || h.type != (enum mesh_type)wanted[hole])
        return false;
    *t = h.next;
    switch (hole) {
    case HOLE_FLOAT:
        return head_double(&h, &f->as.f);
    case HOLE_BINARY:
        f->as.bytes = (mesh_bytes){h.data, h.count};
        return true;
    case HOLE_ATOM:
        return find_atom(f, &h);
    case HOLE_BOOL:
        return find_bool(f, &h);
    default:
        return find_identifier(f, at, &h);
    }
}

/* Takes the term at *t for the next hole, and moves over it. */
static inline bool find(struct match *m, uint32_t i, uint8_t hole, const uint8_t **t, const uint8_t *end)
{
    struct found *f = &m->found[i];
    f->rest = false;
    if (hole <= HOLE_UINT)
        return find_integer(f, t, end, hole, m->args[i].type);
    if (hole != HOLE_TERM)
        return find_scalar(f, t, end, hole);
    const uint8_t *at = *t;
    if (head_skip(t, end) != MESH_OK)
        return false;
    f->as.bytes = (mesh_bytes){at, (size_t)(*t - at)};
    return true;
}

/* ---- by structure ------------------------------------------------------------------------------------------------ */

static bool match_here(struct match *m, const uint8_t **p, const uint8_t **t, const uint8_t *end);

/* A character of an old-style string, as a term that stays. */
static const uint8_t *character_term(uint8_t c)
{
#define ONE(n) TAG_SMALL_INTEGER, (n)
#define FOUR(n) ONE(n), ONE((n) + 1), ONE((n) + 2), ONE((n) + 3)
#define SIXTEEN(n) FOUR(n), FOUR((n) + 4), FOUR((n) + 8), FOUR((n) + 12)
#define SIXTY_FOUR(n) SIXTEEN(n), SIXTEEN((n) + 16), SIXTEEN((n) + 32), SIXTEEN((n) + 48)
    static const uint8_t terms[512] = {SIXTY_FOUR(0), SIXTY_FOUR(64), SIXTY_FOUR(128), SIXTY_FOUR(192)};
#undef ONE
#undef FOUR
#undef SIXTEEN
#undef SIXTY_FOUR
    return terms + 2 * c;
}

/* Moves l over all that is left of its list. */
static bool skip_list(struct list_at *l)
{
    uint8_t c;
    for (;;) {
        switch (list_next(l, &c)) {
        case LIST_END:
            return true;
        case LIST_TAIL:
            return head_skip(&l->at, l->end) == MESH_OK;
        case LIST_ELEMENT:
            if (head_skip(&l->at, l->end) != MESH_OK)
                return false;
            break;
        case LIST_CHAR:
            break;
        }
    }
}

/* The pattern's tail, at *p, against what is left of a list that still has elements. */
static bool match_rest(struct match *m, const uint8_t **p, struct list_at *l)
{
    uint8_t hole = *(*p)++;
    const struct list_at start = *l;
    if ((hole != HOLE_ANY && hole != HOLE_TERM) || !skip_list(l))
        return false;
    if (hole == HOLE_TERM) {
        struct found *f = &m->found[m->next++];
        f->rest = true;
        f->as.at = start.at;
        f->end = l->at;
        f->string = start.string;
        f->left = start.left;
    }
    return true;
}

/* One element of the pattern, at *p, against the next one of the list. */
static bool match_element(struct match *m, const uint8_t **p, struct list_at *l)
{
    uint8_t c = 0;
    switch (list_next(l, &c)) {
    case LIST_ELEMENT:
        return match_here(m, p, &l->at, l->end);
    case LIST_CHAR: {
        const uint8_t *term = character_term(c);
        return match_here(m, p, &term, term + 2);
    }
    default:
        return false;
    }
}

static bool match_list(struct match *m, struct head *pattern, const uint8_t **p, const struct head *h,
                       const uint8_t **t, const uint8_t *end)
{
    static const uint8_t empty[] = {TAG_NIL};
    struct list_at l;
    uint8_t c;
    list_start(&l, h, end);
    for (;;) {
        for (uint32_t i = 0; i < pattern->count; i++)
            if (!match_element(m, p, &l))
                return false;
        struct list_at after = l;
        const uint8_t *nothing = empty;
        bool matches;
        switch (list_next(&after, &c)) {
        case LIST_END:
            matches = match_here(m, p, &nothing, empty + 1);
            break;
        case LIST_TAIL:
            matches = match_here(m, p, &after.at, end);
            break;
        default:
            after.left++; /* the element that was only looked at */
            after.at -= after.string;
            if (**p == TAG_LIST && head_read(*p, m->code_end, pattern) == MESH_OK) {
                *p = pattern->next;
                l = after;
                continue;
            }
            matches = **p < HOLE_END && match_rest(m, p, &after);
        }
        *t = after.at;
        return matches;
    }
}

static bool is_same(struct match *m, const uint8_t *a, const uint8_t *a_end, const uint8_t *b, const uint8_t *b_end)
{
    struct order o = {UINT64_MAX, MESH_OK};
    int c = order_compare(&o, a, a_end, b, b_end);
    m->error = o.error == MESH_ENOMEM ? o.error : m->error;
    return c == 0 && !o.error;
}

/* Whether the term at a, len bytes, is the one at b. Most are atoms in the same form, and differ at once. */
static bool is_term(struct match *m, const uint8_t *a, size_t len, const uint8_t *b, const uint8_t *end)
{
    if ((size_t)(end - b) >= len && memcmp(a, b, len) == 0)
        return true;
    return (a[0] != TAG_SMALL_ATOM_UTF8 || b[0] != TAG_SMALL_ATOM_UTF8) && is_same(m, a, a + len, b, end);
}

/* A map being searched, starting behind the entry that was found last. */
struct search {
    const uint8_t *first;
    const uint8_t *at;
    uint32_t count;
    uint32_t index;
};

static bool find_key(struct match *m, struct search *s, const uint8_t *key, size_t len, const uint8_t *end)
{
    for (uint32_t tried = 0; tried < s->count && !m->error; tried++) {
        if (s->index == s->count) {
            s->index = 0;
            s->at = s->first;
        }
        bool same = is_term(m, key, len, s->at, end);
        if (head_skip_short(&s->at, end) != MESH_OK)
            return false;
        if (same)
            return true;
        if (head_skip_short(&s->at, end) != MESH_OK)
            return false;
        s->index++;
    }
    return false;
}

static bool match_map(struct match *m, const struct head *pattern, const uint8_t **p, const struct head *h,
                      const uint8_t **t, const uint8_t *end)
{
    struct search s = {h->next, h->next, h->count, 0};
    if (pattern->count > h->count)
        return false;
    for (uint32_t i = 0; i < pattern->count; i++) {
        const uint8_t *key = *p;
        if (head_skip_short(p, m->code_end) != MESH_OK || !find_key(m, &s, key, (size_t)(*p - key), end) ||
            !match_here(m, p, &s.at, end))
            return false;
        s.index++;
    }
    for (; s.index < s.count; s.index++)
        if (head_skip_short(&s.at, end) != MESH_OK || head_skip_short(&s.at, end) != MESH_OK)
            return false;
    *t = s.at;
    return true;
}

/* Matches the pattern at *p with the term at *t, and moves over both. Recursion is as deep as the pattern. */
static bool match_here(struct match *m, const uint8_t **p, const uint8_t **t, const uint8_t *end)
{
    struct head pattern, h;
    uint8_t hole = **p;
    if (hole < HOLE_END) {
        ++*p;
        return hole == HOLE_ANY ? head_skip(t, end) == MESH_OK : find(m, m->next++, hole, t, end);
    }
    if (hole == TAG_SMALL_ATOM_UTF8 && *t < end && **t == TAG_SMALL_ATOM_UTF8) {
        size_t len = 2 + (size_t)(*p)[1];
        if ((size_t)(end - *t) < len || memcmp(*p, *t, len) != 0)
            return false;
        *p += len;
        *t += len;
        return true;
    }
    if (head_read(*p, m->code_end, &pattern) != MESH_OK || head_read(*t, end, &h) != MESH_OK || pattern.type != h.type)
        return false;
    const uint8_t *scalar = *p;
    *p = pattern.next;
    switch (pattern.type) {
    case MESH_TYPE_LIST:
        return match_list(m, &pattern, p, &h, t, end);
    case MESH_TYPE_MAP:
        return match_map(m, &pattern, p, &h, t, end);
    case MESH_TYPE_TUPLE:
        *t = h.next;
        for (uint32_t i = 0; i < pattern.count; i++)
            if (pattern.count != h.count || !match_here(m, p, t, end))
                return false;
        return pattern.count == h.count;
    default: {
        bool same = is_term(m, scalar, (size_t)(pattern.next - scalar), *t, h.next);
        *t = h.next;
        return same;
    }
    }
}

/* ---- straight ---------------------------------------------------------------------------------------------------- */

/* memcmp for the short stretches between holes. */
static inline bool same_bytes(const uint8_t *a, const uint8_t *b, size_t n)
{
    uint64_t x, y;
    if (n >= 8) {
        for (size_t i = 0; i + 8 < n; i += 8) {
            memcpy(&x, a + i, 8);
            memcpy(&y, b + i, 8);
            if (x != y)
                return false;
        }
        memcpy(&x, a + n - 8, 8);
        memcpy(&y, b + n - 8, 8);
        return x == y;
    }
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

static inline bool try_straight(struct match *m, const uint8_t *code, size_t len, const mesh_term *term)
{
    const struct mesh_pattern *p = m->pattern;
    const uint8_t *t = term->data;
    const uint8_t *end = t + term->len;
    size_t from = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        size_t at = p->hole[i].at;
        if ((size_t)(end - t) < at - from || !same_bytes(code + from, t, at - from))
            return false;
        t += at - from;
        if (!find(m, i, code[at], &t, end))
            return false;
        from = at + 1;
    }
    return (size_t)(end - t) == len - from && same_bytes(code + from, t, len - from);
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* The rest of a list as a term of its own: a new header, and the bytes as they are. */
static int make_rest(const struct found *f, mesh_term *out)
{
    size_t head = f->string ? 3 : 5;
    size_t len = (size_t)(f->end - f->as.at);
    struct block *block = block_create(head + len);
    if (!block)
        return MESH_ENOMEM;
    block->bytes[0] = f->string ? TAG_STRING : TAG_LIST;
    if (f->string)
        wire_put_u16(block->bytes + 1, (uint16_t)f->left);
    else
        wire_put_u32(block->bytes + 1, f->left);
    memcpy(block->bytes + head, f->as.at, len);
    *out = (mesh_term){block->bytes, head + len, block};
    return MESH_OK;
}

static inline void write_integer(const mesh_arg *arg, int64_t value)
{
    switch (arg->type) {
    case MESH_ARG_TO_INT64:
    case MESH_ARG_TO_UINT64:
        *(int64_t *)arg->as.to = value;
        break;
    case MESH_ARG_TO_INT32:
    case MESH_ARG_TO_UINT32:
        *(int32_t *)arg->as.to = (int32_t)value;
        break;
    case MESH_ARG_TO_INT16:
    case MESH_ARG_TO_UINT16:
        *(int16_t *)arg->as.to = (int16_t)value;
        break;
    default:
        *(int8_t *)arg->as.to = (int8_t)value;
    }
}

static void write_identifier(const mesh_arg *arg, const struct found *f)
{
    struct head h;
    if (head_read(f->as.at, f->end, &h) != MESH_OK)
        return;
    if (arg->type == MESH_ARG_TO_PID)
        head_pid(&h, arg->as.to);
    else
        head_ref(&h, arg->as.to);
}

static inline void write_found(const mesh_arg *arg, const struct found *f)
{
    switch (arg->type) {
    case MESH_ARG_TO_DOUBLE:
        *(double *)arg->as.to = f->as.f;
        break;
    case MESH_ARG_TO_BOOL:
        *(bool *)arg->as.to = f->as.i != 0;
        break;
    case MESH_ARG_TO_BYTES:
        *(mesh_bytes *)arg->as.to = f->as.bytes;
        break;
    case MESH_ARG_TO_TERM:
        *(mesh_term *)arg->as.to = (mesh_term){f->as.bytes.data, f->as.bytes.len, NULL};
        break;
    case MESH_ARG_TO_PID:
    case MESH_ARG_TO_REF:
        write_identifier(arg, f);
        break;
    default:
        write_integer(arg, f->as.i);
    }
}

/* Makes the rests, which may fail, before anything is written. */
static int write_rests(const struct match *m)
{
    mesh_term rests[MESH_PATTERN_MAX_HOLES];
    uint32_t count = m->pattern->count;
    for (uint32_t i = 0; i < count; i++) {
        rests[i] = (mesh_term){NULL, 0, NULL};
        int error = m->found[i].rest ? make_rest(&m->found[i], &rests[i]) : MESH_OK;
        if (error) {
            while (i-- > 0)
                mesh_term_release(&rests[i]);
            return error;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (m->found[i].rest)
            *(mesh_term *)m->args[i].as.to = rests[i];
        else
            write_found(&m->args[i], &m->found[i]);
    }
    return MESH_OK;
}

/* The commonest replies: a pattern that is one integer, a term that is a small one. */
static inline bool match_small(const struct mesh_pattern *p, const mesh_term *term, const mesh_arg *arg)
{
    if (p->len != 1 || p->code[0] != HOLE_INT || arg->type != MESH_ARG_TO_INT64 || !arg->as.to)
        return false;
    if (term->len == 2 && term->data[0] == TAG_SMALL_INTEGER)
        *(int64_t *)arg->as.to = term->data[1];
    else if (term->len == 5 && term->data[0] == TAG_INTEGER)
        *(int64_t *)arg->as.to = (int32_t)wire_u32(term->data + 1);
    else
        return false;
    return true;
}

static int match(const struct mesh_pattern *p, const uint8_t *code, size_t len, size_t *column, const mesh_term *term,
                 const mesh_arg *args)
{
    struct match m;
    m.pattern = p;
    m.code_end = code + len;
    m.args = args;
    for (uint32_t i = 0; i < p->count; i++)
        if (!fits(code[p->hole[i].at], &args[i]))
            return pattern_refuse(column, p->hole[i].column);
    if (term->len == 0)
        return MESH_ENOMATCH;
    if (p->flags == 0 && try_straight(&m, code, len, term)) {
        for (uint32_t i = 0; i < p->count; i++)
            write_found(&args[i], &m.found[i]);
        return MESH_OK;
    }
    const uint8_t *t = term->data;
    const uint8_t *end = t + term->len;
    m.next = 0;
    m.error = MESH_OK;
    if (!match_here(&m, &code, &t, end) || t != end)
        return m.error ? m.error : MESH_ENOMATCH;
    return write_rests(&m);
}

static int match_general(struct mesh_pattern *site, size_t *column, const mesh_term *term, const char *pattern,
                         const mesh_arg *args, size_t count)
{
    struct program program;
    int error = pattern_open(&program, site, pattern, column);
    const struct mesh_pattern *p = program.pattern;
    if (!error && p->flags & PATTERN_HAS_KEY_HOLE)
        error = pattern_refuse(column, p->flag_column);
    if (!error && count != p->count)
        error = pattern_refuse(column, count < p->count ? p->hole[count].column : (uint32_t)strlen(pattern) + 1);
    if (!error)
        error = match(p, program.code, program.len, column, term, args);
    pattern_close(&program);
    return error;
}

int mesh_match_compiled(struct mesh_pattern *site, size_t *column, const mesh_term *term, const char *pattern,
                        const mesh_arg *args, size_t count)
{
    if (__builtin_expect(
            pattern_is_ready(site, pattern) && site->count == count && !(site->flags & PATTERN_HAS_KEY_HOLE), 1)) {
        if (count == 0 && site->flags == 0 && term->len == site->len && same_bytes(site->code, term->data, site->len))
            return MESH_OK;
        if (count == 1 && match_small(site, term, args))
            return MESH_OK;
        return match(site, site->code, site->len, column, term, args);
    }
    return match_general(site, column, term, pattern, args, count);
}

int mesh_match_args(mesh_term term, const char *pattern, const mesh_arg *args, size_t count, size_t *column)
{
    return mesh_match_compiled(NULL, column, &term, pattern, args, count);
}
