/* Lists of monitors and links: single cases, and random use compared with counts. */
#include "runtime/bonds.h"

#include <stdlib.h>
#include <string.h>

#include "property/random.h"
#include "runtime/actor.h"
#include "unit/check.h"

static int set_up(void **state)
{
    *state = calloc(1, sizeof(struct bond_list));
    return *state == NULL;
}

static int tear_down(void **state)
{
    free(((struct bond_list *)*state)->bond);
    free(*state);
    return 0;
}

static void an_actor_has_bonds_on_first_use(void **state)
{
    (void)state;
    struct actor a;
    memset(&a, 0, sizeof a);
    struct bonds *bonds = bonds_of(&a);
    assert_non_null(bonds);
    assert_ptr_equal(bonds_of(&a), bonds);
    assert_int_equal(bonds->watchers.count + bonds->watching.count + bonds->links.count, 0);
    assert_null(bonds->debts);
    bond_add(&bonds->watchers, 1, 1);
    bond_add(&bonds->watching, 2, 2);
    bond_add(&bonds->links, 3, 0);
    bonds_free(bonds);
    bonds_free(NULL);
}

static void an_empty_list_has_nothing(void **state)
{
    struct bond_list *list = *state;
    assert_false(bond_has(list, 1, 1));
    assert_false(bond_has(list, 0, 0));
    assert_false(bond_remove(list, 0, 1));
}

static void a_bond_is_pid_and_ref(void **state)
{
    struct bond_list *list = *state;
    bond_add(list, 5, 70);
    bond_add(list, 5, 71); /* two monitors of one process */
    bond_add(list, 6, 0);  /* a link */
    assert_true(bond_has(list, 5, 70));
    assert_false(bond_has(list, 6, 70));
    assert_false(bond_has(list, 5, 0));
    assert_false(bond_remove(list, 5, 72));
    assert_false(bond_remove(list, 7, 70));
    assert_int_equal(list->count, 3);
    assert_true(bond_remove(list, 5, 70));
    assert_false(bond_remove(list, 5, 70));
    assert_true(bond_has(list, 5, 71) && bond_has(list, 6, 0));
}

/* A DOWN names its monitor by ref alone. */
static void pid_0_is_any(void **state)
{
    struct bond_list *list = *state;
    bond_add(list, 5, 70);
    bond_add(list, 6, 71);
    assert_true(bond_has(list, 0, 71));
    assert_true(bond_remove(list, 0, 71));
    assert_false(bond_has(list, 6, 71));
    assert_true(bond_has(list, 5, 70));
    assert_false(bond_remove(list, 0, 72));
}

static void one_removal_takes_one(void **state)
{
    struct bond_list *list = *state;
    for (int i = 0; i < 3; i++)
        bond_add(list, 5, 70);
    for (int i = 0; i < 3; i++)
        assert_true(bond_remove(list, 5, 70));
    assert_false(bond_remove(list, 5, 70));
    assert_int_equal(list->count, 0);
}

static void random_use_agrees_with_counts(void **state)
{
    enum { PIDS = 13, REFS = 11, TURNS = 20000 };
    struct bond_list *list = *state;
    uint32_t have[PIDS + 1][REFS] = {{0}}, count = 0;
    uint64_t seed = 7;
    for (int turn = 0; turn < TURNS; turn++) {
        uint64_t pid = 1 + random_next(&seed) % PIDS, ref = random_next(&seed) % REFS;
        bool there = have[pid][ref] > 0;
        assert_int_equal(bond_has(list, pid, ref), there);
        /* Grows at first, shrinks later. */
        if (random_next(&seed) % TURNS > (uint64_t)turn) {
            bond_add(list, pid, ref);
            have[pid][ref]++;
            count++;
        } else {
            assert_int_equal(bond_remove(list, pid, ref), there);
            have[pid][ref] -= there;
            count -= there;
        }
        assert_int_equal(list->count, count);
    }
    assert_true(list->capacity > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_actor_has_bonds_on_first_use),
        cmocka_unit_test_setup_teardown(an_empty_list_has_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_bond_is_pid_and_ref, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pid_0_is_any, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_removal_takes_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_use_agrees_with_counts, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
