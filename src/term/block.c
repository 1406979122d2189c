/* Counted blocks, and the terms that own one. */
#include "term/block.h"

#include <assert.h>
#include <stdlib.h>

#include <mesh/term.h>

struct block *block_create(size_t len)
{
    if (len > SIZE_MAX - sizeof(struct block))
        return NULL;
    struct block *block = malloc(sizeof *block + len);
    if (!block)
        return NULL;
    atomic_init(&block->refs, 1);
    block->len = len;
    return block;
}

struct block *block_resize(struct block *block, size_t len)
{
    assert(block_is_sole(block));
    if (len > SIZE_MAX - sizeof *block)
        return NULL;
    struct block *moved = realloc(block, sizeof *block + len);
    if (moved)
        moved->len = len;
    return moved;
}

bool block_is_sole(struct block *block)
{
    /* Acquire: pairs with the release of whoever gave his count up, so that his reads come before what we write. */
    return atomic_load_explicit(&block->refs, memory_order_acquire) == 1;
}

struct block *block_hold(struct block *block)
{
    /* Relaxed: the caller's own count keeps the block alive, and its bytes are already visible to him. */
    unsigned before = atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
    assert(before > 0);
    (void)before;
    return block;
}

void block_release(struct block *block)
{
    /* Release: this holder's reads happen before the free; acquire: the one who frees sees those of all others. */
    if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1)
        free(block);
}

int mesh_term_keep(mesh_term term, mesh_term *out)
{
    if (term.owner && term.owner != MESH_TERM_SOUND) {
        block_hold(term.owner);
        *out = term;
        return MESH_OK;
    }
    struct block *block = block_create(term.len);
    if (!block)
        return MESH_ENOMEM;
    if (term.len)
        memcpy(block->bytes, term.data, term.len);
    out->data = block->bytes;
    out->len = term.len;
    out->owner = block;
    return MESH_OK;
}

void mesh_term_release(mesh_term *term)
{
    if (!term)
        return;
    if (term->owner && term->owner != MESH_TERM_SOUND)
        block_release(term->owner);
    *term = (mesh_term){NULL, 0, NULL};
}
