/* How atoms are written: plain (:ok, :+), as an alias (Foo.Bar), or in quotes. */
#ifndef TERM_NAME_H
#define TERM_NAME_H

#include <mesh/term.h>

enum name_kind { NAME_QUOTED, NAME_PLAIN, NAME_ALIAS };

/* How Elixir prints this atom. Names beyond ASCII are quoted, even where Elixir, which knows all letters, prints them
 * plain; the parser reads both. nil, true and false are plain. */
enum name_kind name_kind(mesh_bytes name);

/* The length of the identifier, alias (letters, digits, dots between parts) or operator that starts at text; 0 when
 * there is none. Letters beyond ASCII count as letters. */
size_t name_identifier(const char *text, size_t len);
size_t name_alias(const char *text, size_t len);
size_t name_operator(const char *text, size_t len);

/* Whether the atom starts with "Elixir." and so cannot be a key in the short form `a: 1`. */
bool name_is_module(mesh_bytes name);

#endif
