/* Any bytes: judged, and if they are a term, read, compared and matched to the end. */
#include <stdlib.h>

#include "fuzz/fuzz.h"

static void read_all(mesh_term term)
{
    mesh_reader r = mesh_reader_of(term);
    mesh_bytes bytes;
    mesh_pid pid;
    mesh_ref ref;
    uint8_t scratch[4];
    bool negative;
    double value;
    unsigned last_bits;
    uint32_t n;
    while (mesh_read_type(&r) != MESH_TYPE_END) {
        if (mesh_read_bigint(&r, &negative, &bytes, scratch) == MESH_OK || mesh_read_float(&r, &value) == MESH_OK ||
            mesh_read_atom(&r, &bytes) == MESH_OK || mesh_read_bits(&r, &bytes, &last_bits) == MESH_OK ||
            mesh_read_pid(&r, &pid) == MESH_OK || mesh_read_ref(&r, &ref) == MESH_OK ||
            mesh_read_tuple(&r, &n) == MESH_OK || mesh_read_map(&r, &n) == MESH_OK)
            continue;
        if (mesh_read_type(&r) == MESH_TYPE_LIST && mesh_read_list(&r, &n) == MESH_OK)
            continue;
        if (mesh_read_skip(&r) != MESH_OK)
            abort();
    }
}

static void match_some(mesh_term term)
{
    int64_t n;
    mesh_bytes bytes;
    mesh_term any, rest = {NULL, 0, NULL};
    if (mesh_match(term, "[_ | ~t]", &rest) == MESH_OK && mesh_term_check(rest.data, rest.len, NULL, NULL) != MESH_OK &&
        mesh_term_check(rest.data, rest.len, NULL, NULL) != MESH_ETOOBIG)
        abort();
    mesh_term_release(&rest);
    mesh_match(term, "%{action: ~a, by: ~i}", &bytes, &n);
    mesh_match(term, "{:ok, ~t}", &any);
    mesh_match(term, "{~a, %{\"a\" => _, 1 => ~b}, [~i, 'b' | {}]}", &bytes, &bytes, &n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const mesh_limits small = {.bytes = 1 << 16, .depth = 64, .elements = 1 << 12};
    mesh_term term, kept;
    size_t offset = 0;
    if (mesh_decode((mesh_bytes){data, size}, &small, &term, &offset) != MESH_OK && offset > size)
        abort();
    if (mesh_term_check(data, size, NULL, &offset) != MESH_OK) {
        read_all((mesh_term){data, 0, NULL});
        return 0;
    }
    term = (mesh_term){data, size, NULL};
    read_all(term);
    match_some(term);
    if (mesh_term_compare(term, term) != 0 || mesh_term_keep(term, &kept) != MESH_OK || !mesh_term_equal(term, kept))
        abort();
    mesh_term_release(&kept);
    return 0;
}
