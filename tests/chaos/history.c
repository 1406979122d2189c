/* The history and its checks. See history.h. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "base/alloc.h"

/* ---- writing ----------------------------------------------------------------------------------------------------- */

void history_init(struct history *h, uint32_t ids, size_t calls_max)
{
    *h = (struct history){.ids = ids, .calls_max = calls_max};
    h->calls = must_calloc(calls_max, sizeof *h->calls);
    h->first = must_calloc((size_t)ids + 1, sizeof *h->first);
}

void history_fini(struct history *h)
{
    free(h->calls);
    free(h->lives);
    free(h->first);
    free(h->by_name);
    *h = (struct history){0};
}

struct call_record *history_call(struct history *h, uint64_t now_ns)
{
    if (h->call_count == h->calls_max)
        return NULL;
    struct call_record *r = &h->calls[h->call_count++];
    r->start_ns = now_ns;
    r->watch = NO_WATCH;
    r->node = NO_NODE;
    return r;
}

uint32_t history_id(const char *name, size_t len)
{
    const char *slash = memchr(name, '/', len), *end = name + len;
    if (slash == NULL || ++slash == end || *slash == '/')
        return UINT32_MAX;
    uint64_t id = 0;
    for (; slash < end && *slash != '/'; slash++) {
        if (*slash < '0' || *slash > '9' || id > UINT32_MAX / 10 - 1)
            return UINT32_MAX;
        id = id * 10 + (uint64_t)(*slash - '0');
    }
    return (uint32_t)id;
}

static struct life *new_life(struct history *h)
{
    if (h->life_count == h->lives_max) {
        const size_t max = h->lives_max > 0 ? h->lives_max * 2 : 4096;
        struct life *more = must_calloc(max, sizeof *more);
        if (h->life_count > 0)
            memcpy(more, h->lives, h->life_count * sizeof *more);
        free(h->lives);
        h->lives = more;
        h->lives_max = max;
    }
    return &h->lives[h->life_count++];
}

/* A stop is a life without a start until history_close finds it one. */
void history_lives(struct history *h, uint8_t node, const struct life_event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct life_event *e = &events[i];
        const uint32_t id = e->id_len <= LIFE_ID_MAX ? history_id(e->id, e->id_len) : UINT32_MAX;
        if (id >= h->ids || (e->kind != LIFE_START && e->kind != LIFE_STOP)) {
            h->broken++;
            continue;
        }
        const bool start = e->kind == LIFE_START;
        *new_life(h) = (struct life){.start_ns = start ? e->at_ns : UINT64_MAX,
                                     .end_ns = start ? UINT64_MAX : e->at_ns,
                                     .gone_ns = start ? UINT64_MAX : e->at_ns,
                                     .activation = e->activation,
                                     .epoch = e->epoch,
                                     .id = id,
                                     .node = node};
    }
}

/* By activation, a start before its stop. */
static int compare_activations(const void *a, const void *b)
{
    const struct life *l = a, *r = b;
    if (l->activation != r->activation)
        return l->activation < r->activation ? -1 : 1;
    return (l->start_ns == UINT64_MAX) - (r->start_ns == UINT64_MAX);
}

static int compare_lives(const void *a, const void *b)
{
    const struct life *l = a, *r = b;
    if (l->id != r->id)
        return l->id < r->id ? -1 : 1;
    if (l->start_ns != r->start_ns)
        return l->start_ns < r->start_ns ? -1 : 1;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    const struct life *const *l = a, *const *r = b;
    return ((*l)->activation > (*r)->activation) - ((*l)->activation < (*r)->activation);
}

static void pair(struct history *h)
{
    size_t count = 0;
    if (h->life_count > 0)
        qsort(h->lives, h->life_count, sizeof *h->lives, compare_activations);
    for (size_t i = 0; i < h->life_count; i++) {
        const struct life l = h->lives[i];
        struct life *last = count > 0 ? &h->lives[count - 1] : NULL;
        const bool same = last != NULL && last->activation == l.activation;
        if (l.start_ns != UINT64_MAX && !same) {
            h->lives[count++] = l;
        } else if (l.start_ns == UINT64_MAX && same && last->end_ns == UINT64_MAX) {
            last->end_ns = last->gone_ns = l.end_ns;
        } else {
            h->broken++;
        }
    }
    h->life_count = count;
}

static void bury(struct life *l, const struct death *deaths, size_t count)
{
    for (size_t i = 0; i < count && l->end_ns == UINT64_MAX; i++) {
        if (deaths[i].pid != l->activation >> 32)
            continue;
        l->end_ns = deaths[i].asked_ns;
        l->gone_ns = deaths[i].gone_ns;
    }
    if (l->end_ns < l->start_ns) /* it started after its program was told to end */
        l->end_ns = l->start_ns;
}

void history_close(struct history *h, const struct death *deaths, size_t count)
{
    pair(h);
    for (size_t i = 0; i < h->life_count; i++)
        bury(&h->lives[i], deaths, count);
    if (h->life_count > 0)
        qsort(h->lives, h->life_count, sizeof *h->lives, compare_lives);
    h->by_name = must_calloc(h->life_count + 1, sizeof(struct life *));
    for (size_t i = 0; i < h->life_count; i++)
        h->by_name[i] = &h->lives[i];
    qsort(h->by_name, h->life_count, sizeof *h->by_name, compare_names);
    size_t at = 0;
    for (uint32_t id = 0; id <= h->ids; id++) {
        while (at < h->life_count && h->lives[at].id < id)
            at++;
        h->first[id] = at;
    }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static const struct life *life_of(const struct history *h, uint64_t activation)
{
    const struct life key = {.activation = activation}, *key_at = &key;
    struct life **found = bsearch(&key_at, h->by_name, h->life_count, sizeof *h->by_name, compare_names);
    return found != NULL ? *found : NULL;
}

/* When the outcome came; 0: it did not. What is read of the record afterwards is complete. */
static uint64_t ended(const struct call_record *r)
{
    /* Acquire: pairs with the release of whoever wrote the outcome. */
    return atomic_load_explicit(&r->end_ns, memory_order_acquire);
}

static bool succeeded(const struct call_record *r)
{
    return ended(r) != 0 && r->error == MESH_OK;
}

/* May have been handled although nobody was told. */
static bool outcome_unknown(const struct call_record *r)
{
    if (ended(r) == 0)
        return true;
    switch (r->error) {
    case MESH_ETIMEOUT:
    case MESH_ELOST:
    case MESH_ECRASHED:
    case MESH_ENOREPLY:
    case MESH_ESTOPPING:
        return true;
    default:
        return false;
    }
}

static uint64_t least_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Both of what is asked: how many, and until when. */
static uint64_t count_doubled(const struct history *h, uint64_t from_ns, uint64_t until_ns, uint64_t *last_ns)
{
    uint64_t doubled = 0;
    *last_ns = 0;
    for (uint32_t id = 0; id < h->ids; id++) {
        uint64_t others_ns = 0; /* the latest end of those before */
        for (size_t i = h->first[id]; i < h->first[id + 1]; i++) {
            const struct life *l = &h->lives[i];
            const uint64_t from = l->start_ns > from_ns ? l->start_ns : from_ns;
            const uint64_t until = least_of(least_of(others_ns, l->end_ns), until_ns);
            if (from < until) {
                doubled++;
                *last_ns = until > *last_ns ? until : *last_ns;
            }
            others_ns = l->end_ns > others_ns ? l->end_ns : others_ns;
        }
    }
    return doubled;
}

uint64_t history_doubled(const struct history *h, uint64_t from_ns, uint64_t until_ns)
{
    uint64_t last_ns;
    return count_doubled(h, from_ns, until_ns, &last_ns);
}

uint64_t history_doubled_until(const struct history *h, uint64_t from_ns, uint64_t until_ns)
{
    uint64_t last_ns;
    (void)count_doubled(h, from_ns, until_ns, &last_ns);
    return last_ns;
}

uint64_t history_stale(const struct history *h, uint64_t from_ns, uint64_t until_ns)
{
    uint64_t stale = 0;
    for (uint32_t id = 0; id < h->ids; id++) {
        uint64_t highest = 0;
        for (size_t i = h->first[id]; i < h->first[id + 1]; i++) {
            const struct life *l = &h->lives[i];
            stale += l->start_ns >= from_ns && l->start_ns < until_ns && l->epoch < highest;
            highest = l->epoch > highest ? l->epoch : highest;
        }
    }
    return stale;
}

uint64_t history_contradictions(const struct history *h)
{
    uint64_t count = h->broken;
    for (size_t i = 0; i < h->call_count; i++) {
        const struct call_record *r = &h->calls[i];
        if (!succeeded(r))
            continue;
        const struct life *l = life_of(h, r->activation);
        count += l == NULL || l->id != r->id || l->node != r->node || l->epoch != r->epoch || ended(r) < l->start_ns ||
                 r->start_ns > l->gone_ns;
    }
    return count;
}

uint64_t history_unanswered(const struct history *h)
{
    uint64_t count = 0;
    for (size_t i = 0; i < h->call_count; i++)
        count += ended(&h->calls[i]) == 0;
    return count;
}

uint64_t history_late(const struct history *h, uint32_t timeout_ms)
{
    uint64_t count = 0;
    for (size_t i = 0; i < h->call_count; i++) {
        const uint64_t end = ended(&h->calls[i]);
        count += end != 0 && end - h->calls[i].start_ns > ((uint64_t)timeout_ms + 100) * 1000000;
    }
    return count;
}

/* Per id: updates that were acknowledged, those that may have been made, and the value that was read last. */
struct ledger {
    int64_t acknowledged, unknown, value;
    bool read;
};

static struct ledger *make_ledgers(const struct history *h)
{
    struct ledger *ledgers = must_calloc(h->ids, sizeof *ledgers);
    for (size_t i = 0; i < h->call_count; i++) {
        const struct call_record *r = &h->calls[i];
        struct ledger *l = &ledgers[r->id];
        if (r->kind == CALL_READ && succeeded(r)) {
            l->value = r->value;
            l->read = true;
        } else if (r->kind == CALL_ADD) {
            l->acknowledged += succeeded(r);
            l->unknown += outcome_unknown(r);
        }
    }
    return ledgers;
}

uint64_t history_missing(const struct history *h)
{
    uint64_t count = 0;
    struct ledger *ledgers = make_ledgers(h);
    for (uint32_t id = 0; id < h->ids; id++)
        if (ledgers[id].read && ledgers[id].acknowledged > ledgers[id].value)
            count += (uint64_t)(ledgers[id].acknowledged - ledgers[id].value);
    free(ledgers);
    return count;
}

uint64_t history_excess(const struct history *h)
{
    uint64_t count = 0;
    struct ledger *ledgers = make_ledgers(h);
    for (uint32_t id = 0; id < h->ids; id++) {
        const struct ledger *l = &ledgers[id];
        if (l->read && l->value > l->acknowledged + l->unknown)
            count += (uint64_t)(l->value - l->acknowledged - l->unknown);
    }
    free(ledgers);
    return count;
}

uint64_t history_disagreements(const struct history *h)
{
    struct said {
        uint64_t activation;
        uint8_t from;
    };
    uint64_t count = 0;
    struct said *said = must_calloc(h->ids, sizeof *said);
    for (size_t i = 0; i < h->call_count; i++) {
        const struct call_record *r = &h->calls[i];
        struct said *s = &said[r->id];
        if (r->kind != CALL_READ || !succeeded(r))
            continue;
        count += s->activation != 0 && s->from != r->from && s->activation != r->activation;
        *s = (struct said){r->activation, r->from};
    }
    free(said);
    return count;
}

/* ---- measuring --------------------------------------------------------------------------------------------------- */

/* The process of an id at a time; NULL: there was none. The latest to start, if there were two. */
static const struct life *life_at(const struct history *h, uint32_t id, uint64_t at_ns)
{
    for (size_t i = h->first[id + 1]; i > h->first[id]; i--) {
        const struct life *l = &h->lives[i - 1];
        if (l->start_ns <= at_ns)
            return l->end_ns >= at_ns ? l : NULL;
    }
    return NULL;
}

/* How often a process of the id started within the change at another node than the one before. */
static uint64_t moves_of(const struct history *h, uint32_t id, const struct change *c)
{
    uint64_t count = 0;
    for (size_t i = h->first[id] + 1; i < h->first[id + 1]; i++) {
        const struct life *l = &h->lives[i];
        count += l->start_ns >= c->from_ns && l->start_ns < c->until_ns && l->node != h->lives[i - 1].node;
    }
    return count;
}

void history_moves(const struct history *h, const struct change *c, struct moves *moves)
{
    if (c->kind == CHANGE_SPLIT)
        return;
    for (uint32_t id = 0; id < h->ids; id++) {
        const struct life *l = life_at(h, id, c->kind == CHANGE_JOIN ? c->until_ns : c->from_ns);
        moves->moved += moves_of(h, id, c);
        moves->least += l != NULL && l->node == c->node;
    }
}

static bool is_affected(const struct history *h, uint32_t id, const struct change *c)
{
    const struct life *l;
    switch (c->kind) {
    case CHANGE_LOSS:
        l = life_at(h, id, c->from_ns);
        return l != NULL && l->node == c->node;
    case CHANGE_SPLIT:
        return true;
    default:
        return moves_of(h, id, c) > 0;
    }
}

size_t history_outages(const struct history *h, const struct change *c, const uint32_t *watch_ids, size_t watches,
                       uint64_t *outages)
{
    struct silence {
        uint64_t since_ns, longest_ns;
    };
    struct silence *silences = must_calloc(watches, sizeof *silences);
    size_t count = 0;
    for (size_t w = 0; w < watches; w++)
        silences[w].since_ns = c->from_ns;
    for (size_t i = 0; i < h->call_count; i++) { /* the calls of a watch follow each other */
        const struct call_record *r = &h->calls[i];
        const uint64_t end = ended(r);
        if (r->watch >= watches || !succeeded(r) || end < c->from_ns || end >= c->until_ns)
            continue;
        struct silence *s = &silences[r->watch];
        if (end - s->since_ns > s->longest_ns)
            s->longest_ns = end - s->since_ns;
        s->since_ns = end;
    }
    for (size_t w = 0; w < watches; w++) {
        const uint64_t last = c->until_ns - silences[w].since_ns;
        if (is_affected(h, watch_ids[w], c))
            outages[count++] = last > silences[w].longest_ns ? last : silences[w].longest_ns;
    }
    free(silences);
    return count;
}
