/* One set of tests over the pure part of every strategy, on a logical clock: what each must do, whatever its source is.
 *
 * A subject makes its source and lets nodes of the world show themselves to it: by packets every 2.5 s, by being
 * registered at the epmd that is asked, or by standing in the list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mesh/error.h>

#include "discovery/ask.h"
#include "discovery/epmd_list.h"
#include "discovery/gossip.h"
#include "unit/check.h"
#include "unit/discovery/world.h"

#define OWN "own@127.0.0.1"
#define PEER "peer@127.0.0.1"

#define HEARTBEAT_MS UINT64_C(2500)
#define SECOND_MS UINT64_C(1000)
#define MINUTE_MS UINT64_C(60000)

enum { MANY = 300, WATCHED = WORLD_NAMES - 2 };

struct subject;

struct run {
    const struct subject *subject;
    struct world world;
    struct source *source;
    const char *const *alive; /* names of the nodes that can be found */
    size_t alive_count;
    uint64_t now_ms, heartbeat_ms;
    uint64_t last_seen_ms, longest_gap_ms; /* of PEER */
    unsigned most_in_a_second, in_this_second;
    uint64_t second;
    unsigned sent;
};

struct subject {
    const char *name;
    struct source *(*make)(struct run *r, const struct discovery_env *env);
    void (*show)(struct run *r); /* the living nodes send something; NULL: they do not */
    bool fixed;                  /* the names are configured, so they are never gone */
};

static struct source *make_gossip(struct run *r, const struct discovery_env *env)
{
    struct source *s = NULL;
    (void)r;
    assert_int_equal(gossip_create(env, &(mesh_gossip_options){0}, &s), MESH_OK);
    return s;
}

static struct source *make_secret_gossip(struct run *r, const struct discovery_env *env)
{
    struct source *s = NULL;
    (void)r;
    assert_int_equal(gossip_create(env, &(mesh_gossip_options){.secret = "s3cret"}, &s), MESH_OK);
    return s;
}

static struct source *make_list(struct run *r, const struct discovery_env *env)
{
    struct source *s = NULL;
    const mesh_epmd_list_options options = {.hosts = r->alive, .count = r->alive_count};
    assert_int_equal(epmd_list_create(env, &options, &s), MESH_OK);
    return s;
}

static struct source *make_local(struct run *r, const struct discovery_env *env)
{
    struct source *s = NULL;
    const mesh_bytes host = mesh_str("127.0.0.1");
    (void)r;
    assert_int_equal(ask_create(env, &host, 1, 0, 0, &s), MESH_OK);
    return s;
}

static struct source *make_hosts(struct run *r, const struct discovery_env *env)
{
    struct source *s = NULL;
    const mesh_bytes hosts[] = {mesh_str("db1.example.com"), mesh_str("127.0.0.1"), mesh_str("db2.example.com")};
    (void)r;
    assert_int_equal(ask_create(env, hosts, 3, 0, 0, &s), MESH_OK);
    return s;
}

static void send_heartbeats(struct run *r, const char *secret)
{
    static const uint8_t iv[GOSSIP_IV_BYTES] = {3};
    struct gossip_codec codec;
    uint8_t packet[GOSSIP_PACKET_MAX_BYTES];
    assert_int_equal(gossip_codec_init(&codec, secret), MESH_OK);
    for (size_t i = 0; i < r->alive_count; i++) {
        size_t len = gossip_encode(&codec, r->alive[i], iv, packet);
        gossip_receive(r->source, (mesh_bytes){packet, len}, r->now_ms);
    }
    gossip_codec_fini(&codec);
}

static void show_plain(struct run *r)
{
    send_heartbeats(r, NULL);
}

static void show_secret(struct run *r)
{
    send_heartbeats(r, "s3cret");
}

static const struct subject subjects[] = {
    {"gossip", make_gossip, show_plain, false},
    {"gossip, secret", make_secret_gossip, show_secret, false},
    {"epmd", make_list, NULL, true},
    {"local_epmd", make_local, NULL, false},
    {"erlang_hosts", make_hosts, NULL, false},
};

static void begin(struct run *r, const struct subject *subject, const char *const *alive, size_t alive_count)
{
    *r = (struct run){
        .subject = subject, .world.random = 7, .alive = alive, .alive_count = alive_count, .now_ms = 1000000};
    world_watch(&r->world, 0, PEER);
    world_watch(&r->world, 1, OWN);
    struct discovery_env env = world_env(&r->world, OWN);
    r->source = subject->make(r, &env);
    r->heartbeat_ms = subject->show != NULL ? r->now_ms : UINT64_MAX;
    r->last_seen_ms = r->now_ms;
}

static void end(struct run *r)
{
    if (r->world.seen[1] != 0)
        fail_msg("%s reported its own name", r->subject->name);
    source_destroy(r->source);
}

/* epmd's answer: the living nodes on this host. */
static void answer(struct run *r, size_t host)
{
    static char reply[MANY * 64]; /* starts with four bytes for the port, which nobody reads */
    const char *text = ask_host(r->source, host);
    size_t len = 4;
    for (size_t i = 0; i < r->alive_count; i++) {
        const char *at = strchr(r->alive[i], '@');
        if (strcmp(at + 1, text) == 0)
            len += (size_t)snprintf(reply + len, sizeof reply - len, "name %.*s at port 4000\n",
                                    (int)(at - r->alive[i]), r->alive[i]);
    }
    ask_answer(r->source, host, (mesh_bytes){reply, len}, r->now_ms);
}

static void note_seen(struct run *r, const char *name)
{
    world_seen(&r->world, name);
    r->in_this_second = r->now_ms / SECOND_MS == r->second ? r->in_this_second + 1 : 1;
    r->second = r->now_ms / SECOND_MS;
    r->most_in_a_second = r->in_this_second > r->most_in_a_second ? r->in_this_second : r->most_in_a_second;
    if (strcmp(name, PEER) != 0)
        return;
    uint64_t gap_ms = r->now_ms - r->last_seen_ms;
    r->longest_gap_ms = gap_ms > r->longest_gap_ms ? gap_ms : r->longest_gap_ms;
    r->last_seen_ms = r->now_ms;
}

static void turn(struct run *r)
{
    struct action action;
    for (unsigned actions = 0; source_next(r->source, r->now_ms, &action); actions++) {
        if (actions > 2 * MANY)
            fail_msg("%s never rests", r->subject->name);
        if (action.kind == ACTION_SEEN)
            note_seen(r, action.name);
        else if (action.kind == ACTION_GONE)
            world_gone(&r->world, action.name);
        else if (action.kind == ACTION_ASK)
            answer(r, action.host);
        else
            r->sent++;
    }
    if (source_next_ms(r->source) <= r->now_ms)
        fail_msg("%s wants a turn at once, but has nothing to do", r->subject->name);
}

/* Lets so much time pass. */
static void pass(struct run *r, uint64_t ms)
{
    uint64_t end_ms = r->now_ms + ms;
    while (r->now_ms <= end_ms) {
        if (r->now_ms >= r->heartbeat_ms) {
            r->subject->show(r);
            r->heartbeat_ms = r->now_ms + HEARTBEAT_MS;
        }
        turn(r);
        uint64_t next_ms = source_next_ms(r->source);
        r->now_ms = next_ms < r->heartbeat_ms ? next_ms : r->heartbeat_ms;
    }
    r->now_ms = end_ms;
}

static const char *const peer_alive[] = {PEER, OWN};

static void reports_at_start(const struct subject *subject)
{
    struct run r;
    begin(&r, subject, peer_alive, 2);
    pass(&r, 0);
    assert_int_equal(r.world.seen[0], 1);
    end(&r);
}

static void keeps_reporting_while_not_connected(const struct subject *subject)
{
    struct run r;
    begin(&r, subject, peer_alive, 2);
    pass(&r, 10 * MINUTE_MS);
    assert_in_range(r.world.seen[0], 10 * MINUTE_MS / DISCOVERY_INTERVAL_MS, 10 * MINUTE_MS / SECOND_MS);
    assert_in_range(r.longest_gap_ms, 1, DISCOVERY_INTERVAL_MS);
    assert_int_equal(r.world.all_gone, 0);
    end(&r);
}

static void is_silent_while_connected_and_reports_again_after_a_loss(const struct subject *subject)
{
    struct run r;
    begin(&r, subject, peer_alive, 2);
    pass(&r, 0);
    world_connect(&r.world, PEER);
    world_forget(&r.world);
    pass(&r, 10 * MINUTE_MS);
    assert_int_equal(r.world.all_seen + r.world.all_gone, 0);
    assert_true(r.world.asked > 0);
    world_connect(&r.world, NULL);
    pass(&r, DISCOVERY_INTERVAL_MS);
    assert_true(r.world.seen[0] >= 1);
    end(&r);
}

/* A node dies, stays away for ten minutes, and comes back under its name. */
static void a_node_that_went_away_is_found_when_it_is_back(const struct subject *subject)
{
    struct run r;
    begin(&r, subject, peer_alive, 2);
    pass(&r, MINUTE_MS);
    r.alive_count = 0;
    world_forget(&r.world);
    pass(&r, MINUTE_MS);
    assert_int_equal(r.world.gone[0], subject->fixed ? 0 : 1);
    world_forget(&r.world);
    pass(&r, 10 * MINUTE_MS);
    assert_int_equal(r.world.gone[0], 0);
    assert_int_equal(r.world.seen[0] > 0, subject->fixed);
    r.alive_count = 2;
    world_forget(&r.world);
    pass(&r, DISCOVERY_INTERVAL_MS);
    assert_true(r.world.seen[0] >= 1);
    end(&r);
}

/* While it is connected a node is not gone, even if the source forgets it; afterwards it is. */
static void a_connected_node_that_the_source_forgets_is_gone_after_its_loss(const struct subject *subject)
{
    struct run r;
    begin(&r, subject, peer_alive, 2);
    pass(&r, 0);
    world_connect(&r.world, PEER);
    world_forget(&r.world);
    r.alive_count = 0;
    pass(&r, 5 * MINUTE_MS);
    assert_int_equal(r.world.all_seen + r.world.all_gone, 0);
    world_connect(&r.world, NULL);
    pass(&r, DISCOVERY_INTERVAL_MS);
    assert_int_equal(r.world.gone[0], subject->fixed ? 0 : 1);
    assert_int_equal(r.world.seen[0] > 0, subject->fixed);
    end(&r);
}

static void many_nodes_are_all_reported_but_not_at_once(const struct subject *subject)
{
    static char text[MANY][32];
    static const char *names[MANY];
    struct run r;
    for (int i = 0; i < MANY; i++) {
        snprintf(text[i], sizeof text[i], "n%d@127.0.0.1", i);
        names[i] = text[i];
    }
    begin(&r, subject, names, MANY);
    for (size_t i = 0; i < WATCHED; i++)
        world_watch(&r.world, 2 + i, text[i * (MANY / WATCHED)]);
    pass(&r, 0);
    assert_int_equal(r.world.all_seen, DISCOVERY_PER_SECOND);
    pass(&r, 2 * MINUTE_MS);
    assert_in_range(r.most_in_a_second, DISCOVERY_PER_SECOND, 2 * DISCOVERY_PER_SECOND);
    assert_true(r.world.all_seen <= DISCOVERY_PER_SECOND * (2 * MINUTE_MS / SECOND_MS + 2));
    for (size_t i = 0; i < WATCHED; i++)
        assert_true(r.world.seen[2 + i] > 0);
    end(&r);
}

static void counts_what_it_does(const struct subject *subject)
{
    struct run r;
    struct discovery_count counts[32];
    begin(&r, subject, peer_alive, 2);
    pass(&r, MINUTE_MS);
    r.alive_count = 0;
    pass(&r, MINUTE_MS);
    size_t n = source_counts(r.source, counts, 32);
    assert_in_range(n, 4, 32);
    assert_int_equal(world_count(counts, n, "nodes_seen"), r.world.all_seen);
    assert_int_equal(world_count(counts, n, "nodes_gone"), r.world.all_gone);
    struct discovery_count first[2] = {{NULL, 0}, {NULL, 77}};
    assert_int_equal(source_counts(r.source, first, 1), n); /* no more than there is room for is written */
    assert_string_equal(first[0].name, counts[0].name);
    assert_int_equal(first[1].value, 77);
    end(&r);
}

static void refuses_a_name_of_our_own_that_is_none(const struct subject *subject)
{
    struct world w = {.random = 1};
    struct discovery_env env = world_env(&w, "nonode");
    const char *const hosts[] = {PEER};
    const mesh_bytes host = mesh_str("127.0.0.1");
    struct source *s = NULL;
    if (subject->fixed)
        assert_int_equal(epmd_list_create(&env, &(mesh_epmd_list_options){.hosts = hosts, .count = 1}, &s),
                         MESH_EBADNAME);
    else if (subject->show != NULL)
        assert_int_equal(gossip_create(&env, &(mesh_gossip_options){0}, &s), MESH_EBADNAME);
    else
        assert_int_equal(ask_create(&env, &host, 1, 0, 0, &s), MESH_EBADNAME);
    assert_null(s);
}

/* ---- what only some of them do -------------------------------------------------------------------------------------
 */

static void gossip_sends_at_start_and_then_every_2_5_seconds_on_average(void **state)
{
    (void)state;
    struct run r;
    begin(&r, &subjects[0], NULL, 0);
    pass(&r, 0);
    assert_int_equal(r.sent, 1);
    uint64_t start_ms = r.now_ms;
    for (int i = 0; i < 1000; i++) {
        uint64_t next_ms = source_next_ms(r.source);
        assert_in_range(next_ms - r.now_ms, 1, 5000);
        r.now_ms = next_ms;
        turn(&r);
    }
    assert_int_equal(r.sent, 1001);
    assert_in_range((r.now_ms - start_ms) / 1000, 2300, 2700);
    end(&r);
}

/* A name per packet, never the same: neither memory nor reports follow, and a node that was there is found again. */
static void a_flood_of_forged_names_is_bounded_and_keeps_nobody_away(void **state)
{
    (void)state;
    struct run r;
    struct gossip_codec codec;
    uint8_t packet[GOSSIP_PACKET_MAX_BYTES];
    char name[64];
    begin(&r, &subjects[0], peer_alive, 1);
    assert_int_equal(gossip_codec_init(&codec, NULL), MESH_OK);
    pass(&r, 0);
    world_connect(&r.world, PEER);
    pass(&r, DISCOVERY_INTERVAL_MS);
    for (unsigned i = 0; i < 30000; i++) {
        snprintf(name, sizeof name, "forged%u@10.0.0.1", i);
        size_t len = gossip_encode(&codec, name, NULL, packet);
        gossip_receive(r.source, (mesh_bytes){packet, len}, r.now_ms);
        r.now_ms += i % 10 == 0;
        if (i % 100 == 0)
            turn(&r);
        if (i == 20000) {
            world_connect(&r.world, NULL);
            world_forget(&r.world);
        }
        r.heartbeat_ms = r.now_ms;
    }
    assert_true(r.source->roster.count <= ROSTER_MAX);
    assert_in_range(r.most_in_a_second, 1, 2 * DISCOVERY_PER_SECOND);
    pass(&r, DISCOVERY_INTERVAL_MS);
    assert_true(r.world.seen[0] >= 1);
    struct discovery_count counts[32];
    size_t n = source_counts(r.source, counts, 32);
    assert_true(world_count(counts, n, "names_displaced") > 20000);
    gossip_codec_fini(&codec);
    end(&r);
}

/* The same packet a hundred thousand times: replay costs no more than one name that does not answer. */
static void a_replayed_packet_is_one_name_that_backs_off(void **state)
{
    (void)state;
    struct run r;
    begin(&r, &subjects[1], peer_alive, 1);
    for (int i = 0; i < 100000; i++) {
        if (i % 100 == 0)
            show_secret(&r);
        r.now_ms++;
        turn(&r);
    }
    assert_in_range(r.world.seen[0], 20, 60);
    assert_int_equal(r.source->roster.count, 1);
    end(&r);
}

static void what_epmd_cannot_mean_is_counted(void **state)
{
    (void)state;
    struct run r;
    struct action action;
    struct discovery_count counts[32];
    begin(&r, &subjects[3], NULL, 0);
    assert_true(source_next(r.source, r.now_ms, &action));
    assert_int_equal(action.kind, ACTION_ASK);
    assert_false(source_next(r.source, r.now_ms, &action)); /* not again before it is answered */
    assert_true(source_next_ms(r.source) == ROSTER_FOREVER);
    static const char reply[] = "\0\0\x11\x11name good at port 1\nname b d at port 1\nnonsense\n";
    ask_answer(r.source, 0, (mesh_bytes){reply, sizeof reply - 1}, r.now_ms);
    assert_true(source_next(r.source, r.now_ms, &action));
    assert_string_equal(action.name, "good@127.0.0.1");
    assert_false(source_next(r.source, r.now_ms, &action));
    r.now_ms += DISCOVERY_INTERVAL_MS;
    while (source_next(r.source, r.now_ms, &action))
        if (action.kind == ACTION_ASK)
            break;
    ask_answer(r.source, 0, (mesh_bytes){"cut", 3}, r.now_ms);
    size_t n = source_counts(r.source, counts, 32);
    assert_int_equal(world_count(counts, n, "questions_asked"), 2);
    assert_int_equal(world_count(counts, n, "answers_good"), 1);
    assert_int_equal(world_count(counts, n, "answers_bad"), 1);
    assert_int_equal(world_count(counts, n, "lines_bad"), 1);
    assert_int_equal(world_count(counts, n, "names_bad"), 1);
    source_destroy(r.source);
}

/* An answer without a name ends its listing at once: it is gone within two intervals, not three. */
static void a_name_that_epmd_no_longer_tells_is_gone_soon(void **state)
{
    (void)state;
    struct run r;
    begin(&r, &subjects[3], peer_alive, 1);
    pass(&r, MINUTE_MS);
    r.alive_count = 0;
    pass(&r, 2ULL * DISCOVERY_INTERVAL_MS);
    assert_int_equal(r.world.gone[0], 1);
    end(&r);
}

/* An epmd that does not answer any more says nothing about its nodes; after three intervals they are gone. */
static void names_outlive_three_failures_of_their_epmd(void **state)
{
    (void)state;
    struct run r;
    struct action action;
    begin(&r, &subjects[3], peer_alive, 1);
    pass(&r, 0);
    uint64_t start_ms = r.now_ms;
    unsigned failures = 0;
    while (r.world.gone[0] == 0 && failures < 100) {
        r.now_ms = source_next_ms(r.source);
        while (source_next(r.source, r.now_ms, &action)) {
            if (action.kind == ACTION_GONE)
                world_gone(&r.world, action.name);
            if (action.kind == ACTION_ASK)
                ask_failed(r.source, action.host, r.now_ms);
            failures += action.kind == ACTION_ASK;
        }
    }
    assert_in_range(failures, 3, 5);
    assert_in_range(r.now_ms - start_ms, 3 * DISCOVERY_INTERVAL_MS, 4 * DISCOVERY_INTERVAL_MS);
    source_destroy(r.source);
}

#define OVER_ALL(test)                                                                                                 \
    static void test##_all(void **state)                                                                               \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++) {                                              \
            print_message("  %s\n", subjects[i].name);                                                                 \
            test(&subjects[i]);                                                                                        \
        }                                                                                                              \
    }

OVER_ALL(reports_at_start)
OVER_ALL(keeps_reporting_while_not_connected)
OVER_ALL(is_silent_while_connected_and_reports_again_after_a_loss)
OVER_ALL(a_node_that_went_away_is_found_when_it_is_back)
OVER_ALL(a_connected_node_that_the_source_forgets_is_gone_after_its_loss)
OVER_ALL(many_nodes_are_all_reported_but_not_at_once)
OVER_ALL(counts_what_it_does)
OVER_ALL(refuses_a_name_of_our_own_that_is_none)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reports_at_start_all),
        cmocka_unit_test(keeps_reporting_while_not_connected_all),
        cmocka_unit_test(is_silent_while_connected_and_reports_again_after_a_loss_all),
        cmocka_unit_test(a_node_that_went_away_is_found_when_it_is_back_all),
        cmocka_unit_test(a_connected_node_that_the_source_forgets_is_gone_after_its_loss_all),
        cmocka_unit_test(many_nodes_are_all_reported_but_not_at_once_all),
        cmocka_unit_test(counts_what_it_does_all),
        cmocka_unit_test(refuses_a_name_of_our_own_that_is_none_all),
        cmocka_unit_test(gossip_sends_at_start_and_then_every_2_5_seconds_on_average),
        cmocka_unit_test(a_flood_of_forged_names_is_bounded_and_keeps_nobody_away),
        cmocka_unit_test(a_replayed_packet_is_one_name_that_backs_off),
        cmocka_unit_test(what_epmd_cannot_mean_is_counted),
        cmocka_unit_test(a_name_that_epmd_no_longer_tells_is_gone_soon),
        cmocka_unit_test(names_outlive_three_failures_of_their_epmd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
