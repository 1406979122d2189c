/* The table of peers, decision by decision, and then two nodes that dial each other in every order that there is. */
#include "dist/peers.h"

#include <stdlib.h>

#include "dist/flags.h"
#include "unit/check.h"

static mesh_bytes name(const char *text)
{
    return mesh_str(text);
}

/* ---- decisions --------------------------------------------------------------------------------------------------- */

static void a_peer_is_dialled_once(void **state)
{
    (void)state;
    struct peers p;
    peers_init(&p, name("m@h"), 0);
    assert_int_equal(peers_dial(&p, name("m@h"), 1, 0), PEERS_IS_SELF);
    assert_int_equal(peers_dial(&p, name("a@h"), 1, 11), PEERS_GO);
    assert_int_equal(peers_dial(&p, name("a@h"), 2, 22), PEERS_IS_PENDING);
    assert_int_equal(peers_dial(&p, name("z@h"), 3, 33), PEERS_GO);
    assert_true(peers_outstanding(&p, 11));
    assert_false(peers_outstanding(&p, 22));
    assert_true(peers_wants(&p, name("a@h"), 1));
    assert_false(peers_wants(&p, name("a@h"), 2));
    assert_false(peers_closed(&p, name("z@h"), 3));
    assert_null(peers_find(&p, name("z@h")));
    uint64_t old = 9;
    assert_true(peers_proven(&p, name("a@h"), 1, &old));
    assert_int_equal(old, 0);
    peers_set_up(&p, name("a@h"), 1);
    assert_false(peers_outstanding(&p, 11));
    assert_int_equal(p.half_open, 0);
    assert_int_equal(peers_dial(&p, name("a@h"), 4, 0), PEERS_IS_UP);
    assert_true(peers_closed(&p, name("a@h"), 1));
    assert_int_equal(p.count, 0);
    peers_fini(&p);
}

static void attempts_that_meet_are_decided_by_name(void **state)
{
    (void)state;
    struct peers p;
    uint64_t abort = 9;
    peers_init(&p, name("m@h"), 0);
    assert_int_equal(peers_dial(&p, name("a@h"), 1, 0), PEERS_GO);
    assert_true(peers_admit(&p));
    assert_int_equal(peers_accept(&p, name("a@h"), 2, 0, &abort), HANDSHAKE_NOK);
    assert_int_equal(abort, 0);
    assert_false(peers_closed(&p, name("a@h"), 2));
    assert_true(peers_wants(&p, name("a@h"), 1));

    assert_int_equal(peers_dial(&p, name("z@h"), 3, 33), PEERS_GO);
    assert_true(peers_admit(&p));
    assert_int_equal(peers_accept(&p, name("z@h"), 4, 44, &abort), HANDSHAKE_OK_SIMULTANEOUS);
    assert_int_equal(abort, 3);
    assert_false(peers_outstanding(&p, 33));
    assert_true(peers_outstanding(&p, 44));
    assert_false(peers_wants(&p, name("z@h"), 3));
    uint64_t old;
    assert_false(peers_proven(&p, name("z@h"), 3, &old));
    assert_false(peers_closed(&p, name("z@h"), 3));
    assert_true(peers_proven(&p, name("z@h"), 4, &old));
    assert_int_equal(p.half_open, 2);
    peers_fini(&p);
}

static void names_compare_by_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *self, *peer;
        enum handshake_status status;
    } cases[] = {
        {"a@h", "a@h2", HANDSHAKE_OK_SIMULTANEOUS}, {"a@h2", "a@h", HANDSHAKE_NOK},
        {"Z@h", "a@h", HANDSHAKE_OK_SIMULTANEOUS},  {"a@h", "\xC3\xA9@h", HANDSHAKE_OK_SIMULTANEOUS},
        {"\xC3\xA9@h", "z@h", HANDSHAKE_NOK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peers p;
        uint64_t abort;
        peers_init(&p, name(cases[i].self), 0);
        assert_int_equal(peers_dial(&p, name(cases[i].peer), 1, 0), PEERS_GO);
        assert_true(peers_admit(&p));
        assert_int_equal(peers_accept(&p, name(cases[i].peer), 2, 0, &abort), cases[i].status);
        peers_fini(&p);
    }
}

static void an_old_connection_ends_before_a_new_one_is_up(void **state)
{
    (void)state;
    struct peers p;
    uint64_t abort, old;
    peers_init(&p, name("m@h"), 0);
    assert_int_equal(peers_dial(&p, name("a@h"), 1, 0), PEERS_GO);
    peers_set_up(&p, name("a@h"), 1);
    assert_true(peers_admit(&p));
    assert_int_equal(peers_accept(&p, name("a@h"), 2, 0, &abort), HANDSHAKE_ALIVE);
    assert_int_equal(abort, 0);
    assert_int_equal(peers_find(&p, name("a@h"))->up, 1); /* no stranger ends it */
    assert_true(peers_admit(&p));
    assert_int_equal(peers_accept(&p, name("a@h"), 3, 0, &abort), HANDSHAKE_ALIVE);
    assert_int_equal(abort, 2);
    assert_false(peers_closed(&p, name("a@h"), 2));
    assert_true(peers_proven(&p, name("a@h"), 3, &old));
    assert_int_equal(old, 1);
    assert_true(peers_closed(&p, name("a@h"), 1));
    peers_set_up(&p, name("a@h"), 3);
    assert_int_equal(peers_find(&p, name("a@h"))->up, 3);
    assert_int_equal(p.half_open, 0);
    peers_fini(&p);
}

static void a_second_attempt_of_a_peer_replaces_the_first(void **state)
{
    (void)state;
    struct peers p;
    uint64_t abort;
    peers_init(&p, name("m@h"), 0);
    assert_true(peers_admit(&p));
    assert_int_equal(peers_accept(&p, name("a@h"), 1, 0, &abort), HANDSHAKE_OK);
    assert_true(peers_admit(&p));
    assert_int_equal(peers_accept(&p, name("a@h"), 2, 0, &abort), HANDSHAKE_OK);
    assert_int_equal(abort, 1);
    assert_false(peers_closed(&p, name("a@h"), 1));
    assert_int_equal(peers_dial(&p, name("a@h"), 3, 0), PEERS_IS_PENDING);
    assert_true(peers_admit(&p));
    assert_int_equal(peers_accept(&p, name("m@h"), 4, 0, &abort), HANDSHAKE_NOT_ALLOWED); /* our own name */
    assert_false(peers_closed(&p, name("m@h"), 4));
    assert_int_equal(p.half_open, 1);
    peers_fini(&p);
}

static void half_open_connections_are_counted(void **state)
{
    (void)state;
    struct peers p;
    uint64_t abort;
    peers_init(&p, name("m@h"), 3);
    assert_int_equal(peers_dial(&p, name("a@h"), 1, 0), PEERS_GO);
    assert_true(peers_admit(&p));
    assert_true(peers_admit(&p));
    assert_false(peers_admit(&p));
    assert_int_equal(peers_dial(&p, name("b@h"), 2, 0), PEERS_FULL);
    assert_null(peers_find(&p, name("b@h")));
    assert_false(peers_closed(&p, (mesh_bytes){NULL, 0}, 3)); /* never said its name */
    assert_int_equal(peers_accept(&p, name("c@h"), 4, 0, &abort), HANDSHAKE_OK);
    peers_set_up(&p, name("c@h"), 4); /* what is up counts no more */
    assert_true(peers_admit(&p));
    assert_true(peers_admit(&p));
    assert_false(peers_admit(&p));
    peers_fini(&p);
}

/* ---- two nodes, all orders --------------------------------------------------------------------------------------- */

/* A world of two nodes: their tables, their connections with what is under way on each, and nothing else. */
enum { CONNS_MAX = 24, QUEUE = 512 };

struct end {
    struct handshake handshake;
    uint8_t coming[QUEUE]; /* bytes on their way to this end */
    size_t coming_len;
    bool open;
    bool up;
};

struct conn {
    struct end ends[2]; /* by node */
    int dialler;
};

struct world {
    struct handshake_config config[2];
    struct peers peers[2];
    struct conn conns[CONNS_MAX];
    size_t count;
    unsigned dials_left[2];
    unsigned torn_down;
};

static const char *const names[2] = {"a@h", "b@h"};

static bool allowed(void *context, mesh_bytes peer)
{
    (void)context;
    return names_full(peer);
}

static bool outstanding(void *peers, uint32_t challenge)
{
    return peers_outstanding(peers, challenge);
}

static void world_init(struct world *w, unsigned dials)
{
    memset(w, 0, sizeof *w);
    for (int n = 0; n < 2; n++) {
        peers_init(&w->peers[n], name(names[n]), 0);
        w->config[n] = (struct handshake_config){name(names[n]), name("cookie"), DIST_OFFERED, 5,
                                                 allowed,        outstanding,    &w->peers[n]};
        w->dials_left[n] = dials;
    }
}

static void world_fini(struct world *w)
{
    for (int n = 0; n < 2; n++)
        peers_fini(&w->peers[n]);
}

static uint64_t id_of(const struct world *w, const struct conn *c)
{
    return (uint64_t)(c - w->conns) + 1;
}

/* Node n closes its end; what is under way to the other still arrives. */
static void close_end(struct world *w, struct conn *c, int n)
{
    struct end *e = &c->ends[n];
    e->open = false;
    bool was_up = peers_closed(&w->peers[n], name(e->handshake.peer), id_of(w, c));
    assert_int_equal(was_up, e->up);
    e->up = false;
}

/* Moves the output of node n's end to the other, if that still listens. */
static void flush(struct conn *c, int n)
{
    mesh_bytes out = handshake_output(&c->ends[n].handshake);
    struct end *other = &c->ends[1 - n];
    if (!other->open || out.len == 0)
        return;
    assert_true(other->coming_len + out.len <= QUEUE);
    memcpy(other->coming + other->coming_len, out.data, out.len);
    other->coming_len += out.len;
}

static uint32_t challenge_of(size_t conn, int n)
{
    return (uint32_t)(1000 * conn) + (uint32_t)n + 1;
}

static void dial(struct world *w, int n)
{
    assert_true(w->count < CONNS_MAX);
    struct conn *c = &w->conns[w->count];
    uint32_t challenge = challenge_of(w->count, n);
    w->dials_left[n]--;
    if (peers_dial(&w->peers[n], name(names[1 - n]), id_of(w, c), challenge) != PEERS_GO)
        return;
    memset(c, 0, sizeof *c);
    c->dialler = n;
    c->ends[0].open = c->ends[1].open = true;
    assert_true(peers_admit(&w->peers[1 - n]));
    handshake_accept(&c->ends[1 - n].handshake, &w->config[1 - n], challenge_of(w->count, 1 - n), 0);
    assert_int_equal(handshake_dial(&c->ends[n].handshake, &w->config[n], name(names[1 - n]), challenge, 0),
                     HANDSHAKE_MORE);
    w->count++;
    flush(c, n);
}

static enum handshake_event prove(struct world *w, struct conn *c, int n)
{
    struct end *e = &c->ends[n];
    uint64_t old;
    if (!peers_proven(&w->peers[n], name(e->handshake.peer), id_of(w, c), &old))
        return HANDSHAKE_FAILED;
    if (old) {
        close_end(w, &w->conns[old - 1], n);
        w->torn_down++;
    }
    peers_set_up(&w->peers[n], name(e->handshake.peer), id_of(w, c));
    e->up = true;
    return handshake_finish(&e->handshake);
}

/* One event of a handshake at node n, handled as a driver of the real thing does. */
static void handle(struct world *w, struct conn *c, int n, enum handshake_event event)
{
    struct handshake *h = &c->ends[n].handshake;
    uint64_t abort = 0;
    if (event == HANDSHAKE_NAMED) {
        enum handshake_status status = peers_accept(&w->peers[n], name(h->peer), id_of(w, c), h->challenge, &abort);
        event = handshake_answer(h, status);
        if (abort)
            close_end(w, &w->conns[abort - 1], n);
    } else if (event == HANDSHAKE_ASKED) {
        event = handshake_insist(h, peers_wants(&w->peers[n], name(h->peer), id_of(w, c)));
    } else if (event == HANDSHAKE_PROVEN) {
        event = prove(w, c, n);
    }
    flush(c, n);
    if (event == HANDSHAKE_FAILED && c->ends[n].open)
        close_end(w, c, n);
}

/* Whether something can arrive at node n's end: bytes, or the end of them. */
static bool can_arrive(const struct conn *c, int n)
{
    return c->ends[n].open && (c->ends[n].coming_len > 0 || !c->ends[1 - n].open);
}

static void arrive(struct world *w, struct conn *c, int n)
{
    struct end *e = &c->ends[n];
    if (e->coming_len == 0) {
        close_end(w, c, n);
        return;
    }
    mesh_bytes in = {e->coming, e->coming_len};
    enum handshake_event event = handshake_feed(&e->handshake, &in, 1);
    assert_true(event != HANDSHAKE_MORE || in.len < e->coming_len);
    memmove(e->coming, in.data, in.len);
    e->coming_len = in.len;
    handle(w, c, n, event);
}

/* The steps that are possible now, numbered: dials first, then arrivals. Takes the one that is asked for. */
static unsigned step(struct world *w, unsigned wanted, bool take)
{
    unsigned i = 0;
    for (int n = 0; n < 2; n++)
        if (w->dials_left[n] > 0 && i++ == wanted && take) {
            dial(w, n);
            return 0;
        }
    for (size_t k = 0; k < w->count; k++)
        for (int n = 0; n < 2; n++)
            if (can_arrive(&w->conns[k], n) && i++ == wanted && take) {
                arrive(w, &w->conns[k], n);
                return 0;
            }
    return i;
}

/* The connection that is up at both nodes; fails unless there is exactly one, and nothing half open. */
static void assert_one_is_up(const struct world *w)
{
    unsigned up = 0;
    for (size_t k = 0; k < w->count; k++) {
        const struct conn *c = &w->conns[k];
        assert_int_equal(c->ends[0].up, c->ends[1].up);
        assert_int_equal(c->ends[0].open, c->ends[0].up);
        assert_int_equal(c->ends[1].open, c->ends[1].up);
        up += c->ends[0].up;
    }
    assert_int_equal(up, 1);
    for (int n = 0; n < 2; n++) {
        const struct peer *p = peers_find(&w->peers[n], name(names[1 - n]));
        assert_non_null(p);
        assert_true(p->up != 0 && p->in.conn == 0 && p->out.conn == 0);
        assert_true(w->conns[p->up - 1].ends[n].up);
        assert_int_equal(w->peers[n].half_open, 0);
    }
}

/* Both dial `dials` times; all orders of what can happen, by counting through the choices. Returns how many there were.
 */
static unsigned try_all_orders(unsigned dials)
{
    enum { STEPS_MAX = 64 };
    static struct world w;
    unsigned choice[STEPS_MAX] = {0}, options[STEPS_MAX], orders = 0;
    for (;;) {
        unsigned steps = 0;
        world_init(&w, dials);
        while ((options[steps] = step(&w, 0, false)) > 0) {
            step(&w, choice[steps++], true);
            assert_true(steps < STEPS_MAX);
        }
        assert_one_is_up(&w);
        assert_int_equal(w.torn_down, 0);
        world_fini(&w);
        orders++;
        while (steps > 0 && choice[steps - 1] + 1 == options[steps - 1])
            choice[--steps] = 0;
        if (steps == 0)
            return orders;
        choice[steps - 1]++;
    }
}

static void simultaneous_connects_leave_one_in_every_order(void **state)
{
    (void)state;
    unsigned once = try_all_orders(1), twice = try_all_orders(2), thrice = try_all_orders(3);
    print_message("%u orders of two dials, %u of four, %u of six\n", once, twice, thrice);
    assert_true(once > 20 && twice > 100 && thrice > 1000);
}

static uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Node n starts anew under its name: all it had is gone. */
static void restart(struct world *w, int n)
{
    for (size_t k = 0; k < w->count; k++)
        if (w->conns[k].ends[n].open)
            close_end(w, &w->conns[k], n);
    assert_int_equal(w->peers[n].count, 0);
}

/* Random orders in which connections also break and nodes restart; afterwards both dial once more. */
static void what_breaks_is_made_again(void **state)
{
    (void)state;
    static struct world w;
    unsigned torn_down = 0;
    for (uint64_t seed = 0; seed < 3000; seed++) {
        uint64_t random = seed;
        unsigned options;
        world_init(&w, 5);
        while ((options = step(&w, 0, false)) > 0) {
            uint64_t r = random_next(&random);
            if (w.dials_left[0] + w.dials_left[1] > 0 && r % 8 == 0 && w.count > 0) {
                struct conn *c = &w.conns[r / 8 % w.count];
                int n = (int)(r >> 32 & 1);
                if (r >> 33 & 1)
                    restart(&w, n);
                else if (c->ends[n].open)
                    close_end(&w, c, n);
                continue;
            }
            step(&w, (unsigned)(r / 8 % options), true);
        }
        for (int tries = 0; tries < 4 && !(peers_find(&w.peers[0], name(names[1]))); tries++) {
            w.dials_left[0] = w.dials_left[1] = 1;
            while ((options = step(&w, 0, false)) > 0)
                step(&w, (unsigned)(random_next(&random) % options), true);
        }
        assert_one_is_up(&w);
        torn_down += w.torn_down;
        world_fini(&w);
    }
    assert_true(torn_down > 0); /* `alive` has been seen, too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_is_dialled_once),
        cmocka_unit_test(attempts_that_meet_are_decided_by_name),
        cmocka_unit_test(names_compare_by_bytes),
        cmocka_unit_test(an_old_connection_ends_before_a_new_one_is_up),
        cmocka_unit_test(a_second_attempt_of_a_peer_replaces_the_first),
        cmocka_unit_test(half_open_connections_are_counted),
        cmocka_unit_test(simultaneous_connects_leave_one_in_every_order),
        cmocka_unit_test(what_breaks_is_made_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
