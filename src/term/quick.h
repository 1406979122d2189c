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

/* True: exactly one well-formed term, of at most QUICK_ELEMENTS_MAX elements. False: unknown, ask mesh_term_check. */
bool quick_check(const uint8_t *data, size_t len);

#endif
