/* Ops that note what they are told. Assertions belong to the test's own thread. */
#include "unit/dist/party.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "node/node.h"
#include "unit/check.h"

uint64_t party_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint16_t party_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

int party_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

/* ---- what the net tells ---- */

static void note(struct party *p, char event)
{
    if (event == 'm' && p->event_count > 0 && p->events[p->event_count - 1] == 'm')
        return;
    if (p->event_count + 1 < sizeof p->events)
        p->events[p->event_count++] = event;
}

static void up(void *context, struct net_link *link)
{
    struct party *p = context;
    if (p->expects != NULL && net_link_expect(link, mesh_str(p->expects)) != MESH_OK)
        abort();
    pthread_mutex_lock(&p->lock);
    note(p, 'u');
    p->ups++;
    p->creation = net_link_creation(link);
    for (int i = 0; i < PARTY_SENDERS; i++)
        p->last[i] = 0;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static void down(void *context, struct net_link *link, const struct net_reason *reason)
{
    struct party *p = context;
    (void)link;
    pthread_mutex_lock(&p->lock);
    note(p, 'd');
    p->downs++;
    p->reason = *reason;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static void message(void *context, struct net_link *link, const struct control *control, struct block *hold)
{
    struct party *p = context;
    int64_t sender, number;
    mesh_bytes bytes;
    (void)link;
    (void)hold;
    pthread_mutex_lock(&p->lock);
    note(p, 'm');
    p->messages++;
    if (mesh_match(control->message, "{~i, ~i}", &sender, &number) == MESH_OK) {
        if (number != ++p->last[sender])
            p->disorder++;
    } else if (mesh_match(control->message, "~b", &bytes) == MESH_OK) {
        p->large = bytes.len;
    }
    pthread_cond_broadcast(&p->changed);
    while (p->holds)
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static bool expected(void *context, struct net_link *link, mesh_bytes bytes, struct block *hold)
{
    struct party *p = context;
    (void)link;
    (void)hold;
    pthread_mutex_lock(&p->lock);
    p->expected++;
    snprintf(p->behind, sizeof p->behind, "%.*s", (int)bytes.len, (const char *)bytes.data);
    bool good = strcmp(p->behind, "bad") != 0;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return good;
}

static void dial_failed(void *context, const char *name, const struct net_reason *reason)
{
    struct party *p = context;
    (void)name;
    pthread_mutex_lock(&p->lock);
    note(p, 'f');
    p->failures++;
    p->reason = *reason;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static const struct net_ops ops = {
    .up = up, .message = message, .expected = expected, .down = down, .dial_failed = dial_failed};

static void log_noted(void *context, const mesh_log_event *event)
{
    struct party *p = context;
    pthread_mutex_lock(&p->lock);
    p->registered_again += strcmp(event->message, "registered at epmd again") == 0;
    p->paused += strcmp(event->message, "no connections are accepted for a moment") == 0;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* ---- start and stop ---- */

static void end(struct party *p)
{
    assert_int_equal(mesh_node_stop(p->node), MESH_OK);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
}

int party_try(struct party *p, const char *name, const struct net_options *options)
{
    struct net_options o = options ? *options : (struct net_options){.name = NULL};
    const mesh_node_options node_options = {.size = sizeof node_options,
                                            .name = name,
                                            .workers = 2,
                                            .drain_ms = PARTY_PATIENCE_MS,
                                            .log = log_noted,
                                            .log_context = p};
    pthread_condattr_t monotonic;
    struct net_trouble trouble;
    const char *expects = p->expects;
    memset(p, 0, sizeof *p);
    p->expects = expects;
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    snprintf(p->name, sizeof p->name, "%s", name);
    assert_int_equal(mesh_node_start(&node_options, &p->node), MESH_OK);
    o.name = p->name;
    if (o.cookie.len == 0)
        o.cookie = mesh_str("mesh");
    if (o.epmd_address == NULL)
        o.epmd_address = "127.0.0.1";
    int error = net_create(&p->node->runtime, &o, &ops, p, &p->net, &trouble);
    if (error != MESH_OK)
        end(p);
    return error;
}

void party_start(struct party *p, const char *name, const struct net_options *options)
{
    assert_int_equal(party_try(p, name, options), MESH_OK);
}

void party_stop(struct party *p)
{
    assert_int_equal(net_stop(p->net), MESH_OK);
    assert_int_equal(p->ups, p->downs);
    net_destroy(p->net);
    end(p);
}

/* ---- waiting ---- */

static struct timespec deadline(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += PARTY_PATIENCE_MS / 1000;
    return t;
}

void party_await(struct party *p, const int *count, int n)
{
    const struct timespec until = deadline();
    int late = 0;
    pthread_mutex_lock(&p->lock);
    while (*count < n && late == 0)
        late = pthread_cond_timedwait(&p->changed, &p->lock, &until);
    int have = *count;
    pthread_mutex_unlock(&p->lock);
    if (have < n)
        fail_msg("%s waited in vain: %d of %d; events: %s", p->name, have, n, p->events);
}

void party_await_messages(struct party *p, uint64_t n)
{
    const struct timespec until = deadline();
    int late = 0;
    pthread_mutex_lock(&p->lock);
    while (p->messages < n && late == 0)
        late = pthread_cond_timedwait(&p->changed, &p->lock, &until);
    uint64_t have = p->messages;
    pthread_mutex_unlock(&p->lock);
    if (have < n)
        fail_msg("%s waited in vain: %u of %u messages", p->name, (unsigned)have, (unsigned)n);
}

int party_count(struct party *p, const int *count)
{
    pthread_mutex_lock(&p->lock);
    int n = *count;
    pthread_mutex_unlock(&p->lock);
    return n;
}

struct net_reason party_reason(struct party *p)
{
    pthread_mutex_lock(&p->lock);
    struct net_reason reason = p->reason;
    pthread_mutex_unlock(&p->lock);
    return reason;
}

uint32_t party_peer_creation(struct party *p)
{
    pthread_mutex_lock(&p->lock);
    uint32_t creation = p->creation;
    pthread_mutex_unlock(&p->lock);
    return creation;
}

struct net_link *party_link(struct party *p, const char *name)
{
    struct net_link *link = net_find(p->net, mesh_str(name));
    assert_non_null(link);
    return link;
}

void party_connect(struct party *p, struct party *to)
{
    const int ups = party_count(p, &p->ups) + 1, theirs = party_count(to, &to->ups) + 1;
    assert_int_equal(net_dial(p->net, to->name), MESH_OK);
    party_await(p, &p->ups, ups);
    party_await(to, &to->ups, theirs);
}

/* ---- sending ---- */

static int send_term(struct party *p, struct net_link *link, uint64_t sender, mesh_term term, struct block *block,
                     uint32_t wait_ms)
{
    mesh_buf from, to, tuple;
    mesh_bytes body;
    mesh_pid pid = {.number = 1};
    snprintf(pid.node, sizeof pid.node, "%s", p->name);
    pid.creation = net_creation(p->net);
    mesh_buf_init(&from);
    mesh_buf_init(&to);
    mesh_buf_init(&tuple);
    struct control c = {.kind = CONTROL_SEND_NAME, .message = term};
    assert_int_equal(mesh_build(&from, "~p", &pid), MESH_OK);
    assert_int_equal(mesh_build(&to, ":x"), MESH_OK);
    c.from = (mesh_term){.data = from.data, .len = from.len};
    c.to = (mesh_term){.data = to.data, .len = to.len};
    assert_int_equal(control_put(&tuple, &c, net_link_flags(link), &body), MESH_OK);
    const struct outbox_message m = {mesh_buf_bytes(&tuple), body, block, sender, false};
    int error = net_send(link, &m, wait_ms);
    mesh_buf_fini(&from);
    mesh_buf_fini(&to);
    mesh_buf_fini(&tuple);
    return error;
}

int party_send(struct party *p, struct net_link *link, int64_t sender, int64_t number, uint32_t wait_ms)
{
    mesh_buf term;
    mesh_buf_init(&term);
    assert_int_equal(mesh_build(&term, "{~i, ~i}", sender, number), MESH_OK);
    int error = send_term(p, link, (uint64_t)sender, (mesh_term){.data = term.data, .len = term.len}, NULL, wait_ms);
    mesh_buf_fini(&term);
    return error;
}

struct block *party_binary(size_t len)
{
    enum { HEAD = 5, BINARY = 109 };
    struct block *block = block_create(HEAD + len);
    assert_non_null(block);
    const uint8_t head[HEAD] = {BINARY, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};
    memcpy(block->bytes, head, HEAD);
    memset(block->bytes + HEAD, 'x', len);
    return block;
}

int party_send_bytes(struct party *p, struct net_link *link, int64_t sender, struct block *block, uint32_t wait_ms)
{
    return send_term(p, link, (uint64_t)sender, (mesh_term){.data = block->bytes, .len = block->len}, block, wait_ms);
}
