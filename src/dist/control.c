/* Reading control messages, driven by one table: for each operation its kind, its elements, and whether a message
 * follows. So the shapes stand in one place, as in the documentation. */
#include "dist/control.h"

#include "term/head.h"
#include "term/quick.h"
#include "term/utf8.h"

/* What an element of the tuple is. */
enum element {
    END,
    ANY,         /* unused: an old cookie, a trace token */
    FROM,        /* a pid */
    FROM_PEER,   /* a pid of the peer itself */
    FROM_ANY,    /* a pid or an atom */
    TO,          /* a pid */
    TO_NAME,     /* an atom */
    TO_ANY,      /* a pid or an atom */
    TO_ALIAS,    /* a reference */
    REF,         /* a reference */
    ID,          /* an integer, not 0 */
    REASON,      /* any term, which stands for the message */
    LEADER,      /* a pid */
    MFA,         /* {Module, Function, Arity} */
    OPTIONS,     /* any term */
    SPAWN_FLAGS, /* an integer */
    RESULT,      /* a pid or an atom */
};

enum { ELEMENTS_MAX = 6, OPERATION_MAX = 37, ALTACT_SIG_SEND = 37 };

struct shape {
    uint8_t elements[ELEMENTS_MAX]; /* enum element; END behind the last */
    uint8_t kind;                   /* enum control_kind */
    bool known;
    bool message;
};

#define SHAPE(kind, message, ...)                                                                                      \
    {                                                                                                                  \
        {__VA_ARGS__}, kind, true, message                                                                             \
    }

static const struct shape shapes[OPERATION_MAX + 1] = {
    [1] = SHAPE(CONTROL_LINK, false, FROM_PEER, TO),
    [2] = SHAPE(CONTROL_SEND, true, ANY, TO),
    [3] = SHAPE(CONTROL_EXIT, false, FROM, TO, REASON),
    [4] = SHAPE(CONTROL_UNLINK_OLD, false, FROM_PEER, TO),
    [6] = SHAPE(CONTROL_SEND_NAME, true, FROM, ANY, TO_NAME),
    [7] = SHAPE(CONTROL_GROUP_LEADER, false, FROM, TO),
    [8] = SHAPE(CONTROL_EXIT2, false, FROM, TO, REASON),
    [12] = SHAPE(CONTROL_SEND, true, ANY, TO, ANY),
    [13] = SHAPE(CONTROL_EXIT, false, FROM, TO, ANY, REASON),
    [16] = SHAPE(CONTROL_SEND_NAME, true, FROM, ANY, TO_NAME, ANY),
    [18] = SHAPE(CONTROL_EXIT2, false, FROM, TO, ANY, REASON),
    [19] = SHAPE(CONTROL_MONITOR, false, FROM_PEER, TO_ANY, REF),
    [20] = SHAPE(CONTROL_DEMONITOR, false, FROM_PEER, TO_ANY, REF),
    [21] = SHAPE(CONTROL_DOWN, false, FROM_ANY, TO, REF, REASON),
    [22] = SHAPE(CONTROL_SEND, true, FROM, TO),
    [23] = SHAPE(CONTROL_SEND, true, FROM, TO, ANY),
    [24] = SHAPE(CONTROL_EXIT, true, FROM, TO),
    [25] = SHAPE(CONTROL_EXIT, true, FROM, TO, ANY),
    [26] = SHAPE(CONTROL_EXIT2, true, FROM, TO),
    [27] = SHAPE(CONTROL_EXIT2, true, FROM, TO, ANY),
    [28] = SHAPE(CONTROL_DOWN, true, FROM_ANY, TO, REF),
    [29] = SHAPE(CONTROL_SPAWN, true, REF, FROM_PEER, LEADER, MFA, OPTIONS),
    [30] = SHAPE(CONTROL_SPAWN, true, REF, FROM_PEER, LEADER, MFA, OPTIONS, ANY),
    [31] = SHAPE(CONTROL_SPAWN_REPLY, false, REF, TO, SPAWN_FLAGS, RESULT),
    [32] = SHAPE(CONTROL_SPAWN_REPLY, false, REF, TO, SPAWN_FLAGS, RESULT, ANY),
    [33] = SHAPE(CONTROL_SEND_ALIAS, true, FROM, TO_ALIAS),
    [34] = SHAPE(CONTROL_SEND_ALIAS, true, FROM, TO_ALIAS, ANY),
    [35] = SHAPE(CONTROL_UNLINK, false, ID, FROM_PEER, TO),
    [36] = SHAPE(CONTROL_UNLINK_ACK, false, ID, FROM_PEER, TO),
};

/* Operation 37 has its shape from its flags. */
enum { ALTACT_PRIORITY = 1, ALTACT_TOKEN = 2, ALTACT_ALIAS = 4, ALTACT_NAME = 8, ALTACT_EXIT = 16, ALTACT_KNOWN = 31 };

/* ---- one element ------------------------------------------------------------------------------------------------- */

/* Whether what the quick look accepts is surely within the limits. */
static bool quick_suffices(size_t len, const mesh_limits *limits)
{
    static const mesh_limits defaults = {0, 0, 0};
    const mesh_limits *l = limits ? limits : &defaults;
    return len <= (l->bytes ? l->bytes : MESH_TERM_MAX_BYTES) && (l->depth == 0 || l->depth >= QUICK_ELEMENTS_MAX) &&
           (l->elements == 0 || l->elements >= QUICK_ELEMENTS_MAX);
}

static enum refusal check(mesh_term term, const mesh_limits *limits)
{
    if (quick_suffices(term.len, limits) && quick_check(term.data, term.len))
        return REFUSAL_NONE;
    switch (mesh_term_check(term.data, term.len, limits, NULL)) {
    case MESH_OK:
        return REFUSAL_NONE;
    case MESH_ENOMEM:
        return REFUSAL_MEMORY;
    default:
        return REFUSAL_TERM;
    }
}

/* Any term, checked as a whole. */
static enum refusal read_any(mesh_reader *r, const mesh_limits *limits, mesh_term *out)
{
    return mesh_read_term(r, out) == MESH_OK ? check(*out, limits) : REFUSAL_TERM;
}

/* Whether an atom that is whole is one by its content, too. */
static bool is_atom(const struct head *h)
{
    size_t characters;
    if (h->tag == TAG_ATOM || h->tag == TAG_SMALL_ATOM) /* Latin-1: a byte is a character */
        return h->count <= MESH_ATOM_MAX_CHARS;
    return utf8_count(h->data, h->count, &characters) && characters <= MESH_ATOM_MAX_CHARS;
}

/* An atom, a pid or a reference, of one of two types. All of them are an atom and numbers: so it takes no more than a
 * look at the atom to check them. */
static enum refusal read_scalar(mesh_reader *r, enum mesh_type a, enum mesh_type b, mesh_term *out)
{
    struct head h, node;
    const uint8_t *start = r->at;
    if (head_read(start, r->end, &h) != MESH_OK)
        return REFUSAL_TERM;
    if (h.type != a && h.type != b)
        return REFUSAL_SHAPE;
    bool good = h.type == MESH_TYPE_ATOM ? is_atom(&h) : head_read(h.data, h.next, &node) == MESH_OK && is_atom(&node);
    if (!good)
        return REFUSAL_TERM;
    r->at = h.next;
    *out = (mesh_term){start, (size_t)(h.next - start), NULL};
    return REFUSAL_NONE;
}

static enum refusal read_pid(mesh_reader *r, mesh_term *out)
{
    return read_scalar(r, MESH_TYPE_PID, MESH_TYPE_PID, out);
}

static enum refusal read_ref(mesh_reader *r, mesh_term *out)
{
    return read_scalar(r, MESH_TYPE_REF, MESH_TYPE_REF, out);
}

static enum refusal read_pid_or_atom(mesh_reader *r, mesh_term *out)
{
    return read_scalar(r, MESH_TYPE_PID, MESH_TYPE_ATOM, out);
}

static enum refusal read_number(mesh_reader *r, uint64_t least, uint64_t most, uint64_t *out)
{
    uint64_t value;
    int error = mesh_read_uint(r, &value);
    if (error)
        return error == MESH_EBADTERM ? REFUSAL_TERM : REFUSAL_SHAPE;
    if (value < least || value > most)
        return REFUSAL_SHAPE;
    *out = value;
    return REFUSAL_NONE;
}

static enum refusal read_small(mesh_reader *r, uint32_t most, uint32_t *out)
{
    uint64_t value = 0;
    enum refusal refusal = read_number(r, 0, most, &value);
    if (!refusal)
        *out = (uint32_t)value;
    return refusal;
}

/* The names of atoms in old Latin-1 forms beyond ASCII cannot be viewed, and name no function that anybody may call. */
static enum refusal read_name(mesh_reader *r, mesh_bytes *out)
{
    mesh_term atom;
    mesh_reader before = *r;
    enum refusal refusal = read_scalar(r, MESH_TYPE_ATOM, MESH_TYPE_ATOM, &atom);
    if (!refusal && mesh_read_atom(&before, out) != MESH_OK)
        refusal = REFUSAL_SHAPE;
    return refusal;
}

static enum refusal read_mfa(mesh_reader *r, struct control *c)
{
    uint32_t n;
    if (mesh_read_tuple(r, &n) != MESH_OK || n != 3)
        return REFUSAL_SHAPE;
    enum refusal refusal = read_name(r, &c->module);
    if (!refusal)
        refusal = read_name(r, &c->function);
    return refusal ? refusal : read_small(r, 255, &c->arity);
}

static enum refusal read_element(mesh_reader *r, enum element element, const mesh_limits *limits, struct control *c)
{
    mesh_term unused;
    switch (element) {
    case FROM:
    case FROM_PEER:
        return read_pid(r, &c->from);
    case FROM_ANY:
        return read_pid_or_atom(r, &c->from);
    case TO:
        return read_pid(r, &c->to);
    case TO_NAME:
        return read_scalar(r, MESH_TYPE_ATOM, MESH_TYPE_ATOM, &c->to);
    case TO_ANY:
        return read_pid_or_atom(r, &c->to);
    case TO_ALIAS:
        return read_ref(r, &c->to);
    case REF:
        return read_ref(r, &c->ref);
    case ID:
        return read_number(r, 1, UINT64_MAX, &c->id);
    case REASON:
        return read_any(r, limits, &c->message);
    case LEADER:
        return read_pid(r, &c->leader);
    case MFA:
        return read_mfa(r, c);
    case OPTIONS:
        return read_any(r, limits, &c->options);
    case SPAWN_FLAGS:
        return read_small(r, UINT32_MAX, &c->flags);
    case RESULT:
        return read_pid_or_atom(r, &c->result);
    default:
        return read_any(r, limits, &unused);
    }
}

/* Whether a pid is of this node. */
static bool is_of(mesh_term pid, mesh_bytes node)
{
    struct head h, atom;
    char scratch[HEAD_ATOM_SCRATCH];
    if (head_read(pid.data, pid.data + pid.len, &h) != MESH_OK || head_read(h.data, h.next, &atom) != MESH_OK)
        return false;
    mesh_bytes name = head_atom(&atom, scratch);
    return name.len == node.len && memcmp(name.data, node.data, name.len) == 0;
}

/* ---- the tuple --------------------------------------------------------------------------------------------------- */

/* What a body is read with. */
struct reading {
    mesh_reader r;
    mesh_bytes peer;
    const mesh_limits *limits;
};

static enum refusal read_elements(struct reading *in, const uint8_t *elements, uint32_t arity, struct control *c)
{
    uint32_t wanted = 0;
    while (wanted < ELEMENTS_MAX && elements[wanted] != END)
        wanted++;
    if (arity != wanted)
        return REFUSAL_SHAPE;
    for (uint32_t i = 0; i < wanted; i++) {
        enum refusal refusal = read_element(&in->r, elements[i], in->limits, c);
        if (refusal)
            return refusal;
        if (elements[i] == FROM_PEER && !is_of(c->from, in->peer))
            return REFUSAL_FOREIGN;
    }
    return REFUSAL_NONE;
}

/* 37: {Flags, From, To} or {Flags, From, To, Token}. */
static enum refusal read_altact(struct reading *in, uint32_t arity, struct control *c)
{
    uint32_t flags = 0;
    enum refusal refusal = arity < 1 ? REFUSAL_SHAPE : read_small(&in->r, ALTACT_KNOWN, &flags);
    if (refusal)
        return refusal;
    bool alias = flags & ALTACT_ALIAS, name = flags & ALTACT_NAME, exit = flags & ALTACT_EXIT;
    if (alias && name)
        return REFUSAL_SHAPE;
    const uint8_t elements[ELEMENTS_MAX] = {FROM,
                                            alias  ? TO_ALIAS
                                            : name ? TO_NAME
                                                   : TO,
                                            flags & ALTACT_TOKEN ? ANY : END};
    c->kind = exit ? CONTROL_EXIT2 : alias ? CONTROL_SEND_ALIAS : name ? CONTROL_SEND_NAME : CONTROL_SEND;
    c->priority = flags & ALTACT_PRIORITY;
    return read_elements(in, elements, arity - 1, c);
}

static enum refusal read_tuple(struct reading *in, struct control *c, bool *message)
{
    uint32_t arity;
    uint64_t op = 0;
    if (mesh_read_tuple(&in->r, &arity) != MESH_OK || arity == 0)
        return mesh_read_type(&in->r) == MESH_TYPE_END ? REFUSAL_TERM : REFUSAL_SHAPE;
    enum refusal refusal = read_number(&in->r, 0, UINT64_MAX, &op);
    if (refusal)
        return refusal;
    if (op == ALTACT_SIG_SEND) {
        *message = true;
        return read_altact(in, arity - 1, c);
    }
    if (op > OPERATION_MAX || !shapes[op].known)
        return REFUSAL_OPERATION;
    c->kind = shapes[op].kind;
    *message = shapes[op].message;
    return read_elements(in, shapes[op].elements, arity - 1, c);
}

enum refusal control_read(mesh_bytes body, mesh_bytes peer, const mesh_limits *limits, struct control *out)
{
    struct reading in = {mesh_reader_of((mesh_term){body.data, body.len, NULL}), peer, limits};
    struct control c = {.kind = CONTROL_SEND};
    bool message = false;
    enum refusal refusal = read_tuple(&in, &c, &message);
    if (refusal)
        return refusal;
    mesh_term rest = {in.r.at, (size_t)(in.r.end - in.r.at), NULL};
    if (message != (rest.len > 0))
        return message ? REFUSAL_NO_MESSAGE : REFUSAL_EXTRA_MESSAGE;
    if (message) {
        refusal = check(rest, limits);
        c.message = rest;
    }
    if (!refusal)
        *out = c;
    return refusal;
}
