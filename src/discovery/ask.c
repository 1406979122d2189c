/* Each host has its own turn: asked, answered or given up by whoever carries the question, and asked again an interval
 * later, less a random quarter, so that nodes that started together spread out. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <mesh/error.h>

#include "base/alloc.h"
#include "discovery/ask.h"
#include "discovery/node_name.h"
#include "dist/epmd.h"

struct host {
    char *text;
    uint64_t ask_ms; /* when it is asked next, unless it is being asked */
    bool asking;
};

struct ask {
    struct source source;
    uint32_t interval_ms;
    uint64_t asked, good, bad, failed, bad_lines, bad_names;
    size_t count;
    struct host hosts[]; /* count of them */
};

static bool next(struct source *s, uint64_t now_ms, struct action *out)
{
    struct ask *a = (struct ask *)s;
    for (size_t i = 0; i < a->count; i++) {
        struct host *host = &a->hosts[i];
        if (host->asking || host->ask_ms > now_ms)
            continue;
        host->asking = true;
        a->asked++;
        *out = (struct action){.kind = ACTION_ASK, .host = i};
        return true;
    }
    return false;
}

static uint64_t next_ms(const struct source *s)
{
    const struct ask *a = (const struct ask *)s;
    uint64_t next_ms = ROSTER_FOREVER;
    for (size_t i = 0; i < a->count; i++)
        if (!a->hosts[i].asking && a->hosts[i].ask_ms < next_ms)
            next_ms = a->hosts[i].ask_ms;
    return next_ms;
}

static size_t counts(const struct source *s, struct discovery_count *out, size_t max)
{
    const struct ask *a = (const struct ask *)s;
    size_t n = source_count(out, max, 0, "questions_asked", a->asked);
    n = source_count(out, max, n, "questions_failed", a->failed);
    n = source_count(out, max, n, "answers_good", a->good);
    n = source_count(out, max, n, "answers_bad", a->bad);
    n = source_count(out, max, n, "lines_bad", a->bad_lines);
    return source_count(out, max, n, "names_bad", a->bad_names);
}

static void destroy(struct source *s)
{
    struct ask *a = (struct ask *)s;
    for (size_t i = 0; i < a->count; i++)
        free(a->hosts[i].text);
    free(a);
}

static const struct source_ops ops = {.next = next, .next_ms = next_ms, .counts = counts, .destroy = destroy};

int ask_create(const struct discovery_env *env, const mesh_bytes *hosts, size_t count, uint32_t timeout_ms,
               uint32_t per_second, struct source **out)
{
    assert(count > 0 && count <= HOSTS_MAX);
    struct ask *a = must_calloc(1, sizeof *a + count * sizeof a->hosts[0]);
    int error = source_init(&a->source, &ops, env, timeout_ms, per_second);
    if (error != MESH_OK) {
        free(a);
        return error;
    }
    a->interval_ms = timeout_ms != 0 ? timeout_ms : DISCOVERY_INTERVAL_MS;
    a->count = count;
    for (size_t i = 0; i < count; i++)
        a->hosts[i].text = must_copy(hosts[i].data, hosts[i].len);
    *out = &a->source;
    return MESH_OK;
}

const char *ask_host(const struct source *s, size_t host)
{
    return ((const struct ask *)s)->hosts[host].text;
}

static void ask_again(struct ask *a, size_t host, uint64_t now_ms)
{
    const struct roster_options *o = &a->source.roster.options;
    assert(a->hosts[host].asking);
    a->hosts[host].asking = false;
    a->hosts[host].ask_ms = now_ms + a->interval_ms - o->random(o->context) % (a->interval_ms / 4 + 1);
}

/* Lists NAME@HOST, if that is a node's name. */
static void list(struct ask *a, size_t host, mesh_bytes name, uint64_t now_ms)
{
    char whole[NODE_NAME_MAX_BYTES + 1];
    int len = snprintf(whole, sizeof whole, "%.*s@%s", (int)name.len, (const char *)name.data, a->hosts[host].text);
    if (len > NODE_NAME_MAX_BYTES || !node_name_valid(mesh_str(whole)))
        a->bad_names++;
    else
        source_list(&a->source, mesh_str(whole), (uint16_t)host, now_ms,
                    now_ms + (uint64_t)ASK_KEPT_INTERVALS * a->interval_ms);
}

void ask_answer(struct source *s, size_t host, mesh_bytes reply, uint64_t now_ms)
{
    struct ask *a = (struct ask *)s;
    enum refusal why;
    mesh_bytes text, name;
    uint32_t bad = 0;
    uint16_t port;
    ask_again(a, host, now_ms);
    if (epmd_read_names(reply, &text, &why) != EPMD_COMPLETE) {
        a->bad++;
        return;
    }
    a->good++;
    roster_unlist(&s->roster, (uint16_t)host);
    while (epmd_next_name(&text, &name, &port, &bad))
        list(a, host, name, now_ms);
    a->bad_lines += bad;
}

void ask_failed(struct source *s, size_t host, uint64_t now_ms)
{
    struct ask *a = (struct ask *)s;
    a->failed++;
    ask_again(a, host, now_ms);
}
