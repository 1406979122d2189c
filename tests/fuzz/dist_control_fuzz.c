/* Any body of a packet: what is accepted is written, with all flags and with few, and has to read the same again. */
#include <stdlib.h>

#include "dist/control.h"
#include "dist/flags.h"
#include "fuzz/fuzz.h"

static bool same(mesh_term a, mesh_term b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static void write_and_read(const struct control *c, mesh_bytes peer, const mesh_limits *limits, uint64_t flags)
{
    mesh_buf out;
    mesh_bytes message;
    struct control again;
    mesh_buf_init(&out);
    if (control_put(&out, c, flags, &message) == MESH_OK) {
        if (mesh_buf_append(&out, message.data, message.len) != MESH_OK)
            abort();
        if (control_read(mesh_buf_bytes(&out), peer, limits, &again) != REFUSAL_NONE || again.kind != c->kind ||
            !same(again.to, c->to) || !same(again.ref, c->ref) || !same(again.message, c->message) || again.id != c->id)
            abort();
    }
    mesh_buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const mesh_bytes peer = {"va@127.0.0.1", 12};
    const mesh_limits small = {.bytes = 1 << 16, .depth = 64, .elements = 1 << 12};
    const mesh_limits larger = {.bytes = 1 << 18, .depth = 65, .elements = 1 << 13};
    struct control c;
    if (control_read((mesh_bytes){data, size}, peer, &small, &c) != REFUSAL_NONE)
        return 0;
    write_and_read(&c, peer, &larger, DIST_OFFERED);
    write_and_read(&c, peer, &larger, DIST_ALIAS);
    return 0;
}
