#include "unit/join/nodes.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static uint16_t epmd_port;

static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    close(fd);
    return ntohs(at.sin_port);
}

void nodes_begin(void)
{
    setenv("ERL_EPMD_ADDRESS", "127.0.0.1", 1);
    epmd_port = free_port();
}

void nodes_use_epmd(uint16_t port)
{
    epmd_port = port;
}

static void quiet(void *context, const mesh_log_event *event)
{
    (void)context;
    if (getenv("NODES_LOG") != NULL)
        fprintf(stderr, "%s\n", event->message);
}

mesh_node *nodes_start(const char *name, const mesh_cluster_options *options, int *rc)
{
    const mesh_node_options n = {
        .size = sizeof n, .name = name, .workers = 2, .log = quiet, .no_spin = true, .max_message = 64 << 20};
    const mesh_module module = agent_module(true);
    mesh_cluster_options o = {.size = sizeof o};
    mesh_reason reason;
    mesh_node *node;
    if (options != NULL)
        o = *options;
    o.cookie = o.cookie != NULL ? o.cookie : COOKIE;
    o.epmd_port = epmd_port;
    o.listen = o.listen != NULL ? o.listen : "127.0.0.1";
    o.quiet_ms = 50;
    assert_int_equal(mesh_node_start(&n, &node), MESH_OK);
    assert_int_equal(mesh_register_module(node, &module), MESH_OK);
    int error = mesh_cluster_join(node, &o, &reason);
    if (rc != NULL)
        *rc = error;
    else if (error != MESH_OK)
        fail_msg("%s: %s", mesh_error_name(error), reason.text);
    return node;
}

static void pause_shortly(void)
{
    const struct timespec moment = {0, 2000000}; /* between two looks: nobody tells when a view has changed */
    nanosleep(&moment, NULL);
}

void nodes_await(mesh_node *node, size_t count)
{
    const uint64_t until_ms = now_ms() + PATIENCE_MS;
    for (size_t seen = count + 1; seen != count; pause_shortly()) {
        mesh_names *names;
        assert_int_equal(mesh_nodes(node, false, &names), MESH_OK);
        seen = names->count;
        mesh_names_free(names);
        if (now_ms() > until_ms)
            fail_msg("%s sees %zu nodes", mesh_node_name(node), seen);
    }
}

void nodes_connect(mesh_node *a, mesh_node *b)
{
    assert_int_equal(mesh_connect(a, mesh_node_name(b), PATIENCE_MS), MESH_OK);
    assert_int_equal(mesh_wait_for(a, 2, PATIENCE_MS), MESH_OK);
    assert_int_equal(mesh_wait_for(b, 2, PATIENCE_MS), MESH_OK);
}

static uint64_t held_by(mesh_node *node)
{
    mesh_cluster_stats stats = {.size = sizeof stats};
    assert_int_equal(mesh_cluster_stats_read(node, &stats), MESH_OK);
    return stats.claiming + stats.leaving == 0 ? stats.held : 0;
}

/* Each shard is held, and each node holds some. */
static bool is_shared(mesh_node **nodes, size_t count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t held = held_by(nodes[i]);
        all += held;
        if (held == 0)
            return false;
    }
    return all == MESH_DEFAULT_SHARDS;
}

void nodes_give(mesh_node **nodes, size_t count)
{
    const uint64_t until_ms = now_ms() + PATIENCE_MS;
    for (size_t i = 0; i < count; i++)
        assert_int_equal(mesh_register_capability(nodes[i], "test", NULL), MESH_OK);
    while (!is_shared(nodes, count)) {
        if (now_ms() > until_ms)
            fail_msg("the shards are not shared out");
        pause_shortly();
    }
}
