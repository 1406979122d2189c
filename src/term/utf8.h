/* UTF-8, strictly: shortest forms only, no surrogates, nothing beyond U+10FFFF. */
#ifndef TERM_UTF8_H
#define TERM_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at text and its length in bytes (1 to 4); a length of 0 when the bytes are no character. */
size_t utf8_read(const uint8_t *text, size_t len, uint32_t *character);

/* Writes a character and returns its length; 0 for a number that is no character. */
size_t utf8_write(uint32_t character, uint8_t out[4]);

/* Counts the characters; false when the text is not UTF-8. */
bool utf8_count(const uint8_t *text, size_t len, size_t *characters);

#endif
