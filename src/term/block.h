/* A counted block of bytes: payloads too long for a message, terms that outlive what they were in. The bytes do not
 * change once the block is shared, so holders on different threads only share the count. */
#ifndef TERM_BLOCK_H
#define TERM_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block {
    atomic_uint refs;
    size_t len;
    uint8_t bytes[];
};

/* A block for len bytes, not yet written, with one count. NULL when memory is refused (len may come from outside). */
struct block *block_create(size_t len);

/* Gives a block that nobody else holds room for len bytes, and keeps those it has, as far as they fit. It may move: the
 * result takes the place of block. NULL when memory is refused: block is then as it was. */
struct block *block_resize(struct block *block, size_t len);

/* Whether the caller has the only count. The answer stays true until he shares it; false may be out of date. */
bool block_is_sole(struct block *block);

/* Another count, for a caller that has one. Any thread. Returns block. */
struct block *block_hold(struct block *block);

/* Gives up one count; the last one frees the block. Any thread. */
void block_release(struct block *block);

#endif
