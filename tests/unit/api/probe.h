/* A node with one module whose processes do as they are told, for tests of what a node says of itself.
 *
 *   {:add, n}     answers n
 *   {:text, n}    answers a binary of n bytes
 *   :hold         does not answer: the handle is kept, see probe_answer
 *   {:ask, id}    calls :hold of another process, and answers what that answers
 *   :await        awaits a task that ends when probe.open is set
 *   :block        is in mesh_blocking until probe.open is set
 *   :crash        crashes */
#ifndef UNIT_API_PROBE_H
#define UNIT_API_PROBE_H

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mesh.h>

#include "unit/check.h"

static struct probe {
    mesh_node *node;
    _Atomic int held;
    mesh_from from[16];
    _Atomic bool open;
} probe;

/* Whether a condition comes true within 20 s; looks again and again without sleeping. */
#define eventually(condition)                                                                                          \
    do {                                                                                                               \
        time_t probe_until = time(NULL) + 20;                                                                          \
        while (!(condition)) {                                                                                         \
            assert_true(time(NULL) < probe_until);                                                                     \
            sched_yield();                                                                                             \
        }                                                                                                              \
    } while (0)

static int probe_reply_int(mesh_from from, int64_t n)
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    int rc = mesh_put_int(&buf, n);
    if (rc == MESH_OK)
        rc = mesh_reply(from, mesh_buf_term(&buf));
    mesh_buf_fini(&buf);
    return rc;
}

static mesh_request probe_request(const char *id)
{
    return (mesh_request){.module = "Probe", .capability = "probes", .id = mesh_str(id), .timeout_ms = 30000};
}

static void probe_block(void *arg)
{
    (void)arg;
    while (!atomic_load(&probe.open))
        sched_yield();
}

static int probe_task(mesh_node *node, void *arg)
{
    (void)arg;
    return mesh_blocking(node, probe_block, NULL) == MESH_OK ? 7 : -1;
}

static int probe_ask(mesh_node *node, mesh_from from, mesh_bytes id)
{
    mesh_request request = probe_request("");
    mesh_result result;
    mesh_buf buf;
    mesh_buf_init(&buf);
    request.id = id;
    int rc = mesh_build(&buf, ":hold");
    request.payload = mesh_buf_term(&buf);
    if (rc == MESH_OK)
        rc = mesh_call(node, &request, &result);
    mesh_buf_fini(&buf);
    return rc == MESH_OK ? mesh_reply(from, result.value) : rc;
}

static int probe_text(mesh_from from, int64_t n)
{
    char *text = calloc(1, (size_t)n);
    mesh_buf buf;
    mesh_buf_init(&buf);
    int rc = mesh_put_binary(&buf, (mesh_bytes){text, (size_t)n});
    if (rc == MESH_OK)
        rc = mesh_reply(from, mesh_buf_term(&buf));
    mesh_buf_fini(&buf);
    free(text);
    return rc;
}

static int probe_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    mesh_node *node = mesh_process_node(self);
    int64_t n;
    mesh_bytes id;
    mesh_task *task;
    int value = 0;
    (void)state;
    if (mesh_match(message, "{:add, ~i}", &n) == MESH_OK)
        return probe_reply_int(from, n);
    if (mesh_match(message, "{:text, ~i}", &n) == MESH_OK)
        return probe_text(from, n);
    if (mesh_match(message, "{:ask, ~b}", &id) == MESH_OK)
        return probe_ask(node, from, id);
    if (mesh_match(message, ":crash") == MESH_OK)
        return mesh_crash(self, message);
    if (mesh_match(message, ":await") == MESH_OK) {
        if (mesh_spawn(node, probe_task, NULL, &task) != MESH_OK || mesh_await(task, 0, &value) != MESH_OK)
            return MESH_EINVAL;
        return probe_reply_int(from, value);
    }
    if (mesh_match(message, ":block") == MESH_OK) {
        int rc = mesh_blocking(node, probe_block, NULL);
        return rc == MESH_OK ? probe_reply_int(from, 8) : rc;
    }
    probe.from[atomic_load(&probe.held)] = from; /* :hold */
    atomic_fetch_add(&probe.held, 1);
    return MESH_OK;
}

/* Answers the newest call that is held. */
static inline void probe_answer(int64_t n)
{
    int newest = atomic_fetch_sub(&probe.held, 1) - 1;
    assert_int_equal(probe_reply_int(probe.from[newest], n), MESH_OK);
}

static int probe_start(void **state)
{
    mesh_node_options options = {.size = sizeof options, .workers = 2, .log_level = MESH_LOG_ERROR, .max_mailbox = 4};
    mesh_module module = {.size = sizeof module, .name = "Probe", .handle_call = probe_call};
    (void)state;
    atomic_store(&probe.held, 0);
    atomic_store(&probe.open, false);
    assert_int_equal(mesh_node_start(&options, &probe.node), MESH_OK);
    assert_int_equal(mesh_register_module(probe.node, &module), MESH_OK);
    assert_int_equal(mesh_register_capability(probe.node, "probes", NULL), MESH_OK);
    return 0;
}

static int probe_stop(void **state)
{
    (void)state;
    return mesh_node_stop(probe.node) == MESH_OK ? 0 : -1;
}

/* Calls a process from this thread; the error, and the number that was answered. */
static inline int probe_run(const char *id, const char *text, int64_t *n)
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    assert_int_equal(mesh_parse(text, strlen(text), &buf, NULL), MESH_OK);
    mesh_request request = probe_request(id);
    request.payload = mesh_buf_term(&buf);
    mesh_result result;
    int rc = mesh_call(probe.node, &request, &result);
    if (rc == MESH_OK && n != NULL)
        assert_int_equal(mesh_match(result.value, "~i", n), MESH_OK);
    mesh_result_release(&result);
    mesh_buf_fini(&buf);
    return rc;
}

#endif
