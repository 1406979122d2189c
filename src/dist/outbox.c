/* Items are chunks or messages that are cut; what waits behind a cut message hangs from it, in order, and takes its
 * place when its last fragment has been taken into a batch. */
#include "dist/outbox.h"

#include <assert.h>
#include <stdlib.h>

#include <mesh/error.h>

#include "base/alloc.h"

enum { CHUNK_BYTES = 16384 };

struct outbox_item {
    struct outbox_item *next;
    bool cut;
    size_t len; /* of bytes, which is in use; of a cut message: control and message together */
    size_t cap;

    /* Of a cut message. */
    uint64_t sender;
    uint64_t after; /* it begins when so many bytes have left outbox.ready */
    struct frame_writer writer;
    struct block *block;
    struct outbox_list behind;

    uint8_t bytes[];
};

/* ---- lists ------------------------------------------------------------------------------------------------------- */

static void list_init(struct outbox_list *list)
{
    list->first = NULL;
    list->tail = &list->first;
}

static void list_append(struct outbox_list *list, struct outbox_item *item)
{
    assert(list->tail != NULL);
    item->next = NULL;
    *list->tail = item;
    list->tail = &item->next;
}

static struct outbox_item *list_take(struct outbox_list *list)
{
    struct outbox_item *item = list->first;
    list->first = item->next;
    if (list->first == NULL)
        list->tail = &list->first;
    return item;
}

static struct outbox_item *list_last(const struct outbox_list *list)
{
    if (list->first == NULL)
        return NULL;
    return (struct outbox_item *)((char *)list->tail - offsetof(struct outbox_item, next));
}

/* Moves everything of `from` behind what `to` has. */
static void list_move(struct outbox_list *to, struct outbox_list *from)
{
    if (from->first == NULL)
        return;
    *to->tail = from->first;
    to->tail = from->tail;
    list_init(from);
}

static void free_list(struct outbox_list *list)
{
    while (list->first != NULL) {
        struct outbox_item *item = list_take(list);
        if (item->cut) {
            list_move(list, &item->behind); /* flat: a chain of any length needs no stack */
            if (item->block != NULL)
                block_release(item->block);
        }
        free(item);
    }
}

/* ---- putting ----------------------------------------------------------------------------------------------------- */

void outbox_init(struct outbox *o, const struct outbox_limits *limits)
{
    *o = (struct outbox){.limits = limits ? *limits : (struct outbox_limits){0, 0, 0}};
    if (o->limits.bytes == 0)
        o->limits.bytes = OUTBOX_BYTES;
    if (o->limits.cut_bytes == 0)
        o->limits.cut_bytes = OUTBOX_CUT_BYTES;
    if (o->limits.max_message == 0)
        o->limits.max_message = FRAME_MAX_MESSAGE;
    list_init(&o->ready);
    list_init(&o->cutting);
    list_init(&o->uncut);
}

void outbox_fini(struct outbox *o)
{
    assert(o->over == NULL);
    free_list(&o->ready);
    free_list(&o->cutting);
    free_list(&o->uncut);
    o->bytes = o->cut_bytes = 0;
    o->cutting_count = o->cut_count = 0;
}

static struct outbox_item *find_cut(const struct outbox_list *list, uint64_t sender)
{
    struct outbox_item *item = list->first;
    while (item != NULL && item->sender != sender)
        item = item->next;
    return item;
}

/* Where a sender's next message goes: behind his message that is cut, or NULL. */
static struct outbox_list *behind(const struct outbox *o, uint64_t sender)
{
    if (o->cut_count == 0)
        return NULL;
    struct outbox_item *item = find_cut(&o->cutting, sender);
    if (item == NULL)
        item = find_cut(&o->uncut, sender);
    return item != NULL ? &item->behind : NULL;
}

/* Room for len bytes at the end of a list of chunks. NULL when memory is refused. */
static uint8_t *room(struct outbox_list *list, size_t len)
{
    struct outbox_item *last = list_last(list);
    if (last == NULL || last->cut || last->cap - last->len < len) {
        size_t cap = len > CHUNK_BYTES ? len : CHUNK_BYTES;
        last = malloc(sizeof *last + cap);
        if (last == NULL)
            return NULL;
        last->cut = false;
        last->len = 0;
        last->cap = cap;
        list_append(list, last);
    }
    last->len += len;
    return last->bytes + last->len - len;
}

static uint8_t *put_bytes(uint8_t *to, const void *from, size_t len)
{
    if (len > 0)
        memcpy(to, from, len);
    return to + len;
}

static int put_whole(struct outbox *o, struct frame_writer *writer, uint64_t sender)
{
    struct frame_packet packet;
    struct outbox_list *list = behind(o, sender);
    frame_writer_next(writer, &packet);
    size_t len = packet.header_len + packet.control.len + packet.message.len;
    uint8_t *to = room(list ? list : &o->ready, len);
    if (to == NULL)
        return MESH_ENOMEM;
    to = put_bytes(to, packet.header, packet.header_len);
    to = put_bytes(to, packet.control.data, packet.control.len);
    put_bytes(to, packet.message.data, packet.message.len);
    o->bytes += len;
    if (list == NULL)
        o->put += len;
    return MESH_OK;
}

static void begin_cutting(struct outbox *o, struct outbox_item *item)
{
    item->after = o->put;
    if (o->cutting_count < OUTBOX_CUTTING) {
        o->cutting_count++;
        list_append(&o->cutting, item);
    } else {
        list_append(&o->uncut, item);
    }
}

static int put_cut(struct outbox *o, const struct outbox_message *m, uint64_t sequence)
{
    size_t copied = m->control.len + (m->block ? 0 : m->message.len);
    struct outbox_item *item = malloc(sizeof *item + copied);
    if (item == NULL)
        return MESH_ENOMEM;
    mesh_bytes control = {item->bytes, m->control.len}, message = m->message;
    uint8_t *end = put_bytes(item->bytes, m->control.data, m->control.len);
    item->block = m->block ? block_hold(m->block) : NULL;
    if (m->block == NULL) {
        message.data = end;
        put_bytes(end, m->message.data, m->message.len);
    }
    item->cut = true;
    item->len = control.len + message.len;
    item->cap = copied;
    item->sender = m->sender;
    list_init(&item->behind);
    int error = frame_writer_init(&item->writer, control, message, sequence);
    assert(error == MESH_OK); /* as before, with copies of the same lengths */
    (void)error;
    o->cut_count++;
    o->cut_bytes += item->len;
    struct outbox_list *list = behind(o, m->sender);
    if (list != NULL)
        list_append(list, item);
    else
        begin_cutting(o, item);
    return MESH_OK;
}

static bool is_cut(size_t body_bytes)
{
    return body_bytes > FRAME_PIECE_BYTES;
}

bool outbox_has_room(const struct outbox *o, size_t body_bytes)
{
    if (is_cut(body_bytes))
        return o->cut_bytes < o->limits.cut_bytes && o->cut_count < OUTBOX_CUT_MAX;
    return o->bytes < o->limits.bytes;
}

int outbox_put(struct outbox *o, const struct outbox_message *m)
{
    struct frame_writer writer;
    size_t body = m->control.len + m->message.len;
    if (body > o->limits.max_message)
        return MESH_ETOOBIG;
    if (!m->must && !outbox_has_room(o, body))
        return MESH_EBUSY;
    int error = frame_writer_init(&writer, m->control, m->message, o->sequence + 1);
    if (error == MESH_OK)
        error = writer.cut ? put_cut(o, m, o->sequence + 1) : put_whole(o, &writer, m->sender);
    if (error == MESH_OK)
        o->sequence++;
    return error;
}

void outbox_put_raw(struct outbox *o, mesh_bytes bytes)
{
    struct outbox_item *chunk = must_calloc(1, sizeof *chunk + bytes.len);
    chunk->len = chunk->cap = bytes.len;
    put_bytes(chunk->bytes, bytes.data, bytes.len);
    list_append(&o->ready, chunk);
    o->bytes += bytes.len;
    o->put += bytes.len;
}

/* ---- taking ------------------------------------------------------------------------------------------------------ */

static void add_stretch(struct outbox_batch *batch, mesh_bytes bytes)
{
    if (bytes.len > 0)
        batch->stretches[batch->count++] = bytes;
}

static void take_chunks(struct outbox *o, struct outbox_batch *batch)
{
    enum { OF_FRAGMENT = 3 };
    while (o->ready.first != NULL && batch->count + OF_FRAGMENT < OUTBOX_STRETCHES &&
           batch->chunk_bytes < OUTBOX_BATCH_BYTES) {
        struct outbox_item *chunk = list_take(&o->ready);
        add_stretch(batch, (mesh_bytes){chunk->bytes, chunk->len});
        o->taken += chunk->len;
        batch->chunk_bytes += chunk->len;
        chunk->next = batch->chunks;
        batch->chunks = chunk;
    }
}

/* A cut message has given its last fragment: what waits behind it takes its place. */
static void end_cutting(struct outbox *o, struct outbox_item *item)
{
    o->cutting_count--;
    while (item->behind.first != NULL) {
        struct outbox_item *next = list_take(&item->behind);
        if (next->cut) {
            list_move(&next->behind, &item->behind);
            begin_cutting(o, next);
        } else {
            list_append(&o->ready, next);
            o->put += next->len;
        }
    }
    while (o->uncut.first != NULL && o->cutting_count < OUTBOX_CUTTING) {
        list_append(&o->cutting, list_take(&o->uncut));
        o->cutting_count++;
    }
    item->next = o->over;
    o->over = item;
}

/* One fragment of the message whose turn it is, if it may begin. */
static void take_fragment(struct outbox *o, struct outbox_batch *batch)
{
    for (uint32_t turn = 0; turn < o->cutting_count; turn++) {
        struct outbox_item *item = list_take(&o->cutting);
        if (item->after > o->taken) {
            list_append(&o->cutting, item);
            continue;
        }
        frame_writer_next(&item->writer, &batch->packet);
        add_stretch(batch, (mesh_bytes){batch->packet.header, batch->packet.header_len});
        add_stretch(batch, batch->packet.control);
        add_stretch(batch, batch->packet.message);
        if (item->writer.left > 0)
            list_append(&o->cutting, item);
        else
            end_cutting(o, item);
        return;
    }
}

bool outbox_fill(struct outbox *o, struct outbox_batch *batch)
{
    assert(batch->at == batch->count && batch->chunks == NULL);
    batch->at = batch->count = 0;
    batch->chunk_bytes = 0;
    take_chunks(o, batch);
    take_fragment(o, batch);
    return batch->count > 0;
}

bool outbox_wrote(struct outbox_batch *batch, size_t n)
{
    while (n > 0) {
        assert(batch->at < batch->count);
        mesh_bytes *stretch = &batch->stretches[batch->at];
        size_t step = n < stretch->len ? n : stretch->len;
        stretch->data = (const uint8_t *)stretch->data + step;
        stretch->len -= step;
        n -= step;
        if (stretch->len == 0)
            batch->at++;
    }
    return batch->at == batch->count;
}

void outbox_finish(struct outbox *o, struct outbox_batch *batch)
{
    while (batch->chunks != NULL) {
        struct outbox_item *chunk = batch->chunks;
        batch->chunks = chunk->next;
        free(chunk);
    }
    o->bytes -= batch->chunk_bytes;
    batch->chunk_bytes = 0;
    while (o->over != NULL) {
        struct outbox_item *item = o->over;
        o->over = item->next;
        o->cut_count--;
        o->cut_bytes -= item->len;
        if (item->block != NULL)
            block_release(item->block);
        free(item);
    }
    batch->at = batch->count = 0;
}
