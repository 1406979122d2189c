/* Checks of arguments: see check.h. */
#include "api/check.h"

#include <string.h>

#include "runtime/runtime.h"
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
    if (term.data != NULL && term.len <= max_bytes && quick_check(term.data, term.len))
        return MESH_OK;
    const mesh_limits limits = {.bytes = max_bytes};
    return mesh_term_check(term.data, term.data != NULL ? term.len : 0, &limits, offset);
}

void log_refused_term(struct runtime *rt, const char *function, const char *what, int rc, size_t offset)
{
    log_write(&rt->log, MESH_LOG_DEBUG, "a term was refused", log_name("function", mesh_str(function)),
              log_name("term", mesh_str(what)), log_name("error", mesh_str(mesh_error_name(rc))),
              log_number("offset", (int64_t)offset));
}

int check_given(struct runtime *rt, const char *function, const char *what, mesh_term term)
{
    size_t offset = 0;
    int rc = check_term(term, rt->options.max_message, &offset);
    if (rc != MESH_OK)
        log_refused_term(rt, function, what, rc, offset);
    return rc;
}
