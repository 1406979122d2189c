/* Building terms from patterns: copy the literal code up to a hole, write the argument, go on.
 *
 * Two passes over the arguments: the first checks each against its hole and adds up the bytes, so that the second
 * writes into a buffer that is known to be large enough. Copies move 16 bytes at a time and may write a little beyond
 * their end; both sides have room for that. */
#include <math.h>

#include "term/pattern.h"
#include "term/utf8.h"
#include "term/wire.h"

#define SLACK 16

static inline uint8_t *copy(uint8_t *to, const uint8_t *from, size_t len)
{
    for (size_t i = 0; i < len; i += SLACK)
        memcpy(to + i, from + i, SLACK);
    return to + len;
}

/* The bytes of an argument for ~b, ~s or ~a; false when it is of another type. */
static inline bool text_of(uint8_t hole, const mesh_arg *arg, mesh_bytes *out)
{
    if (arg->type == MESH_ARG_BYTES && hole != HOLE_TEXT) {
        *out = arg->as.bytes;
        return true;
    }
    if (arg->type == MESH_ARG_TEXT && hole != HOLE_BINARY && arg->as.text) {
        *out = mesh_str(arg->as.text);
        return true;
    }
    return false;
}

static bool is_atom(mesh_bytes name)
{
    size_t characters;
    return name.len <= (size_t)4 * MESH_ATOM_MAX_CHARS && utf8_count(name.data, name.len, &characters) &&
           characters <= MESH_ATOM_MAX_CHARS;
}

/* The most bytes of a pid or a reference: tag, atom, five words and creation. */
#define IDENTIFIER_MAX (3 + 3 + 255 + 24)

static bool is_node_name(const char *node, size_t size)
{
    const char *end = memchr(node, '\0', size);
    return end && is_atom((mesh_bytes){node, (size_t)(end - node)});
}

static bool fits_identifier(uint8_t hole, const mesh_arg *arg)
{
    if (hole == HOLE_PID) {
        const mesh_pid *pid = arg->as.from;
        return (arg->type == MESH_ARG_PID || arg->type == MESH_ARG_TO_PID) && pid &&
               is_node_name(pid->node, sizeof pid->node);
    }
    const mesh_ref *ref = arg->as.from;
    return (arg->type == MESH_ARG_REF || arg->type == MESH_ARG_TO_REF) && ref && ref->count >= 1 && ref->count <= 5 &&
           is_node_name(ref->node, sizeof ref->node);
}

/* The bytes that the argument may need in its hole; 0 when it does not fit. */
static inline size_t size_of(uint8_t hole, const mesh_arg *arg)
{
    mesh_bytes text;
    switch (hole) {
    case HOLE_INT:
        return arg->type == MESH_ARG_INT || arg->type == MESH_ARG_UINT ? WIRE_INT_MAX : 0;
    case HOLE_UINT:
        return (arg->type == MESH_ARG_INT && arg->as.i >= 0) || arg->type == MESH_ARG_UINT ? WIRE_INT_MAX : 0;
    case HOLE_FLOAT:
        return arg->type == MESH_ARG_DOUBLE && isfinite(arg->as.f) ? 9 : 0;
    case HOLE_BOOL:
        return arg->type == MESH_ARG_BOOL || arg->type == MESH_ARG_INT ? 7 : 0;
    case HOLE_BINARY:
    case HOLE_TEXT:
        return text_of(hole, arg, &text) && text.len <= MESH_BUF_MAX_BYTES ? 5 + text.len : 0;
    case HOLE_ATOM:
        return text_of(hole, arg, &text) && is_atom(text) ? 3 + text.len : 0;
    case HOLE_TERM:
        return arg->type == MESH_ARG_TERM && arg->as.bytes.len <= MESH_BUF_MAX_BYTES ? arg->as.bytes.len : 0;
    default:
        return fits_identifier(hole, arg) ? IDENTIFIER_MAX : 0;
    }
}

static uint8_t *write_counted(uint8_t *p, mesh_bytes bytes)
{
    if (bytes.len)
        memcpy(p, bytes.data, bytes.len);
    return p + bytes.len;
}

static uint8_t *write_atom(uint8_t *p, mesh_bytes name)
{
    if (name.len <= 255) {
        p[0] = TAG_SMALL_ATOM_UTF8;
        p[1] = (uint8_t)name.len;
        return write_counted(p + 2, name);
    }
    p[0] = TAG_ATOM_UTF8;
    wire_put_u16(p + 1, (uint16_t)name.len);
    return write_counted(p + 3, name);
}

static uint8_t *write_pid(uint8_t *p, const mesh_pid *pid)
{
    *p = TAG_NEW_PID;
    p = write_atom(p + 1, mesh_str(pid->node));
    wire_put_u32(p, (uint32_t)pid->number);
    wire_put_u32(p + 4, (uint32_t)(pid->number >> 32));
    wire_put_u32(p + 8, pid->creation);
    return p + 12;
}

static uint8_t *write_ref(uint8_t *p, const mesh_ref *ref)
{
    *p = TAG_NEWER_REFERENCE;
    wire_put_u16(p + 1, (uint16_t)ref->count);
    p = write_atom(p + 3, mesh_str(ref->node));
    wire_put_u32(p, ref->creation);
    for (size_t i = 0; i < ref->count; i++)
        wire_put_u32(p + 4 + 4 * i, ref->words[i]);
    return p + 4 + 4 * (size_t)ref->count;
}

static inline uint8_t *write_hole(uint8_t *p, uint8_t hole, const mesh_arg *arg)
{
    mesh_bytes text = {NULL, 0};
    switch (hole) {
    case HOLE_INT:
    case HOLE_UINT:
        return arg->type == MESH_ARG_INT ? wire_put_int(p, arg->as.i) : wire_put_uint(p, arg->as.u);
    case HOLE_FLOAT:
        p[0] = TAG_NEW_FLOAT;
        wire_put_double(p + 1, arg->as.f);
        return p + 9;
    case HOLE_BOOL:
        return write_atom(p, mesh_str(arg->as.i ? "true" : "false"));
    case HOLE_BINARY:
    case HOLE_TEXT:
        text_of(hole, arg, &text);
        p[0] = TAG_BINARY;
        wire_put_u32(p + 1, (uint32_t)text.len);
        return write_counted(p + 5, text);
    case HOLE_ATOM:
        text_of(hole, arg, &text);
        return write_atom(p, text);
    case HOLE_TERM:
        return write_counted(p, arg->as.bytes);
    case HOLE_PID:
        return write_pid(p, arg->as.from);
    default:
        return write_ref(p, arg->as.from);
    }
}

/* Builds with a pattern that is ready, and of which count is the number of holes. */
static inline int build(const struct mesh_pattern *p, const uint8_t *code, size_t len, size_t *column, mesh_buf *buf,
                        const mesh_arg *args)
{
    size_t need = len + SLACK;
    bool sound = true;
    mesh_buf_clear(buf);
    for (uint32_t i = 0; i < p->count; i++) {
        uint8_t hole = code[p->hole[i].at];
        size_t size = size_of(hole, &args[i]);
        if (size == 0)
            return pattern_refuse(column, p->hole[i].column);
        sound = sound && hole != HOLE_TERM; /* nobody has checked that one here */
        need += size;
    }
    if (need > buf->cap) {
        int error = mesh_buf_reserve(buf, need);
        if (error)
            return error;
    }
    uint8_t *to = buf->data;
    size_t from = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        size_t at = p->hole[i].at;
        to = copy(to, code + from, at - from);
        to = write_hole(to, code[at], &args[i]);
        from = at + 1;
    }
    to = copy(to, code + from, len - from);
    buf->len = (size_t)(to - buf->data);
    buf->sound = sound ? buf->len : 0;
    return MESH_OK;
}

/* A key that came from an argument may be another key once more. */
static int check_keys(const struct mesh_pattern *p, size_t *column, mesh_buf *buf)
{
    const mesh_limits none = {MESH_BUF_MAX_BYTES, 0, UINT32_MAX};
    int error = mesh_term_check(buf->data, buf->len, &none, NULL);
    return error == MESH_EBADTERM ? pattern_refuse(column, p->flag_column) : error;
}

static int build_general(struct mesh_pattern *site, size_t *column, mesh_buf *buf, const char *pattern,
                         const mesh_arg *args, size_t count)
{
    struct program program;
    int error = pattern_open(&program, site, pattern, column);
    const struct mesh_pattern *p = program.pattern;
    if (!error && p->flags & PATTERN_HAS_ANY)
        error = pattern_refuse(column, p->flag_column);
    if (!error && count != p->count)
        error = pattern_refuse(column, count < p->count ? p->hole[count].column : (uint32_t)strlen(pattern) + 1);
    if (!error)
        error = build(p, program.code, program.len, column, buf, args);
    if (!error && p->flags & PATTERN_HAS_KEY_HOLE)
        error = check_keys(p, column, buf);
    if (error)
        mesh_buf_clear(buf);
    pattern_close(&program);
    return error;
}

/* The commonest replies: a pattern that is one integer, a value of at most 32 bits. */
static inline bool build_small(const struct mesh_pattern *p, mesh_buf *buf, const mesh_arg *arg)
{
    if (p->len != 1 || p->code[0] != HOLE_INT || arg->type != MESH_ARG_INT || arg->as.i != (int32_t)arg->as.i)
        return false;
    uint32_t value = (uint32_t)arg->as.i;
    if (value <= UINT8_MAX) {
        buf->data[0] = TAG_SMALL_INTEGER;
        buf->data[1] = (uint8_t)value;
        buf->len = buf->sound = 2;
    } else {
        buf->data[0] = TAG_INTEGER;
        wire_put_u32(buf->data + 1, value);
        buf->len = buf->sound = 5;
    }
    return true;
}

int mesh_build_compiled(struct mesh_pattern *site, size_t *column, mesh_buf *buf, const char *pattern,
                        const mesh_arg *args, size_t count)
{
    if (__builtin_expect(pattern_is_ready(site, pattern) && site->count == count && site->flags == 0, 1)) {
        if (count == 0 && (size_t)site->len + SLACK <= buf->cap) {
            copy(buf->data, site->code, site->len);
            buf->len = buf->sound = site->len;
            return MESH_OK;
        }
        if (count == 1 && build_small(site, buf, args))
            return MESH_OK;
        return build(site, site->code, site->len, column, buf, args);
    }
    return build_general(site, column, buf, pattern, args, count);
}

int mesh_build_args(mesh_buf *buf, const char *pattern, const mesh_arg *args, size_t count, size_t *column)
{
    return mesh_build_compiled(NULL, column, buf, pattern, args, count);
}
