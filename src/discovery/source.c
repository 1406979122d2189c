/* What all sources share: their own actions first, then the news about names. */
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "base/alloc.h"
#include "discovery/node_name.h"
#include "discovery/source.h"

/* A node that is not there yet is tried again this soon; then less and less often. */
#define FIRST_RETRY_MS 500u

int source_init(struct source *s, const struct source_ops *ops, const struct discovery_env *env, uint32_t interval_ms,
                uint32_t per_second)
{
    if (!node_name_valid(mesh_str(env->node)))
        return MESH_EBADNAME;
    s->ops = ops;
    s->own = must_copy(env->node, strlen(env->node));
    uint32_t most_ms = interval_ms != 0 ? interval_ms : DISCOVERY_INTERVAL_MS;
    roster_init(&s->roster, &(struct roster_options){.own = s->own,
                                                     .first_ms = most_ms < FIRST_RETRY_MS ? most_ms : FIRST_RETRY_MS,
                                                     .most_ms = most_ms,
                                                     .per_second = per_second != 0 ? per_second : DISCOVERY_PER_SECOND,
                                                     .connected = env->connected,
                                                     .random = env->random,
                                                     .context = env->context});
    return MESH_OK;
}

void source_destroy(struct source *s)
{
    if (s == NULL)
        return;
    roster_fini(&s->roster);
    free(s->own);
    if (s->ops->destroy != NULL)
        s->ops->destroy(s);
    else
        free(s);
}

enum roster_outcome source_list(struct source *s, mesh_bytes name, uint16_t group, uint64_t now_ms, uint64_t until_ms)
{
    enum roster_outcome outcome = roster_list(&s->roster, name, group, now_ms, until_ms);
    s->displaced += outcome == ROSTER_DISPLACED;
    s->full += outcome == ROSTER_FULL;
    return outcome;
}

bool source_next(struct source *s, uint64_t now_ms, struct action *out)
{
    if (s->ops->next != NULL && s->ops->next(s, now_ms, out))
        return true;
    enum roster_news news = roster_next(&s->roster, now_ms, &out->name);
    s->seen += news == ROSTER_SEEN;
    s->gone += news == ROSTER_GONE;
    out->kind = news == ROSTER_GONE ? ACTION_GONE : ACTION_SEEN;
    return news != ROSTER_NOTHING;
}

uint64_t source_next_ms(const struct source *s)
{
    uint64_t roster_ms = roster_next_ms(&s->roster);
    uint64_t own_ms = s->ops->next_ms != NULL ? s->ops->next_ms(s) : ROSTER_FOREVER;
    return own_ms < roster_ms ? own_ms : roster_ms;
}

size_t source_count(struct discovery_count *out, size_t max, size_t n, const char *name, uint64_t value)
{
    if (n < max)
        out[n] = (struct discovery_count){name, value};
    return n + 1;
}

size_t source_counts(const struct source *s, struct discovery_count *out, size_t max)
{
    size_t n = s->ops->counts != NULL ? s->ops->counts(s, out, max) : 0;
    n = source_count(out, max, n, "nodes_seen", s->seen);
    n = source_count(out, max, n, "nodes_gone", s->gone);
    n = source_count(out, max, n, "names_displaced", s->displaced);
    return source_count(out, max, n, "names_without_room", s->full);
}
