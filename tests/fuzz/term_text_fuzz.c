/* Any term: printed, read back and compared, where it has a text form. */
#include <stdlib.h>

#include "fuzz/fuzz.h"

/* Pids, references, ports and funs have none. */
static bool has_text_form(mesh_term term)
{
    mesh_reader r = mesh_reader_of(term);
    uint32_t n;
    for (;;) {
        switch (mesh_read_type(&r)) {
        case MESH_TYPE_END:
            return true;
        case MESH_TYPE_PID:
        case MESH_TYPE_REF:
        case MESH_TYPE_PORT:
        case MESH_TYPE_FUN:
            return false;
        case MESH_TYPE_TUPLE:
            mesh_read_tuple(&r, &n);
            break;
        case MESH_TYPE_MAP:
            mesh_read_map(&r, &n);
            break;
        case MESH_TYPE_LIST:
            mesh_read_list(&r, &n);
            break;
        default:
            mesh_read_skip(&r);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mesh_buf text, back;
    char line[40];
    const mesh_term term = {data, size, NULL};
    if (mesh_term_check(data, size, NULL, NULL) != MESH_OK)
        return 0;
    mesh_buf_init(&text);
    mesh_buf_init(&back);
    if (mesh_inspect(term, &text) != MESH_OK || strlen(mesh_inspect_text(term, line, sizeof line)) >= sizeof line)
        abort();
    if (has_text_form(term) &&
        (mesh_parse((char *)text.data, text.len, &back, NULL) != MESH_OK ||
         !mesh_term_equal(term, mesh_buf_term(&back)) || mesh_term_check(back.data, back.len, NULL, NULL) != MESH_OK))
        abort();
    mesh_buf_fini(&text);
    mesh_buf_fini(&back);
    return 0;
}
