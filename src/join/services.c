/* The services that other nodes expect of this one: system.h, under one lock. See join.h. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/random.h"
#include "join/functions.h"
#include "join/join.h"

static uint64_t now_ms(void)
{
    return clock_now_ns() / 1000000;
}

/* ---- actions: under the lock, and nothing here comes back -------------------------------------------------------- */

static void on_send(void *context, mesh_bytes peer, const struct control *message)
{
    (void)link_owe(context, peer, message, SENDER_SERVICES);
}

static void on_connect(void *context, mesh_bytes peer)
{
    link_want(context, peer);
}

static void on_disconnect(void *context, mesh_bytes peer)
{
    struct join *j = context;
    struct net_link *link = net_find(j->net, peer);
    if (link == NULL)
        return;
    net_disconnect(link);
    net_link_release(link);
}

static const struct service_actions actions = {on_send, on_connect, on_disconnect};

/* ---- questions of the services ----------------------------------------------------------------------------------- */

static uint64_t on_next_pid(void *context)
{
    struct join *j = context;
    return ++j->last_called << 32 | PIDS_CALLS;
}

static bool on_deliver(void *context, mesh_bytes peer, const struct control *message)
{
    return processes_deliver(context, peer, message);
}

static bool on_alive(void *context, uint64_t number)
{
    const struct join *j = context;
    return foreign_alive(j->node->foreign, number);
}

/* Nobody here asks for names of the cluster. */
static void on_done(void *context, uint64_t token, bool yes)
{
    (void)context;
    (void)token;
    (void)yes;
}

/* A function that was called by another node, and took its time, has an outcome. */
static void on_outcome(void *context, uint64_t token, enum spawn_outcome outcome, mesh_term result)
{
    struct join *j = context;
    pthread_mutex_lock(&j->services_lock);
    (void)spawn_answer(&j->system.spawn, token, outcome, result); /* nobody may wait any more */
    pthread_mutex_unlock(&j->services_lock);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

void services_begin(struct join *j, uint32_t creation)
{
    uint64_t seed = creation;
    (void)random_bytes(&seed, sizeof seed); /* for times of waiting: the creation does as well */
    size_t count = 0;
    if (!j->hidden)
        j->functions = functions_create(j->node, on_outcome, j);
    const struct spawn_function *table = j->functions != NULL ? functions_table(j->functions, &count) : NULL;
    const struct system_config config = {.self = mesh_str(j->node->runtime.name),
                                         .creation = creation,
                                         .first_pid = PIDS_SERVICES,
                                         .ref_word = JOIN_REF_SERVICES,
                                         .seed = seed,
                                         .actions = &actions,
                                         .functions = table,
                                         .function_count = count,
                                         .next_pid = on_next_pid,
                                         .deliver = on_deliver,
                                         .alive = on_alive,
                                         .done = on_done,
                                         .context = j};
    system_init(&j->system, &config);
}

void services_end(struct join *j)
{
    system_fini(&j->system);
    functions_destroy(j->functions);
}

void services_shutdown(struct join *j)
{
    pthread_mutex_lock(&j->services_lock);
    global_shutdown(j->system.global);
    pthread_mutex_unlock(&j->services_lock);
}

void services_up(struct peer *p)
{
    struct join *j = p->join;
    pthread_mutex_lock(&j->services_lock);
    system_peer_up(&j->system, mesh_str(net_link_peer(p->link)), p->visible, now_ms());
    pthread_mutex_unlock(&j->services_lock);
}

void services_down(struct join *j, const char *name)
{
    pthread_mutex_lock(&j->services_lock);
    system_peer_down(&j->system, mesh_str(name), now_ms());
    pthread_mutex_unlock(&j->services_lock);
}

void services_message(struct peer *p, const struct control *message)
{
    struct join *j = p->join;
    pthread_mutex_lock(&j->services_lock);
    system_message(&j->system, mesh_str(net_link_peer(p->link)), message, now_ms());
    pthread_mutex_unlock(&j->services_lock);
}

void services_tick(struct join *j)
{
    pthread_mutex_lock(&j->services_lock);
    system_tick(&j->system, now_ms());
    pthread_mutex_unlock(&j->services_lock);
}
