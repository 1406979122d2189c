/* Two allocators by trust: small sizes of our own abort when memory is gone, because nothing sensible is left to do;
 * sizes that came from outside use malloc and report MESH_ENOMEM. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

/* Zeroed memory for count elements of size bytes, to be given to free; ends the program with one line on stderr when
 * there is none. Only for sizes that no peer, file or user chooses. */
void *must_calloc(size_t count, size_t size);

/* A copy of len bytes with a NUL behind them; likewise. */
char *must_copy(const void *data, size_t len);

#endif
