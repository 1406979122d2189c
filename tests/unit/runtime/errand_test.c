/* Errands: run on their worker, outside of handlers, in the order given, also while handlers keep it busy; and a handle
 * on its loop wakes it. */
#include "unit/api/agent.h"

#include <uv.h>

#include "node/node.h"

enum { ERRANDS = 1000 };

struct note {
    struct errand errand;
    struct gate *done;
    int number;
    int *last;
    bool disorder;
    bool inside_handler;
    struct worker *ran_by;
};

static void run_note(struct worker *w, struct errand *e)
{
    struct note *n = (struct note *)e;
    n->disorder = n->number != *n->last + 1;
    *n->last = n->number;
    struct seat *seat = seat_current();
    n->inside_handler = seat == NULL || atomic_load_explicit(&seat->inside, memory_order_relaxed) != SEAT_RUNTIME;
    n->ran_by = w;
    gate_add(n->done);
}

static int keep_busy(mesh_node *node, void *arg)
{
    struct gate *done = arg;
    return gate_count(done) < ERRANDS ? mesh_spawn(node, keep_busy, arg, NULL) : MESH_OK;
}

static void errands_run_in_order(void **state)
{
    (void)state;
    static struct note notes[ERRANDS];
    struct gate done = GATE_INIT;
    int last = 0;
    mesh_node *node = agent_node(NULL);
    struct worker *w = &node->runtime.workers[1];
    for (int busy = 0; busy < 2; busy++) {
        last = 0;
        done.count = 0;
        if (busy)
            for (int i = 0; i < 4; i++)
                keep_busy(node, &done);
        for (int i = 0; i < ERRANDS; i++) {
            notes[i] = (struct note){.errand.run = run_note, .done = &done, .number = i + 1, .last = &last};
            worker_errand(w, &notes[i].errand);
        }
        gate_await(&done, ERRANDS);
        for (int i = 0; i < ERRANDS; i++) {
            assert_false(notes[i].disorder);
            assert_false(notes[i].inside_handler);
            assert_ptr_equal(notes[i].ran_by, w);
        }
    }
    agent_stop(node);
}

/* ---- a handle on the loop ---- */

struct bell {
    struct errand errand;
    uv_timer_t timer;
    struct gate rung;
    struct gate closed;
};

static void on_closed(uv_handle_t *handle)
{
    struct bell *b = handle->data;
    worker_unwatch((struct worker *)((char *)handle->loop - offsetof(struct worker, loop)));
    gate_add(&b->closed);
}

static void on_ring(uv_timer_t *timer)
{
    struct bell *b = timer->data;
    gate_add(&b->rung);
    if (gate_count(&b->rung) == 3)
        uv_close((uv_handle_t *)timer, on_closed);
}

static void hang_up(struct worker *w, struct errand *e)
{
    struct bell *b = (struct bell *)e;
    worker_watch(w);
    uv_timer_init(&w->loop, &b->timer);
    b->timer.data = b;
    uv_update_time(&w->loop);
    uv_timer_start(&b->timer, on_ring, 1, 1);
}

static void a_watched_loop_is_polled(void **state)
{
    (void)state;
    static struct bell bell = {.errand.run = hang_up, .rung = GATE_INIT, .closed = GATE_INIT};
    mesh_node *node = agent_node(NULL);
    worker_errand(&node->runtime.workers[0], &bell.errand);
    gate_await(&bell.closed, 1);
    assert_int_equal(gate_count(&bell.rung), 3);
    agent_stop(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errands_run_in_order),
        cmocka_unit_test(a_watched_loop_is_polled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
