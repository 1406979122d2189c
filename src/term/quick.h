/* A quick look at a term: is it surely well-formed?
 *
 * Nearly all messages are small and flat, and were made by this library; the full check (mesh_term_check) is not made
 * for the path of every call. What this accepts, the full check accepts; what it does not understand is no error. */
#ifndef TERM_QUICK_H
#define TERM_QUICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True: exactly one well-formed term, of a few dozen elements. False: unknown, ask mesh_term_check. */
bool quick_check(const uint8_t *data, size_t len);

#endif
