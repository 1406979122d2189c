/* The module WordCounter.
 *
 * The whole state is a number. The handlers of one process never overlap, so that it needs neither lock nor atomic; a
 * new process starts with the zeroed state that the node gives it, so that it needs no init either. The number goes
 * into the snapshot, which is why a count survives when its process is passivated, and is lost when it crashes. */
#include "word_counter.h"

enum { CALL_TIMEOUT_MS = 60000 }; /* patient: an unknown outcome would spoil the count */

struct word_counter {
    uint64_t count;
};

static int reply_count(const struct word_counter *w, mesh_from from)
{
    mesh_buf reply;
    mesh_buf_init(&reply);
    int error = mesh_put_uint(&reply, w->count);
    if (error == MESH_OK)
        error = mesh_reply(from, mesh_buf_term(&reply));
    mesh_buf_fini(&reply);
    return error;
}

static int crash_as_told(mesh_process *self)
{
    mesh_buf reason;
    mesh_buf_init(&reason);
    mesh_build(&reason, "{:told_to_crash, ~b}", mesh_id(self));
    int error = mesh_crash(self, mesh_buf_term(&reason));
    mesh_buf_fini(&reason);
    return error;
}

static int handle_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    struct word_counter *w = state;
    if (mesh_match(message, WORD_ADD) == MESH_OK)
        w->count++;
    else if (mesh_match(message, WORD_CRASH) == MESH_OK)
        return crash_as_told(self);
    else if (mesh_match(message, WORD_READ) != MESH_OK)
        return mesh_from_drop(from); /* not for us: the caller gets MESH_ENOREPLY */
    return reply_count(w, from);
}

static int snapshot(mesh_process *self, const void *state, mesh_buf *out)
{
    (void)self;
    const struct word_counter *w = state;
    return mesh_put_uint(out, w->count);
}

static int restore(mesh_process *self, void *state, mesh_term saved)
{
    (void)self;
    struct word_counter *w = state;
    mesh_reader r = mesh_reader_of(saved);
    return mesh_read_uint(&r, &w->count);
}

int word_counter_register(mesh_node *node)
{
    static const mesh_module module = {
        .size = sizeof module,
        .name = WORD_COUNTER,
        .state_size = sizeof(struct word_counter),
        .handle_call = handle_call,
        .snapshot = snapshot,
        .restore = restore,
    };
    int error = mesh_register_module(node, &module);
    return error ? error : mesh_register_capability(node, WORDS, NULL);
}

int word_counter_call(mesh_node *node, const char *word, size_t len, mesh_term message, uint64_t *count, mesh_pid *pid)
{
    const mesh_request request = {
        .module = WORD_COUNTER,
        .capability = WORDS,
        .id = {word, len},
        .payload = message,
        .timeout_ms = CALL_TIMEOUT_MS,
    };
    mesh_result result = {0};
    int error = mesh_call(node, &request, &result);
    if (!error) {
        mesh_reader r = mesh_reader_of(result.value);
        error = mesh_read_uint(&r, count);
    }
    if (!error && pid)
        *pid = result.pid;
    mesh_result_release(&result);
    return error;
}
