/* A counted block of bytes: payloads too long for a message, terms that outlive what they were in. The bytes do not
 * change once the block is shared, so holders on different threads only share the count. */
#ifndef TERM_BLOCK_H
#define TERM_BLOCK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct block {
    atomic_uint refs;
    size_t len;
    uint8_t bytes[];
};

/* A block for len bytes, not yet written, with one count. NULL when memory is refused (len may come from outside). */
struct block *block_create(size_t len);

/* Another count, for a caller that has one. Any thread. Returns block. */
struct block *block_hold(struct block *block);

/* Gives up one count; the last one frees the block. Any thread. */
void block_release(struct block *block);

#endif
