/* Heartbeats as libcluster sends them: one at the start, then one after every 1 to 5,000 ms. A good packet lists the
 * name in it for GOSSIP_SILENCE_MS; everything else is in roster.c. */
#include <stdlib.h>

#include <mesh/error.h>

#include "base/alloc.h"
#include "base/random.h"
#include "discovery/gossip.h"

struct gossip {
    struct source source;
    struct gossip_codec codec;
    uint64_t send_ms; /* when the next packet is due */
    uint64_t sent, failed;
    uint64_t verdicts[GOSSIP_VERDICT_COUNT];
    uint8_t packet[GOSSIP_PACKET_MAX_BYTES]; /* the last one sent */
};

static bool next(struct source *s, uint64_t now_ms, struct action *out)
{
    struct gossip *g = (struct gossip *)s;
    uint8_t iv[GOSSIP_IV_BYTES] = {0};
    if (now_ms < g->send_ms)
        return false;
    g->send_ms = now_ms + 1 + s->roster.options.random(s->roster.options.context) % GOSSIP_EVERY_MS;
    bool ready = g->codec.seal == NULL || random_bytes(iv, sizeof iv) == 0;
    size_t len = ready ? gossip_encode(&g->codec, s->own, iv, g->packet) : 0;
    g->sent += len != 0;
    g->failed += len == 0;
    *out = (struct action){.kind = ACTION_SEND, .packet = {g->packet, len}};
    return len != 0;
}

static uint64_t next_ms(const struct source *s)
{
    return ((const struct gossip *)s)->send_ms;
}

static size_t counts(const struct source *s, struct discovery_count *out, size_t max)
{
    const struct gossip *g = (const struct gossip *)s;
    size_t n = source_count(out, max, 0, "packets_sent", g->sent);
    n = source_count(out, max, n, "packets_not_sent", g->failed);
#define COUNT(name, text) n = source_count(out, max, n, text, g->verdicts[GOSSIP_##name]);
    GOSSIP_VERDICTS(COUNT)
#undef COUNT
    return n;
}

static void destroy(struct source *s)
{
    struct gossip *g = (struct gossip *)s;
    gossip_codec_fini(&g->codec);
    free(g);
}

static const struct source_ops ops = {.next = next, .next_ms = next_ms, .counts = counts, .destroy = destroy};

int gossip_create(const struct discovery_env *env, const mesh_gossip_options *options, struct source **out)
{
    struct gossip *g = must_calloc(1, sizeof *g);
    int error = source_init(&g->source, &ops, env, GOSSIP_EVERY_MS, options->per_second);
    if (error != MESH_OK) {
        free(g);
        return error;
    }
    error = gossip_codec_init(&g->codec, options->secret);
    if (error != MESH_OK) {
        source_destroy(&g->source);
        return error;
    }
    *out = &g->source;
    return MESH_OK;
}

void gossip_receive(struct source *s, mesh_bytes packet, uint64_t now_ms)
{
    struct gossip *g = (struct gossip *)s;
    char name[NODE_NAME_MAX_BYTES + 1];
    enum gossip_verdict verdict = gossip_decode(&g->codec, packet, name);
    if (verdict == GOSSIP_GOOD && source_list(s, mesh_str(name), 0, now_ms, now_ms + GOSSIP_SILENCE_MS) == ROSTER_OWN)
        verdict = GOSSIP_OWN;
    g->verdicts[verdict]++;
}

void gossip_send_failed(struct source *s)
{
    struct gossip *g = (struct gossip *)s;
    g->sent--;
    g->failed++;
}
