/* Scalars as text; inspect.c prints the containers around them. */
#ifndef TERM_PRINT_H
#define TERM_PRINT_H

#include "term/head.h"

/* Where text goes. The first error stays, and nothing is written after it. */
struct print {
    mesh_buf *out;
    int error;
};

void print_bytes(struct print *p, const void *data, size_t len);
void print_text(struct print *p, const char *text);

/* Text between quotes, escaped as Elixir does. */
void print_quoted(struct print *p, mesh_bytes text, char quote);

/* An atom as a term (":ok", "Foo", "nil"), or as a key of the short form ("ok: "). */
void print_atom(struct print *p, mesh_bytes name);
void print_key(struct print *p, mesh_bytes name);

/* Anything but tuples, maps and lists. */
void print_scalar(struct print *p, const struct head *h);

#endif
