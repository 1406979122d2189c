/* The queue of actions, and those that are to be used again. A message for many peers is stored once; everything else
 * is a copy of what it names. */
#include <stdlib.h>
#include <string.h>

#include "cluster/state.h"

enum { SPARE_MAX = 256 };

struct action {
    struct action *next;
    struct cluster_action is;
    struct block *block; /* what the views of `is` point into, counted; or NULL */
};

static struct block *block_of(size_t len)
{
    struct block *block = block_create(len);
    if (block == NULL) {
        writer_must(MESH_ENOMEM);
        abort(); /* not reached */
    }
    return block;
}

static struct action *add(struct cluster *c, struct block *block)
{
    struct action *a = c->spare;
    if (a != NULL) {
        c->spare = a->next;
        c->spare_count--;
    } else {
        a = must_calloc(1, sizeof *a);
    }
    a->next = NULL;
    a->block = block;
    if (c->last == NULL)
        c->first = a;
    else
        c->last->next = a;
    c->last = a;
    return a;
}

/* Copies bytes to the place *at of a block, and moves it on. */
static mesh_bytes store(uint8_t **at, mesh_bytes bytes)
{
    mesh_bytes copy = {*at, bytes.len};
    if (bytes.len > 0)
        memcpy(*at, bytes.data, bytes.len);
    *at += bytes.len;
    return copy;
}

static struct block *end_message(struct writer *w)
{
    mesh_bytes bytes = writer_end(w);
    struct block *block = block_of(bytes.len);
    memcpy(block->bytes, bytes.data, bytes.len);
    mesh_buf_fini(&w->buf);
    return block;
}

static void send_block(struct cluster *c, uint16_t peer, struct block *block)
{
    struct action *a = add(c, block);
    a->is = (struct cluster_action){
        .kind = CLUSTER_SEND, .peer = peer, .message = {block->bytes, block->len}, .block = block};
}

void action_send(struct cluster *c, uint16_t peer, struct writer *w)
{
    send_block(c, peer, end_message(w));
}

void action_broadcast(struct cluster *c, struct writer *w)
{
    struct block *block = end_message(w);
    for (uint16_t slot = 1; slot < c->member_count; slot++)
        if (linked(c, slot) && c->members[slot].kind == CLUSTER_C)
            send_block(c, slot, block_hold(block));
    block_release(block);
}

void action_shard(struct cluster *c, enum cluster_action_kind kind, const struct capability *cap, uint32_t shard,
                  uint64_t epoch)
{
    struct block *block = block_of(cap->len);
    uint8_t *at = block->bytes;
    struct action *a = add(c, block);
    a->is = (struct cluster_action){
        .kind = kind, .capability = store(&at, capability_name(cap)), .shard = shard, .epoch = epoch};
}

void action_snapshot(struct cluster *c, enum cluster_action_kind kind, const struct cluster_key *key, uint64_t epoch,
                     mesh_bytes snapshot)
{
    struct block *block = block_of(key->capability.len + key->module.len + key->id.len + snapshot.len);
    uint8_t *at = block->bytes;
    struct action *a = add(c, block);
    a->is = (struct cluster_action){.kind = kind, .shard = key->shard, .epoch = epoch};
    a->is.key.shard = key->shard;
    a->is.capability = a->is.key.capability = store(&at, key->capability);
    a->is.key.module = store(&at, key->module);
    a->is.key.id = store(&at, key->id);
    a->is.snapshot = store(&at, snapshot);
}

void action_note(struct cluster *c, enum cluster_note note, uint16_t peer, const struct capability *cap,
                 uint64_t number, const char *text)
{
    size_t name_len = cap != NULL ? cap->len : 0;
    struct block *block = block_of(name_len + strlen(text));
    uint8_t *at = block->bytes;
    struct action *a = add(c, block);
    a->is = (struct cluster_action){.kind = CLUSTER_LOG, .peer = peer, .note = note, .number = number};
    if (cap != NULL)
        a->is.capability = store(&at, capability_name(cap));
    a->is.text = store(&at, mesh_str(text));
}

void action_plain(struct cluster *c, enum cluster_action_kind kind, uint16_t peer)
{
    struct action *a = add(c, NULL);
    a->is = (struct cluster_action){.kind = kind, .peer = peer};
}

/* Done with it: kept for the next, since a broadcast makes as many as there are peers. */
static void drop(struct cluster *c, struct action *a)
{
    if (a == NULL)
        return;
    if (a->block != NULL)
        block_release(a->block);
    if (c->spare_count == SPARE_MAX) {
        free(a);
        return;
    }
    a->next = c->spare;
    c->spare = a;
    c->spare_count++;
}

bool cluster_next(struct cluster *c, struct cluster_action *action)
{
    drop(c, c->current);
    c->current = c->first;
    if (c->current == NULL)
        return false;
    c->first = c->current->next;
    if (c->first == NULL)
        c->last = NULL;
    *action = c->current->is;
    return true;
}

void actions_fini(struct cluster *c)
{
    struct cluster_action ignored;
    while (cluster_next(c, &ignored))
        ;
    while (c->spare != NULL) {
        struct action *next = c->spare->next;
        free(c->spare);
        c->spare = next;
    }
}
