/* Terms that we accept, read by libei as well: it must find the same values in the same places. libei's decoders take
 * no length, so only what has been judged good is shown to it, and with a NUL behind it: it reads the text of an old
 * float as a string, to wherever that ends. */
#include <stdlib.h>

#include <ei.h>

#include "fuzz/fuzz.h"

static void agree(bool same)
{
    if (!same)
        abort();
}

static void compare_integer(mesh_reader *r, const char *buf, int *index)
{
    int64_t ours = 0;
    long long theirs = 0;
    int at = *index;
    if (mesh_read_int(r, &ours) != MESH_OK) {
        agree(mesh_read_skip(r) == MESH_OK && ei_skip_term(buf, index) == 0);
        return;
    }
    /* libei refuses bigs with needless zero bytes, and the least number */
    if (ei_decode_longlong(buf, &at, &theirs) == 0)
        agree(ours == theirs);
    agree(ei_skip_term(buf, index) == 0);
}

static void compare_atom(mesh_reader *r, const char *buf, int *index)
{
    char name[MAXATOMLEN_UTF8];
    mesh_bytes ours;
    agree(ei_decode_atom_as(buf, index, name, sizeof name, ERLANG_UTF8, NULL, NULL) == 0);
    if (mesh_read_atom(r, &ours) == MESH_OK)
        agree(memcmp(name, ours.data, ours.len) == 0);
    else
        agree(mesh_read_skip(r) == MESH_OK);
}

static void compare_bits(mesh_reader *r, const char *buf, int *index)
{
    mesh_bytes ours;
    unsigned last_bits, offset = 0;
    size_t bits = 0;
    const char *theirs = NULL;
    agree(mesh_read_bits(r, &ours, &last_bits) == MESH_OK);
    agree(ei_decode_bitstring(buf, index, &theirs, &offset, &bits) == 0);
    agree(offset == 0 && theirs == (const char *)ours.data && (bits + 7) / 8 == ours.len);
}

/* One piece of the term, at the same place for both. */
static void compare_next(mesh_reader *r, const char *buf, int *index)
{
    uint32_t n = 0;
    int arity = 0;
    double ours = 0, theirs = 0;
    switch (mesh_read_type(r)) {
    case MESH_TYPE_INT:
        compare_integer(r, buf, index);
        return;
    case MESH_TYPE_ATOM:
        compare_atom(r, buf, index);
        return;
    case MESH_TYPE_BINARY:
    case MESH_TYPE_BITS:
        compare_bits(r, buf, index);
        return;
    case MESH_TYPE_FLOAT:
        agree(mesh_read_float(r, &ours) == MESH_OK && ei_decode_double(buf, index, &theirs) == 0 && ours == theirs);
        return;
    case MESH_TYPE_TUPLE:
        agree(mesh_read_tuple(r, &n) == MESH_OK && ei_decode_tuple_header(buf, index, &arity) == 0);
        agree((uint32_t)arity == n);
        return;
    case MESH_TYPE_MAP:
        agree(mesh_read_map(r, &n) == MESH_OK && ei_decode_map_header(buf, index, &arity) == 0);
        agree((uint32_t)arity == n);
        return;
    case MESH_TYPE_LIST:
        if (*r->at == 107) {
            agree(mesh_read_skip(r) == MESH_OK && ei_skip_term(buf, index) == 0);
            return;
        }
        agree(mesh_read_list(r, &n) == MESH_OK && ei_decode_list_header(buf, index, &arity) == 0);
        agree((uint32_t)arity == n);
        return;
    default:
        agree(mesh_read_skip(r) == MESH_OK && ei_skip_term(buf, index) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int index = 0;
    if (mesh_term_check(data, size, NULL, NULL) != MESH_OK)
        return 0;
    uint8_t *copy = calloc(1, size + 1);
    agree(copy != NULL);
    memcpy(copy, data, size);
    const char *buf = (const char *)copy;
    agree(ei_skip_term(buf, &index) == 0 && (size_t)index == size);
    index = 0;
    for (mesh_reader r = mesh_reader_of((mesh_term){copy, size, NULL}); mesh_read_type(&r) != MESH_TYPE_END;) {
        compare_next(&r, buf, &index);
        agree((size_t)(r.at - copy) == (size_t)index);
    }
    free(copy);
    return 0;
}
