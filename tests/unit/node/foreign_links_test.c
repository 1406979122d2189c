/* Processes of other nodes when links of nodes come and go: connections that are awaited, bounds, and everything at
 * once.
 */
#include "unit/node/abroad.h"

#include <stdio.h>

#include "base/perturb.h"

/* ---- Nodes without a link ---- */

static void test_link_breaks(void **state)
{
    (void)state;
    struct tie_act t = {.pid = beam(1)}, l = {.pid = beam(2)}, l3 = {.pid = beam(3)}, l4 = {.pid = beam(4)};
    mesh_pid x = pid_of("x"), y = pid_of("y"), b1 = beam(1), b2 = beam(2), b4 = beam(4);
    act_on("x", act_trap, NULL);
    act_on("x", act_monitor, &t);
    act_on("x", act_link, &l);
    act_on("x", act_link, &l3);
    act_on("x", act_unlink, &l3);
    act_on("y", act_link, &l4);
    come_monitor(&b1, &y, 1);
    come_link(&b4, &y);
    come_link(&b1, &x);
    expect_counts(6, 4);
    beam_down();
    script_await(&script.terminates, 1); /* y */
    assert_string_equal(script.reason, ":noconnection");
    script_await(&script.infos, 3);
    int downs = 0;
    for (int i = 0; i < 3; i++)
        downs += mesh_match(script.info[i], "{:DOWN, _, _, _, :noconnection}") == MESH_OK;
    assert_int_equal(downs, 1);
    expect_counts(0, 0);
    assert_int_equal(connects(), 0);
    beam_up();
    act_on("x", act_link, &l);
    expect_counts(1, 1);
    come_exit(&b2, &x, ":boom");
    script_await(&script.infos, 4);
    expect_exit(3, &b2, ":boom");
}

static void test_connects(void **state)
{
    (void)state;
    struct tie_act t = {.pid = far(1)}, u = {.pid = far(2)};
    mesh_pid one = far(1), two = far(2);
    pid_of("x");
    label(&one, "one");
    label(&two, "two");
    act_on("x", act_monitor, &t);
    act_on("x", act_write, &t);
    act_on("x", act_link, &u);
    act_on("x", act_demonitor, &t);
    act_on("x", act_unlink, &u);
    act_on("x", act_link, &u);
    act_on("x", act_exit_pid, &u);
    assert_int_equal(connects(), 1);
    expect_nothing();
    far_up();
    expect("far@host monitor x one own");
    expect("far@host send x one :hello");
    expect("far@host link x two");
    expect("far@host demonitor x one own");
    expect("far@host unlink x two");
    expect("far@host link x two");
    expect("far@host exit2 x two :boom");
    act_on("x", act_write, &t);
    expect("far@host send x one :hello");
    expect_counts(1, 1);
    far_down();
    script_await(&script.terminates, 1);
    assert_string_equal(script.reason, ":noconnection");
    expect_counts(0, 0);
    assert_int_equal(connects(), 1);
}

static void test_cannot_connect(void **state)
{
    (void)state;
    struct tie_act t = {.pid = far(1)};
    struct foreign_counts counts;
    mesh_pid one = far(1);
    pid_of("x");
    act_on("x", act_trap, NULL);
    act_on("x", act_monitor, &t);
    act_on("x", act_link, &t);
    act_on("x", act_write, &t);
    foreign_count(foreign, &counts);
    assert_int_equal(counts.waiting, 3);
    far_down();
    script_await(&script.infos, 2);
    expect_down(0, &t.ref, &one, ":noconnection");
    expect_exit(1, &one, ":noconnection");
    foreign_count(foreign, &counts);
    assert_int_equal(counts.waiting, 0);
    assert_int_equal(counts.dropped, 1);
    expect_counts(0, 0);
    act_on("x", act_write, &t);
    assert_int_equal(connects(), 2);
    expect_nothing();
}

/* Without anything that knows of other nodes. */
static void test_alone(void **state)
{
    (void)state;
    struct tie_act t = {.pid = beam(1)};
    mesh_pid b = beam(1);
    foreign_destroy(foreign);
    foreign = node->foreign = NULL;
    act_on("x", act_trap, NULL);
    act_on("x", act_monitor, &t);
    expect_down(0, &t.ref, &b, ":noconnection");
    act_on("x", act_link, &t);
    expect_exit(1, &b, ":noconnection");
    act_on("x", act_unlink, &t);
    act_on("x", act_write, &t);
    assert_int_equal(t.rc, MESH_ENOPROCESS);
}

/* ---- Bounds ---- */

static void test_bounds(void **state)
{
    (void)state;
    abroad_restart(&(struct foreign_limits){.ties = 3, .waiting = 2, .waiting_bytes = 1000});
    struct tie_act t = {.pid = beam(1)}, f = {.pid = far(1)};
    mesh_pid x = pid_of("x"), b = beam(1);
    label(&b, "b");
    act_on("x", act_monitor, &t);
    expect("beam@host monitor x b own");
    assert_true(come_monitor(&b, &x, 1));
    assert_true(come_link(&b, &x));
    assert_true(come_monitor(&b, &x, 2));
    expect("beam@host down x b ref2 :system_limit");
    mesh_pid c = beam(2);
    label(&c, "c");
    assert_true(come_link(&c, &x));
    expect("beam@host exit x c :system_limit");
    act_on("x", act_monitor, &t);
    assert_int_equal(t.rc, MESH_ELIMIT);
    t.pid = c;
    act_on("x", act_link, &t);
    assert_int_equal(t.rc, MESH_ELIMIT);
    assert_false(foreign_watch(foreign, NULL, x.number));
    expect_counts(3, 1);
    assert_true(come_demonitor(&b, &x, 1));

    act_on("x", act_write, &f);
    act_on("x", act_write, &f);
    assert_int_equal(f.rc, MESH_OK);
    act_on("x", act_write, &f);
    assert_int_equal(f.rc, MESH_EBUSY);
    act_on("x", act_monitor, &f);
    assert_int_equal(f.rc, MESH_EBUSY);
    act_on("x", act_link, &f);
    assert_int_equal(f.rc, MESH_EBUSY);
    expect_counts(2, 1);
    static const uint8_t large[1100] = {109, 0, 0, 4, 71};
    far_down();
    assert_int_equal(mesh_send(node, &f.pid, (mesh_term){.data = large, .len = sizeof large}), MESH_EBUSY);
    assert_int_equal(connects(), 1);
    expect_nothing();
}

/* Links that are taken back at once, by more and more processes, while the one here does not listen. */
static void test_stand_ins_are_bounded(void **state)
{
    (void)state;
    abroad_restart(&(struct foreign_limits){.ties = 2});
    struct gate inside = GATE_INIT, go = GATE_INIT;
    struct gate *gates[] = {&inside, &go};
    mesh_pid x = pid_of("x");
    assert_int_equal(act_cast(node, "x", act_hold, gates), MESH_OK);
    gate_await(&inside, 1);
    for (uint64_t n = 1; n <= 4; n++) {
        mesh_pid b = beam(n);
        assert_true(come_link(&b, &x));
        assert_true(come_unlink(&b, &x, n));
    }
    expect_counts(0, 4);
    mesh_pid b = beam(5);
    label(&b, "b5");
    assert_true(come_link(&b, &x));
    expect("beam@host exit x b5 :system_limit");
    gate_add(&go);
    expect_counts(0, 0);
    assert_true(come_link(&b, &x));
    expect_counts(1, 1);
    expect_nothing();
}

/* ---- The ends of processes, for global names ---- */

static void test_gone(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x");
    assert_true(foreign_alive(foreign, x.number));
    assert_true(foreign_watch(foreign, NULL, x.number));
    assert_true(foreign_watch(foreign, NULL, x.number));
    expect_counts(1, 0);
    act_on("x", act_stop, NULL);
    script_await(&script.terminates, 1);
    expect_counts(0, 0);
    pid_of("x");
    assert_int_equal(gone_count(), 1);
    assert_true(gone_last() == x.number);
    assert_false(foreign_alive(foreign, x.number));
    assert_false(foreign_watch(foreign, NULL, x.number));
    assert_false(foreign_watch(foreign, NULL, PIDS_ABROAD));
    assert_false(foreign_alive(foreign, 0));
    assert_false(foreign_alive(foreign, UINT64_MAX));
    expect_counts(0, 0);
}

/* ---- All of it at once ---- */

enum { MIX_IDS = 8, MIX_THREADS = 2, MIX_STEPS = 4000 };

struct mix {
    pthread_t thread;
    uint64_t seed;
};

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *seed >> 33;
}

/* One step of the other node, whose processes know what they have done as little as a test. */
static void mix_step(const mesh_pid *x, uint64_t r)
{
    mesh_pid b = beam(1 + r / 16 % 3);
    uint32_t ref = (uint32_t)(r / 64 % 4);
    switch (r % 10) {
    case 0:
        come_monitor(&b, x, ref);
        break;
    case 1:
        come_demonitor(&b, x, ref);
        break;
    case 2:
    case 3:
        come_link(&b, x);
        break;
    case 4:
        come_unlink(&b, x, 1);
        break;
    case 5:
        come_unlink_ack(&b, x, ref + 1);
        break;
    case 6:
        come_exit(&b, x, ":boom");
        break;
    case 7:
        come_exit2(&b, x, ":boom");
        break;
    case 8:
        if (r % 640 == 8)
            foreign_peer_down(foreign, NULL, mesh_str("beam@host"));
        break;
    default:
        come_send(x, "{:\"$gen_call\", {:no, :pid}, 1}");
        break;
    }
}

static void *mix_run(void *arg)
{
    struct mix *m = arg;
    static const act_fn acts[] = {act_monitor, act_link, act_unlink, act_demonitor, act_stop, act_trap, act_ok};
    static struct tie_act ties[MIX_THREADS][MIX_IDS];
    struct tie_act *mine = ties[m->seed % MIX_THREADS];
    for (int i = 0; i < MIX_STEPS; i++) {
        uint64_t r = next_random(&m->seed);
        char id[8];
        mesh_pid x = {0};
        struct tie_act *t = &mine[r % MIX_IDS];
        snprintf(id, sizeof id, "mix%d", (int)(r % MIX_IDS));
        if (act_call(node, id, act_self, &x, NULL) != MESH_OK)
            continue;
        mix_step(&x, next_random(&m->seed));
        t->pid = beam(1 + r / 8 % 3);
        r = next_random(&m->seed);
        act_call(node, id, acts[r % (sizeof acts / sizeof acts[0])], t, NULL);
    }
    return NULL;
}

/* When the other node is gone, nothing is left of it, whatever has been under way. */
static void test_mix(void **state)
{
    (void)state;
    struct mix mixes[MIX_THREADS];
    perturb_seed(3);
    for (int i = 0; i < MIX_THREADS; i++) {
        mixes[i].seed = (uint64_t)i;
        assert_int_equal(pthread_create(&mixes[i].thread, NULL, mix_run, &mixes[i]), 0);
    }
    for (int i = 0; i < MIX_THREADS; i++)
        pthread_join(mixes[i].thread, NULL);
    perturb_seed(0);
    beam_down();
    expect_counts(0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, abroad_set_up, abroad_tear_down)
        TEST(test_link_breaks), TEST(test_connects), TEST(test_cannot_connect),
        TEST(test_alone),       TEST(test_bounds),   TEST(test_stand_ins_are_bounded),
        TEST(test_gone),        TEST(test_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
