/* Checks of arguments that several public functions share. */
#ifndef API_CHECK_H
#define API_CHECK_H

#include <stdbool.h>

#include <mesh/call.h>

struct runtime;

/* 1 to 255 characters of UTF-8 in at most 255 bytes, no NUL (it is a C string). MESH_EBADNAME. */
int check_name(const char *name);

/* 1 to 248 characters: "Elixir." fits before it. MESH_EBADNAME. */
int check_module_name(const char *name);

/* A module before it is registered; NULL is refused. MESH_EINVAL, MESH_EBADNAME. */
int check_module(const mesh_module *module);

/* A capability's name, and a module's: the same bounds of bytes only, for the path of calls. What is too long or
 * malformed was never registered, so it is not found. */
static inline bool is_name(const char *name)
{
    return name != NULL && name[0] != '\0';
}

/* A term that a program gives: data NULL (and len 0) is nil. MESH_EBADTERM, MESH_ETOOBIG, MESH_ENOMEM; *offset as
 * mesh_term_check. */
int check_term_slow(mesh_term term, size_t max_bytes, size_t *offset);

static inline int check_term(mesh_term term, size_t max_bytes, size_t *offset)
{
    if (term.owner == MESH_TERM_SOUND && term.len <= max_bytes)
        return MESH_OK;
    if (term.data == NULL && term.len == 0)
        return MESH_OK;
    return check_term_slow(term, max_bytes, offset);
}

/* Tells those who debug that a function was given a term that is refused with rc: what of its arguments, and where. */
void log_refused_term(struct runtime *rt, const char *function, const char *what, int rc, size_t offset);

/* Both: for functions whose caller gets no offset. */
int check_given(struct runtime *rt, const char *function, const char *what, mesh_term term);

#endif
