/* Any packets, read at once and byte by byte: the same messages have to come out, and the same refusal. */
#include <stdlib.h>

#include "dist/frame.h"
#include "fuzz/fuzz.h"

struct result {
    uint64_t hash;
    unsigned messages, ticks;
    enum refusal why;
};

/* FNV-1a: two streams of messages that differ are told apart. */
static uint64_t add(uint64_t hash, mesh_bytes bytes)
{
    const uint8_t *p = bytes.data;
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ p[i]) * UINT64_C(0x100000001B3);
    return (hash ^ bytes.len) * UINT64_C(0x100000001B3);
}

static struct result read_all(const uint8_t *data, size_t size, size_t portion)
{
    const struct frame_limits limits = {
        .max_message = (size_t)3 * FRAME_PIECE_BYTES, .unfinished = 3, .unfinished_bytes = 4096};
    struct result r = {0, 0, 0, REFUSAL_NONE};
    struct frame_reader reader;
    frame_reader_init(&reader, &limits);
    for (size_t at = 0; at < size && !r.why; at += portion) {
        mesh_bytes in = {data + at, size - at < portion ? size - at : portion};
        struct frame f;
        enum frame_event event;
        while ((event = frame_read(&reader, &in, &f, &r.why)) != FRAME_MORE && event != FRAME_REFUSED) {
            r.ticks += event == FRAME_TICK;
            if (event != FRAME_MESSAGE)
                continue;
            if (f.body.len == 0 || f.body.len > limits.max_message)
                abort();
            r.messages++;
            r.hash = add(r.hash, f.body);
        }
        if ((reader.packet && reader.packet->len > 2 * size + 4096) || reader.unfinished_bytes > size)
            abort();
    }
    frame_reader_fini(&reader);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct result whole = read_all(data, size, size + 1);
    struct result drip = read_all(data, size, 1);
    if (whole.hash != drip.hash || whole.messages != drip.messages || whole.ticks != drip.ticks ||
        whole.why != drip.why)
        abort();
    return 0;
}
