/* Words for people: reasons, quotations, and guesses at what was meant. */
#ifndef CLI_WORDS_H
#define CLI_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include <mesh/error.h>

/* Writes a reason, as printf does; what is longer is cut. Returns false, so that a function can end with it. */
bool words_fail(mesh_reason *reason, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Names are UTF-8, whatever the user's locale says: main begins with this, before anything below is used. */
void words_use_utf8(void);

/* The first character of a text of one byte or more: its length in bytes, and in *width its places on the screen, -1
 * when it must not be written to a terminal (a control character, or no UTF-8: then one byte). */
size_t words_character(const char *text, size_t len, int *width);

/* Bytes that somebody gave, in quotes and safe for a terminal: what must not be
 * written to one is \xHH; a long text ends in "...". Returns out, of at least 8 bytes. */
const char *words_quote(const char *text, size_t len, char *out, size_t size);

enum { QUOTE_SIZE = 128 }; /* enough of a text to recognise it */

/* The word of a list that one was probably meant to be. */
struct guess {
    const char *word;
    const char *best; /* NULL while nothing comes close */
    unsigned distance;
};

/* word needs to outlive it. */
void guess_begin(struct guess *guess, const char *word);

/* One of the words that would have been right; it needs to outlive guess. */
void guess_offer(struct guess *guess, const char *candidate);

#endif
