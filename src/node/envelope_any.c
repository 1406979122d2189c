/* Reads calls, casts and answers as any term: keys in any order, integers and names in any form. See envelope.h.
 *
 * What peers of this version send comes through envelope.c; this is for all the rest, and says what is malformed. */
#include <string.h>

#include "node/envelope_layout.h"

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

static int read_value(mesh_reader *r, enum envelope_key key, struct envelope *e)
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

static bool is_named(const struct envelope_name *n, mesh_bytes name)
{
    return n->len == name.len && memcmp(n->text, name.data, name.len) == 0;
}

static enum envelope_key key_of(mesh_bytes name)
{
    enum envelope_key key = 0;
    while (key < KEYS && !is_named(&envelope_keys[key], name))
        key++;
    return key;
}

static int read_pairs(mesh_reader *r, struct envelope *e, uint32_t *have)
{
    uint32_t pairs;
    int rc = mesh_read_map(r, &pairs);
    for (; rc == MESH_OK && pairs > 0; pairs--) {
        mesh_bytes name;
        enum envelope_key key = KEYS;
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
    while (op < ENVELOPE_OTHER && !is_named(&envelope_ops[op], name))
        op++;
    return op;
}

int envelope_read_any(mesh_bytes bytes, size_t max_bytes, struct envelope *e)
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
    return rc == MESH_OK && envelope_is_whole(e, have) ? MESH_OK : MESH_EBADTERM;
}
