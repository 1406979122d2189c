/* Matching terms against patterns.
 *
 * A term that was built as its pattern reads is the pattern's code with values in the holes. So the first try goes
 * straight through both (try_straight); only a term that differs somewhere is matched by its structure: maps with
 * other keys or in another order, lists with a rest, `_`, the old forms of ETF (structure.c).
 *
 * Either way what the holes found is kept in `found` first, and written to the arguments when all has matched. */
#include "term/match.h"
#include "term/block.h"
#include "term/head.h"
#include "term/wire.h"

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

bool match_find(struct match *m, uint32_t i, uint8_t hole, const uint8_t **t, const uint8_t *end)
{
    return find(m, i, hole, t, end);
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
    if (!match_structure(&m, &code, &t, end) || t != end)
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
