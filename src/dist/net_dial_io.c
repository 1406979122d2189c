/* Dialling, on worker 0. A *want* is a name that somebody has dialled, from then until a link to it is up, or no
 * attempt is left. So a dial that loses to the peer's own waits for that one, and a dial during the end of a link for
 * that end. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/random.h"
#include "dist/net_io.h"

/* ---- wants ------------------------------------------------------------------------------------------------------- */

static struct net_want **find_want(struct net *net, mesh_bytes name)
{
    struct net_want **at = &net->wants;
    while (*at != NULL && (strlen((*at)->name) != name.len || memcmp((*at)->name, name.data, name.len) != 0))
        at = &(*at)->next;
    return at;
}

static void drop_want(struct net *net, struct net_want **at)
{
    struct net_want *want = *at;
    if (want == NULL)
        return;
    *at = want->next;
    net->want_count--;
    free(want);
}

static void fail_dial(struct net *net, const char *name, enum net_why why, enum refusal refusal)
{
    const struct net_reason reason = {why, refusal};
    net->ops->dial_failed(net->context, name, &reason);
}

static void fail_want(struct net *net, struct net_want **at, enum net_why why, enum refusal refusal)
{
    struct net_want *want = *at;
    *at = want->next;
    net->want_count--;
    fail_dial(net, want->name, why, refusal);
    free(want);
}

static void try_want(struct net *net, struct net_want **at);

void dial_reconsider(struct net *net, const char *name, bool retry, enum net_why why, enum refusal refusal)
{
    struct net_want **at = find_want(net, mesh_str(name));
    if (*at == NULL || peers_find(&net->peers, mesh_str(name)) != NULL)
        return; /* another attempt is on its way, and will end up here as well */
    if (net_is_stopping(net)) {
        fail_want(net, at, NET_STOPPING, REFUSAL_NONE);
    } else if (retry) {
        try_want(net, at);
    } else if (refusal == REFUSAL_PEER_NOK) {
        uint64_t until = net_now_ms() + HANDSHAKE_TIMEOUT_MS; /* the peer's own attempt is on its way */
        (*at)->deadline_ms = until < (*at)->deadline_ms ? until : (*at)->deadline_ms;
    } else {
        fail_want(net, at, why, refusal);
    }
}

void dial_up(struct net *net, const char *name)
{
    drop_want(net, find_want(net, mesh_str(name)));
}

void dial_look(struct net *net, uint64_t now_ms)
{
    for (struct net_want **at = &net->wants; *at != NULL;) {
        if ((*at)->deadline_ms <= now_ms)
            fail_want(net, at, NET_TIMEOUT, REFUSAL_NONE);
        else
            at = &(*at)->next;
    }
}

void dial_stop(struct net *net)
{
    while (net->wants != NULL)
        fail_want(net, &net->wants, NET_STOPPING, REFUSAL_NONE);
}

/* ---- dialling ---------------------------------------------------------------------------------------------------- */

static void on_connected(void *context, int fd, const union socket_address *address)
{
    struct shake *s = context;
    (void)address;
    s->connecting = NULL;
    if (fd < 0)
        shake_end(s, NET_UNREACHED, REFUSAL_NONE);
    else
        shake_dialled(s, fd);
}

static const struct connect_fns connect_fns = {.connected = on_connected, .closed = shake_part_closed};

static void on_answered(void *context, int error, mesh_bytes reply, const union socket_address *address)
{
    struct shake *s = context;
    struct epmd_node node;
    enum refusal why = REFUSAL_NONE;
    s->query = NULL;
    if (error != 0) {
        shake_end(s, NET_HOST, REFUSAL_NONE);
        return;
    }
    const mesh_bytes alive = {s->name, strcspn(s->name, "@")};
    switch (epmd_read_lookup(reply, alive, &node, &why)) {
    case EPMD_COMPLETE:
        break;
    case EPMD_DENIED:
        shake_end(s, NET_UNKNOWN, REFUSAL_NONE);
        return;
    default:
        shake_end(s, NET_HOST, why != REFUSAL_NONE ? why : REFUSAL_LENGTH);
        return;
    }
    union socket_address to = *address;
    socket_set_port(&to, node.port);
    s->stage = SHAKE_CONNECTS;
    s->handles++;
    s->connecting = connect_start_to(s->net->look.loop, &to, &connect_fns, s);
}

static const struct epmd_query_fns query_fns = {.answered = on_answered, .closed = shake_part_closed};

static void begin_dial(struct net *net, const char *name, uint32_t challenge)
{
    struct shake *s = shake_create(net, challenge);
    const struct net_options *o = &net->options;
    const size_t at = strcspn(name, "@");
    uv_loop_t *loop = net->look.loop;
    s->dialling = true;
    memcpy(s->name, name, strlen(name));
    s->handles++;
    net_count(&net->dialled, 1);
    if (o->no_epmd) {
        s->stage = SHAKE_CONNECTS;
        s->connecting = connect_start(loop, name + at + 1, o->dial_port, &connect_fns, s);
    } else {
        s->query = epmd_query_start(loop, name + at + 1, o->epmd_port, (mesh_bytes){name, at}, &query_fns, s);
    }
}

static bool is_ending(struct net *net, const char *name)
{
    struct net_link *link = net->links;
    while (link != NULL && strcmp(link->peer, name) != 0)
        link = link->next;
    return link == NULL || atomic_load_explicit(&link->end_asked, memory_order_relaxed);
}

static void try_want(struct net *net, struct net_want **at)
{
    const char *name = (*at)->name;
    uint32_t challenge;
    if (random_bytes(&challenge, sizeof challenge) != MESH_OK) {
        fail_want(net, at, NET_BROKEN, REFUSAL_NONE);
        return;
    }
    switch (peers_dial(&net->peers, mesh_str(name), ++net->last_conn, challenge)) {
    case PEERS_GO:
        begin_dial(net, name, challenge);
        return;
    case PEERS_IS_PENDING:
        return;
    case PEERS_IS_UP:
        if (!is_ending(net, name))
            drop_want(net, at);
        return; /* else its end tries again */
    case PEERS_FULL:
        fail_want(net, at, NET_FULL, REFUSAL_NONE);
        return;
    case PEERS_IS_SELF:
        fail_want(net, at, NET_NAME, REFUSAL_NONE);
        return;
    }
}

void dial_want(struct net *net, const char *name)
{
    const mesh_bytes bytes = mesh_str(name);
    if (net_is_stopping(net)) {
        fail_dial(net, name, NET_STOPPING, REFUSAL_NONE);
        return;
    }
    if (!names_full(bytes) || !net->config.allowed(net, bytes)) {
        fail_dial(net, name, NET_NAME, REFUSAL_NONE);
        return;
    }
    if (*find_want(net, bytes) != NULL)
        return;
    if (net->want_count == NET_WANTS_MAX) {
        fail_dial(net, name, NET_FULL, REFUSAL_NONE);
        return;
    }
    struct net_want *want = must_calloc(1, sizeof *want);
    memcpy(want->name, bytes.data, bytes.len);
    want->deadline_ms = net_now_ms() + NET_DIAL_MS;
    want->next = net->wants;
    net->wants = want;
    net->want_count++;
    net_look_on(net);
    try_want(net, &net->wants);
}
