/* Rows and columns: aligned for people, JSON for programs.
 *
 * Cells are counted in places on the screen, so that accents and wide characters do not shift a column; what could
 * steer a terminal is written as \xHH, since names come from anywhere.
 * words_use_utf8 comes first. */
#ifndef CLI_COLUMNS_H
#define CLI_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <mesh/bytes.h>

struct columns;

/* A table without rows. headings: count of them, 1 or more, constants; they are the keys in JSON, too ("last_seen"),
 * and stand above the columns in capitals with spaces ("LAST SEEN"). */
struct columns *columns_create(const char *const *headings, size_t count);

/* NULL is allowed. */
void columns_destroy(struct columns *table);

/* The next cell, row by row; copied. Numbers stand to the right of their column, and are numbers in JSON. */
void columns_text(struct columns *table, mesh_bytes text);
void columns_number(struct columns *table, int64_t number);
void columns_tenths(struct columns *table, int64_t tenths); /* 336: 33.6 */

/* A cell of which nothing is known: "-", and null in JSON. */
void columns_none(struct columns *table);

/* A cell with any number of texts: with spaces between, and an array in JSON. */
void columns_texts(struct columns *table, const mesh_bytes *texts, size_t count);

/* Writes the complete rows. colour: the headings are bold. */
void columns_print(const struct columns *table, FILE *to, bool colour);

/* Writes an array with an object for each complete row, a row on a line. */
void columns_print_json(const struct columns *table, FILE *to);

/* A string in JSON, with its quotes; what is no UTF-8 becomes U+FFFD. */
void columns_json_string(FILE *to, mesh_bytes text);

#endif
