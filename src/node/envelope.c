/* Calls, casts and answers as this version writes them: see envelope.h.
 *
 * The bytes are those of a term, but neither side goes through the general writer and reader of terms: a message is a
 * row of constant names with values between them, so it is written in one go, and read by comparing it with what would
 * have been written. Whatever differs from that, however little, is left to the general reader (envelope_any.c), which
 * accepts the same and more:
 *
 *   104 4   119 4 "mesh"   97 1   119 n op   116 u32 pairs   then keys in their order, those that are there:
 *   119 n key   value: an integer, a binary (109 u32 n, bytes), a term as it is; chain: 108 u32 n, n × 104 2 integer
 *   integer, 106; pid: 88 119 n node u32 u32 u32 */
#include "node/envelope.h"

#include <string.h>

#include "base/copy.h"
#include "base/load.h"
#include "node/envelope_layout.h"
#include "term/quick.h"

static const uint8_t head[] = {TAG_SMALL_TUPLE, 4, TAG_SMALL_ATOM_UTF8, 4, 'm', 'e', 's', 'h', TAG_SMALL_INTEGER,
                               ENVELOPE_VERSION};

/* The most that a message has beside names, ids, terms and the chain; and an element of the chain. With room for what
 * is written beyond an end and overwritten. */
enum { FRAME_BYTES = 256, CHAIN_BYTES = 2 + 2 * WIRE_INT_MAX };

/* ---- writing ---- */

static uint8_t *put_name(uint8_t *p, const struct envelope_name *name)
{
    memcpy(p, name, sizeof *name);
    return p + 2 + name->len;
}

static uint8_t *put_raw(uint8_t *p, const void *data, size_t len)
{
    if (len <= COPY_FEW_MAX)
        copy_few(p, data, len);
    else
        memcpy(p, data, len);
    return p + len;
}

static uint8_t *put_number(uint8_t *p, enum envelope_key key, uint64_t number)
{
    return wire_put_uint(put_name(p, &envelope_keys[key]), number);
}

static uint8_t *put_bytes(uint8_t *p, enum envelope_key key, mesh_bytes bytes)
{
    p = put_name(p, &envelope_keys[key]);
    p[0] = TAG_BINARY;
    wire_put_u32(p + 1, (uint32_t)bytes.len);
    return put_raw(p + 5, bytes.data, bytes.len);
}

static uint8_t *put_chain(uint8_t *p, const struct envelope *e)
{
    p = put_name(p, &envelope_keys[KEY_CHAIN]);
    p[0] = TAG_LIST;
    wire_put_u32(p + 1, e->chain_count);
    p += 5;
    for (uint32_t i = 0; i < e->chain_count; i++) {
        p[0] = TAG_SMALL_TUPLE;
        p[1] = 2;
        p = wire_put_uint(wire_put_uint(p + 2, e->chain[i].pid), e->chain[i].call);
    }
    *p = TAG_NIL;
    return p + 1;
}

static uint8_t *put_pid(uint8_t *p, const mesh_pid *pid)
{
    size_t len = strlen(pid->node);
    p = put_name(p, &envelope_keys[KEY_PID]);
    p[0] = TAG_NEW_PID;
    p[1] = TAG_SMALL_ATOM_UTF8;
    p[2] = (uint8_t)len;
    p = put_raw(p + 3, pid->node, len);
    wire_put_u32(p, (uint32_t)pid->number);
    wire_put_u32(p + 4, (uint32_t)(pid->number >> 32));
    wire_put_u32(p + 8, pid->creation);
    return p + 12;
}

static uint8_t *put_term(uint8_t *p, enum envelope_key key, mesh_term term)
{
    return put_raw(put_name(p, &envelope_keys[key]), term.data, term.len);
}

static uint8_t *put_request(uint8_t *p, const struct envelope *e, uint32_t *pairs)
{
    if (e->left_ms != 0)
        p = put_number(p, KEY_LEFT, e->left_ms);
    p = put_number(p, KEY_HOPS, e->hops);
    if (e->followed)
        p = put_number(p, KEY_FOLLOWED, 1);
    p = put_bytes(p, KEY_CAPABILITY, e->capability);
    p = put_bytes(p, KEY_MODULE, e->module);
    p = put_bytes(p, KEY_ID, e->id);
    if (e->payload.len != 0)
        p = put_term(p, KEY_PAYLOAD, e->payload);
    if (e->init_arg.len != 0)
        p = put_term(p, KEY_INIT, e->init_arg);
    if (e->chain_count != 0)
        p = put_chain(p, e);
    *pairs +=
        4u + (e->left_ms != 0) + e->followed + (e->payload.len != 0) + (e->init_arg.len != 0) + (e->chain_count != 0);
    return p;
}

static uint8_t *put_reply(uint8_t *p, const struct envelope *e, uint32_t *pairs)
{
    if (e->error != MESH_OK)
        p = put_number(p, KEY_ERROR, (uint64_t)e->error);
    if (e->value.len != 0)
        p = put_term(p, KEY_VALUE, e->value);
    if (e->pid.number != 0)
        p = put_pid(p, &e->pid);
    *pairs += (uint32_t)(e->error != MESH_OK) + (e->value.len != 0) + (e->pid.number != 0);
    return p;
}

/* Returns the end. */
static uint8_t *put_all(uint8_t *p, const struct envelope *e)
{
    uint32_t pairs = 1u + (e->number != 0) + (e->trace != 0);
    memcpy(p, head, sizeof head);
    p = put_name(p + sizeof head, &envelope_ops[e->op]);
    uint8_t *map = p;
    map[0] = TAG_MAP;
    p += 5;
    if (e->number != 0)
        p = put_number(p, KEY_NUMBER, e->number);
    p = put_number(p, KEY_CLOCK, e->clock);
    if (e->trace != 0)
        p = put_number(p, KEY_TRACE, e->trace);
    if (e->op <= ENVELOPE_CAST) {
        p = put_request(p, e, &pairs);
    } else if (e->op == ENVELOPE_REPLY) {
        p = put_reply(p, e, &pairs);
    } else if (e->op == ENVELOPE_MOVED) {
        p = put_bytes(p, KEY_NODE, e->node);
        pairs++;
    }
    wire_put_u32(map + 1, pairs);
    return p;
}

/* At least what it takes; 0: more than a message may have. Only what its kind has is looked at. */
static size_t room_for(const struct envelope *e)
{
    size_t room = FRAME_BYTES;
    if (e->op <= ENVELOPE_CAST) {
        if (e->payload.len > MESH_BUF_MAX_BYTES || e->init_arg.len > MESH_BUF_MAX_BYTES)
            return 0;
        room += e->capability.len + e->module.len + e->id.len + e->payload.len + e->init_arg.len +
                (size_t)e->chain_count * CHAIN_BYTES;
    } else if (e->op == ENVELOPE_REPLY) {
        if (e->value.len > MESH_BUF_MAX_BYTES)
            return 0;
        room += e->value.len + (e->pid.number != 0 ? strlen(e->pid.node) : 0);
    } else if (e->op == ENVELOPE_MOVED) {
        room += e->node.len;
    }
    return room <= MESH_BUF_MAX_BYTES ? room : 0;
}

int envelope_write(const struct envelope *e, struct letter *letter)
{
    size_t room = room_for(e);
    uint8_t *start = letter->few;
    if (room == 0)
        return MESH_ETOOBIG;
    letter->block = NULL;
    if (room > sizeof letter->few) {
        letter->block = block_create(room);
        if (letter->block == NULL)
            return MESH_ENOMEM;
        start = letter->block->bytes;
    }
    size_t len = (size_t)(put_all(start, e) - start);
    if (letter->block != NULL)
        letter->block->len = len;
    letter->bytes = (mesh_bytes){start, len};
    return MESH_OK;
}

/* ---- reading ---- */

/* What is left to be read. Each function below takes what it is about, or says that it is not there in this form. */
struct cursor {
    const uint8_t *at, *end;
};

static inline size_t left_in(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* memcmp for 4 to 16 bytes, without a call: the first and the last of a power of two. */
static inline bool is_same(const uint8_t *a, const uint8_t *b, size_t len)
{
    if (len >= 8)
        return load_le64(a) == load_le64(b) && load_le64(a + len - 8) == load_le64(b + len - 8);
    return load_le32(a) == load_le32(b) && load_le32(a + len - 4) == load_le32(b + len - 4);
}

static inline bool take_name(struct cursor *c, const struct envelope_name *name)
{
    size_t len = 2u + name->len;
    if (left_in(c) < len || !is_same(c->at, (const uint8_t *)name, len))
        return false;
    c->at += len;
    return true;
}

static inline bool take_number(struct cursor *c, uint64_t most, uint64_t *out)
{
    const uint8_t *p = c->at;
    size_t len = 0, left = left_in(c);
    uint64_t number = 0;
    if (left >= 2 && p[0] == TAG_SMALL_INTEGER) {
        number = p[1];
        len = 2;
    } else if (left >= 5 && p[0] == TAG_INTEGER && p[1] < 0x80) {
        number = wire_u32(p + 1);
        len = 5;
    } else if (left >= 3 && p[0] == TAG_SMALL_BIG && p[1] - 1u < 8 && p[2] == 0 && left - 3 >= p[1]) {
        number = p[1] == 8 ? load_le64(p + 3) : load_le_part(p + 3, p[1]);
        len = 3u + p[1];
    }
    if (len == 0 || number > most)
        return false;
    c->at += len;
    *out = number;
    return true;
}

static inline bool take_bytes(struct cursor *c, size_t most, mesh_bytes *out)
{
    size_t left = left_in(c);
    if (left < 5 || c->at[0] != TAG_BINARY)
        return false;
    uint32_t len = wire_u32(c->at + 1);
    if (len == 0 || len > most || left - 5 < len)
        return false;
    *out = (mesh_bytes){c->at + 5, len};
    c->at += 5 + (size_t)len;
    return true;
}

static inline bool take_text(struct cursor *c, mesh_bytes *out)
{
    return take_bytes(c, MESH_NAME_SIZE - 1, out) && memchr(out->data, 0, out->len) == NULL;
}

static inline bool take_term(struct cursor *c, mesh_term *out)
{
    size_t len = quick_length(c->at, left_in(c));
    *out = (mesh_term){.data = c->at, .len = len, .owner = MESH_TERM_SOUND};
    c->at += len;
    return len > 0;
}

static bool take_chain(struct cursor *c, struct envelope *e)
{
    if (left_in(c) < 5 || c->at[0] != TAG_LIST)
        return false;
    uint32_t count = wire_u32(c->at + 1);
    c->at += 5;
    if (count - 1 >= MESSAGE_CHAIN_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (left_in(c) < 2 || c->at[0] != TAG_SMALL_TUPLE || c->at[1] != 2)
            return false;
        c->at += 2;
        if (!take_number(c, UINT64_MAX, &e->chain[i].pid) || !take_number(c, UINT64_MAX, &e->chain[i].call))
            return false;
    }
    e->chain_count = count;
    return left_in(c) > 0 && *c->at++ == TAG_NIL;
}

static bool take_pid(struct cursor *c, mesh_pid *pid)
{
    const uint8_t *p = c->at;
    if (left_in(c) < 3 || p[0] != TAG_NEW_PID || p[1] != TAG_SMALL_ATOM_UTF8 || left_in(c) - 3 < p[2] + 12u)
        return false;
    size_t len = p[2], i = 0;
    uint64_t all = 0;
    for (p += 3; len - i >= 8; i += 8)
        all |= load_le64(p + i);
    all |= load_le_part(p + i, len - i);
    put_raw((uint8_t *)pid->node, p, len);
    pid->node[len] = '\0';
    p += len;
    pid->number = (uint64_t)wire_u32(p + 4) << 32 | wire_u32(p);
    pid->creation = wire_u32(p + 8);
    c->at = p + 12;
    return (all & UINT64_C(0x8080808080808080)) == 0; /* else it is not only ASCII */
}

/* Takes a key if it is next, and counts it; then its value has to follow. */
static inline bool take_key(struct cursor *c, enum envelope_key key, uint32_t *have)
{
    bool is = take_name(c, &envelope_keys[key]);
    *have |= (uint32_t)is << key;
    return is;
}

static bool take_request(struct cursor *c, struct envelope *e, uint32_t *have)
{
    uint64_t number = 0;
    bool fits = !take_key(c, KEY_LEFT, have) || take_number(c, UINT64_MAX, &e->left_ms);
    fits = fits && take_key(c, KEY_HOPS, have) && take_number(c, UINT8_MAX, &number);
    e->hops = (uint32_t)number;
    number = 0;
    fits = fits && (!take_key(c, KEY_FOLLOWED, have) || take_number(c, 1, &number));
    e->followed = number == 1;
    return fits && take_key(c, KEY_CAPABILITY, have) && take_text(c, &e->capability) && take_key(c, KEY_MODULE, have) &&
           take_text(c, &e->module) && take_key(c, KEY_ID, have) && take_bytes(c, MESH_ID_MAX, &e->id) &&
           (!take_key(c, KEY_PAYLOAD, have) || take_term(c, &e->payload)) &&
           (!take_key(c, KEY_INIT, have) || take_term(c, &e->init_arg)) &&
           (!take_key(c, KEY_CHAIN, have) || take_chain(c, e));
}

static bool take_reply(struct cursor *c, struct envelope *e, uint32_t *have)
{
    uint64_t number = 0;
    bool fits = !take_key(c, KEY_ERROR, have) || take_number(c, INT32_MAX, &number);
    e->error = (int)number;
    return fits && (!take_key(c, KEY_VALUE, have) || take_term(c, &e->value)) &&
           (!take_key(c, KEY_PID, have) || take_pid(c, &e->pid));
}

static bool take_all(struct cursor *c, struct envelope *e)
{
    uint32_t have = 0;
    enum envelope_op op = 0;
    if (left_in(c) < sizeof head || !is_same(c->at, head, sizeof head))
        return false;
    c->at += sizeof head;
    while (op < ENVELOPE_OTHER && !take_name(c, &envelope_ops[op]))
        op++;
    if (op == ENVELOPE_OTHER || left_in(c) < 5 || c->at[0] != TAG_MAP)
        return false;
    uint32_t pairs = wire_u32(c->at + 1);
    c->at += 5;
    envelope_clear(e, op);
    bool fits = (!take_key(c, KEY_NUMBER, &have) || take_number(c, UINT64_MAX, &e->number)) &&
                take_key(c, KEY_CLOCK, &have) && take_number(c, UINT64_MAX, &e->clock) &&
                (!take_key(c, KEY_TRACE, &have) || take_number(c, UINT64_MAX, &e->trace));
    if (op <= ENVELOPE_CAST)
        fits = fits && take_request(c, e, &have);
    else if (op == ENVELOPE_REPLY)
        fits = fits && take_reply(c, e, &have);
    else if (op == ENVELOPE_MOVED)
        fits = fits && take_key(c, KEY_NODE, &have) && take_text(c, &e->node);
    return fits && left_in(c) == 0 && (uint32_t)__builtin_popcount(have) == pairs && envelope_is_whole(e, have);
}

int envelope_read(mesh_bytes bytes, size_t max_bytes, struct envelope *e)
{
    struct cursor c = {bytes.data, (const uint8_t *)bytes.data + bytes.len};
    if (bytes.len <= max_bytes && take_all(&c, e))
        return MESH_OK;
    return envelope_read_any(bytes, max_bytes, e);
}
