/* Arguments, one list form each. */
#include "join/arguments.h"

#include <string.h>

/* The bytes of a binary, or the name of an atom. */
static bool read_text(mesh_term term, mesh_bytes *out)
{
    return mesh_match(term, "~b", out) == MESH_OK || mesh_match(term, "~a", out) == MESH_OK;
}

static bool read_name(mesh_term term, struct name_argument *name)
{
    mesh_bytes text;
    if (!read_text(term, &text) || text.len == 0 || text.len >= sizeof name->text ||
        memchr(text.data, '\0', text.len) != NULL)
        return false;
    memcpy(name->text, text.data, text.len);
    name->text[text.len] = '\0';
    return true;
}

bool arguments_name(mesh_term args, struct name_argument *name)
{
    mesh_term first;
    return mesh_match(args, "[~t]", &first) == MESH_OK && read_name(first, name);
}

bool arguments_name_node(mesh_term args, struct name_argument *name, struct name_argument *node)
{
    struct name_argument one, two;
    mesh_term first, second;
    if (mesh_match(args, "[~t, ~t]", &first, &second) != MESH_OK || !read_name(first, &one) || !read_name(second, &two))
        return false;
    *name = one;
    *node = two;
    return true;
}

static bool in_time(uint32_t ms)
{
    return ms > 0 && ms <= ARGUMENTS_TIMEOUT_MAX_MS;
}

bool arguments_timeout(mesh_term args, uint32_t *timeout_ms)
{
    uint32_t ms;
    if (mesh_match(args, "[~u]", &ms) != MESH_OK || !in_time(ms))
        return false;
    *timeout_ms = ms;
    return true;
}

bool arguments_request(mesh_term args, bool timed, struct request_arguments *out)
{
    struct request_arguments r = {.timeout_ms = 0};
    mesh_term capability, module, id;
    int rc = timed ? mesh_match(args, "[~t, ~t, ~t, ~t, ~t, ~u]", &capability, &module, &id, &r.payload, &r.init_arg,
                                &r.timeout_ms)
                   : mesh_match(args, "[~t, ~t, ~t, ~t, ~t]", &capability, &module, &id, &r.payload, &r.init_arg);
    if (rc != MESH_OK || (timed && !in_time(r.timeout_ms)) || !read_name(capability, &r.capability) ||
        !read_name(module, &r.module) || !read_text(id, &r.id) || r.id.len == 0 || r.id.len > MESH_ID_MAX)
        return false;
    *out = r;
    return true;
}
