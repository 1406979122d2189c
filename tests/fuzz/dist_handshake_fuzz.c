/* Any peer: the first byte chooses our role and answers, the rest is what it says, in two portions. The node and its
 * challenge are those of the recorded exchanges, so that the kept inputs get through to the end. */
#include <stdlib.h>

#include "dist/flags.h"
#include "dist/handshake.h"
#include "fuzz/fuzz.h"

static bool allowed(void *context, mesh_bytes peer)
{
    (void)context;
    return names_full(peer) && memcmp(peer.data, "no", 2) != 0;
}

static bool outstanding(void *context, uint32_t challenge)
{
    (void)context;
    return challenge == 77;
}

static enum handshake_event answer(struct handshake *h, enum handshake_event event, uint8_t choice)
{
    switch (event) {
    case HANDSHAKE_NAMED:
        return handshake_answer(h, (enum handshake_status)(choice >> 1 & 3));
    case HANDSHAKE_ASKED:
        return handshake_insist(h, !(choice & 8));
    case HANDSHAKE_PROVEN:
        return handshake_finish(h);
    default:
        return event;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct handshake_config config = {{"n@127.0.0.1", 11}, {"mesh", 4}, DIST_OFFERED, 1795550583, allowed,
                                            outstanding,         NULL};
    if (size < 2)
        return 0;
    uint8_t choice = data[0];
    size_t first = data[1] < size - 2 ? data[1] : size - 2;
    const mesh_bytes portions[2] = {{data + 2, first}, {data + 2 + first, size - 2 - first}};
    struct handshake h;
    enum handshake_event event = HANDSHAKE_MORE;
    if (choice & 1)
        event = handshake_dial(&h, &config, mesh_str("va@127.0.0.1"), choice & 16 ? 0x456789AB : 0x3456789A, 0);
    else
        handshake_accept(&h, &config, 0xFEDCBA98, 0);
    for (int i = 0; i < 2; i++)
        for (mesh_bytes in = portions[i]; in.len > 0 && event == HANDSHAKE_MORE;) {
            size_t before = in.len;
            event = answer(&h, handshake_feed(&h, &in, 1), choice);
            mesh_bytes out = handshake_output(&h);
            if (out.len > HANDSHAKE_OUTPUT_MAX_BYTES || in.len > before)
                abort();
            if (event == HANDSHAKE_MORE && in.len == before)
                abort();
        }
    if ((event == HANDSHAKE_FAILED) != (h.why != REFUSAL_NONE))
        abort();
    if (event == HANDSHAKE_DONE && !names_full(mesh_str(h.peer)))
        abort();
    return 0;
}
