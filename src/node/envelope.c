/* Calls, casts and answers as terms: see envelope.h. */
#include "node/envelope.h"

#include <string.h>

#include "term/wire.h"

static const char *const ops[] = {"call", "cast", "reply", "moved", "sync", "synced"};

enum key {
    KEY_NUMBER,
    KEY_CLOCK,
    KEY_TRACE,
    KEY_LEFT,
    KEY_HOPS,
    KEY_FOLLOWED,
    KEY_CAPABILITY,
    KEY_MODULE,
    KEY_ID,
    KEY_PAYLOAD,
    KEY_INIT,
    KEY_CHAIN,
    KEY_ERROR,
    KEY_VALUE,
    KEY_PID,
    KEY_NODE,
    KEYS,
};

static const char *const keys[KEYS] = {"number",     "clock",  "trace", "left",    "hops", "followed",
                                       "capability", "module", "id",    "payload", "init", "chain",
                                       "error",      "value",  "pid",   "node"};

#define BIT(key) (1U << KEY_##key)

/* What a message cannot be without. */
static const uint32_t needed[] = {
    [ENVELOPE_CALL] = BIT(NUMBER) | BIT(CLOCK) | BIT(HOPS) | BIT(CAPABILITY) | BIT(MODULE) | BIT(ID),
    [ENVELOPE_CAST] = BIT(CLOCK) | BIT(HOPS) | BIT(CAPABILITY) | BIT(MODULE) | BIT(ID),
    [ENVELOPE_REPLY] = BIT(NUMBER) | BIT(CLOCK),
    [ENVELOPE_MOVED] = BIT(NUMBER) | BIT(CLOCK) | BIT(NODE),
    [ENVELOPE_SYNC] = BIT(NUMBER) | BIT(CLOCK),
    [ENVELOPE_SYNCED] = BIT(NUMBER) | BIT(CLOCK),
};

/* ---- reading ---- */

static int read_number(mesh_reader *r, uint64_t most, uint64_t *out)
{
    uint64_t number;
    if (mesh_read_uint(r, &number) != MESH_OK || number > most)
        return MESH_EBADTERM;
    *out = number;
    return MESH_OK;
}

static int read_bytes(mesh_reader *r, size_t most, mesh_bytes *out)
{
    mesh_bytes bytes;
    if (mesh_read_binary(r, &bytes) != MESH_OK || bytes.len == 0 || bytes.len > most)
        return MESH_EBADTERM;
    *out = bytes;
    return MESH_OK;
}

/* A name as C strings have them. */
static int read_name(mesh_reader *r, mesh_bytes *out)
{
    int rc = read_bytes(r, MESH_NAME_SIZE - 1, out);
    return rc == MESH_OK && memchr(out->data, 0, out->len) != NULL ? MESH_EBADTERM : rc;
}

static int read_sound(mesh_reader *r, mesh_term *out)
{
    if (mesh_read_term(r, out) != MESH_OK)
        return MESH_EBADTERM;
    out->owner = MESH_TERM_SOUND; /* the whole message was checked */
    return MESH_OK;
}

/* [{Pid, Call}] */
static int read_chain(mesh_reader *r, struct envelope *e)
{
    uint32_t count, arity;
    if (mesh_read_list(r, &count) != MESH_OK || count > MESSAGE_CHAIN_MAX)
        return MESH_EBADTERM;
    for (uint32_t i = 0; i < count; i++)
        if (mesh_read_tuple(r, &arity) != MESH_OK || arity != 2 ||
            read_number(r, UINT64_MAX, &e->chain[i].pid) != MESH_OK ||
            read_number(r, UINT64_MAX, &e->chain[i].call) != MESH_OK)
            return MESH_EBADTERM;
    e->chain_count = count;
    return mesh_read_empty(r) == MESH_OK ? MESH_OK : MESH_EBADTERM;
}

static int read_value(mesh_reader *r, enum key key, struct envelope *e)
{
    uint64_t number = 0;
    int rc = MESH_EBADTERM;
    switch (key) {
    case KEY_NUMBER:
        return read_number(r, UINT64_MAX, &e->number);
    case KEY_CLOCK:
        return read_number(r, UINT64_MAX, &e->clock);
    case KEY_TRACE:
        return read_number(r, UINT64_MAX, &e->trace);
    case KEY_LEFT:
        return read_number(r, UINT64_MAX, &e->left_ms);
    case KEY_HOPS:
        rc = read_number(r, UINT8_MAX, &number);
        e->hops = (uint32_t)number;
        return rc;
    case KEY_FOLLOWED:
        rc = read_number(r, 1, &number);
        e->followed = number == 1;
        return rc;
    case KEY_CAPABILITY:
        return read_name(r, &e->capability);
    case KEY_MODULE:
        return read_name(r, &e->module);
    case KEY_ID:
        return read_bytes(r, MESH_ID_MAX, &e->id);
    case KEY_PAYLOAD:
        return read_sound(r, &e->payload);
    case KEY_INIT:
        return read_sound(r, &e->init_arg);
    case KEY_CHAIN:
        return read_chain(r, e);
    case KEY_ERROR:
        rc = read_number(r, INT32_MAX, &number);
        e->error = (int)number;
        return rc;
    case KEY_VALUE:
        return read_sound(r, &e->value);
    case KEY_PID:
        return mesh_read_pid(r, &e->pid) == MESH_OK ? MESH_OK : MESH_EBADTERM;
    case KEY_NODE:
        return read_name(r, &e->node);
    case KEYS:
        break;
    }
    return rc;
}

static enum key key_of(mesh_bytes name)
{
    enum key key = 0;
    while (key < KEYS && (strlen(keys[key]) != name.len || memcmp(keys[key], name.data, name.len) != 0))
        key++;
    return key;
}

static int read_pairs(mesh_reader *r, struct envelope *e, uint32_t *have)
{
    uint32_t pairs;
    int rc = mesh_read_map(r, &pairs);
    for (; rc == MESH_OK && pairs > 0; pairs--) {
        mesh_bytes name;
        enum key key = KEYS;
        if (mesh_read_atom(r, &name) == MESH_OK)
            key = key_of(name);
        else
            rc = mesh_read_skip(r);
        if (rc == MESH_OK)
            rc = key < KEYS ? read_value(r, key, e) : mesh_read_skip(r);
        if (key < KEYS)
            *have |= 1U << key;
    }
    return rc;
}

static enum envelope_op op_of(mesh_bytes name)
{
    enum envelope_op op = 0;
    while (op < ENVELOPE_OTHER && (strlen(ops[op]) != name.len || memcmp(ops[op], name.data, name.len) != 0))
        op++;
    return op;
}

int envelope_read(mesh_bytes bytes, size_t max_bytes, struct envelope *e)
{
    uint32_t arity, have = 0;
    uint64_t version = 0;
    mesh_bytes name = {NULL, 0};
    mesh_reader r = mesh_reader_of((mesh_term){.data = bytes.data, .len = bytes.len});
    /* Readers never go past the end, also of what nobody has checked. */
    bool ours = mesh_read_tuple(&r, &arity) == MESH_OK && arity == 4 && mesh_read_atom_named(&r, "mesh") == MESH_OK &&
                mesh_read_uint(&r, &version) == MESH_OK && mesh_read_atom(&r, &name) == MESH_OK;
    enum envelope_op op = ours ? op_of(name) : ENVELOPE_OTHER;
    e->op = op;
    if (op == ENVELOPE_OTHER)
        return MESH_OK;
    if (version == 0 || version > ENVELOPE_VERSION)
        return MESH_EBADTERM;
    const mesh_limits limits = {.bytes = max_bytes + ENVELOPE_ROOM_BYTES, .elements = MESH_TERM_MAX_ELEMENTS + 256};
    int rc = mesh_term_check(bytes.data, bytes.len, &limits, NULL);
    if (rc != MESH_OK)
        return rc;
    *e = (struct envelope){.op = op};
    rc = read_pairs(&r, e, &have);
    bool whole = rc == MESH_OK && (have & needed[op]) == needed[op] && (e->number != 0 || op == ENVELOPE_CAST);
    return whole ? MESH_OK : MESH_EBADTERM;
}

/* ---- writing ---- */

/* A message being written: the first error sticks. */
struct out {
    mesh_buf buf;
    size_t map_at;
    uint32_t pairs;
    int rc;
};

static void put(struct out *o, int rc)
{
    if (o->rc == MESH_OK)
        o->rc = rc;
}

static void put_key(struct out *o, enum key key)
{
    o->pairs++;
    put(o, mesh_put_atom(&o->buf, mesh_str(keys[key])));
}

static void put_number(struct out *o, enum key key, uint64_t number)
{
    put_key(o, key);
    put(o, mesh_put_uint(&o->buf, number));
}

static void put_bytes(struct out *o, enum key key, mesh_bytes bytes)
{
    put_key(o, key);
    put(o, mesh_put_binary(&o->buf, bytes));
}

static void put_term(struct out *o, enum key key, mesh_term term)
{
    if (term.data == NULL)
        return;
    put_key(o, key);
    put(o, mesh_put_term(&o->buf, term));
}

static void put_request(struct out *o, const struct envelope *e)
{
    if (e->left_ms != 0)
        put_number(o, KEY_LEFT, e->left_ms);
    put_number(o, KEY_HOPS, e->hops);
    if (e->followed)
        put_number(o, KEY_FOLLOWED, 1);
    put_bytes(o, KEY_CAPABILITY, e->capability);
    put_bytes(o, KEY_MODULE, e->module);
    put_bytes(o, KEY_ID, e->id);
    put_term(o, KEY_PAYLOAD, e->payload);
    put_term(o, KEY_INIT, e->init_arg);
    if (e->chain_count == 0)
        return;
    put_key(o, KEY_CHAIN);
    put(o, mesh_put_list(&o->buf, e->chain_count));
    for (uint32_t i = 0; i < e->chain_count; i++) {
        put(o, mesh_put_tuple(&o->buf, 2));
        put(o, mesh_put_uint(&o->buf, e->chain[i].pid));
        put(o, mesh_put_uint(&o->buf, e->chain[i].call));
    }
    put(o, mesh_put_empty(&o->buf));
}

static void put_reply(struct out *o, const struct envelope *e)
{
    if (e->error != MESH_OK)
        put_number(o, KEY_ERROR, (uint64_t)e->error);
    put_term(o, KEY_VALUE, e->value);
    if (e->pid.number != 0) {
        put_key(o, KEY_PID);
        put(o, mesh_put_pid(&o->buf, &e->pid));
    }
}

int envelope_write(const struct envelope *e, struct block **block)
{
    struct out o = {.rc = MESH_OK};
    mesh_buf_init(&o.buf);
    put(&o, mesh_buf_reserve(&o.buf, 256 + e->id.len + e->payload.len + e->init_arg.len + e->value.len));
    put(&o, mesh_put_tuple(&o.buf, 4));
    put(&o, mesh_put_atom(&o.buf, mesh_str("mesh")));
    put(&o, mesh_put_uint(&o.buf, ENVELOPE_VERSION));
    put(&o, mesh_put_atom(&o.buf, mesh_str(ops[e->op])));
    o.map_at = o.buf.len;
    put(&o, mesh_put_map(&o.buf, 0));
    if (e->number != 0)
        put_number(&o, KEY_NUMBER, e->number);
    put_number(&o, KEY_CLOCK, e->clock);
    if (e->trace != 0)
        put_number(&o, KEY_TRACE, e->trace);
    if (e->op == ENVELOPE_CALL || e->op == ENVELOPE_CAST)
        put_request(&o, e);
    else if (e->op == ENVELOPE_REPLY)
        put_reply(&o, e);
    else if (e->op == ENVELOPE_MOVED)
        put_bytes(&o, KEY_NODE, e->node);
    struct block *b = o.rc == MESH_OK ? block_create(o.buf.len) : NULL;
    if (o.rc == MESH_OK && b == NULL)
        o.rc = MESH_ENOMEM;
    if (o.rc == MESH_OK) {
        wire_put_u32(o.buf.data + o.map_at + 1, o.pairs); /* behind the tag of the map */
        memcpy(b->bytes, o.buf.data, o.buf.len);
        *block = b;
    }
    mesh_buf_fini(&o.buf);
    return o.rc;
}
