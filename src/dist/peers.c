/* The table of peers. Entries are few and asked for once or twice a connection: a plain array, searched in order. */
#include "dist/peers.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

static const struct attempt no_attempt = {0, 0};

void peers_init(struct peers *peers, mesh_bytes self, uint32_t half_open_max)
{
    assert(names_full(self));
    *peers = (struct peers){.half_open_max = half_open_max ? half_open_max : PEERS_HALF_OPEN_MAX};
    memcpy(peers->self, self.data, self.len);
}

void peers_fini(struct peers *peers)
{
    free(peers->list);
    peers->list = NULL;
    peers->count = peers->cap = 0;
}

static struct peer *find(const struct peers *peers, mesh_bytes name)
{
    for (size_t i = 0; i < peers->count; i++)
        if (strlen(peers->list[i].name) == name.len && memcmp(peers->list[i].name, name.data, name.len) == 0)
            return &peers->list[i];
    return NULL;
}

const struct peer *peers_find(const struct peers *peers, mesh_bytes name)
{
    return find(peers, name);
}

/* An entry for a name that has none. Their number is bounded by that of the connections. */
static struct peer *add(struct peers *peers, mesh_bytes name)
{
    assert(names_full(name));
    if (peers->count == peers->cap) {
        size_t cap = peers->cap ? 2 * peers->cap : 8;
        struct peer *list = must_calloc(cap, sizeof *list);
        if (peers->count)
            memcpy(list, peers->list, peers->count * sizeof *list);
        free(peers->list);
        peers->list = list;
        peers->cap = cap;
    }
    struct peer *p = &peers->list[peers->count++];
    *p = (struct peer){.up = 0};
    memcpy(p->name, name.data, name.len);
    return p;
}

/* Takes the entry out if nothing is left in it. */
static void tidy(struct peers *peers, struct peer *p)
{
    if (p->out.conn == 0 && p->in.conn == 0 && p->up == 0)
        *p = peers->list[--peers->count];
}

bool peers_outstanding(const struct peers *peers, uint32_t challenge)
{
    for (size_t i = 0; i < peers->count; i++) {
        const struct peer *p = &peers->list[i];
        if ((p->out.conn && p->out.challenge == challenge) || (p->in.conn && p->in.challenge == challenge))
            return true;
    }
    return false;
}

/* How this node's name compares to the other, by bytes: the order that every node uses. */
static int compare_self(const struct peers *peers, mesh_bytes name)
{
    size_t len = strlen(peers->self);
    int c = memcmp(peers->self, name.data, len < name.len ? len : name.len);
    return c ? c : (len > name.len) - (len < name.len);
}

enum peers_dial peers_dial(struct peers *peers, mesh_bytes name, uint64_t conn, uint32_t challenge)
{
    assert(conn != 0);
    if (compare_self(peers, name) == 0)
        return PEERS_IS_SELF;
    struct peer *p = find(peers, name);
    if (p)
        return p->up ? PEERS_IS_UP : PEERS_IS_PENDING;
    if (!peers_admit(peers))
        return PEERS_FULL;
    add(peers, name)->out = (struct attempt){conn, challenge};
    return PEERS_GO;
}

bool peers_admit(struct peers *peers)
{
    if (peers->half_open >= peers->half_open_max)
        return false;
    peers->half_open++;
    return true;
}

enum handshake_status peers_accept(struct peers *peers, mesh_bytes name, uint64_t conn, uint32_t challenge,
                                   uint64_t *abort)
{
    assert(conn != 0);
    *abort = 0;
    int order = compare_self(peers, name);
    if (order == 0)
        return HANDSHAKE_NOT_ALLOWED;
    struct peer *p = find(peers, name);
    enum handshake_status status = HANDSHAKE_OK;
    if (!p) {
        p = add(peers, name);
    } else if (p->out.conn) {
        if (order > 0)
            return HANDSHAKE_NOK;
        *abort = p->out.conn;
        p->out = no_attempt;
        status = HANDSHAKE_OK_SIMULTANEOUS;
    } else {
        *abort = p->in.conn;
        status = p->up ? HANDSHAKE_ALIVE : HANDSHAKE_OK;
    }
    p->in = (struct attempt){conn, challenge};
    return status;
}

bool peers_wants(const struct peers *peers, mesh_bytes name, uint64_t conn)
{
    const struct peer *p = find(peers, name);
    return p && p->out.conn == conn;
}

bool peers_proven(const struct peers *peers, mesh_bytes name, uint64_t conn, uint64_t *old)
{
    const struct peer *p = find(peers, name);
    if (!p || (p->out.conn != conn && p->in.conn != conn))
        return false;
    *old = p->up;
    return true;
}

void peers_set_up(struct peers *peers, mesh_bytes name, uint64_t conn)
{
    struct peer *p = find(peers, name);
    assert(p && p->up == 0 && (p->out.conn == conn || p->in.conn == conn));
    assert(peers->half_open > 0);
    p->out = no_attempt; /* at most one of the two was there */
    p->in = no_attempt;
    p->up = conn;
    peers->half_open--;
}

bool peers_closed(struct peers *peers, mesh_bytes name, uint64_t conn)
{
    struct peer *p = find(peers, name);
    bool was_up = p && p->up == conn;
    if (was_up) {
        p->up = 0;
    } else {
        assert(peers->half_open > 0);
        peers->half_open--;
    }
    if (p && p->out.conn == conn)
        p->out = no_attempt;
    if (p && p->in.conn == conn)
        p->in = no_attempt;
    if (p)
        tidy(peers, p);
    return was_up;
}
