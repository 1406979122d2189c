/* The reader: a place in a term that moves forward. The elements of an old-style string (STRING_EXT) have no tags;
 * while the reader is inside one, `chars` counts the bytes left, plus 1 for the [] that a list would end with. */
#include "term/head.h"
#include "term/wire.h"

/* What comes next, unless the reader is inside a string. */
static int peek(const mesh_reader *r, enum mesh_type type, struct head *h)
{
    if (r->chars > 0 || r->at == r->end)
        return MESH_ENOMATCH;
    int error = head_read(r->at, r->end, h);
    if (error)
        return error;
    return h->type == type ? MESH_OK : MESH_ENOMATCH;
}

enum mesh_type mesh_read_type(const mesh_reader *r)
{
    struct head h;
    if (r->chars > 0)
        return r->chars > 1 ? MESH_TYPE_INT : MESH_TYPE_EMPTY;
    return head_read(r->at, r->end, &h) == MESH_OK ? h.type : MESH_TYPE_END;
}

/* The next character of a string, as one that could not be read otherwise. */
static bool read_char(mesh_reader *r, uint8_t *out)
{
    if (r->chars < 2)
        return false;
    *out = *r->at++;
    r->chars--;
    return true;
}

int mesh_read_int(mesh_reader *r, int64_t *out)
{
    struct head h;
    uint8_t c;
    if (read_char(r, &c)) {
        *out = c;
        return MESH_OK;
    }
    int error = peek(r, MESH_TYPE_INT, &h);
    if (error)
        return error;
    if (!head_int64(&h, out))
        return MESH_ENOMATCH;
    r->at = h.next;
    return MESH_OK;
}

int mesh_read_uint(mesh_reader *r, uint64_t *out)
{
    struct head h;
    uint8_t c;
    uint64_t value;
    if (read_char(r, &c)) {
        *out = c;
        return MESH_OK;
    }
    int error = peek(r, MESH_TYPE_INT, &h);
    if (error)
        return error;
    if (!head_uint64(&h, &value))
        return MESH_ENOMATCH;
    *out = value;
    r->at = h.next;
    return MESH_OK;
}

int mesh_read_float(mesh_reader *r, double *out)
{
    struct head h;
    double value;
    int error = peek(r, MESH_TYPE_FLOAT, &h);
    if (error)
        return error;
    if (!head_double(&h, &value))
        return MESH_EBADTERM;
    *out = value;
    r->at = h.next;
    return MESH_OK;
}

int mesh_read_atom(mesh_reader *r, mesh_bytes *out)
{
    struct head h;
    char scratch[HEAD_ATOM_SCRATCH];
    int error = peek(r, MESH_TYPE_ATOM, &h);
    if (error)
        return error;
    mesh_bytes name = head_atom(&h, scratch);
    if (name.data == scratch)
        return MESH_ENOMATCH;
    *out = name;
    r->at = h.next;
    return MESH_OK;
}

int mesh_read_atom_named(mesh_reader *r, const char *name)
{
    mesh_reader ahead = *r;
    mesh_bytes found;
    int error = mesh_read_atom(&ahead, &found);
    if (error)
        return error;
    if (found.len != strlen(name) || memcmp(found.data, name, found.len) != 0)
        return MESH_ENOMATCH;
    *r = ahead;
    return MESH_OK;
}

int mesh_read_bool(mesh_reader *r, bool *out)
{
    bool value = mesh_read_atom_named(r, "true") == MESH_OK;
    int error = value ? MESH_OK : mesh_read_atom_named(r, "false");
    if (!error)
        *out = value;
    return error;
}

int mesh_read_empty(mesh_reader *r)
{
    struct head h;
    if (r->chars == 1) {
        r->chars = 0;
        return MESH_OK;
    }
    int error = peek(r, MESH_TYPE_EMPTY, &h);
    if (!error)
        r->at = h.next;
    return error;
}

int mesh_read_binary(mesh_reader *r, mesh_bytes *out)
{
    struct head h;
    int error = peek(r, MESH_TYPE_BINARY, &h);
    if (error)
        return error;
    *out = (mesh_bytes){h.data, h.count};
    r->at = h.next;
    return MESH_OK;
}

int mesh_read_bits(mesh_reader *r, mesh_bytes *out, unsigned *last_bits)
{
    struct head h;
    int error = peek(r, MESH_TYPE_BITS, &h);
    if (error == MESH_ENOMATCH)
        error = peek(r, MESH_TYPE_BINARY, &h);
    if (error)
        return error;
    *out = (mesh_bytes){h.data, h.count};
    *last_bits = h.bits;
    r->at = h.next;
    return MESH_OK;
}

int mesh_read_bigint(mesh_reader *r, bool *negative, mesh_bytes *magnitude, uint8_t scratch[4])
{
    struct head h;
    struct integer n;
    uint8_t c;
    if (read_char(r, &c)) {
        scratch[0] = c;
        *negative = false;
        *magnitude = (mesh_bytes){scratch, c ? 1 : 0};
        return MESH_OK;
    }
    int error = peek(r, MESH_TYPE_INT, &h);
    if (error)
        return error;
    head_integer(&h, &n);
    *negative = n.negative;
    *magnitude = (mesh_bytes){n.magnitude, n.len};
    if (n.magnitude == n.scratch) {
        memcpy(scratch, n.scratch, sizeof n.scratch);
        magnitude->data = scratch;
    }
    r->at = h.next;
    return MESH_OK;
}

int mesh_read_pid(mesh_reader *r, mesh_pid *out)
{
    struct head h;
    int error = peek(r, MESH_TYPE_PID, &h);
    if (!error)
        error = head_pid(&h, out);
    if (!error)
        r->at = h.next;
    return error;
}

int mesh_read_ref(mesh_reader *r, mesh_ref *out)
{
    struct head h;
    int error = peek(r, MESH_TYPE_REF, &h);
    if (!error)
        error = head_ref(&h, out);
    if (!error)
        r->at = h.next;
    return error;
}

/* The header of a container, whose elements come next. */
static int read_header(mesh_reader *r, enum mesh_type type, uint32_t *count)
{
    struct head h;
    int error = peek(r, type, &h);
    if (error)
        return error;
    *count = h.count;
    r->at = h.next;
    return MESH_OK;
}

int mesh_read_tuple(mesh_reader *r, uint32_t *arity)
{
    return read_header(r, MESH_TYPE_TUPLE, arity);
}

int mesh_read_map(mesh_reader *r, uint32_t *pairs)
{
    return read_header(r, MESH_TYPE_MAP, pairs);
}

int mesh_read_list(mesh_reader *r, uint32_t *count)
{
    struct head h;
    if (mesh_read_type(r) == MESH_TYPE_EMPTY) {
        *count = 0;
        return MESH_OK;
    }
    int error = peek(r, MESH_TYPE_LIST, &h);
    if (error)
        return error;
    *count = h.count;
    r->at = h.data;
    r->chars = head_is_string(&h) ? h.count + 1 : 0;
    return MESH_OK;
}

int mesh_read_skip(mesh_reader *r)
{
    uint8_t c;
    if (read_char(r, &c))
        return MESH_OK;
    if (r->chars == 1)
        return mesh_read_empty(r);
    return r->at == r->end ? MESH_ENOMATCH : head_skip(&r->at, r->end);
}

int mesh_read_term(mesh_reader *r, mesh_term *out)
{
    static const uint8_t empty[] = {TAG_NIL};
    if (r->chars == 1) {
        r->chars = 0;
        *out = (mesh_term){empty, sizeof empty, NULL};
        return MESH_OK;
    }
    const uint8_t *start = r->at;
    if (r->chars > 0)
        return MESH_ENOMATCH;
    int error = mesh_read_skip(r);
    if (!error)
        *out = (mesh_term){start, (size_t)(r->at - start), NULL};
    return error;
}
