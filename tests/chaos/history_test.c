/* The checks of a history see what is wrong, and nothing in what is right. Times are made up: 1 is a millisecond. */
#include "history.h"

#include <stdio.h>
#include <string.h>

#include <mesh/error.h>

#include "unit/check.h"

enum { IDS = 4, NODE_A = 1, NODE_B = 2, PID_A = 100, PID_B = 200 };

#define MS(n) ((uint64_t)(n)*1000000)

static void write_event(struct history *h, uint8_t node, uint8_t kind, uint32_t at_ms, uint64_t activation,
                        uint64_t epoch, const char *id)
{
    struct life_event e = {.at_ns = MS(at_ms), .activation = activation, .epoch = epoch, .kind = kind};
    e.id_len = (uint8_t)strlen(id);
    memcpy(e.id, id, e.id_len);
    history_lives(h, node, &e, 1);
}

static uint64_t number(uint64_t pid, uint64_t count)
{
    return pid << 32 | count;
}

/* A life of account 0; until_ms 0: it does not end by itself. */
static void live(struct history *h, uint8_t node, uint64_t count, uint64_t epoch, uint32_t from_ms, uint32_t until_ms)
{
    const uint64_t activation = number(node == NODE_A ? PID_A : PID_B, count);
    write_event(h, node, LIFE_START, from_ms, activation, epoch, "accounts/0/17");
    if (until_ms > 0)
        write_event(h, node, LIFE_STOP, until_ms, activation, epoch, "accounts/0/17");
}

static struct call_record *add_call(struct history *h, uint32_t from_ms, uint32_t until_ms, int error)
{
    struct call_record *r = history_call(h, MS(from_ms));
    assert_non_null(r);
    r->error = (uint16_t)error;
    atomic_store(&r->end_ns, MS(until_ms));
    return r;
}

static void answered_by(struct call_record *r, uint8_t node, uint64_t count, uint64_t epoch)
{
    r->node = node;
    r->activation = number(node == NODE_A ? PID_A : PID_B, count);
    r->epoch = epoch;
}

static void ids_are_read_from_names(void **state)
{
    (void)state;
    assert_int_equal(history_id("accounts/12/9", 13), 12);
    assert_int_equal(history_id("accounts/3", 10), 3);
    assert_int_equal(history_id("accounts", 8), UINT32_MAX);
    assert_int_equal(history_id("accounts/", 9), UINT32_MAX);
    assert_int_equal(history_id("accounts//1", 11), UINT32_MAX);
    assert_int_equal(history_id("accounts/1x", 11), UINT32_MAX);
    assert_int_equal(history_id("a/99999999999", 13), UINT32_MAX);
}

static void one_after_the_other_is_right(void **state)
{
    struct history h;
    (void)state;
    history_init(&h, IDS, 8);
    live(&h, NODE_A, 1, 10, 0, 100);
    live(&h, NODE_B, 1, 11, 100, 0);
    answered_by(add_call(&h, 10, 20, MESH_OK), NODE_A, 1, 10);
    answered_by(add_call(&h, 90, 130, MESH_OK), NODE_B, 1, 11); /* it waited for the move */
    history_close(&h, NULL, 0);
    assert_int_equal(history_doubled(&h, 0, UINT64_MAX), 0);
    assert_int_equal(history_stale(&h, 0, UINT64_MAX), 0);
    assert_int_equal(history_contradictions(&h), 0);
    history_fini(&h);
}

static void two_at_a_time_are_seen_for_as_long_as_they_are(void **state)
{
    struct history h;
    (void)state;
    history_init(&h, IDS, 8);
    live(&h, NODE_B, 1, 11, 90, 0);
    live(&h, NODE_A, 1, 10, 0, 100);
    history_close(&h, NULL, 0);
    assert_int_equal(history_doubled(&h, 0, UINT64_MAX), 1);
    assert_int_equal(history_doubled(&h, MS(99), UINT64_MAX), 1);
    assert_int_equal(history_doubled(&h, MS(100), UINT64_MAX), 0);
    assert_int_equal(history_doubled(&h, 0, MS(90)), 0);
    assert_int_equal(history_doubled_until(&h, 0, UINT64_MAX), MS(100));
    assert_int_equal(history_doubled_until(&h, 0, MS(95)), MS(95));
    assert_int_equal(history_doubled_until(&h, MS(100), UINT64_MAX), 0);
    history_fini(&h);
}

static void one_within_another_is_seen_and_a_third_too(void **state)
{
    struct history h;
    (void)state;
    history_init(&h, IDS, 8);
    live(&h, NODE_A, 1, 10, 0, 0);
    live(&h, NODE_B, 1, 11, 10, 20);
    live(&h, NODE_B, 2, 12, 30, 40);
    history_close(&h, NULL, 0);
    assert_int_equal(history_doubled(&h, 0, UINT64_MAX), 2);
    history_fini(&h);
}

static void the_killed_end_when_they_are_killed(void **state)
{
    const struct death death = {PID_A, MS(50), MS(52)};
    struct history h;
    (void)state;
    history_init(&h, IDS, 8);
    live(&h, NODE_A, 1, 10, 0, 0);
    live(&h, NODE_B, 1, 11, 51, 0);
    answered_by(add_call(&h, 51, 51, MESH_OK), NODE_A, 1, 10); /* while it was dying */
    answered_by(add_call(&h, 53, 54, MESH_OK), NODE_A, 1, 10); /* after that: impossible */
    history_close(&h, &death, 1);
    assert_int_equal(history_doubled(&h, 0, UINT64_MAX), 0);
    assert_int_equal(history_contradictions(&h), 1);
    history_fini(&h);
}

static void an_older_epoch_is_seen(void **state)
{
    struct history h;
    (void)state;
    history_init(&h, IDS, 8);
    live(&h, NODE_A, 1, 10, 0, 10);
    live(&h, NODE_B, 1, 9, 20, 0);
    history_close(&h, NULL, 0);
    assert_int_equal(history_stale(&h, 0, UINT64_MAX), 1);
    assert_int_equal(history_stale(&h, MS(21), UINT64_MAX), 0);
    history_fini(&h);
}

static void answers_need_a_life(void **state)
{
    struct history h;
    (void)state;
    history_init(&h, IDS, 8);
    live(&h, NODE_A, 1, 10, 50, 100);
    answered_by(add_call(&h, 10, 20, MESH_OK), NODE_A, 1, 10);   /* before it began */
    answered_by(add_call(&h, 110, 120, MESH_OK), NODE_A, 1, 10); /* after it ended */
    answered_by(add_call(&h, 60, 70, MESH_OK), NODE_A, 2, 10);   /* another one */
    answered_by(add_call(&h, 60, 70, MESH_OK), NODE_A, 1, 11);   /* under another epoch */
    answered_by(add_call(&h, 60, 70, MESH_OK), NODE_B, 1, 10);   /* on another node */
    answered_by(add_call(&h, 60, 70, MESH_OK), NODE_A, 1, 10);
    add_call(&h, 60, 70, MESH_ELOST);
    history_close(&h, NULL, 0);
    assert_int_equal(history_contradictions(&h), 5);
    history_fini(&h);
}

static void records_that_make_no_sense_are_counted(void **state)
{
    struct history h;
    (void)state;
    history_init(&h, IDS, 8);
    write_event(&h, NODE_A, LIFE_START, 0, number(PID_A, 1), 10, "accounts/4/0"); /* no such id */
    write_event(&h, NODE_A, 7, 0, number(PID_A, 2), 10, "accounts/0/0");
    write_event(&h, NODE_A, LIFE_STOP, 0, number(PID_A, 3), 10, "accounts/0/0"); /* it never began */
    write_event(&h, NODE_A, LIFE_START, 0, number(PID_A, 4), 10, "accounts/0/0");
    write_event(&h, NODE_A, LIFE_START, 1, number(PID_A, 4), 10, "accounts/0/0"); /* twice */
    history_close(&h, NULL, 0);
    assert_int_equal(history_contradictions(&h), 4);
    history_fini(&h);
}

static void updates_are_neither_lost_nor_made_twice(void **state)
{
    static const struct {
        int64_t value;
        uint64_t missing, excess;
    } cases[] = {{1, 1, 0}, {2, 0, 0}, {3, 0, 0}, {5, 0, 2}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct history h;
        history_init(&h, IDS, 8);
        add_call(&h, 0, 1, MESH_OK);
        add_call(&h, 2, 3, MESH_OK);
        add_call(&h, 4, 5, MESH_ETIMEOUT); /* may have been made */
        add_call(&h, 6, 7, MESH_EBUSY);    /* was not */
        struct call_record *r = add_call(&h, 10, 11, MESH_OK);
        r->kind = CALL_READ;
        r->value = cases[i].value;
        history_close(&h, NULL, 0);
        assert_int_equal(history_missing(&h), cases[i].missing);
        assert_int_equal(history_excess(&h), cases[i].excess);
        history_fini(&h);
    }
}

static void calls_without_an_outcome_and_late_ones_are_counted(void **state)
{
    struct history h;
    (void)state;
    history_init(&h, IDS, 3);
    add_call(&h, 0, 0, MESH_OK);
    add_call(&h, 0, 5100, MESH_ETIMEOUT);
    add_call(&h, 1, 5102, MESH_ETIMEOUT);
    assert_null(history_call(&h, 0));
    history_close(&h, NULL, 0);
    assert_int_equal(history_unanswered(&h), 1);
    assert_int_equal(history_late(&h, 5000), 1);
    history_fini(&h);
}

static void callers_that_ask_different_processes_are_seen(void **state)
{
    struct history h;
    (void)state;
    history_init(&h, IDS, 8);
    live(&h, NODE_A, 1, 10, 0, 0);
    live(&h, NODE_B, 1, 11, 0, 0);
    for (uint8_t from = 0; from < 2; from++) {
        struct call_record *r = add_call(&h, 10, 20, MESH_OK);
        r->kind = CALL_READ;
        r->from = from;
        answered_by(r, from == 0 ? NODE_A : NODE_B, 1, from == 0 ? 10 : 11);
    }
    history_close(&h, NULL, 0);
    assert_int_equal(history_disagreements(&h), 1);
    history_fini(&h);
}

static void moves_are_counted_against_the_least(void **state)
{
    const struct change leave = {MS(50), MS(150), CHANGE_LEAVE, NODE_A}, join = {MS(150), MS(300), CHANGE_JOIN, NODE_A};
    struct moves moves = {0, 0};
    struct history h;
    (void)state;
    history_init(&h, IDS, 8);
    live(&h, NODE_A, 1, 10, 0, 60);
    live(&h, NODE_B, 1, 11, 61, 70); /* there and */
    live(&h, NODE_B, 2, 12, 80, 200);
    write_event(&h, NODE_B, LIFE_START, 0, number(PID_B, 9), 10, "accounts/1/0"); /* stays */
    live(&h, NODE_A, 2, 13, 201, 0);
    history_close(&h, NULL, 0);
    history_moves(&h, &leave, &moves);
    assert_int_equal(moves.moved, 1);
    assert_int_equal(moves.least, 1);
    history_moves(&h, &join, &moves);
    assert_int_equal(moves.moved, 2);
    assert_int_equal(moves.least, 2);
    history_fini(&h);
}

static void an_outage_is_the_longest_time_without_an_answer(void **state)
{
    static const uint32_t watch_ids[] = {0, 1};
    static const uint32_t ends[] = {90, 110, 400, 410, 950}; /* of the first one, whose process was on A */
    const struct change loss = {MS(100), MS(1000), CHANGE_LOSS, NODE_A};
    const struct change split = {MS(100), MS(1000), CHANGE_SPLIT, NODE_A};
    uint64_t outages[2];
    struct history h;
    (void)state;
    history_init(&h, IDS, 16);
    live(&h, NODE_A, 1, 10, 0, 0);
    write_event(&h, NODE_B, LIFE_START, 0, number(PID_B, 9), 10, "accounts/1/0");
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        add_call(&h, ends[i] - 1, ends[i], MESH_OK)->watch = 0;
    add_call(&h, 600, 610, MESH_ELOST)->watch = 0;
    add_call(&h, 699, 700, MESH_OK)->watch = 1;
    add_call(&h, 650, 660, MESH_OK); /* nobody's watch */
    history_close(&h, NULL, 0);
    assert_int_equal(history_outages(&h, &loss, watch_ids, 2, outages), 1);
    assert_int_equal(outages[0], MS(540));
    assert_int_equal(history_outages(&h, &split, watch_ids, 2, outages), 2);
    assert_int_equal(outages[1], MS(600));
    history_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_read_from_names),
        cmocka_unit_test(one_after_the_other_is_right),
        cmocka_unit_test(two_at_a_time_are_seen_for_as_long_as_they_are),
        cmocka_unit_test(one_within_another_is_seen_and_a_third_too),
        cmocka_unit_test(the_killed_end_when_they_are_killed),
        cmocka_unit_test(an_older_epoch_is_seen),
        cmocka_unit_test(answers_need_a_life),
        cmocka_unit_test(records_that_make_no_sense_are_counted),
        cmocka_unit_test(updates_are_neither_lost_nor_made_twice),
        cmocka_unit_test(calls_without_an_outcome_and_late_ones_are_counted),
        cmocka_unit_test(callers_that_ask_different_processes_are_seen),
        cmocka_unit_test(moves_are_counted_against_the_least),
        cmocka_unit_test(an_outage_is_the_longest_time_without_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
