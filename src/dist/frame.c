/* Reading and writing packets. See frame.h for the bytes. */
#include "dist/frame.h"

#include <assert.h>
#include <stdlib.h>

#include <mesh/error.h>
#include <mesh/term.h>

#include "dist/cursor.h"

enum {
    HEADER_WHOLE = 68,
    HEADER_FIRST = 69,
    HEADER_NEXT = 70,
    WHOLE_HEADER_BYTES = 3,
    FIRST_HEADER_BYTES = 19,
    NEXT_HEADER_BYTES = 18,
    PACKET_FIRST_BYTES = 4096, /* room for a packet that has come in part, at first */
};

struct frame_unfinished {
    uint64_t sequence;
    uint64_t left; /* the count of the fragment that came last; the next has one less */
    size_t len;
    struct block *block; /* with room for block->len bytes, of which len are there */
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

void frame_reader_init(struct frame_reader *reader, const struct frame_limits *limits)
{
    *reader = (struct frame_reader){.limits = limits ? *limits : (struct frame_limits){0, 0, 0}};
    struct frame_limits *l = &reader->limits;
    if (l->max_message == 0)
        l->max_message = FRAME_MAX_MESSAGE;
    if (l->max_message > MESH_BUF_MAX_BYTES)
        l->max_message = MESH_BUF_MAX_BYTES;
    if (l->unfinished == 0)
        l->unfinished = FRAME_MAX_UNFINISHED;
    if (l->unfinished_bytes == 0)
        l->unfinished_bytes = FRAME_UNFINISHED_MESSAGES * l->max_message;
}

static void release(struct block **block)
{
    if (*block)
        block_release(*block);
    *block = NULL;
}

void frame_reader_fini(struct frame_reader *reader)
{
    release(&reader->packet);
    release(&reader->delivered);
    for (uint32_t i = 0; i < reader->unfinished_count; i++)
        release(&reader->unfinished[i].block);
    free(reader->unfinished);
    reader->unfinished = NULL;
    reader->unfinished_count = reader->unfinished_cap = 0;
    reader->unfinished_bytes = 0;
}

static enum frame_event refuse(struct frame_reader *reader, enum refusal reason)
{
    reader->refused = reason;
    return FRAME_REFUSED;
}

/* Makes room for `needed` bytes in *block, which holds `used`: twice what is needed, but no more than `most`, so that
 * appending is cheap and memory stays within twice of what has come. */
static bool make_room(struct block **block, size_t used, size_t needed, size_t most)
{
    if (*block && (*block)->len >= needed)
        return true;
    size_t len = 2 * needed < PACKET_FIRST_BYTES ? PACKET_FIRST_BYTES : 2 * needed;
    if (len > most)
        len = most;
    assert(used <= needed && needed <= len);
    struct block *grown = *block ? block_resize(*block, len) : block_create(len);
    if (grown)
        *block = grown;
    return grown != NULL;
}

/* ---- fragments --------------------------------------------------------------------------------------------------- */

static struct frame_unfinished *find(const struct frame_reader *reader, uint64_t sequence)
{
    for (uint32_t i = 0; i < reader->unfinished_count; i++)
        if (reader->unfinished[i].sequence == sequence)
            return &reader->unfinished[i];
    return NULL;
}

static struct frame_unfinished *add(struct frame_reader *reader, uint64_t sequence, uint64_t count)
{
    if (reader->unfinished_count == reader->unfinished_cap) {
        uint32_t cap = reader->unfinished_cap ? 2 * reader->unfinished_cap : 4;
        struct frame_unfinished *list = realloc(reader->unfinished, cap * sizeof *list);
        if (!list)
            return NULL;
        reader->unfinished = list;
        reader->unfinished_cap = cap;
    }
    struct frame_unfinished *u = &reader->unfinished[reader->unfinished_count++];
    *u = (struct frame_unfinished){.sequence = sequence, .left = count};
    return u;
}

/* Takes the entry out; its block is the caller's now. */
static void take_out(struct frame_reader *reader, struct frame_unfinished *u)
{
    reader->unfinished_bytes -= u->len;
    *u = reader->unfinished[--reader->unfinished_count];
}

/* Adds a piece to its message. FRAME_MORE when it is not the last. */
static enum frame_event append(struct frame_reader *reader, struct frame_unfinished *u, mesh_bytes piece,
                               struct frame *out)
{
    size_t max = reader->limits.max_message;
    if (piece.len > max - u->len)
        return refuse(reader, REFUSAL_TOO_BIG);
    if (piece.len > reader->limits.unfinished_bytes - reader->unfinished_bytes)
        return refuse(reader, REFUSAL_UNFINISHED);
    if (!make_room(&u->block, u->len, u->len + piece.len, max))
        return refuse(reader, REFUSAL_MEMORY);
    memcpy(u->block->bytes + u->len, piece.data, piece.len);
    u->len += piece.len;
    reader->unfinished_bytes += piece.len;
    if (u->left > 1)
        return FRAME_MORE;
    struct block *exact = block_resize(u->block, u->len); /* whoever keeps it keeps no more than it needs */
    if (exact)
        u->block = exact;
    out->block = reader->delivered = u->block;
    out->body = (mesh_bytes){u->block->bytes, u->len};
    take_out(reader, u);
    return FRAME_MESSAGE;
}

/* count fragments are a message of more than count - 1 full pieces. */
static enum frame_event first_fragment(struct frame_reader *reader, struct cursor *c, struct frame *out)
{
    uint64_t sequence = cursor_u64(c);
    uint64_t count = cursor_u64(c);
    uint8_t references = cursor_u8(c);
    mesh_bytes piece = cursor_rest(c);
    if (c->failed || piece.len == 0)
        return refuse(reader, REFUSAL_MALFORMED);
    if (references != 0)
        return refuse(reader, REFUSAL_ATOM_CACHE);
    if (count == 0 || find(reader, sequence))
        return refuse(reader, REFUSAL_FRAGMENT);
    if (count - 1 >= (reader->limits.max_message + FRAME_PIECE_BYTES - 1) / FRAME_PIECE_BYTES)
        return refuse(reader, REFUSAL_TOO_BIG);
    if (reader->unfinished_count >= reader->limits.unfinished)
        return refuse(reader, REFUSAL_UNFINISHED);
    struct frame_unfinished *u = add(reader, sequence, count);
    return u ? append(reader, u, piece, out) : refuse(reader, REFUSAL_MEMORY);
}

static enum frame_event next_fragment(struct frame_reader *reader, struct cursor *c, struct frame *out)
{
    uint64_t sequence = cursor_u64(c);
    uint64_t count = cursor_u64(c);
    mesh_bytes piece = cursor_rest(c);
    if (c->failed || piece.len == 0)
        return refuse(reader, REFUSAL_MALFORMED);
    struct frame_unfinished *u = find(reader, sequence);
    if (!u || count == 0 || count != u->left - 1)
        return refuse(reader, REFUSAL_FRAGMENT);
    u->left = count;
    return append(reader, u, piece, out);
}

/* ---- packets ----------------------------------------------------------------------------------------------------- */

static enum frame_event whole(struct frame_reader *reader, struct cursor *c, struct frame *out)
{
    uint8_t references = cursor_u8(c);
    if (c->failed || cursor_left(c) == 0)
        return refuse(reader, REFUSAL_MALFORMED);
    if (references != 0)
        return refuse(reader, REFUSAL_ATOM_CACHE);
    if (cursor_left(c) > reader->limits.max_message)
        return refuse(reader, REFUSAL_TOO_BIG);
    out->body = cursor_rest(c);
    return FRAME_MESSAGE;
}

static enum frame_event packet(struct frame_reader *reader, mesh_bytes bytes, struct frame *out)
{
    struct cursor c = cursor_of(bytes);
    uint8_t version = cursor_u8(&c);
    uint8_t header = cursor_u8(&c);
    if (version != TAG_VERSION)
        return refuse(reader, REFUSAL_HEADER);
    switch (header) {
    case HEADER_WHOLE:
        return whole(reader, &c, out);
    case HEADER_FIRST:
        return first_fragment(reader, &c, out);
    case HEADER_NEXT:
        return next_fragment(reader, &c, out);
    default:
        return refuse(reader, REFUSAL_HEADER);
    }
}

static mesh_bytes take(mesh_bytes *in, size_t n)
{
    mesh_bytes taken = {in->data, n};
    in->data = (const uint8_t *)in->data + n;
    in->len -= n;
    return taken;
}

/* The length of the next packet. FRAME_MORE: its body comes next, or not even the length is complete. */
static enum frame_event take_length(struct frame_reader *reader, mesh_bytes *in)
{
    while (reader->length_len < sizeof reader->length && in->len > 0)
        reader->length[reader->length_len++] = *(const uint8_t *)take(in, 1).data;
    if (reader->length_len < sizeof reader->length)
        return FRAME_MORE;
    reader->packet_len = wire_u32(reader->length);
    reader->filled = 0;
    if (reader->packet_len == 0) {
        reader->length_len = 0;
        return FRAME_TICK;
    }
    if (reader->packet_len > reader->limits.max_message + FRAME_OVERHEAD_BYTES)
        return refuse(reader, REFUSAL_TOO_BIG);
    return FRAME_MORE;
}

/* A packet that comes in parts is put together in a block; a body in it is delivered there. */
static enum frame_event fill(struct frame_reader *reader, mesh_bytes *in, struct frame *out)
{
    size_t missing = reader->packet_len - reader->filled;
    mesh_bytes part = take(in, in->len < missing ? in->len : missing);
    if (!make_room(&reader->packet, reader->filled, reader->filled + part.len, reader->packet_len))
        return refuse(reader, REFUSAL_MEMORY);
    memcpy(reader->packet->bytes + reader->filled, part.data, part.len);
    reader->filled += part.len;
    if (reader->filled < reader->packet_len)
        return FRAME_MORE;
    struct block *block = reader->packet;
    reader->packet = NULL;
    reader->length_len = 0;
    enum frame_event event = packet(reader, (mesh_bytes){block->bytes, reader->packet_len}, out);
    if (event == FRAME_MESSAGE && !out->block) {
        out->block = reader->delivered = block;
        return event;
    }
    block_release(block);
    return event;
}

/* One packet, or as much of it as there is. */
static enum frame_event read_one(struct frame_reader *reader, mesh_bytes *in, struct frame *out)
{
    if (reader->length_len < sizeof reader->length) {
        enum frame_event event = take_length(reader, in);
        if (event != FRAME_MORE || in->len == 0)
            return event;
    }
    if (reader->filled > 0 || in->len < reader->packet_len)
        return fill(reader, in, out);
    reader->length_len = 0;
    return packet(reader, take(in, reader->packet_len), out);
}

enum frame_event frame_read(struct frame_reader *reader, mesh_bytes *in, struct frame *out, enum refusal *why)
{
    struct frame found = {{NULL, 0}, NULL};
    enum frame_event event = FRAME_MORE;
    release(&reader->delivered);
    if (reader->refused)
        event = FRAME_REFUSED;
    while (event == FRAME_MORE && in->len > 0)
        event = read_one(reader, in, &found);
    if (event == FRAME_REFUSED)
        *why = reader->refused;
    if (event == FRAME_MESSAGE)
        *out = found;
    return event;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

int frame_writer_init(struct frame_writer *writer, mesh_bytes control, mesh_bytes message, uint64_t sequence)
{
    if (control.len > MESH_BUF_MAX_BYTES || message.len > MESH_BUF_MAX_BYTES - control.len)
        return MESH_ETOOBIG;
    size_t len = control.len + message.len;
    bool cut = len > FRAME_PIECE_BYTES;
    *writer = (struct frame_writer){.control = control, .message = message, .sequence = sequence, .cut = cut};
    writer->left = cut ? (len + FRAME_PIECE_BYTES - 1) / FRAME_PIECE_BYTES : 1;
    return MESH_OK;
}

/* The part of bytes, which stand at `start` of the body, that lies within [from, to) of it. */
static mesh_bytes part_of(mesh_bytes bytes, size_t start, size_t from, size_t to)
{
    size_t end = start + bytes.len;
    from = from < start ? start : from > end ? end : from;
    to = to < from ? from : to > end ? end : to;
    mesh_bytes part = {to > from ? (const uint8_t *)bytes.data + (from - start) : NULL, to - from};
    return part;
}

static size_t put_header(uint8_t *p, const struct frame_writer *writer)
{
    p[0] = TAG_VERSION;
    if (!writer->cut) {
        p[1] = HEADER_WHOLE;
        p[2] = 0;
        return WHOLE_HEADER_BYTES;
    }
    p[1] = writer->at == 0 ? HEADER_FIRST : HEADER_NEXT;
    wire_put_u64(p + 2, writer->sequence);
    wire_put_u64(p + 10, writer->left);
    if (writer->at > 0)
        return NEXT_HEADER_BYTES;
    p[18] = 0;
    return FIRST_HEADER_BYTES;
}

bool frame_writer_next(struct frame_writer *writer, struct frame_packet *packet)
{
    size_t len = writer->control.len + writer->message.len;
    if (writer->left == 0)
        return false;
    size_t end = writer->left > 1 ? writer->at + FRAME_PIECE_BYTES : len;
    size_t header = put_header(packet->header + 4, writer);
    wire_put_u32(packet->header, (uint32_t)(header + end - writer->at));
    packet->header_len = 4 + header;
    packet->control = part_of(writer->control, 0, writer->at, end);
    packet->message = part_of(writer->message, writer->control.len, writer->at, end);
    writer->at = end;
    writer->left--;
    return true;
}
