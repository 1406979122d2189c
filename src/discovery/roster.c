/* The table is two arrays without order: with at most ROSTER_MAX names, a search over their hashes takes one or two
 * microseconds, and there is no structure that chosen names could make slow. A full table looks at a sample for the
 * name that makes way, as redis does for its keys, and a full second is not looked at again before it ends: so a flood
 * of new names costs little more than the search. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/siphash.h"
#include "discovery/roster.h"

struct peer {
    char *name;
    uint64_t due_ms;
    uint64_t until_ms;
    size_t len;
    uint16_t group;
    uint8_t attempts; /* reports since it was last connected; stays at its maximum */
    bool trusted;     /* was connected once, or configured */
};

#define WINDOW_MS 1000u

enum { SAMPLE = 32 };

void roster_init(struct roster *r, const struct roster_options *options)
{
    assert(options->first_ms > 0 && options->first_ms <= options->most_ms && options->per_second > 0);
    memset(r, 0, sizeof *r);
    r->options = *options;
}

void roster_fini(struct roster *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->peer[i].name);
    free(r->peer);
    free(r->hashes);
    free(r->removed);
    memset(r, 0, sizeof *r);
}

static uint32_t hash_of(mesh_bytes name)
{
    return (uint32_t)siphash13((struct siphash_key){0, 0}, name.data, name.len);
}

/* The index of name; count when it is not there. */
static size_t find(const struct roster *r, mesh_bytes name, uint32_t hash)
{
    size_t i = 0;
    while (i < r->count &&
           (r->hashes[i] != hash || r->peer[i].len != name.len || memcmp(r->peer[i].name, name.data, name.len) != 0))
        i++;
    return i;
}

static bool grow(struct roster *r)
{
    size_t cap = r->cap == 0 ? 16 : 2 * r->cap;
    uint32_t *hashes = realloc(r->hashes, cap * sizeof *hashes);
    if (hashes == NULL)
        return false;
    r->hashes = hashes;
    struct peer *peer = realloc(r->peer, cap * sizeof *peer);
    if (peer == NULL)
        return false;
    r->peer = peer;
    r->cap = cap;
    return true;
}

/* The name that makes way: of the next few that may, the one that was listed longest ago. count when there is none. */
static size_t choose_old(struct roster *r)
{
    size_t found = r->count;
    unsigned sampled = 0;
    for (size_t looked = 0; looked < r->count && sampled < SAMPLE; looked++) {
        size_t i = r->hand < r->count ? r->hand : 0;
        r->hand = i + 1;
        if (r->peer[i].trusted)
            continue;
        sampled++;
        if (found == r->count || r->peer[i].until_ms < r->peer[found].until_ms)
            found = i;
    }
    return found;
}

/* Where a new name goes. */
static enum roster_outcome make_place(struct roster *r, size_t *place)
{
    if (r->count < ROSTER_MAX) {
        if (r->count == r->cap && !grow(r))
            return ROSTER_FULL;
        *place = r->count;
        return ROSTER_LISTED;
    }
    *place = choose_old(r);
    return *place == r->count ? ROSTER_FULL : ROSTER_DISPLACED;
}

static enum roster_outcome add(struct roster *r, mesh_bytes name, uint32_t hash, const struct peer *values)
{
    size_t place;
    enum roster_outcome outcome = make_place(r, &place);
    char *copy = outcome == ROSTER_FULL ? NULL : malloc(name.len + 1);
    if (copy == NULL)
        return ROSTER_FULL;
    memcpy(copy, name.data, name.len);
    copy[name.len] = 0;
    if (outcome == ROSTER_DISPLACED)
        free(r->peer[place].name);
    else
        r->count++;
    r->hashes[place] = hash;
    r->peer[place] = *values;
    r->peer[place].name = copy;
    return outcome;
}

static enum roster_outcome list(struct roster *r, mesh_bytes name, uint64_t now_ms, const struct peer *values)
{
    if (name.len == strlen(r->options.own) && memcmp(name.data, r->options.own, name.len) == 0)
        return ROSTER_OWN;
    uint32_t hash = hash_of(name);
    size_t i = find(r, name, hash);
    if (i == r->count)
        return add(r, name, hash, values);
    struct peer *peer = &r->peer[i];
    if (values->until_ms > peer->until_ms)
        peer->until_ms = values->until_ms;
    peer->group = values->group;
    if (!peer->trusted)
        peer->trusted = r->options.connected(r->options.context, peer->name);
    if (peer->attempts == 0)
        peer->due_ms = now_ms;
    return ROSTER_LISTED;
}

enum roster_outcome roster_list(struct roster *r, mesh_bytes name, uint16_t group, uint64_t now_ms, uint64_t until_ms)
{
    return list(r, name, now_ms,
                &(struct peer){.due_ms = now_ms, .until_ms = until_ms, .len = name.len, .group = group});
}

enum roster_outcome roster_list_fixed(struct roster *r, mesh_bytes name, uint64_t now_ms)
{
    return list(r, name, now_ms,
                &(struct peer){.due_ms = now_ms, .until_ms = ROSTER_FOREVER, .len = name.len, .trusted = true});
}

void roster_unlist(struct roster *r, uint16_t group)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->peer[i].group == group)
            r->peer[i].until_ms = 0;
}

/* A time between half of delay_ms and all of it from now on. */
static uint64_t later(struct roster *r, uint64_t now_ms, uint64_t delay_ms)
{
    return now_ms + delay_ms - r->options.random(r->options.context) % (delay_ms / 2 + 1);
}

static uint64_t delay_of(const struct roster *r, uint8_t attempts)
{
    uint64_t delay_ms = (uint64_t)r->options.first_ms << (attempts < 16 ? attempts : 16);
    return delay_ms < r->options.most_ms ? delay_ms : r->options.most_ms;
}

/* Takes peer i out; its name lives on until the next call. */
static const char *take_out(struct roster *r, size_t i)
{
    r->removed = r->peer[i].name;
    r->count--;
    r->peer[i] = r->peer[r->count];
    r->hashes[i] = r->hashes[r->count];
    return r->removed;
}

/* What is to be said about peer i, which is due. */
static enum roster_news judge(struct roster *r, size_t i, uint64_t now_ms, const char **name)
{
    struct peer *peer = &r->peer[i];
    if (r->options.connected(r->options.context, peer->name)) {
        peer->trusted = true;
        peer->attempts = 0;
        peer->due_ms = later(r, now_ms, r->options.most_ms);
        return ROSTER_NOTHING;
    }
    if (peer->until_ms <= now_ms) {
        *name = take_out(r, i);
        return ROSTER_GONE;
    }
    r->reported++;
    peer->due_ms = later(r, now_ms, delay_of(r, peer->attempts));
    peer->attempts = (uint8_t)(peer->attempts < UINT8_MAX ? peer->attempts + 1 : UINT8_MAX);
    *name = peer->name;
    return ROSTER_SEEN;
}

/* The first news among those that are trusted, or among those that are not. */
static enum roster_news look(struct roster *r, uint64_t now_ms, bool trusted, const char **name)
{
    for (size_t left = r->count; left > 0; left--) {
        size_t i = r->cursor < r->count ? r->cursor : 0;
        r->cursor = i + 1;
        if (r->peer[i].due_ms > now_ms || r->peer[i].trusted != trusted)
            continue;
        enum roster_news news = judge(r, i, now_ms, name);
        if (news != ROSTER_NOTHING)
            return news;
    }
    return ROSTER_NOTHING;
}

static bool may_report(const struct roster *r)
{
    return r->reported < r->options.per_second;
}

enum roster_news roster_next(struct roster *r, uint64_t now_ms, const char **name)
{
    free(r->removed);
    r->removed = NULL;
    if (now_ms >= r->window_ms + WINDOW_MS) {
        r->window_ms = now_ms;
        r->reported = 0;
    }
    if (!may_report(r))
        return ROSTER_NOTHING;
    enum roster_news news = look(r, now_ms, true, name);
    return news != ROSTER_NOTHING ? news : look(r, now_ms, false, name);
}

uint64_t roster_next_ms(const struct roster *r)
{
    uint64_t next_ms = ROSTER_FOREVER;
    for (size_t i = 0; i < r->count; i++)
        next_ms = r->peer[i].due_ms < next_ms ? r->peer[i].due_ms : next_ms;
    uint64_t window_end_ms = r->window_ms + WINDOW_MS;
    return may_report(r) || next_ms > window_end_ms ? next_ms : window_end_ms;
}
