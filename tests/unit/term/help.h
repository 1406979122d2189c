/* Short ways to make terms in tests. */
#ifndef TESTS_UNIT_TERM_HELP_H
#define TESTS_UNIT_TERM_HELP_H

#include "unit/check.h"

#include <string.h>

#include <mesh.h>

/* A term from its text form; buf keeps it. */
static inline mesh_term parsed(mesh_buf *buf, const char *text)
{
    size_t column = 0;
    assert_int_equal(mesh_parse(text, strlen(text), buf, &column), MESH_OK);
    return mesh_buf_term(buf);
}

/* A term from literal bytes, which must be good. */
static inline mesh_term checked(const void *bytes, size_t len)
{
    assert_int_equal(mesh_term_check(bytes, len, NULL, NULL), MESH_OK);
    return (mesh_term){bytes, len, NULL};
}
#define TERM(...) checked((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static inline void assert_inspects(mesh_term term, const char *text)
{
    mesh_buf out;
    mesh_buf_init(&out);
    assert_int_equal(mesh_inspect(term, &out), MESH_OK);
    assert_string_equal((const char *)out.data, text);
    assert_int_equal(out.len, strlen(text));
    mesh_buf_fini(&out);
}

#define assert_bytes(found, text)                                                                                      \
    do {                                                                                                               \
        assert_int_equal((found).len, strlen(text));                                                                   \
        assert_memory_equal((found).data, text, strlen(text));                                                         \
    } while (0)

#endif
