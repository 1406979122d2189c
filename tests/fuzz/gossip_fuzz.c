/* Any datagrams for a node that gossips without a secret. The input is a row of them, each behind a byte for the time
 * that passes before it (in 100 ms) and two for its length. A name that is reported is a sound one, the table stays
 * within its bounds, and what is accepted is what we would send for that name, or an older form of it. */
#include <stdlib.h>

#include <mesh/error.h>

#include "discovery/gossip.h"
#include "discovery/node_name.h"
#include "fuzz/fuzz.h"

static bool connected(void *context, const char *node)
{
    (void)context;
    return node[0] == 'c';
}

static uint64_t next_random(void *context)
{
    uint64_t *state = context;
    return *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407U;
}

static void judge_alone(mesh_bytes packet)
{
    struct gossip_codec codec;
    char name[NODE_NAME_MAX_BYTES + 1], again[NODE_NAME_MAX_BYTES + 1];
    uint8_t sent[GOSSIP_PACKET_MAX_BYTES];
    if (gossip_codec_init(&codec, NULL) != MESH_OK)
        abort();
    if (gossip_decode(&codec, packet, name) == GOSSIP_GOOD) {
        if (!node_name_valid(mesh_str(name)))
            abort();
        size_t len = gossip_encode(&codec, name, NULL, sent);
        if (len > GOSSIP_PLAIN_MAX_BYTES || gossip_decode(&codec, (mesh_bytes){sent, len}, again) != GOSSIP_GOOD ||
            strcmp(name, again) != 0)
            abort();
    }
    gossip_codec_fini(&codec);
}

static void turn(struct source *s, uint64_t now_ms)
{
    struct action action;
    for (unsigned actions = 0; source_next(s, now_ms, &action); actions++) {
        if (actions > DISCOVERY_PER_SECOND + ROSTER_MAX)
            abort();
        if (action.kind != ACTION_SEND && (!node_name_valid(mesh_str(action.name)) || action.name[0] == 'c'))
            abort();
    }
    if (s->roster.count > ROSTER_MAX || source_next_ms(s) <= now_ms)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t random = 1, now_ms = 0;
    struct source *s;
    const struct discovery_env env = {
        .node = "own@127.0.0.1", .context = &random, .connected = connected, .random = next_random};
    judge_alone((mesh_bytes){data, size});
    if (gossip_create(&env, &(mesh_gossip_options){0}, &s) != MESH_OK)
        abort();
    for (size_t i = 0; size - i >= 3;) {
        size_t len = (size_t)data[i + 1] << 8 | data[i + 2];
        now_ms += 100 * (uint64_t)data[i];
        i += 3;
        len = len < size - i ? len : size - i;
        gossip_receive(s, (mesh_bytes){data + i, len}, now_ms);
        turn(s, now_ms);
        i += len;
    }
    source_destroy(s);
    return 0;
}
