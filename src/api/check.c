/* Checks of arguments: see check.h. */
#include "api/check.h"

#include <string.h>

#include "term/quick.h"
#include "term/utf8.h"

static int check_text(const char *name, size_t max_chars)
{
    if (name == NULL)
        return MESH_EINVAL;
    size_t len = strnlen(name, MESH_NAME_SIZE);
    size_t chars = 0;
    if (len == 0 || len >= MESH_NAME_SIZE || !utf8_count((const uint8_t *)name, len, &chars) || chars > max_chars)
        return MESH_EBADNAME;
    return MESH_OK;
}

int check_name(const char *name)
{
    return check_text(name, 255);
}

int check_module_name(const char *name)
{
    return check_text(name, 248);
}

int check_term_slow(mesh_term term, size_t max_bytes, size_t *offset)
{
    if (term.data == NULL)
        return MESH_EBADTERM;
    if (term.len > max_bytes)
        return MESH_ETOOBIG;
    if (quick_check(term.data, term.len))
        return MESH_OK;
    const mesh_limits limits = {.bytes = max_bytes};
    return mesh_term_check(term.data, term.len, &limits, offset);
}
