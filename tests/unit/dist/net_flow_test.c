/* What flows over a link, and what must not stop it: order, large messages, full queues, peers that say nothing, say
 * rubbish or do not read, silent strangers, and no descriptors. */
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "dist/flags.h"
#include "dist/peers.h"
#include "system/dist/link.h"
#include "unit/check.h"
#include "unit/dist/party.h"

enum { LARGE_BYTES = 100 << 20, NUMBERS = 20000, WAIT_MS = PARTY_PATIENCE_MS };

static struct party a, b;
static struct net_options options;

/* Two nodes without epmd: b knows where a listens. */
static void start_both(void)
{
    options.no_epmd = true;
    options.listen = "127.0.0.1";
    options.dial_port = 0;
    party_start(&a, "a@127.0.0.1", &options);
    options.dial_port = net_port(a.net);
    party_start(&b, "b@127.0.0.1", &options);
    party_connect(&b, &a);
}

static void stop_both(void)
{
    party_stop(&b);
    party_stop(&a);
    options = (struct net_options){.name = NULL};
}

/* ---- a peer that is no node ---- */

static bool anybody(void *context, mesh_bytes peer)
{
    (void)context;
    (void)peer;
    return true;
}

static bool none_outstanding(void *context, uint32_t challenge)
{
    (void)context;
    (void)challenge;
    return false;
}

static struct handshake_config raw_config;

/* Logs in at a node as raw@127.0.0.1. */
static struct net_link *log_in(struct link *raw, struct party *at)
{
    const int ups = party_count(at, &at->ups) + 1;
    raw_config = (struct handshake_config){.name = mesh_str("raw@127.0.0.1"),
                                           .cookie = mesh_str("mesh"),
                                           .flags = DIST_OFFERED,
                                           .creation = 7,
                                           .allowed = anybody,
                                           .outstanding = none_outstanding};
    link_connect(raw, net_port(at->net));
    handshake_dial(&raw->handshake, &raw_config, mesh_str(at->name), 0x01020304, party_now_ms());
    assert_int_equal(link_shake(raw), HANDSHAKE_DONE);
    party_await(at, &at->ups, ups);
    return party_link(at, "raw@127.0.0.1");
}

/* ---- order ---- */

struct sender {
    struct party *from;
    struct net_link *link;
    int64_t number;
    int failed;
};

static void *send_numbers(void *arg)
{
    struct sender *s = arg;
    for (int64_t i = 1; i <= NUMBERS; i++)
        if (party_send(s->from, s->link, s->number, i, WAIT_MS) != MESH_OK)
            s->failed++;
    return NULL;
}

static void senders_keep_their_order(void **state)
{
    (void)state;
    pthread_t threads[2 * PARTY_SENDERS];
    struct sender senders[2 * PARTY_SENDERS];
    options.send.bytes = 65536; /* so that they have to wait */
    start_both();
    for (int i = 0; i < 2 * PARTY_SENDERS; i++) {
        struct party *from = i % 2 ? &a : &b;
        senders[i] = (struct sender){from, party_link(from, i % 2 ? b.name : a.name), i / 2, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, send_numbers, &senders[i]), 0);
    }
    for (int i = 0; i < 2 * PARTY_SENDERS; i++) {
        pthread_join(threads[i], NULL);
        net_link_release(senders[i].link);
        assert_int_equal(senders[i].failed, 0);
    }
    party_await_messages(&a, (uint64_t)PARTY_SENDERS * NUMBERS);
    party_await_messages(&b, (uint64_t)PARTY_SENDERS * NUMBERS);
    stop_both();
    assert_int_equal(a.disorder + b.disorder, 0);
}

/* ---- large messages ---- */

static size_t large_of(struct party *p)
{
    pthread_mutex_lock(&p->lock);
    size_t large = p->large;
    pthread_mutex_unlock(&p->lock);
    return large;
}

/* While 100 MB go from a to b, small ones of another sender go there and are answered. */
static void small_messages_pass_a_large_one(void **state)
{
    (void)state;
    options.send.max_message = options.receive.max_message = 2 * (size_t)LARGE_BYTES;
    start_both();
    struct net_link *to_b = party_link(&a, b.name), *to_a = party_link(&b, a.name);
    struct block *large = party_binary(LARGE_BYTES);
    assert_int_equal(party_send_bytes(&a, to_b, 1, large, 0), MESH_OK);
    block_release(large);
    uint64_t longest_ns = 0, passed = 0, sent = 0;
    for (int64_t i = 1; large_of(&b) == 0; i++, sent++) {
        const uint64_t before = clock_now_ns();
        assert_int_equal(party_send(&a, to_b, 2, i, 0), MESH_OK);
        party_await_messages(&b, (uint64_t)i);
        assert_int_equal(party_send(&b, to_a, 2, i, 0), MESH_OK);
        party_await_messages(&a, (uint64_t)i);
        const uint64_t took = clock_now_ns() - before;
        passed += large_of(&b) == 0;
        longest_ns = took > longest_ns ? took : longest_ns;
    }
    print_message("%u round trips passed it, the longest took %u us\n", (unsigned)passed,
                  (unsigned)(longest_ns / 1000));
    assert_int_equal(large_of(&b), LARGE_BYTES);
    assert_true(passed >= 5); /* how long they take depends on what else the machine does */
    /* One sender's own next message comes behind his large one. */
    large = party_binary(1 << 20);
    const uint64_t before = sent + 1;
    party_await_messages(&b, before);
    assert_int_equal(party_send_bytes(&a, to_b, 3, large, 0), MESH_OK);
    assert_int_equal(party_send(&a, to_b, 3, 1, 0), MESH_OK);
    block_release(large);
    party_await_messages(&b, before + 1);
    assert_int_equal(large_of(&b), 1 << 20);
    party_await_messages(&b, before + 2);
    large = party_binary(2 * (size_t)LARGE_BYTES);
    assert_int_equal(party_send_bytes(&a, to_b, 3, large, 0), MESH_ETOOBIG);
    block_release(large);
    net_link_release(to_b);
    net_link_release(to_a);
    stop_both();
}

/* ---- a full queue ---- */

/* Sends until there is no room, in the kernel neither; how many. */
static uint64_t fill(struct net_link *link)
{
    struct block *block = party_binary(1000);
    uint64_t sent = 0;
    int error;
    while ((error = party_send_bytes(&a, link, 1, block, 50)) == MESH_OK)
        assert_true(++sent < 1000000);
    assert_int_equal(error, MESH_EBUSY);
    block_release(block);
    return sent;
}

static int wait_for_room(mesh_node *node, void *link)
{
    (void)node;
    return party_send(&a, link, 2, 1, WAIT_MS);
}

static void *wait_in_thread(void *link)
{
    return (void *)(intptr_t)party_send(&a, link, 3, 1, WAIT_MS);
}

static void a_peer_that_does_not_read_fills_its_queue_only(void **state)
{
    (void)state;
    static struct link raw;
    struct control control;
    mesh_task *task;
    pthread_t thread;
    void *result;
    int value = -1;
    options.send.bytes = 1 << 20;
    start_both();
    struct net_link *link = log_in(&raw, &a), *to_b = party_link(&a, b.name);
    uint64_t sent = fill(link);
    assert_true(sent >= 1000);
    const uint64_t before = party_now_ms();
    assert_int_equal(party_send(&a, link, 2, 1, 20), MESH_EBUSY);
    assert_true(party_now_ms() - before >= 19);
    assert_int_equal(party_send(&a, to_b, 1, 1, 0), MESH_OK); /* others are not concerned */
    party_await_messages(&b, 1);
    assert_int_equal(mesh_spawn(a.node, wait_for_room, link, &task), MESH_OK);
    assert_int_equal(pthread_create(&thread, NULL, wait_in_thread, link), 0);
    for (uint64_t i = 0; i < sent + 2; i++)
        assert_true(link_next(&raw, &control));
    assert_int_equal(mesh_await(task, WAIT_MS, &value), MESH_OK);
    assert_int_equal(value, MESH_OK);
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, MESH_OK);
    /* The same, but the link ends. */
    fill(link);
    assert_int_equal(pthread_create(&thread, NULL, wait_in_thread, link), 0);
    link_close(&raw);
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, MESH_ESTOPPED);
    party_await(&a, &a.downs, 1);
    net_link_release(link);
    net_link_release(to_b);
    stop_both();
}

/* ---- peers that are silent, or not to be understood ---- */

static void who_is_silent_for_ticktime_is_down(void **state)
{
    (void)state;
    static struct link raw;
    options.ticktime_ms = 1000;
    start_both();
    struct net_link *link = log_in(&raw, &a);
    const uint64_t before = party_now_ms();
    party_await(&a, &a.downs, 1);
    assert_true(party_now_ms() - before >= 900);
    assert_int_equal(party_reason(&a).why, NET_SILENT);
    assert_int_equal(party_count(&b, &b.downs), 0); /* a and b have ticked */
    struct net_stats stats;
    net_stats(b.net, &stats);
    assert_int_equal(stats.messages_in, 0);
    uint8_t ticks[4];
    assert_int_equal(recv(raw.fd, ticks, sizeof ticks, 0), 4); /* it was told that a lives */
    assert_memory_equal(ticks, "\0\0\0\0", 4);
    ssize_t more;
    do {
        more = recv(raw.fd, ticks, sizeof ticks, 0);
    } while (more > 0);
    assert_int_equal(more, -1); /* and is told of the end at once */
    assert_int_equal(errno, ECONNRESET);
    net_link_release(link);
    link_close(&raw);
    stop_both();
}

/* A number to the name x, as party_send sends it. */
static void send_number(struct link *raw, int64_t number)
{
    mesh_buf from, to, message;
    const mesh_pid pid = {.node = "raw@127.0.0.1", .number = 1, .creation = 7};
    mesh_buf_init(&from);
    mesh_buf_init(&to);
    mesh_buf_init(&message);
    assert_int_equal(mesh_put_pid(&from, &pid), MESH_OK);
    assert_int_equal(mesh_build(&to, ":x"), MESH_OK);
    assert_int_equal(mesh_build(&message, "{0, ~i}", number), MESH_OK);
    link_send(raw, &(struct control){.kind = CONTROL_SEND_NAME,
                                     .from = mesh_buf_term(&from),
                                     .to = mesh_buf_term(&to),
                                     .message = mesh_buf_term(&message)});
    mesh_buf_fini(&from);
    mesh_buf_fini(&to);
    mesh_buf_fini(&message);
}

/* A node that stands still has nobody's word meanwhile, perhaps because all of its machine does: a peer has the time of
 * silence anew. */
static void who_stands_still_does_not_blame_the_others(void **state)
{
    enum { STILL_MS = 1500 };
    (void)state;
    static struct link raw;
    const struct net_options alone = {.no_epmd = true, .listen = "127.0.0.1", .ticktime_ms = 1000};
    party_start(&a, "a@127.0.0.1", &alone);
    struct net_link *link = log_in(&raw, &a);
    pthread_mutex_lock(&a.lock);
    a.holds = true; /* the link's worker, in the message */
    pthread_mutex_unlock(&a.lock);
    send_number(&raw, 1);
    party_await_messages(&a, 1);
    const uint64_t still_until_ms = party_now_ms() + STILL_MS;
    while (party_now_ms() < still_until_ms)
        sched_yield();
    pthread_mutex_lock(&a.lock);
    a.holds = false;
    pthread_cond_broadcast(&a.changed);
    pthread_mutex_unlock(&a.lock);
    party_await(&a, &a.downs, 1); /* it is silent indeed */
    assert_true(party_now_ms() - still_until_ms >= 500);
    assert_int_equal(party_reason(&a).why, NET_SILENT);
    net_link_release(link);
    link_close(&raw);
    party_stop(&a);
}

/* A peer that has lost its connection without our notice, and connects anew. */
static void a_second_connection_replaces_the_first(void **state)
{
    (void)state;
    static struct link raw, again;
    uint8_t byte;
    start_both();
    struct net_link *first = log_in(&raw, &a);
    struct net_link *second = log_in(&again, &a);
    assert_ptr_not_equal(first, second);
    assert_int_equal(party_count(&a, &a.downs), 1); /* before the second came up */
    assert_int_equal(party_reason(&a).why, NET_REPLACED);
    assert_int_equal(recv(raw.fd, &byte, 1, 0), 0);
    assert_int_equal(party_send(&a, first, 1, 1, 0), MESH_ESTOPPED);
    struct control control;
    assert_int_equal(party_send(&a, second, 1, 1, 0), MESH_OK);
    assert_true(link_next(&again, &control));
    net_link_release(first);
    net_link_release(second);
    link_close(&raw);
    link_close(&again);
    stop_both();
}

static void rubbish_ends_its_link_only(void **state)
{
    (void)state;
    static struct link raw;
    static const struct {
        const char *bytes;
        size_t len;
        enum refusal refusal;
    } cases[] = {
        {"\xFF\xFF\xFF\xFF", 4, REFUSAL_TOO_BIG},
        {"\0\0\0\4\x83\x44\0\x61", 8, REFUSAL_TERM},
        {"\0\0\0\4\x70\x83\x68\0", 8, REFUSAL_HEADER},
        {"\0\0\0\5\x83\x44\0\x61\1", 9, REFUSAL_SHAPE},
    };
    start_both();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct net_stats stats;
        struct net_link *link = log_in(&raw, &a);
        assert_int_equal(send(raw.fd, cases[i].bytes, cases[i].len, MSG_NOSIGNAL), (ssize_t)cases[i].len);
        party_await(&a, &a.downs, (int)i + 1);
        assert_int_equal(party_reason(&a).why, NET_REFUSED);
        net_stats(a.net, &stats);
        assert_string_equal(refusal_text(party_reason(&a).refusal), refusal_text(cases[i].refusal));
        assert_true(stats.refusals[cases[i].refusal] > 0);
        net_link_release(link);
        link_close(&raw);
    }
    assert_int_equal(party_count(&b, &b.downs), 0);
    stop_both();
}

static void send_packet(struct link *raw, const char *packet, size_t len)
{
    assert_int_equal(send(raw->fd, packet, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* What is expected is not read as a control message, nor what stands behind it as a term; but it has to be all there,
 * with something behind it. */
static void what_is_expected_is_told_as_it_is(void **state)
{
    (void)state;
    static struct link raw;
    static const struct {
        const char *packet;
        size_t len;
        int expected;
    } bad[] = {
        {"\0\0\0\12\x83\x44\0samebad", 14, 3},
        {"\0\0\0\7\x83\x44\0same", 11, 2},
        {"\0\0\0\7\x83\x44\0samX", 11, 2},
    };
    a.expects = "same";
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        start_both();
        struct net_link *link = log_in(&raw, &a);
        send_packet(&raw, "\0\0\0\13\x83\x44\0samegood", 15);
        party_await(&a, &a.expected, 1);
        assert_string_equal(a.behind, "good");
        send_packet(&raw, "\0\0\0\10\x83\x44\0same1", 12);
        party_await(&a, &a.expected, 2);
        send_packet(&raw, bad[i].packet, bad[i].len);
        party_await(&a, &a.downs, 1);
        assert_int_equal(party_reason(&a).why, NET_REFUSED);
        assert_int_equal(party_count(&a, &a.expected), bad[i].expected);
        assert_int_equal(a.messages, 0);
        net_link_release(link);
        link_close(&raw);
        stop_both();
    }
    a.expects = NULL;
}

/* ---- strangers ---- */

static int call(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A message there and one back. */
static void echo(struct net_link *to_b, struct net_link *to_a, int64_t number)
{
    assert_int_equal(party_send(&a, to_b, 1, number, 0), MESH_OK);
    party_await_messages(&b, (uint64_t)number);
    assert_int_equal(party_send(&b, to_a, 1, number, 0), MESH_OK);
    party_await_messages(&a, (uint64_t)number);
}

static rlim_t raise_descriptors(rlim_t wanted)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

enum { STRANGERS = 3000 };

/* Connects all of them, with messages between a and b meanwhile; the number of the last message. */
static int64_t call_strangers(int *fds, struct net_link *to_b, struct net_link *to_a)
{
    uint64_t longest_ms = 0;
    int64_t number = 0;
    for (int i = 0; i < STRANGERS; i++) {
        fds[i] = call(net_port(a.net));
        assert_true(fds[i] >= 0);
        if (i % 30 == 0) {
            const uint64_t since = party_now_ms();
            echo(to_b, to_a, ++number);
            longest_ms = party_now_ms() - since > longest_ms ? party_now_ms() - since : longest_ms;
        }
    }
    print_message("the longest round trip meanwhile took %u ms\n", (unsigned)longest_ms);
    return number;
}

static struct net_stats stats_of(struct party *p)
{
    struct net_stats stats;
    net_stats(p->net, &stats);
    return stats;
}

static void silent_strangers_do_not_matter(void **state)
{
    (void)state;
    static int fds[STRANGERS];
    uint8_t byte;
    const rlim_t before = raise_descriptors(STRANGERS + 2 * PEERS_HALF_OPEN_MAX + 100);
    start_both();
    struct net_link *to_b = party_link(&a, b.name), *to_a = party_link(&b, a.name);
    const uint64_t friends = stats_of(&a).accepted, begin = party_now_ms();
    int64_t number = call_strangers(fds, to_b, to_a);
    while (stats_of(&a).accepted < friends + STRANGERS) {
        assert_true(party_now_ms() - begin < PARTY_PATIENCE_MS);
        echo(to_b, to_a, ++number);
    }
    /* All but those that are in are turned away; each time-out of a handshake has made room for as many again. The
     * last one is counted as accepted a moment before it is counted as turned away. */
    const uint64_t in = PEERS_HALF_OPEN_MAX * (1 + (party_now_ms() - begin) / HANDSHAKE_TIMEOUT_MS);
    while (stats_of(&a).turned_away + in < STRANGERS) {
        assert_true(party_now_ms() - begin < PARTY_PATIENCE_MS);
        echo(to_b, to_a, ++number);
    }
    assert_true(stats_of(&a).turned_away + PEERS_HALF_OPEN_MAX <= STRANGERS);
    /* The first that came is in, for as long as a handshake may take. */
    assert_int_equal(recv(fds[0], &byte, 1, 0), 0);
    assert_true(party_now_ms() - begin >= HANDSHAKE_TIMEOUT_MS - 1);
    assert_true(stats_of(&a).refusals[REFUSAL_TIMEOUT] > 0);
    echo(to_b, to_a, ++number);
    for (int i = 0; i < STRANGERS; i++)
        close(fds[i]);
    assert_int_equal(party_count(&a, &a.downs) + party_count(&b, &b.downs), 0);
    net_link_release(to_b);
    net_link_release(to_a);
    stop_both();
    raise_descriptors(before);
}

static void no_descriptors_are_waited_for(void **state)
{
    (void)state;
    enum { CALLS = 64 };
    int fds[CALLS], count = 0;
    struct rlimit limit;
    start_both();
    struct net_link *to_b = party_link(&a, b.name), *to_a = party_link(&b, a.name);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)party_descriptors() + 20;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while (count < CALLS && (fds[count] = call(net_port(a.net))) >= 0)
        count++; /* each takes one here and one there */
    party_await(&a, &a.paused, 1);
    for (int64_t i = 1; i <= 100; i++)
        echo(to_b, to_a, i);
    while (count > 0)
        close(fds[--count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){before, limit.rlim_max}), 0);
    static struct link raw;
    struct net_link *link = log_in(&raw, &a); /* it accepts again */
    net_link_release(link);
    link_close(&raw);
    net_link_release(to_b);
    net_link_release(to_a);
    stop_both();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders_keep_their_order),
        cmocka_unit_test(small_messages_pass_a_large_one),
        cmocka_unit_test(a_peer_that_does_not_read_fills_its_queue_only),
        cmocka_unit_test(who_is_silent_for_ticktime_is_down),
        cmocka_unit_test(who_stands_still_does_not_blame_the_others),
        cmocka_unit_test(a_second_connection_replaces_the_first),
        cmocka_unit_test(rubbish_ends_its_link_only),
        cmocka_unit_test(what_is_expected_is_told_as_it_is),
        cmocka_unit_test(silent_strangers_do_not_matter),
        cmocka_unit_test(no_descriptors_are_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
