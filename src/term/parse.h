/* The text form of terms, read: what mesh_parse and the compiler of patterns share. */
#ifndef TERM_PARSE_H
#define TERM_PARSE_H

#include <mesh/term.h>

/* The byte that stands in the code of a pattern for a hole. None is a tag of ETF. */
enum hole {
    HOLE_INT = 1,
    HOLE_UINT,
    HOLE_FLOAT,
    HOLE_BINARY,
    HOLE_TEXT,
    HOLE_ATOM,
    HOLE_BOOL,
    HOLE_TERM,
    HOLE_PID,
    HOLE_REF,
    HOLE_ANY, /* `_`: takes no argument */
    HOLE_END,
};

#define PARSE_MAX_HOLES 16

/* The holes of a pattern, in order; those of `_` are not among them. Columns count from 1. */
struct holes {
    uint32_t count;
    bool any;            /* there is a `_` */
    uint32_t in_key;     /* column of the first hole in the key of a map; 0 if there is none */
    uint32_t any_column; /* of the first `_` */
    uint32_t at[PARSE_MAX_HOLES];
    uint32_t column[PARSE_MAX_HOLES];
};

/* Appends the term that text describes. holes is NULL for plain terms; otherwise it is filled, and containers may
 * nest max_depth deep (at most MESH_TERM_MAX_DEPTH). Errors and *column as mesh_parse (column is not NULL). */
int parse_text(const char *text, size_t len, uint32_t max_depth, struct holes *holes, mesh_buf *out, size_t *column);

#endif
