/* Messages between C nodes, outer shape and fields: see message.h. */
#include "cluster/message.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "term/wire.h"

enum kind { KIND_NUMBER, KIND_BYTES, KIND_LIST };

static const char *const op_names[OP_COUNT] = {
#define OP_NAME(name, text) text,
    MESSAGE_OPS(OP_NAME)
#undef OP_NAME
};

static const struct {
    const char *name;
    uint8_t len, kind;
} fields[F_COUNT] = {
#define FIELD(name, text, kind) {text, sizeof(text) - 1, KIND_##kind},
    MESSAGE_FIELDS(FIELD)
#undef FIELD
};

#define BIT(f) (1U << F_##f)

/* What a message cannot be without. */
static const uint32_t needed[OP_COUNT] = {
    [OP_HELLO] = BIT(CLOCK) | BIT(VERSIONS) | BIT(COUNTER) | BIT(ENTRIES) | BIT(DIGEST) | BIT(HOLDS),
    [OP_TABLE] = BIT(COUNTER) | BIT(ENTRIES),
    [OP_LINKS] = BIT(DIGEST),
    [OP_LIST] = BIT(DIGEST) | BIT(NODES),
    [OP_CLAIM] = BIT(CLOCK) | BIT(CAP) | BIT(SHARDS) | BIT(SEQ) | BIT(SET),
    [OP_GRANT] = BIT(CLOCK) | BIT(CAP) | BIT(SHARDS) | BIT(SEQ) | BIT(MINE),
    [OP_AGAIN] = BIT(CAP),
    [OP_YIELD] = BIT(CLOCK) | BIT(CAP) | BIT(SHARDS) | BIT(SET),
    [OP_HOLD] = BIT(CAP) | BIT(SHARDS) | BIT(SET) | BIT(CLOCK),
    [OP_KEEP] = BIT(CAP) | BIT(SHARDS) | BIT(SET),
    [OP_PARCEL] = BIT(CAP) | BIT(SHARDS) | BIT(SEQ) | BIT(ITEMS),
    [OP_FETCH] = BIT(CAP) | BIT(SHARDS) | BIT(BUSY),
    [OP_ACK] = BIT(SEQ),
    [OP_PROBE] = BIT(ASK) | BIT(NONCE),
};

/* ---- reading ---- */

static enum field field_of(mesh_bytes name)
{
    for (enum field f = 0; f < F_COUNT; f++)
        if (fields[f].len == name.len && memcmp(fields[f].name, name.data, name.len) == 0)
            return f;
    return F_COUNT;
}

static bool proper_list(mesh_term list)
{
    mesh_reader r = mesh_reader_of(list);
    uint32_t count;
    if (mesh_read_list(&r, &count) != MESH_OK || count > MESSAGE_ITEMS_MAX)
        return false;
    for (; count > 0; count--)
        if (mesh_read_skip(&r) != MESH_OK)
            return false;
    return mesh_read_empty(&r) == MESH_OK;
}

static int read_value(mesh_reader *r, enum field f, struct message *m)
{
    int error;
    if (fields[f].kind == KIND_NUMBER)
        error = mesh_read_uint(r, &m->field[f].number);
    else if (fields[f].kind == KIND_BYTES)
        error = mesh_read_binary(r, &m->field[f].bytes);
    else
        error = mesh_read_term(r, &m->field[f].list);
    if (!error && fields[f].kind == KIND_LIST && !proper_list(m->field[f].list))
        error = MESH_EBADTERM;
    if (!error)
        m->have |= 1U << f;
    return error;
}

static int read_fields(mesh_reader *r, struct message *m)
{
    uint32_t pairs;
    int error = mesh_read_map(r, &pairs);
    for (; !error && pairs > 0; pairs--) {
        mesh_bytes name;
        enum field f = F_COUNT;
        if (mesh_read_atom(r, &name) == MESH_OK)
            f = field_of(name);
        else
            error = mesh_read_skip(r);
        if (!error)
            error = f < F_COUNT ? read_value(r, f, m) : mesh_read_skip(r);
    }
    return error;
}

static enum op op_of(mesh_bytes name)
{
    for (enum op op = 0; op < OP_COUNT; op++)
        if (strlen(op_names[op]) == name.len && memcmp(op_names[op], name.data, name.len) == 0)
            return op;
    return OP_COUNT;
}

int message_read(mesh_bytes bytes, struct message *m)
{
    struct message read = {.have = 0};
    uint32_t arity;
    uint64_t version = 0;
    mesh_bytes op = {NULL, 0};
    int error = mesh_term_check(bytes.data, bytes.len, NULL, NULL);
    if (error)
        return error == MESH_ENOMEM ? MESH_ENOMEM : error == MESH_ETOOBIG ? MESH_ETOOBIG : MESH_EBADTERM;
    mesh_reader r = mesh_reader_of((mesh_term){bytes.data, bytes.len, NULL});
    if (mesh_read_tuple(&r, &arity) != MESH_OK || arity != 4 || mesh_read_atom_named(&r, "mesh") != MESH_OK ||
        mesh_read_uint(&r, &version) != MESH_OK || version == 0 || version > UINT32_MAX ||
        mesh_read_atom(&r, &op) != MESH_OK)
        return MESH_EBADTERM;
    read.version = (uint32_t)version;
    read.op = op_of(op);
    if (read.op == OP_COUNT)
        return MESH_ENOMATCH;
    if (read_fields(&r, &read) != MESH_OK || (read.have & needed[read.op]) != needed[read.op])
        return MESH_EBADTERM;
    *m = read;
    return MESH_OK;
}

struct items message_items(const struct message *m, enum field f)
{
    struct items it = {mesh_reader_of(m->field[f].list), 0, 0};
    if (message_has(m, f) && mesh_read_list(&it.reader, &it.left) != MESH_OK)
        it.left = 0;
    return it;
}

bool items_next(struct items *it, uint32_t least, uint32_t *arity, int *error)
{
    uint32_t n;
    if (*error != MESH_OK || it->left == 0)
        return false;
    it->left--;
    if (mesh_read_tuple(&it->reader, &n) != MESH_OK || n < least) {
        *error = MESH_EBADTERM;
        return false;
    }
    *arity = n;
    return true;
}

void items_close(struct items *it, uint32_t arity, uint32_t read, int *error)
{
    for (; *error == MESH_OK && read < arity; read++)
        *error = mesh_read_skip(&it->reader);
}

mesh_bytes items_bytes(struct items *it, int *error)
{
    mesh_bytes bytes = {NULL, 0};
    if (*error == MESH_OK && mesh_read_binary(&it->reader, &bytes) != MESH_OK)
        *error = MESH_EBADTERM;
    return bytes;
}

mesh_bytes items_atom(struct items *it, int *error)
{
    mesh_bytes bytes = {NULL, 0};
    if (*error == MESH_OK && mesh_read_atom(&it->reader, &bytes) != MESH_OK)
        *error = MESH_EBADTERM;
    return bytes;
}

uint64_t items_number(struct items *it, uint64_t most, int *error)
{
    uint64_t number = 0;
    if (*error == MESH_OK && (mesh_read_uint(&it->reader, &number) != MESH_OK || number > most)) {
        *error = MESH_EBADTERM;
        number = 0;
    }
    return number;
}

/* ---- writing ---- */

void writer_must(int error)
{
    if (error == MESH_OK)
        return;
    fprintf(stderr, "mesh: no memory for a message\n");
    abort();
}

void writer_begin(struct writer *w, uint32_t version, enum op op)
{
    mesh_buf_init(&w->buf);
    writer_must(mesh_put_tuple(&w->buf, 4));
    writer_must(mesh_put_atom(&w->buf, mesh_str("mesh")));
    writer_must(mesh_put_uint(&w->buf, version));
    writer_must(mesh_put_atom(&w->buf, mesh_str(op_names[op])));
    w->map_at = w->buf.len;
    w->pairs = 0;
    writer_must(mesh_put_map(&w->buf, 0));
}

static void key(struct writer *w, enum field f)
{
    w->pairs++;
    writer_must(mesh_put_atom(&w->buf, mesh_str(fields[f].name)));
}

void writer_number(struct writer *w, enum field f, uint64_t number)
{
    assert(fields[f].kind == KIND_NUMBER);
    key(w, f);
    writer_must(mesh_put_uint(&w->buf, number));
}

void writer_bytes(struct writer *w, enum field f, mesh_bytes bytes)
{
    assert(fields[f].kind == KIND_BYTES);
    key(w, f);
    writer_must(mesh_put_binary(&w->buf, bytes));
}

void writer_list(struct writer *w, enum field f, uint32_t count)
{
    assert(fields[f].kind == KIND_LIST);
    key(w, f);
    writer_must(count > 0 ? mesh_put_list(&w->buf, count) : mesh_put_empty(&w->buf));
}

mesh_bytes writer_end(struct writer *w)
{
    wire_put_u32(w->buf.data + w->map_at + 1, w->pairs); /* behind the tag of the map */
    return mesh_buf_bytes(&w->buf);
}
