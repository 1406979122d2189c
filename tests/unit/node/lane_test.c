/* Lanes and routes: numbers, calls that wait, and what is known without asking. */
#include "unit/check.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "node/membership.h"

enum { SLOT = 7, MOST = 1000 };

static int released;

static void release(void *peer)
{
    (void)peer;
    released++;
}

static const struct transport_ops ops = {.release = release};

/* A lane with a link that is up. */
struct fixture {
    struct membership *m;
    struct node_link *link;
    struct lane *lane;
};

static struct fixture begin(void)
{
    struct fixture f = {must_calloc(1, sizeof *f.m), must_calloc(1, sizeof *f.link), lane_create(SLOT)};
    f.m->transport.ops = &ops;
    f.link->m = f.m;
    atomic_init(&f.link->refs, 1);
    lane_open(f.lane, f.link);
    released = 0;
    return f;
}

static void end(struct fixture *f)
{
    struct list rest;
    list_init(&rest);
    link_drop(lane_close(f->lane, &rest));
    assert_true(list_is_empty(&rest));
    assert_int_equal(released, 1);
    lane_destroy(f->lane);
    free(f->m);
}

static struct lane_pass enter(struct fixture *f, bool call)
{
    struct lane_pass pass;
    assert_int_equal(lane_enter(f->lane, call, MOST, &pass), MESH_OK);
    assert_ptr_equal(pass.link, f->link);
    link_drop(pass.link);
    free(pass.spare);
    return pass;
}

static struct request *a_request(uint64_t deadline_ns)
{
    struct request *q = must_calloc(1, sizeof *q + REQUEST_ROOM);
    q->room = REQUEST_ROOM;
    q->deadline_ns = deadline_ns;
    return q;
}

static struct lane_pass keep(struct fixture *f, struct request *q)
{
    uint64_t due_ns = UINT64_MAX;
    struct lane_pass pass = enter(f, true);
    assert_true(lane_keep(&pass, q, &due_ns));
    return pass;
}

static uint64_t waiting(struct fixture *f)
{
    struct membership_stats stats = {0};
    lane_read(f->lane, &stats);
    return stats.requests;
}

static void test_a_call_is_taken_once(void **state)
{
    (void)state;
    struct fixture f = begin();
    struct request *one = a_request(0), *two = a_request(0);
    struct lane_pass first = keep(&f, one), second = keep(&f, two), cast = enter(&f, false);
    assert_true(first.number != 0 && first.number != second.number && second.number != cast.number);
    assert_int_equal(waiting(&f), 2);
    assert_ptr_equal(lane_take(f.lane, second.number), two);
    assert_null(lane_take(f.lane, second.number));
    assert_ptr_equal(lane_take(f.lane, first.number), one);
    assert_null(lane_take(f.lane, cast.number));
    assert_null(lane_take(f.lane, 0));
    assert_null(lane_take(f.lane, UINT64_MAX));
    assert_int_equal(waiting(&f), 0);
    /* A place is used again, under another number. */
    struct lane_pass third = keep(&f, one);
    assert_true(third.number != first.number && third.number != second.number);
    assert_null(lane_take(f.lane, first.number));
    assert_ptr_equal(lane_take(f.lane, third.number), one);
    free(one);
    free(two);
    end(&f);
}

static void test_a_call_that_is_not_kept(void **state)
{
    (void)state;
    struct fixture f = begin();
    struct lane_pass pass = enter(&f, true);
    assert_null(lane_take(f.lane, pass.number)); /* an answer to what was not sent */
    assert_int_equal(waiting(&f), 1);
    lane_leave(&pass);
    assert_int_equal(waiting(&f), 0);
    end(&f);
}

static void test_the_limit(void **state)
{
    (void)state;
    struct fixture f = begin();
    static struct lane_pass passes[MOST];
    struct lane_pass more;
    for (int i = 0; i < MOST; i++)
        passes[i] = enter(&f, true);
    assert_int_equal(lane_enter(f.lane, true, MOST, &more), MESH_EBUSY);
    (void)enter(&f, false); /* casts do not wait */
    for (int i = 0; i < MOST; i++)
        lane_leave(&passes[i]);
    more = enter(&f, true);
    lane_leave(&more);
    /* And that of the numbers. */
    static struct lane_pass all[LANE_CALLS_MAX];
    for (int i = 0; i < LANE_CALLS_MAX; i++) {
        assert_int_equal(lane_enter(f.lane, true, UINT32_MAX, &all[i]), MESH_OK);
        link_drop(all[i].link);
    }
    assert_int_equal(lane_enter(f.lane, true, UINT32_MAX, &more), MESH_EBUSY);
    for (int i = 0; i < LANE_CALLS_MAX; i++)
        lane_leave(&all[i]);
    end(&f);
}

static void test_a_link_that_ends(void **state)
{
    (void)state;
    struct fixture f = begin();
    struct request *q = a_request(5);
    struct lane_pass kept = keep(&f, q), written = enter(&f, true), more;
    struct list lost;
    uint64_t due_ns = UINT64_MAX;
    list_init(&lost);
    assert_ptr_equal(lane_close(f.lane, &lost), f.link);
    assert_ptr_equal(lost.next, &q->item.in);
    list_remove(lost.next);
    assert_true(list_is_empty(&lost));
    assert_null(lane_take(f.lane, kept.number));
    assert_false(lane_keep(&written, q, &due_ns));
    lane_leave(&written);
    assert_int_equal(lane_enter(f.lane, true, MOST, &more), MESH_EMOVED);
    assert_int_equal(lane_enter(f.lane, false, MOST, &more), MESH_EMOVED);
    assert_null(lane_close(f.lane, &lost));
    assert_true(lane_due(f.lane) == UINT64_MAX);
    /* The peer comes back. */
    lane_open(f.lane, f.link);
    struct lane_pass again = keep(&f, q);
    assert_null(lane_take(f.lane, kept.number));
    assert_ptr_equal(lane_take(f.lane, again.number), q);
    free(q);
    end(&f);
}

static void test_late_calls(void **state)
{
    (void)state;
    struct fixture f = begin();
    struct request *never = a_request(0), *soon = a_request(1000), *later = a_request(UINT64_C(1) << 40);
    struct lane_pass n = keep(&f, never), s = enter(&f, true), l;
    struct list late;
    uint64_t due_ns = UINT64_MAX;
    list_init(&late);
    assert_true(lane_due(f.lane) == UINT64_MAX);
    assert_true(lane_keep(&s, soon, &due_ns) && due_ns == 1000);
    due_ns = UINT64_MAX;
    l = enter(&f, true);
    assert_true(lane_keep(&l, later, &due_ns) && due_ns == UINT64_MAX);
    lane_collect_late(f.lane, 999, &late);
    assert_true(list_is_empty(&late));
    lane_collect_late(f.lane, 1000, &late);
    assert_ptr_equal(late.next, &soon->item.in);
    assert_ptr_equal(late.prev, late.next);
    assert_true(lane_due(f.lane) == later->deadline_ns);
    assert_null(lane_take(f.lane, s.number));
    assert_ptr_equal(lane_take(f.lane, l.number), later);
    assert_ptr_equal(lane_take(f.lane, n.number), never);
    free(never);
    free(soon);
    free(later);
    end(&f);
}

/* What began here leaves its message, and its memory for the next; what is passed on is given back whole. */
static void test_answers(void **state)
{
    (void)state;
    struct fixture f = begin();
    struct message message = {0}, *answered;
    struct request *own = a_request(0), *passed = a_request(0);
    own->message = &message;
    passed->from = f.link;
    struct lane_pass o = keep(&f, own), p = keep(&f, passed), next;
    assert_null(lane_answered(f.lane, o.number, &answered));
    assert_ptr_equal(answered, &message);
    assert_null(lane_answered(f.lane, o.number, &answered));
    assert_null(answered);
    assert_ptr_equal(lane_answered(f.lane, p.number, &answered), passed);
    assert_null(answered);
    assert_int_equal(lane_enter(f.lane, true, MOST, &next), MESH_OK);
    assert_ptr_equal(next.spare, own);
    free(next.spare);
    lane_leave(&next);
    link_drop(next.link);
    free(passed);
    end(&f);
}

/* ---- Routes ---- */

static void test_routes(void **state)
{
    (void)state;
    struct routes *routes = must_calloc(1, sizeof *routes);
    struct class a = {.index = 0}, b = {.index = 3}, last = {.index = CLASSES_MAX - 1};
    routes_note(routes, &a, 10, 4, 1); /* no view is open */
    routes_open(routes, false, true);
    assert_int_equal(routes_find(routes, &a, 4), 0);
    routes_note(routes, &a, 10, 4, 1);
    routes_note(routes, &b, 65536, 65535, 1023);
    routes_note(routes, &last, 65536, 20000, 512);
    assert_int_equal(routes_find(routes, &a, 4), 1);
    assert_int_equal(routes_find(routes, &a, 1234567894), 1);
    assert_int_equal(routes_find(routes, &a, 5), 0);
    assert_int_equal(routes_find(routes, &b, 65535), 1023);
    assert_int_equal(routes_find(routes, &b, 4), 0);
    assert_int_equal(routes_find(routes, &last, 20000), 512);
    assert_int_equal(routes_find(routes, &last, 20000 - (1 << ROUTES_CELL_BITS)), 0); /* the same cell */

    routes_close(routes);
    assert_int_equal(routes_find(routes, &a, 4), 0);
    routes_open(routes, false, false); /* nothing has changed */
    assert_int_equal(routes_find(routes, &a, 4), 1);
    routes_close(routes);
    routes_open(routes, true, true);
    assert_int_equal(routes_find(routes, &a, 4), 0);
    routes_note(routes, &a, 11, 4, 2);
    assert_int_equal(routes_find(routes, &a, 15), 2);
    free(routes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_is_taken_once),
        cmocka_unit_test(test_a_call_that_is_not_kept),
        cmocka_unit_test(test_the_limit),
        cmocka_unit_test(test_a_link_that_ends),
        cmocka_unit_test(test_late_calls),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
