/* Starting, stopping, and what is asked from outside.
 *
 * Stopping goes in three steps, so that nothing runs when the last one is done: worker 0 closes what it has and has
 * every link ended; when all that is over it has each worker close its part; the last of those wakes net_stop. */
#include "dist/net_io.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/random.h"
#include "dist/flags.h"

enum { LOGS_PER_SECOND = 5, TICKTIME_MIN_MS = 1000, CREATION_MIN = 4 };

/* ---- words ------------------------------------------------------------------------------------------------------- */

const char *net_reason_text(const struct net_reason *reason)
{
    static const char *const texts[] = {
#define NET_TEXT(name, text) text,
        NET_REASONS(NET_TEXT)
#undef NET_TEXT
    };
    return reason->refusal != REFUSAL_NONE ? refusal_text(reason->refusal) : texts[reason->why];
}

uint32_t net_hash(mesh_bytes name)
{
    uint32_t h = 2166136261u; /* FNV-1a: no secret is needed to spread a few names over a few workers */
    const uint8_t *p = name.data;
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ p[i]) * 16777619u;
    return h ^ h >> 15;
}

void net_refused(struct net *net, mesh_bytes peer, enum refusal refusal)
{
    net_count(&net->refusals[refusal], 1);
    log_limited(&net->runtime->log, &net->log_refused, clock_now_ns(), MESH_LOG_WARN, "a peer was refused",
                log_bytes("peer", peer), log_bytes("why", mesh_str(refusal_text(refusal))));
}

/* ---- worker 0: deadlines ----------------------------------------------------------------------------------------- */

static void on_look(uv_timer_t *timer)
{
    struct net *net = timer->data;
    const uint64_t now_ms = net_now_ms();
    shake_look(net, now_ms);
    dial_look(net, now_ms);
    if (net->shakes == NULL && net->wants == NULL)
        uv_timer_stop(timer);
}

void net_look_on(struct net *net)
{
    if (uv_is_active((uv_handle_t *)&net->look) || uv_is_closing((uv_handle_t *)&net->look))
        return;
    uv_update_time(net->look.loop);
    uv_timer_start(&net->look, on_look, NET_LOOK_MS, NET_LOOK_MS);
}

/* ---- worker 0: start --------------------------------------------------------------------------------------------- */

static void on_accepted(void *context, int fd)
{
    shake_accept(context, fd);
}

static void on_paused(void *context, int error)
{
    struct net *net = context;
    log_limited(&net->runtime->log, &net->log_accept, clock_now_ns(), MESH_LOG_ERROR,
                "no connections are accepted for a moment", log_bytes("why", mesh_str(uv_strerror(-error))));
}

static void on_closed(void *context)
{
    net_part_closed(context);
}

static const struct acceptor_fns acceptor_fns = {.accepted = on_accepted, .paused = on_paused, .closed = on_closed};

/* Tells net_create how it went; error is the negative errno. */
static void tell_started(struct net *net, int error)
{
    pthread_mutex_lock(&net->lock);
    net->started = error == 0;
    net->start_error = error;
    pthread_cond_broadcast(&net->changed);
    pthread_mutex_unlock(&net->lock);
}

/* The creation is known: nodes may come. */
static void begin(struct net *net, uint32_t creation)
{
    uv_loop_t *loop = &net->runtime->workers[0].loop;
    net->config.creation = creation;
    int error = acceptor_open(&net->acceptor, loop, net->listener, &acceptor_fns, net) == MESH_OK ? 0 : -EIO;
    if (error == 0) {
        net->listener = -1;
        net->parts++;
    }
    if (error == 0 && net->ops->created != NULL)
        net->refused = net->ops->created(net->context, net, creation);
    tell_started(net, net->refused != MESH_OK ? -ECANCELED : error);
}

static void on_registered(void *context, uint32_t creation)
{
    struct net *net = context;
    if (net->config.creation == 0)
        begin(net, creation);
    else /* pids with the old one are everywhere: it stays */
        log_text(&net->runtime->log, MESH_LOG_INFO, "registered at epmd again");
}

static void on_failed(void *context, int error)
{
    tell_started(context, error);
}

static void on_lost(void *context, int error)
{
    struct net *net = context;
    log_limited(&net->runtime->log, &net->log_epmd, clock_now_ns(), MESH_LOG_WARN,
                "not registered at epmd; trying again", log_bytes("why", mesh_str(uv_strerror(error))));
}

static const struct epmd_register_fns register_fns = {
    .registered = on_registered, .failed = on_failed, .lost = on_lost, .closed = on_closed};

static uint32_t random_creation(void)
{
    uint32_t creation = 0;
    if (random_bytes(&creation, sizeof creation) != MESH_OK)
        return 0;
    return creation < CREATION_MIN ? creation + CREATION_MIN : creation;
}

static void run_start(struct worker *w, struct errand *e)
{
    struct net *net = (struct net *)((char *)e - offsetof(struct net, start));
    const struct net_options *o = &net->options;
    worker_watch(w);
    uv_timer_init(&w->loop, &net->look);
    net->look.data = net;
    net->parts = 1;
    if (o->no_epmd) {
        uint32_t creation = random_creation();
        if (creation == 0)
            tell_started(net, -EIO);
        else
            begin(net, creation);
        return;
    }
    const struct epmd_register_options registration = {.alive = {o->name, strcspn(o->name, "@")},
                                                       .port = net->port,
                                                       .hidden = o->hidden,
                                                       .epmd_port = o->epmd_port,
                                                       .serve = !o->no_epmd_server,
                                                       .addresses = o->epmd_address,
                                                       .logger = &net->runtime->log};
    net->parts++;
    net->registration = epmd_register_start(&w->loop, &registration, &register_fns, net);
}

/* ---- worker 0: stop ---------------------------------------------------------------------------------------------- */

static void on_look_closed(uv_handle_t *handle)
{
    net_part_closed(handle->data);
}

static void run_stop(struct worker *w, struct errand *e)
{
    struct net *net = (struct net *)((char *)e - offsetof(struct net, stop));
    (void)w;
    if (net->listener >= 0)
        close(net->listener);
    else
        acceptor_close(&net->acceptor);
    if (net->registration != NULL)
        epmd_register_stop(net->registration);
    shake_stop(net);
    dial_stop(net);
    for (struct net_link *link = net->links; link != NULL; link = link->next)
        link_ask_end(link, NET_STOPPING);
    uv_close((uv_handle_t *)&net->look, on_look_closed);
}

static void close_parts_when_over(struct net *net)
{
    if (!net_is_stopping(net) || net->parts > 0 || net->links != NULL)
        return;
    worker_unwatch(&net->runtime->workers[0]);
    for (uint32_t i = 0; i < net->shard_count; i++)
        worker_errand(net->shards[i].worker, &net->shards[i].close);
}

void net_part_closed(struct net *net)
{
    net->parts--;
    close_parts_when_over(net);
}

void net_link_over(struct worker *w, struct errand *e)
{
    struct net_link *link = (struct net_link *)((char *)e - offsetof(struct net_link, over));
    struct net *net = link->net;
    (void)w;
    pthread_mutex_lock(&net->lock);
    struct net_link **at = &net->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    pthread_mutex_unlock(&net->lock);
    shake_link_over(net, link->peer, link->conn);
    net_link_release(link);
    close_parts_when_over(net);
}

/* ---- create ------------------------------------------------------------------------------------------------------ */

static bool is_allowed(void *context, mesh_bytes peer)
{
    struct net *net = context;
    return net->options.allowed == NULL || net->options.allowed(net->context, peer);
}

static bool is_outstanding(void *context, uint32_t challenge)
{
    struct net *net = context;
    return peers_outstanding(&net->peers, challenge);
}

static int complain(struct net_trouble *trouble, int error, const char *what, const char *why)
{
    snprintf(trouble->text, sizeof trouble->text, "%s: %s", what, why);
    return error;
}

static char *copy_text(const char *text)
{
    return text != NULL ? must_copy(text, strlen(text)) : NULL;
}

/* Defaults, from the environment too. */
static int fill_in(struct net_options *o, struct net_trouble *trouble)
{
    const char *text;
    if (!names_full(mesh_str(o->name)))
        return complain(trouble, MESH_EBADNAME, "name", "expected alive@host");
    if (o->cookie.len == 0)
        return complain(trouble, MESH_EINVAL, "cookie", "it is empty");
    if (!epmd_port(o->epmd_port, &o->epmd_port, &text))
        return complain(trouble, MESH_EINVAL, "ERL_EPMD_PORT: expected 1 to 65535", text);
    if (o->ticktime_ms == 0)
        o->ticktime_ms = NET_TICKTIME_MS;
    if (o->ticktime_ms < TICKTIME_MIN_MS)
        return complain(trouble, MESH_EINVAL, "ticktime_ms", "expected 1000 or more");
    if (o->probe_ms == 0)
        o->probe_ms = NET_PROBE_MS;
    if (o->probe_ms > o->ticktime_ms)
        o->probe_ms = o->ticktime_ms;
    if (o->epmd_address == NULL)
        o->epmd_address = getenv("ERL_EPMD_ADDRESS");
    return MESH_OK;
}

static int open_listener(const struct net_options *o, int *fd, struct net_trouble *trouble)
{
    union socket_address address;
    char what[64];
    if (o->listen != NULL && !socket_parse(o->listen, o->port, &address))
        return complain(trouble, MESH_EINVAL, "listen: expected an address", o->listen);
    *fd = o->listen != NULL ? socket_listen(&address) : socket_listen_all(o->port);
    if (*fd >= 0)
        return MESH_OK;
    snprintf(what, sizeof what, "cannot listen on port %u", (unsigned)o->port);
    return complain(trouble, MESH_ESYSTEM, what, uv_strerror(*fd));
}

static struct net *make(struct runtime *rt, const struct net_options *o, const struct net_ops *ops, void *context,
                        int listener)
{
    struct net *net = must_calloc(1, sizeof *net);
    net->runtime = rt;
    net->options = *o;
    net->options.name = copy_text(o->name);
    net->options.cookie.data = must_copy(o->cookie.data, o->cookie.len);
    net->options.listen = NULL; /* done with */
    net->options.epmd_address = copy_text(o->epmd_address);
    net->options.terms = NULL; /* copied as well */
    if (o->terms != NULL)
        net->terms = *o->terms;
    if (net->terms.bytes == 0)
        net->terms.bytes = o->receive.max_message != 0 ? o->receive.max_message : FRAME_MAX_MESSAGE;
    net->ops = ops;
    net->context = context;
    net->listener = listener;
    net->port = socket_port(listener);
    if (o->dial_port == 0)
        net->options.dial_port = net->port;
    net->config =
        (struct handshake_config){.name = mesh_str(net->options.name),
                                  .cookie = net->options.cookie,
                                  .flags = (o->hidden ? DIST_OFFERED & ~DIST_PUBLISHED : DIST_OFFERED) | DIST_MESH,
                                  .allowed = is_allowed,
                                  .outstanding = is_outstanding,
                                  .context = net};
    pthread_mutex_init(&net->lock, NULL);
    pthread_cond_init(&net->changed, NULL);
    peers_init(&net->peers, mesh_str(net->options.name), o->half_open_max);
    net->log_refused = net->log_accept = net->log_epmd = (struct log_limit)LOG_LIMIT(LOGS_PER_SECOND);
    net->start.run = run_start;
    net->stop.run = run_stop;
    net->shard_count = rt->worker_count;
    atomic_init(&net->open_shards, rt->worker_count);
    net->shards = must_calloc(net->shard_count, sizeof *net->shards);
    for (uint32_t i = 0; i < net->shard_count; i++)
        shard_init(&net->shards[i], net, &rt->workers[i]);
    return net;
}

static int explain(const struct net *net, int error, struct net_trouble *trouble)
{
    char what[320];
    if (error == -ECANCELED)
        return net->refused;
    if (error == -EEXIST) {
        snprintf(what, sizeof what, "the name %s", net->options.name);
        return complain(trouble, MESH_EEXISTS, what, "epmd knows another node of this name");
    }
    snprintf(what, sizeof what, "cannot register at epmd, port %u", (unsigned)net->options.epmd_port);
    return complain(trouble, MESH_ESYSTEM, what, uv_strerror(error));
}

int net_create(struct runtime *rt, const struct net_options *options, const struct net_ops *ops, void *context,
               struct net **out, struct net_trouble *trouble)
{
    struct net_options filled = *options;
    int listener;
    trouble->text[0] = '\0';
    if (seat_current() != NULL)
        return MESH_ECONTEXT;
    int error = fill_in(&filled, trouble);
    if (error == MESH_OK)
        error = open_listener(&filled, &listener, trouble);
    if (error != MESH_OK)
        return error;
    struct net *net = make(rt, &filled, ops, context, listener);
    *out = net;
    for (uint32_t i = 0; i < net->shard_count; i++)
        worker_errand(net->shards[i].worker, &net->shards[i].open);
    worker_errand(&rt->workers[0], &net->start);
    pthread_mutex_lock(&net->lock);
    while (!net->started && net->start_error == 0)
        pthread_cond_wait(&net->changed, &net->lock);
    error = net->start_error;
    pthread_mutex_unlock(&net->lock);
    if (error == 0)
        return MESH_OK;
    error = explain(net, error, trouble);
    *out = NULL;
    net_stop(net);
    net_destroy(net);
    return error;
}

int net_stop(struct net *net)
{
    if (seat_current() != NULL)
        return MESH_ECONTEXT;
    pthread_mutex_lock(&net->lock);
    assert(!net->stopping);
    atomic_store_explicit(&net->stopping, true, memory_order_release);
    worker_errand(&net->runtime->workers[0], &net->stop); /* behind every dial that was accepted */
    while (!net->stopped)
        pthread_cond_wait(&net->changed, &net->lock);
    pthread_mutex_unlock(&net->lock);
    return MESH_OK;
}

void net_destroy(struct net *net)
{
    assert(net->stopped && net->links == NULL && net->shakes == NULL && net->wants == NULL);
    peers_fini(&net->peers);
    for (uint32_t i = 0; i < net->shard_count; i++)
        free(net->shards[i].buffer);
    free(net->shards);
    pthread_mutex_destroy(&net->lock);
    pthread_cond_destroy(&net->changed);
    free((void *)(uintptr_t)net->options.name);
    free((void *)(uintptr_t)net->options.cookie.data);
    free((void *)(uintptr_t)net->options.epmd_address);
    free(net);
}

/* ---- from any thread --------------------------------------------------------------------------------------------- */

bool net_is_stopping(const struct net *net)
{
    return atomic_load_explicit(&net->stopping, memory_order_acquire);
}

uint32_t net_creation(const struct net *net)
{
    return net->config.creation;
}

uint16_t net_port(const struct net *net)
{
    return net->port;
}

/* A dial on its way to worker 0. */
struct dial_errand {
    struct errand errand;
    struct net *net;
    char name[];
};

static void run_dial(struct worker *w, struct errand *e)
{
    struct dial_errand *d = (struct dial_errand *)e;
    (void)w;
    dial_want(d->net, d->name);
    free(d);
}

int net_dial(struct net *net, const char *name)
{
    const size_t len = strlen(name);
    struct dial_errand *d = must_calloc(1, sizeof *d + len + 1);
    d->errand.run = run_dial;
    d->net = net;
    memcpy(d->name, name, len);
    pthread_mutex_lock(&net->lock); /* so that net_stop's errand comes after it, or it is refused */
    bool stopping = net_is_stopping(net);
    if (!stopping)
        worker_errand(&net->runtime->workers[0], &d->errand);
    pthread_mutex_unlock(&net->lock);
    if (!stopping)
        return MESH_OK;
    free(d);
    return MESH_ESTOPPED;
}

struct net_link *net_find(struct net *net, mesh_bytes name)
{
    const uint32_t hash = net_hash(name);
    pthread_mutex_lock(&net->lock);
    struct net_link *link = net->links;
    while (link != NULL &&
           !(link->hash == hash && strlen(link->peer) == name.len && memcmp(link->peer, name.data, name.len) == 0 &&
             /* Acquire: whoever is given the link sees what `up` did. */
             atomic_load_explicit(&link->up, memory_order_acquire)))
        link = link->next;
    if (link != NULL)
        net_link_hold(link);
    pthread_mutex_unlock(&net->lock);
    return link;
}

static uint64_t number(_Atomic uint64_t *n)
{
    return atomic_load_explicit(n, memory_order_relaxed);
}

void net_stats(struct net *net, struct net_stats *out)
{
    *out = (struct net_stats){.accepted = number(&net->accepted),
                              .dialled = number(&net->dialled),
                              .turned_away = number(&net->turned_away),
                              .ups = number(&net->ups),
                              .downs = number(&net->downs),
                              .bytes_in = number(&net->bytes_in),
                              .bytes_out = number(&net->bytes_out),
                              .messages_in = number(&net->messages_in)};
    for (size_t i = 0; i < REFUSAL_KINDS; i++)
        out->refusals[i] = number(&net->refusals[i]);
}
