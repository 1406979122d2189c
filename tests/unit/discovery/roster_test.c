/* The table of names on a logical clock: when each is reported, and what bounds it. */
#include <stdio.h>
#include <stdlib.h>

#include "discovery/roster.h"
#include "unit/check.h"
#include "unit/discovery/world.h"

enum { FIRST_MS = 500, MOST_MS = 5000, PER_SECOND = 10 };

static void start(struct roster *r, struct world *w)
{
    *w = (struct world){.random = 1};
    roster_init(r, &(struct roster_options){.own = "own@host",
                                            .first_ms = FIRST_MS,
                                            .most_ms = MOST_MS,
                                            .per_second = PER_SECOND,
                                            .connected = world_connected,
                                            .random = world_random,
                                            .context = w});
}

static enum roster_outcome list(struct roster *r, const char *name, uint64_t now_ms, uint64_t until_ms)
{
    return roster_list(r, mesh_str(name), 0, now_ms, until_ms);
}

/* All that is to be said now; the number of names seen. */
static unsigned take(struct roster *r, struct world *w, uint64_t now_ms)
{
    const char *name;
    enum roster_news news;
    unsigned seen = 0;
    while ((news = roster_next(r, now_ms, &name)) != ROSTER_NOTHING) {
        seen += news == ROSTER_SEEN;
        (news == ROSTER_SEEN ? world_seen : world_gone)(w, name);
    }
    return seen;
}

static void an_empty_table_says_nothing(void **state)
{
    (void)state;
    struct world w;
    struct roster r;
    start(&r, &w);
    assert_int_equal(take(&r, &w, 0), 0);
    assert_true(roster_next_ms(&r) == ROSTER_FOREVER);
    roster_fini(&r);
}

static void a_new_name_is_due_at_once_and_then_backs_off(void **state)
{
    (void)state;
    struct world w;
    struct roster r;
    start(&r, &w);
    assert_int_equal(list(&r, "a@h", 1000, ROSTER_FOREVER), ROSTER_LISTED);
    assert_true(roster_next_ms(&r) == 1000);
    assert_int_equal(take(&r, &w, 999), 0);
    uint64_t now_ms = 1000, delay_ms = FIRST_MS;
    for (int i = 0; i < 40; i++) {
        assert_int_equal(take(&r, &w, now_ms), 1);
        uint64_t next_ms = roster_next_ms(&r);
        assert_in_range(next_ms - now_ms, delay_ms / 2, delay_ms);
        assert_int_equal(take(&r, &w, next_ms - 1), 0);
        list(&r, "a@h", now_ms, ROSTER_FOREVER); /* listing it again hurries nothing */
        assert_true(roster_next_ms(&r) == next_ms);
        delay_ms = 2 * delay_ms < MOST_MS ? 2 * delay_ms : MOST_MS;
        now_ms = next_ms;
    }
    roster_fini(&r);
}

static void a_connected_name_is_silent_and_at_once_again_when_it_is_lost(void **state)
{
    (void)state;
    struct world w;
    struct roster r;
    start(&r, &w);
    list(&r, "a@h", 0, ROSTER_FOREVER);
    assert_int_equal(take(&r, &w, 0), 1);
    world_connect(&w, "a@h");
    uint64_t now_ms = 0;
    for (int i = 0; i < 20; i++) {
        now_ms = roster_next_ms(&r);
        assert_int_equal(take(&r, &w, now_ms), 0);
        assert_in_range(roster_next_ms(&r) - now_ms, MOST_MS / 2, MOST_MS);
    }
    world_connect(&w, NULL);
    assert_int_equal(take(&r, &w, now_ms + 1), 0); /* not looked at yet */
    list(&r, "a@h", now_ms + 2, ROSTER_FOREVER);   /* the source speaks of it */
    assert_int_equal(take(&r, &w, now_ms + 2), 1);
    assert_in_range(roster_next_ms(&r) - now_ms - 2, FIRST_MS / 2, FIRST_MS);
    roster_fini(&r);
}

static void our_own_name_is_ignored(void **state)
{
    (void)state;
    struct world w;
    struct roster r;
    start(&r, &w);
    assert_int_equal(list(&r, "own@host", 0, ROSTER_FOREVER), ROSTER_OWN);
    assert_int_equal(roster_list_fixed(&r, mesh_str("own@host"), 0), ROSTER_OWN);
    assert_int_equal(list(&r, "own@hos", 0, ROSTER_FOREVER), ROSTER_LISTED);
    assert_int_equal(r.count, 1);
    roster_fini(&r);
}

static void a_name_whose_listing_ends_is_gone_unless_connected(void **state)
{
    (void)state;
    struct world w;
    struct roster r;
    start(&r, &w);
    world_watch(&w, 0, "a@h");
    world_watch(&w, 1, "b@h");
    world_connect(&w, "b@h");
    list(&r, "a@h", 0, 2000);
    list(&r, "b@h", 0, 2000);
    for (uint64_t now_ms = 0; now_ms < 60000; now_ms = roster_next_ms(&r)) {
        assert_true(roster_next_ms(&r) >= now_ms);
        take(&r, &w, now_ms);
    }
    assert_int_equal(w.gone[0], 1);
    assert_int_equal(w.gone[1] + w.seen[1], 0);
    assert_int_equal(r.count, 1);
    world_connect(&w, NULL);
    take(&r, &w, 100000);
    assert_int_equal(w.gone[1], 1);
    assert_int_equal(r.count, 0);
    assert_true(roster_next_ms(&r) == ROSTER_FOREVER);
    list(&r, "a@h", 100000, ROSTER_FOREVER); /* back again: as new */
    assert_int_equal(take(&r, &w, 100000), 1);
    roster_fini(&r);
}

static void unlisting_a_group_leaves_the_others(void **state)
{
    (void)state;
    struct world w;
    struct roster r;
    start(&r, &w);
    world_watch(&w, 0, "a@h");
    roster_list(&r, mesh_str("a@h"), 1, 0, ROSTER_FOREVER);
    roster_list(&r, mesh_str("b@h"), 1, 0, ROSTER_FOREVER);
    roster_list(&r, mesh_str("c@h"), 2, 0, ROSTER_FOREVER);
    take(&r, &w, 0);
    roster_unlist(&r, 1);
    roster_list(&r, mesh_str("b@h"), 1, 10, ROSTER_FOREVER);
    take(&r, &w, 10000);
    assert_int_equal(w.all_gone, 1);
    assert_int_equal(w.gone[0], 1);
    assert_int_equal(r.count, 2);
    roster_fini(&r);
}

static void reports_are_bounded_in_a_second_and_all_have_their_turn(void **state)
{
    (void)state;
    enum { NAMES = 95 };
    struct world w;
    struct roster r;
    char names[NAMES][32];
    const char *name;
    bool told[NAMES] = {false};
    unsigned left = NAMES;
    start(&r, &w);
    for (int i = 0; i < NAMES; i++) {
        snprintf(names[i], sizeof names[i], "n%d@h", i);
        list(&r, names[i], 5000, ROSTER_FOREVER);
    }
    /* Names that were told come due again meanwhile, so it takes longer than NAMES / PER_SECOND. */
    for (uint64_t now_ms = 5000; left > 0; now_ms = roster_next_ms(&r)) {
        unsigned in_this_turn = 0;
        assert_true(now_ms < 60000);
        while (roster_next(&r, now_ms, &name) == ROSTER_SEEN) {
            int i = (int)strtol(name + 1, NULL, 10);
            left -= !told[i];
            told[i] = true;
            in_this_turn++;
        }
        assert_true(in_this_turn <= PER_SECOND);
    }
    roster_fini(&r);
}

/* With three times more due than may be said, those that were connected once come before all others. */
static void names_that_were_connected_come_first(void **state)
{
    (void)state;
    struct world w;
    struct roster r;
    char name[32];
    start(&r, &w);
    world_watch(&w, 0, "old@h");
    world_connect(&w, "old@h");
    list(&r, "old@h", 0, ROSTER_FOREVER);
    take(&r, &w, 0);
    world_connect(&w, NULL);
    for (int i = 0; i < 3 * PER_SECOND; i++) {
        snprintf(name, sizeof name, "forged%d@h", i);
        list(&r, name, 0, ROSTER_FOREVER);
    }
    list(&r, "old@h", 2000, ROSTER_FOREVER);
    assert_int_equal(take(&r, &w, 2000), PER_SECOND);
    assert_int_equal(w.seen[0], 1);
    roster_fini(&r);
}

/* A node that joined during a flood, so that its turn has not come since: its next packet shows that it is connected.
 */
static void a_packet_of_a_connected_node_is_enough_to_come_first(void **state)
{
    (void)state;
    struct world w;
    struct roster r;
    char name[32];
    start(&r, &w);
    world_watch(&w, 0, "new@h");
    for (int i = 0; i < 3 * PER_SECOND; i++) {
        snprintf(name, sizeof name, "forged%d@h", i);
        list(&r, name, 1000, ROSTER_FOREVER);
    }
    list(&r, "new@h", 1000, ROSTER_FOREVER);
    assert_int_equal(take(&r, &w, 1000), PER_SECOND);
    assert_int_equal(w.seen[0], 0);
    world_connect(&w, "new@h");
    list(&r, "new@h", 1500, ROSTER_FOREVER);
    world_connect(&w, NULL);
    assert_int_equal(take(&r, &w, 2000), PER_SECOND);
    assert_int_equal(w.seen[0], 1);
    roster_fini(&r);
}

static void a_full_table_displaces_what_was_listed_longest_ago_but_nobody_who_was_connected(void **state)
{
    (void)state;
    struct world w;
    struct roster r;
    char name[32];
    start(&r, &w);
    world_connect(&w, "old@h");
    world_watch(&w, 0, "old@h");
    list(&r, "old@h", 0, 1);
    assert_int_equal(roster_list_fixed(&r, mesh_str("fixed@h"), 0), ROSTER_LISTED);
    take(&r, &w, 0);
    for (unsigned i = 0; i < ROSTER_MAX - 2; i++) {
        snprintf(name, sizeof name, "forged%u@h", i);
        assert_int_equal(list(&r, name, 0, 1000 + i), ROSTER_LISTED);
    }
    for (unsigned i = 0; i < 2 * ROSTER_MAX; i++) {
        snprintf(name, sizeof name, "more%u@h", i);
        assert_int_equal(list(&r, name, 0, 10000 + i), ROSTER_DISPLACED);
    }
    assert_int_equal(r.count, ROSTER_MAX);
    world_connect(&w, NULL);
    list(&r, "old@h", 2000, ROSTER_FOREVER);
    world_forget(&w);
    take(&r, &w, 2000);
    assert_int_equal(w.seen[0], 1);
    roster_fini(&r);
}

static void a_table_of_fixed_names_takes_no_more(void **state)
{
    (void)state;
    struct world w;
    struct roster r;
    char name[32];
    start(&r, &w);
    for (unsigned i = 0; i < ROSTER_MAX; i++) {
        snprintf(name, sizeof name, "n%u@h", i);
        assert_int_equal(roster_list_fixed(&r, mesh_str(name), 0), ROSTER_LISTED);
    }
    assert_int_equal(list(&r, "more@h", 0, ROSTER_FOREVER), ROSTER_FULL);
    assert_int_equal(list(&r, "n7@h", 0, ROSTER_FOREVER), ROSTER_LISTED);
    roster_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_says_nothing),
        cmocka_unit_test(a_new_name_is_due_at_once_and_then_backs_off),
        cmocka_unit_test(a_connected_name_is_silent_and_at_once_again_when_it_is_lost),
        cmocka_unit_test(our_own_name_is_ignored),
        cmocka_unit_test(a_name_whose_listing_ends_is_gone_unless_connected),
        cmocka_unit_test(unlisting_a_group_leaves_the_others),
        cmocka_unit_test(reports_are_bounded_in_a_second_and_all_have_their_turn),
        cmocka_unit_test(names_that_were_connected_come_first),
        cmocka_unit_test(a_packet_of_a_connected_node_is_enough_to_come_first),
        cmocka_unit_test(a_full_table_displaces_what_was_listed_longest_ago_but_nobody_who_was_connected),
        cmocka_unit_test(a_table_of_fixed_names_takes_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
