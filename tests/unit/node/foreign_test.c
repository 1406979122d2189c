/* Processes here and processes of other nodes: messages, monitors, links, exit signals. */
#include "unit/node/abroad.h"

#include <stdio.h>

/* ---- Messages ---- */

static void test_writes(void **state)
{
    (void)state;
    struct tie_act t = {.pid = beam(1)};
    static const uint8_t kill[] = {119, 4, 'k', 'i', 'l', 'l'};
    mesh_pid b = beam(1);
    label(&b, "b");
    pid_of("x");
    act_on("x", act_write, &t);
    expect("beam@host send x b :hello");
    assert_int_equal(mesh_send(node, &b, (mesh_term){0}), MESH_OK);
    expect("beam@host send - b nil");
    act_on("x", act_exit_pid, &t);
    expect("beam@host exit2 x b :boom");
    assert_int_equal(mesh_exit(node, &b, (mesh_term){.data = kill, .len = sizeof kill}), MESH_OK);
    expect("beam@host exit2 c@host/10 b :kill");
    mesh_pid bad = {.number = 1, .creation = 1, .node = "\xff@host"};
    assert_int_equal(mesh_send(node, &bad, (mesh_term){0}), MESH_EINVAL);
    assert_int_equal(connects(), 0);
    expect_nothing();
}

static void test_infos_arrive(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x"), gone = x, other_node = x, forged = x;
    assert_true(come_send(&x, "{:hello, 1}"));
    script_await(&script.infos, 1);
    assert_true(mesh_match(script.info[0], "{:hello, 1}") == MESH_OK);
    gone.creation++;
    assert_false(come_send(&gone, ":hello"));
    snprintf(other_node.node, sizeof other_node.node, "d@host");
    assert_false(come_send(&other_node, ":hello"));
    forged.number |= PIDS_ABROAD;
    assert_false(come_send(&forged, ":hello"));
    for (uint64_t n = 1; n < PIDS_RESERVED; n++) {
        forged.number = n;
        assert_int_equal(come_send(&forged, ":hello"), n == PIDS_MESH);
    }
    act_on("x", act_stop, NULL);
    script_await(&script.terminates, 1);
    pid_of("x"); /* another life */
    assert_false(come_send(&x, ":hello"));
    assert_int_equal(script_count(&script.infos), 1);
}

/* ---- Monitors ---- */

static void test_watches(void **state)
{
    (void)state;
    struct tie_act t = {.pid = beam(1)};
    mesh_pid x = pid_of("x"), b = beam(1), other = beam(2);
    label(&b, "b");
    act_on("x", act_monitor, &t);
    assert_int_equal(t.rc, MESH_OK);
    expect("beam@host monitor x b own");
    mesh_ref sent = last_ref();
    assert_true(mesh_ref_equal(&sent, &t.ref));
    expect_counts(1, 1);
    come_down(&b, &x, &t.ref, "{:shutdown, 1}");
    expect_down(0, &t.ref, &b, "{:shutdown, 1}");
    expect_counts(0, 0);
    come_down(&b, &x, &t.ref, ":again");
    come_down(&other, &x, &sent, ":again");
    act_on("x", act_ok, NULL);
    assert_int_equal(script_count(&script.infos), 1);
    expect_nothing();
}

static void test_watches_no_more(void **state)
{
    (void)state;
    struct tie_act t = {.pid = beam(1)}, other = t;
    mesh_pid x = pid_of("x"), b = beam(1);
    label(&b, "b");
    act_on("x", act_monitor, &t);
    act_on("x", act_monitor, &other);
    expect("beam@host monitor x b own");
    expect("beam@host monitor x b own");
    expect_counts(2, 1);
    act_on("x", act_demonitor, &t);
    expect("beam@host demonitor x b own");
    mesh_ref ref = last_ref();
    assert_true(mesh_ref_equal(&ref, &t.ref));
    come_down(&b, &x, &t.ref, ":late");
    act_on("x", act_ok, NULL);
    assert_int_equal(script_count(&script.infos), 0);
    act_on("x", act_stop, NULL); /* who ends watches nobody */
    expect("beam@host demonitor x b own");
    expect_counts(0, 0);
}

static void test_is_watched(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x"), b = beam(1);
    label(&b, "b");
    assert_true(come_monitor(&b, &x, 5));
    assert_true(come_monitor(&b, &x, 6));
    assert_true(come_monitor(&b, &x, 7));
    assert_true(come_demonitor(&b, &x, 6));
    assert_true(come_demonitor(&b, &x, 6));
    expect_counts(2, 1);
    assert_int_equal(act_call(node, "x", act_crash_boom, NULL, NULL), MESH_ECRASHED);
    expect("beam@host down x b ref5 :boom");
    expect("beam@host down x b ref7 :boom");
    expect_counts(0, 0);
    assert_false(come_monitor(&b, &x, 8)); /* the dispatcher answers with noproc */
    pid_of("x");
    assert_false(come_monitor(&b, &x, 8));
    expect_counts(0, 0);
    expect_nothing();
}

static void test_reasons(void **state)
{
    (void)state;
    mesh_pid b = beam(1);
    label(&b, "b");
    mesh_pid x = pid_of("x");
    come_monitor(&b, &x, 1);
    act_on("x", act_stop, NULL);
    expect("beam@host down x b ref1 :normal");
    x = pid_of("y");
    come_monitor(&b, &x, 2);
    assert_true(come_exit2(&b, &x, ":kill"));
    expect("beam@host down y b ref2 :killed");
    x = pid_of("z");
    come_monitor(&b, &x, 3);
    assert_true(come_exit2(&b, &x, "{:why, \"a text that is too long for a message that has its reason inside\"}"));
    expect("beam@host down z b ref3 {:why, \"a text that is too long for a message that has its reason inside\"}");
}

/* ---- Links ---- */

static void test_links(void **state)
{
    (void)state;
    struct tie_act t = {.pid = beam(1)};
    mesh_pid x = pid_of("x"), b = beam(1);
    label(&b, "b");
    act_on("x", act_link, &t);
    expect("beam@host link x b");
    act_on("x", act_link, &t); /* once is enough */
    assert_int_equal(t.rc, MESH_OK);
    expect_counts(1, 1);
    come_exit(&b, &x, ":boom");
    script_await(&script.terminates, 1);
    assert_string_equal(script.reason, ":boom");
    expect_counts(0, 0);
    pid_of("x");
    act_on("x", act_link, &t);
    expect("beam@host link x b");
    assert_int_equal(act_call(node, "x", act_crash_boom, NULL, NULL), MESH_ECRASHED);
    expect("beam@host exit x b :boom");
    expect_counts(0, 0);
    expect_nothing();
}

static void test_traps_exits(void **state)
{
    (void)state;
    struct tie_act t = {.pid = beam(1)};
    mesh_pid x = pid_of("x"), b = beam(1);
    label(&b, "b");
    act_on("x", act_trap, NULL);
    act_on("x", act_link, &t);
    expect("beam@host link x b");
    come_exit(&b, &x, ":noproc");
    expect_exit(0, &b, ":noproc");
    expect_counts(0, 0);
    come_exit(&b, &x, ":again"); /* no link */
    come_exit2(&b, &x, ":please");
    expect_exit(1, &b, ":please");
    come_exit2(&b, &x, ":normal");
    expect_exit(2, &b, ":normal");
    assert_int_equal(script_count(&script.terminates), 0);
    come_exit2(&b, &x, ":kill");
    script_await(&script.terminates, 1);
    assert_string_equal(script.reason, ":killed");
}

static void test_unlinks(void **state)
{
    (void)state;
    struct tie_act t = {.pid = beam(1)};
    mesh_pid x = pid_of("x"), b = beam(1);
    label(&b, "b");
    act_on("x", act_link, &t);
    expect("beam@host link x b");
    act_on("x", act_unlink, &t);
    expect("beam@host unlink x b");
    uint64_t id = last_id();
    assert_int_not_equal(id, 0);
    expect_counts(1, 1);
    come_exit(&b, &x, ":late"); /* until the other side has acknowledged, nothing of the link means anything */
    come_link(&b, &x);
    come_unlink(&b, &x, 3);
    come_unlink_ack(&b, &x, id + 1);
    expect_counts(1, 1);
    come_unlink_ack(&b, &x, id);
    expect_counts(0, 0);
    act_on("x", act_unlink, &t);
    act_on("x", act_ok, NULL);
    assert_int_equal(script_count(&script.terminates), 0);
    expect_nothing();
}

/* Linked again before the other side has acknowledged: the answer to the unlink means nothing any more. */
static void test_links_again(void **state)
{
    (void)state;
    struct tie_act t = {.pid = beam(1)};
    mesh_pid x = pid_of("x"), b = beam(1);
    label(&b, "b");
    act_on("x", act_link, &t);
    act_on("x", act_unlink, &t);
    expect("beam@host link x b");
    expect("beam@host unlink x b");
    uint64_t id = last_id();
    act_on("x", act_link, &t);
    expect("beam@host link x b");
    come_unlink_ack(&b, &x, id);
    expect_counts(1, 1);
    come_exit(&b, &x, ":boom");
    script_await(&script.terminates, 1);
    expect_counts(0, 0);
}

static void test_is_linked(void **state)
{
    (void)state;
    mesh_pid x = pid_of("x"), b = beam(1), c = beam(2);
    label(&b, "b");
    label(&c, "c");
    assert_true(come_link(&b, &x));
    assert_true(come_link(&b, &x));
    assert_true(come_link(&c, &x));
    expect_counts(2, 2);
    assert_true(come_unlink(&c, &x, 9));
    come_exit(&c, &x, ":boom");
    act_on("x", act_ok, NULL);
    expect_counts(1, 1);
    come_exit(&b, &x, ":normal"); /* no reason to end */
    act_on("x", act_ok, NULL);
    expect_counts(0, 0);
    assert_true(come_link(&b, &x));
    assert_int_equal(act_call(node, "x", act_crash_boom, NULL, NULL), MESH_ECRASHED);
    expect("beam@host exit x b :boom");
    assert_false(come_link(&b, &x));
    expect_counts(0, 0);
    expect_nothing();
}

/* ---- A process that has not heard yet ---- */

struct held {
    struct gate inside, go;
    struct tie_act tie;
    bool link_too;
};

/* Waits for the test in the handler, and then takes the link back. */
static int act_hold_and_unlink(struct scene *s)
{
    struct held *h = s->arg;
    gate_add(&h->inside);
    pthread_mutex_lock(&h->go.lock);
    while (h->go.count == 0)
        pthread_cond_wait(&h->go.changed, &h->go.lock);
    pthread_mutex_unlock(&h->go.lock);
    if (h->link_too)
        mesh_link(s->self, &h->tie.pid);
    mesh_unlink(s->self, &h->tie.pid);
    return act_ok(s);
}

static void test_unlinks_from_one_that_has_ended(void **state)
{
    (void)state;
    struct held h = {.inside = GATE_INIT, .go = GATE_INIT, .tie.pid = beam(1)};
    mesh_pid x = pid_of("x"), b = beam(1);
    label(&b, "b");
    act_on("x", act_link, &h.tie);
    expect("beam@host link x b");
    assert_int_equal(act_cast(node, "x", act_hold_and_unlink, &h), MESH_OK);
    gate_await(&h.inside, 1);
    come_exit(&b, &x, ":boom");
    expect_counts(0, 1); /* the process may still ask for it */
    gate_add(&h.go);
    act_on("x", act_ok, NULL);
    assert_int_equal(script_count(&script.terminates), 0);
    expect_counts(0, 0);
    expect_nothing();
}

/* Everything at once in the mailbox: linked, unlinked, linked and ended, while the process links and unlinks itself. */
static void test_hears_late(void **state)
{
    (void)state;
    struct held h = {.inside = GATE_INIT, .go = GATE_INIT, .tie.pid = beam(1), .link_too = true};
    mesh_pid x = pid_of("x"), b = beam(1);
    label(&b, "b");
    assert_int_equal(act_cast(node, "x", act_hold_and_unlink, &h), MESH_OK);
    gate_await(&h.inside, 1);
    come_link(&b, &x);
    come_unlink(&b, &x, 1);
    come_link(&b, &x);
    come_exit(&b, &x, ":boom");
    expect_counts(0, 1);
    gate_add(&h.go);
    script_await(&script.terminates, 1); /* the second link had come before the exit */
    expect("beam@host link x b");
    expect("beam@host unlink x b");
    uint64_t id = last_id();
    expect_counts(1, 1);
    come_unlink_ack(&b, &x, id);
    expect_counts(0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, abroad_set_up, abroad_tear_down)
        TEST(test_writes),          TEST(test_infos_arrive), TEST(test_watches),
        TEST(test_watches_no_more), TEST(test_is_watched),   TEST(test_reasons),
        TEST(test_links),           TEST(test_traps_exits),  TEST(test_unlinks),
        TEST(test_links_again),     TEST(test_is_linked),    TEST(test_unlinks_from_one_that_has_ended),
        TEST(test_hears_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
