/* A quick look at a term: is it surely well-formed?
 *
 * Nearly all messages are small and flat, and were made by this library; the full check (mesh_term_check) is not made
 * for the path of every call. What this accepts, the full check accepts; what it does not understand is no error. */
#ifndef TERM_QUICK_H
#define TERM_QUICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUICK_ELEMENTS_MAX 64 /* more are never looked at: also a bound of the depth */

/* The length of the well-formed term that begins at data, of at most QUICK_ELEMENTS_MAX elements; len bytes are there,
 * more may follow it. 0: unknown. */
size_t quick_length(const uint8_t *data, size_t len);

/* True: exactly one well-formed term, of at most QUICK_ELEMENTS_MAX elements. False: unknown, ask mesh_term_check. */
static inline bool quick_check(const uint8_t *data, size_t len)
{
    size_t length = quick_length(data, len);
    return length > 0 && length == len;
}

#endif
