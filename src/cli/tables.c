/* Rows of answers: see tables.h. */
#include "cli/tables.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* A list, item by item. */
static bool list_begin(mesh_term list, mesh_reader *at, uint32_t *left)
{
    *at = mesh_reader_of(list);
    return mesh_read_list(at, left) == MESH_OK;
}

static bool list_next(mesh_reader *at, uint32_t *left, mesh_term *item)
{
    return *left > 0 && mesh_read_term(at, item) == MESH_OK && (*left)-- > 0;
}

static struct columns *strange(struct columns *t)
{
    columns_destroy(t);
    return NULL;
}

static void put_rest(struct columns *t, size_t cells)
{
    while (cells-- > 0)
        columns_none(t);
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static const char *state_of(bool draining, bool drained)
{
    return drained ? "drained" : draining ? "draining" : "up";
}

enum { TEXTS_MAX = 256 }; /* capabilities of one node, at most */

/* A list of binaries. False: it is none. */
static bool put_texts(struct columns *t, mesh_term list)
{
    mesh_bytes texts[TEXTS_MAX];
    mesh_reader at;
    uint32_t left;
    mesh_term item;
    size_t count = 0;
    if (!list_begin(list, &at, &left))
        return false;
    while (count < TEXTS_MAX && list_next(&at, &left, &item))
        if (mesh_match(item, "~b", &texts[count++]) != MESH_OK)
            return false;
    columns_texts(t, texts, count);
    return left == 0;
}

static bool put_info(struct columns *t, mesh_term info)
{
    mesh_bytes version;
    mesh_term capabilities, links;
    uint64_t uptime_ms, processes;
    bool draining, drained;
    mesh_reader at;
    uint32_t count;
    if (mesh_match(info,
                   "%{version: ~b, uptime_ms: ~u, processes: ~u, draining: ~o, drained: ~o, capabilities: ~t, links: "
                   "~t}",
                   &version, &uptime_ms, &processes, &draining, &drained, &capabilities, &links) != MESH_OK ||
        !list_begin(links, &at, &count))
        return false;
    columns_text(t, mesh_str(state_of(draining, drained)));
    columns_text(t, version);
    columns_number(t, (int64_t)(uptime_ms / 1000));
    columns_number(t, (int64_t)processes);
    columns_number(t, count);
    return put_texts(t, capabilities);
}

struct columns *table_nodes(const struct view *view)
{
    static const char *const headings[] = {"node",     "kind",      "state", "version",
                                           "uptime_s", "processes", "links", "capabilities"};
    struct columns *t = columns_create(headings, COUNT(headings));
    for (size_t i = 0; i < view->count; i++) {
        const struct seen *s = &view->seen[i];
        columns_text(t, mesh_str(s->name));
        columns_text(t, mesh_str(s->beam ? "beam" : "c"));
        if (s->answered && !put_info(t, mesh_buf_term(&s->value)))
            return strange(t);
        if (s->answered)
            continue;
        columns_text(t, mesh_str(s->beam ? "connected" : "no answer"));
        put_rest(t, COUNT(headings) - 3);
    }
    return t;
}

/* ---- capabilities and rings -------------------------------------------------------------------------------------- */

struct columns *table_capabilities(mesh_term capabilities)
{
    static const char *const headings[] = {"capability", "nodes", "shards", "strategy", "state"};
    struct columns *t = columns_create(headings, COUNT(headings));
    mesh_reader at;
    uint32_t left, nodes, shards;
    mesh_term item;
    mesh_bytes name, strategy;
    bool disagree;
    if (!list_begin(capabilities, &at, &left))
        return strange(t);
    while (list_next(&at, &left, &item)) {
        if (mesh_match(item, "%{name: ~b, shards: ~u, strategy: ~a, nodes: ~u, disagree: ~o}", &name, &shards,
                       &strategy, &nodes, &disagree) != MESH_OK)
            return strange(t);
        columns_text(t, name);
        columns_number(t, nodes);
        columns_number(t, shards);
        columns_text(t, strategy);
        columns_text(t, mesh_str(disagree ? "nodes disagree" : nodes == 0 ? "leaving" : "ok"));
    }
    return left == 0 ? t : strange(t);
}

struct columns *table_ring(mesh_term ring, const int64_t *if_left, size_t count)
{
    static const char *const headings[] = {"node", "weight", "shards", "percent", "moved_if_it_left"};
    struct columns *t = columns_create(headings, COUNT(headings) - (if_left == NULL));
    mesh_reader at;
    mesh_term nodes, item;
    mesh_bytes name;
    uint32_t left, shards, weight, owned;
    if (mesh_match(ring, "%{shards: ~u, nodes: ~t}", &shards, &nodes) != MESH_OK || !list_begin(nodes, &at, &left))
        return strange(t);
    for (size_t i = 0; list_next(&at, &left, &item); i++) {
        if (mesh_match(item, "%{name: ~b, weight: ~u, owned: ~u}", &name, &weight, &owned) != MESH_OK)
            return strange(t);
        columns_text(t, name);
        columns_number(t, weight);
        columns_number(t, owned);
        columns_tenths(t, shards > 0 ? (int64_t)((1000 * (uint64_t)owned + shards / 2) / shards) : 0);
        if (if_left != NULL && i < count && if_left[i] >= 0)
            columns_number(t, if_left[i]);
        else if (if_left != NULL)
            columns_none(t);
    }
    return left == 0 ? t : strange(t);
}

bool ring_nodes_begin(struct ring_nodes *nodes, mesh_term ring)
{
    mesh_term list;
    return mesh_match(ring, "%{nodes: ~t}", &list) == MESH_OK && list_begin(list, &nodes->at, &nodes->left);
}

bool ring_nodes_next(struct ring_nodes *nodes, mesh_bytes *name)
{
    mesh_term item;
    return list_next(&nodes->at, &nodes->left, &item) && mesh_match(item, "%{name: ~b}", name) == MESH_OK;
}

struct columns *table_leave(mesh_term leave)
{
    static const char *const headings[] = {"node", "shards", "shards_after", "gets"};
    struct columns *t = columns_create(headings, COUNT(headings));
    mesh_reader at;
    mesh_term nodes, item;
    mesh_bytes name;
    uint32_t left, owned, after, gains;
    if (mesh_match(leave, "%{nodes: ~t}", &nodes) != MESH_OK || !list_begin(nodes, &at, &left))
        return strange(t);
    while (list_next(&at, &left, &item)) {
        if (mesh_match(item, "%{name: ~b, owned: ~u, after: ~u, gains: ~u}", &name, &owned, &after, &gains) != MESH_OK)
            return strange(t);
        columns_text(t, name);
        columns_number(t, owned);
        columns_number(t, after);
        columns_number(t, gains);
    }
    return left == 0 ? t : strange(t);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* A number of stats. heading: above the column for people, who get it divided by `per`; NULL: for programs only. */
struct number {
    const char *key;
    const char *heading;
    uint32_t per;
};

static const struct number numbers[] = {
    {"processes", "processes", 1},
    {"shards", NULL, 1},
    {"suspended", "suspended", 1},
    {"snapshots", NULL, 1},
    {"calls", "calls", 1},
    {"casts", "casts", 1},
    {"infos", NULL, 1},
    {"replies", NULL, 1},
    {"activations", NULL, 1},
    {"restores", NULL, 1},
    {"passivations", NULL, 1},
    {"crashes", "crashes", 1},
    {"stops", NULL, 1},
    {"timeouts", "timeouts", 1},
    {"busy", "busy", 1},
    {"refused", "refused", 1},
    {"dropped", "dropped", 1},
    {"save_failures", NULL, 1},
    {"stuck", "stuck", 1},
    {"handler_p50_ns", NULL, 1},
    {"handler_p90_ns", NULL, 1},
    {"handler_p99_ns", "handler_p99_us", 1000},
    {"handler_p999_ns", NULL, 1},
    {"handler_max_ns", NULL, 1},
    {"call_p50_ns", "call_p50_us", 1000},
    {"call_p90_ns", NULL, 1},
    {"call_p99_ns", "call_p99_us", 1000},
    {"call_p999_ns", NULL, 1},
    {"call_max_ns", NULL, 1},
};

/* The number of a key in a map; false: it is not there. */
static bool find_number(mesh_term map, const char *key, uint64_t *number)
{
    mesh_reader r = mesh_reader_of(map);
    uint32_t pairs;
    if (mesh_read_map(&r, &pairs) != MESH_OK)
        return false;
    for (uint32_t i = 0; i < pairs; i++) {
        if (mesh_read_atom_named(&r, key) == MESH_OK)
            return mesh_read_uint(&r, number) == MESH_OK;
        const int key_rc = mesh_read_skip(&r), value_rc = mesh_read_skip(&r);
        if (key_rc != MESH_OK || value_rc != MESH_OK)
            return false;
    }
    return false;
}

static void put_numbers(struct columns *t, const struct seen *s, bool full)
{
    const mesh_term stats = mesh_buf_term(&s->value);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        const struct number *n = &numbers[i];
        uint64_t value;
        if (!full && n->heading == NULL)
            continue;
        if (s->answered && find_number(stats, n->key, &value))
            columns_number(t, (int64_t)(full ? value : value / n->per));
        else
            columns_none(t);
    }
}

/* The node's part in the cluster: those of a capability have none. */
static void put_held(struct columns *t, const struct seen *s)
{
    uint64_t held;
    if (s->answered && mesh_match(mesh_buf_term(&s->value), "%{cluster: %{held: ~u}}", &held) == MESH_OK)
        columns_number(t, (int64_t)held);
    else
        columns_none(t);
}

struct columns *table_stats(const struct view *view, bool full)
{
    static const char *headings[2][COUNT(numbers) + 2] = {{"node", "held"}, {"node", "held"}};
    size_t count = 2;
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (full || numbers[i].heading != NULL)
            headings[full][count++] = full ? numbers[i].key : numbers[i].heading;
    struct columns *t = columns_create(headings[full], count);
    for (size_t i = 0; i < view->count; i++) {
        const struct seen *s = &view->seen[i];
        if (s->beam || seen_lacks(s))
            continue;
        columns_text(t, mesh_str(s->name));
        put_held(t, s);
        put_numbers(t, s, full);
    }
    return t;
}

/* ---- waits ------------------------------------------------------------------------------------------------------- */

/* A binary, or nil. */
static bool put_text(struct columns *t, mesh_term term)
{
    mesh_bytes text;
    if (mesh_match(term, "~b", &text) == MESH_OK)
        columns_text(t, text);
    else if (mesh_match(term, "nil") == MESH_OK)
        columns_none(t);
    else
        return false;
    return true;
}

static bool put_wait(struct columns *t, const char *node, mesh_term wait)
{
    mesh_term module, on_module;
    mesh_bytes id, on, on_id;
    uint64_t since_ms;
    if (mesh_match(wait, "%{module: ~t, id: ~b, on: ~a, on_module: ~t, on_id: ~b, since_ms: ~u}", &module, &id, &on,
                   &on_module, &on_id, &since_ms) != MESH_OK)
        return false;
    columns_text(t, mesh_str(node));
    if (!put_text(t, module))
        return false;
    columns_text(t, id);
    columns_number(t, (int64_t)since_ms);
    columns_text(t, on);
    if (!put_text(t, on_module))
        return false;
    columns_text(t, on_id);
    return true;
}

struct columns *table_waits(const struct view *view, uint64_t *left_out)
{
    static const char *const headings[] = {"node", "module", "id", "since_ms", "waits_for", "of_module", "of_id"};
    struct columns *t = columns_create(headings, COUNT(headings));
    *left_out = 0;
    for (size_t i = 0; i < view->count; i++) {
        const struct seen *s = &view->seen[i];
        mesh_term list, item;
        mesh_reader at;
        uint32_t left;
        uint64_t count;
        if (!s->answered)
            continue;
        if (mesh_match(mesh_buf_term(&s->value), "%{count: ~u, waits: ~t}", &count, &list) != MESH_OK ||
            !list_begin(list, &at, &left))
            return strange(t);
        *left_out += count > left ? count - left : 0;
        while (list_next(&at, &left, &item))
            if (!put_wait(t, s->name, item))
                return strange(t);
        if (left > 0)
            return strange(t);
    }
    return t;
}
