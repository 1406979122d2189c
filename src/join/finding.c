/* Discovery: strategies on the loop of worker 0, and the net dials whom they name. See join.h. */
#include <stdio.h>

#include "join/join.h"

static bool on_connected(void *context, const char *node)
{
    struct join *j = context;
    struct net_link *link = net_find(j->net, mesh_str(node));
    if (link != NULL)
        net_link_release(link);
    return link != NULL;
}

/* Named again while the attempt is under way it makes no second one. */
static void on_seen(void *context, const char *node)
{
    struct join *j = context;
    (void)net_dial(j->net, node); /* refused only while the node stops */
}

const void *finding_options(const mesh_discovery *d)
{
    static const union {
        mesh_gossip_options gossip;
        mesh_epmd_list_options epmd;
        mesh_local_epmd_options local_epmd;
        mesh_erlang_hosts_options erlang_hosts;
    } none;
    return d->options != NULL ? d->options : &none;
}

static int start(struct join *j, const mesh_discovery *d, mesh_reason *reason)
{
    struct strategy *s = &j->strategies[j->strategy_count];
    struct discovery_reason why = {""};
    struct worker *w = &j->node->runtime.workers[0];
    const struct discovery_env env = {.loop = &w->loop,
                                      .logger = &j->node->runtime.log,
                                      .node = j->node->runtime.name,
                                      .context = j,
                                      .connected = on_connected,
                                      .seen = on_seen};
    s->ops = discovery_strategy(d->strategy);
    int rc = s->ops->start(&env, finding_options(d), &s->running, &why);
    if (rc != MESH_OK) {
        snprintf(reason->text, sizeof reason->text, "%s", why.text);
        return rc == MESH_EINVAL ? MESH_EINVAL : MESH_ESYSTEM;
    }
    worker_watch(w);
    j->strategy_count++;
    j->parts++;
    return MESH_OK;
}

int finding_start(struct join *j, const mesh_discovery *discovery, size_t count, mesh_reason *reason)
{
    int rc = MESH_OK;
    for (size_t i = 0; i < count && rc == MESH_OK; i++)
        rc = start(j, &discovery[i], reason);
    return rc;
}

void finding_stop(struct join *j)
{
    for (size_t i = 0; i < j->strategy_count; i++)
        j->strategies[i].ops->stop(j->strategies[i].running, join_part_closed, j);
}
