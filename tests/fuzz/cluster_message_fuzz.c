/* Any bytes as messages from a peer: refused or acted upon, never more. The input is a row of messages, each behind its
 * length in two bytes; the first one that is refused ends the link, as in a node. */
#include <stdlib.h>

#include "cluster/cluster.h"
#include "cluster/message.h"
#include "fuzz/fuzz.h"

static void drain(struct cluster *c, uint64_t now_ms)
{
    struct cluster_action a;
    struct message m;
    cluster_begin(c, now_ms, now_ms);
    cluster_run(c);
    while (cluster_next(c, &a)) {
        if (a.kind == CLUSTER_SEND && message_read(a.message, &m) != MESH_OK)
            abort();
        if (a.kind == CLUSTER_RELEASE)
            cluster_released(c, a.capability, a.shard);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct cluster_config config = {.name = mesh_str("a@h"), .creation = 1};
    const struct cluster_capability own = {.strategy = MESH_CAPPED, .shards = 16, .weight = 1};
    struct cluster *c = cluster_create(&config, 1000, 1000);
    uint16_t peer = 0;
    uint64_t now_ms = 1000;
    if (cluster_register(c, mesh_str("game"), &own) != MESH_OK ||
        cluster_link_up(c, mesh_str("b@h"), 2, CLUSTER_C, &peer) != MESH_OK)
        abort();
    drain(c, now_ms);
    while (size >= 2) {
        size_t len = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        len = len < size ? len : size;
        if (cluster_receive(c, peer, (mesh_bytes){data, len}) != MESH_OK)
            break;
        data += len;
        size -= len;
        now_ms += 300;
        drain(c, now_ms);
    }
    cluster_link_down(c, peer);
    drain(c, now_ms + 100);
    cluster_destroy(c);
    return 0;
}
