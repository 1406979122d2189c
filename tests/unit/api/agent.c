/* See agent.h. */
#include "unit/api/agent.h"

#include <time.h>

struct script script = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* ---- Events ---- */

uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct timespec patience(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += PATIENCE_MS / 1000;
    return t;
}

static void await(pthread_mutex_t *lock, pthread_cond_t *changed, const int *count, int n)
{
    struct timespec until = patience();
    int rc = 0;
    pthread_mutex_lock(lock);
    while (*count < n && rc == 0)
        rc = pthread_cond_timedwait(changed, lock, &until);
    bool enough = *count >= n;
    pthread_mutex_unlock(lock);
    if (!enough)
        fail_msg("waited in vain for %d events", n);
}

void gate_add(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->count++;
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->lock);
}

void gate_await(struct gate *g, int n)
{
    await(&g->lock, &g->changed, &g->count, n);
}

int gate_count(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    int n = g->count;
    pthread_mutex_unlock(&g->lock);
    return n;
}

void script_await(const int *count, int n)
{
    await(&script.lock, &script.changed, count, n);
}

int script_count(const int *count)
{
    pthread_mutex_lock(&script.lock);
    int n = *count;
    pthread_mutex_unlock(&script.lock);
    return n;
}

static void count(int *counter)
{
    pthread_mutex_lock(&script.lock);
    ++*counter;
    pthread_cond_broadcast(&script.changed);
    pthread_mutex_unlock(&script.lock);
}

void script_reset(void)
{
    pthread_mutex_lock(&script.lock);
    for (int i = 0; i < INFOS_MAX; i++)
        mesh_term_release(&script.info[i]);
    script.inits = script.restores = script.terminates = script.saves = script.infos = script.strays = 0;
    script.reason[0] = '\0';
    script.init_arg = 0;
    script.on_init = script.on_terminate = NULL;
    script.merges = false;
    pthread_mutex_unlock(&script.lock);
}

/* ---- The module ---- */

#define MAGIC UINT64_C(0x6d6573682d616374)

struct act {
    uint64_t magic;
    act_fn fn;
    const void *arg;
};

static bool read_act(mesh_term term, struct act *act)
{
    mesh_bytes bytes;
    if (mesh_match(term, "~b", &bytes) != MESH_OK || bytes.len < sizeof *act)
        return false;
    memcpy(act, bytes.data, sizeof *act);
    return act->magic == MAGIC;
}

static int perform(mesh_process *self, void *state, mesh_from from, mesh_term term, const struct act *act)
{
    struct scene s = {self, mesh_process_node(self), state, from, term, (void *)act->arg};
    return act->fn(&s);
}

static int init(mesh_process *self, void *state, mesh_term init_arg)
{
    int64_t n;
    pthread_mutex_lock(&script.lock);
    if (mesh_match(init_arg, "~i", &n) == MESH_OK)
        script.init_arg = n;
    pthread_mutex_unlock(&script.lock);
    count(&script.inits);
    struct act act = {.fn = script.on_init};
    return act.fn != NULL ? perform(self, state, (mesh_from){0}, init_arg, &act) : MESH_OK;
}

static int handle_call(mesh_process *self, void *state, mesh_from from, mesh_term term)
{
    struct act act;
    if (read_act(term, &act))
        return perform(self, state, from, term, &act);
    count(&script.strays);
    return mesh_reply(from, term);
}

static int handle_cast(mesh_process *self, void *state, mesh_term term)
{
    struct act act;
    if (read_act(term, &act))
        return perform(self, state, (mesh_from){0}, term, &act);
    count(&script.strays);
    return MESH_OK;
}

static int handle_info(mesh_process *self, void *state, mesh_term term)
{
    struct act act;
    if (read_act(term, &act))
        return perform(self, state, (mesh_from){0}, term, &act);
    pthread_mutex_lock(&script.lock);
    if (script.infos < INFOS_MAX)
        mesh_term_keep((mesh_term){.data = term.data, .len = term.len}, &script.info[script.infos]);
    script.infos++;
    pthread_cond_broadcast(&script.changed);
    pthread_mutex_unlock(&script.lock);
    return MESH_OK;
}

static void terminate(mesh_process *self, void *state, mesh_term reason)
{
    struct agent *agent = state;
    struct act act = {.fn = script.on_terminate};
    pthread_mutex_lock(&script.lock);
    mesh_inspect_text(reason, script.reason, sizeof script.reason);
    pthread_mutex_unlock(&script.lock);
    free(agent->memory);
    if (act.fn != NULL)
        perform(self, state, (mesh_from){0}, reason, &act);
    count(&script.terminates);
}

static int snapshot(mesh_process *self, const void *state, mesh_buf *out)
{
    const struct agent *agent = state;
    (void)self;
    count(&script.saves);
    return mesh_build(out, "%{n: ~i}", agent->n);
}

static int conflict(mesh_process *self, void *state, mesh_term saved)
{
    int64_t n;
    (void)self;
    if (mesh_match(saved, "%{n: ~i}", &n) == MESH_OK && script.merges)
        ((struct agent *)state)->n += n;
    return MESH_OK;
}

static int restore(mesh_process *self, void *state, mesh_term saved)
{
    struct agent *agent = state;
    (void)self;
    count(&script.restores);
    return mesh_match(saved, "%{n: ~i}", &agent->n);
}

mesh_module agent_module(bool with_snapshot)
{
    mesh_module m = {.size = sizeof m,
                     .name = "Agent",
                     .state_size = sizeof(struct agent),
                     .init = init,
                     .handle_call = handle_call,
                     .handle_cast = handle_cast,
                     .handle_info = handle_info,
                     .terminate = terminate};
    if (with_snapshot) {
        m.snapshot = snapshot;
        m.conflict = conflict;
        m.restore = restore;
    }
    return m;
}

/* ---- Nodes ---- */

static void no_log(void *context, const mesh_log_event *event)
{
    (void)context;
    (void)event;
}

mesh_node *agent_node(const mesh_node_options *options)
{
    mesh_node_options o = {0};
    if (options != NULL)
        o = *options;
    o.size = sizeof o;
    if (o.log == NULL)
        o.log = no_log;
    if (o.workers == 0)
        o.workers = 2;
    if (o.drain_ms == 0)
        o.drain_ms = PATIENCE_MS;
    mesh_node *node = NULL;
    mesh_module module = agent_module(false);
    script_reset();
    assert_int_equal(mesh_node_start(&o, &node), MESH_OK);
    assert_int_equal(mesh_register_module(node, &module), MESH_OK);
    assert_int_equal(mesh_register_capability(node, "test", NULL), MESH_OK);
    return node;
}

void agent_stop(mesh_node *node)
{
    assert_int_equal(mesh_node_stop(node), MESH_OK);
    script_reset();
}

void agent_passivate(mesh_node *node, uint64_t n)
{
    uint64_t ended = 0, until = now_ms() + PATIENCE_MS;
    while (ended < n && now_ms() < until) {
        uint64_t count = 0;
        assert_int_equal(mesh_passivate(node, "test", 0, &count), MESH_OK);
        ended += count;
    }
    assert_int_equal(ended, n);
}

/* ---- Messages ---- */

void act_message(mesh_buf *buf, act_fn fn, const void *arg)
{
    struct act act = {MAGIC, fn, arg};
    mesh_bytes bytes = {&act, sizeof act};
    mesh_buf_init(buf);
    assert_int_equal(mesh_build(buf, "~b", bytes), MESH_OK);
}

mesh_request act_request(const char *id, const mesh_buf *message)
{
    return (mesh_request){
        .module = "Agent", .capability = "test", .id = mesh_str(id), .payload = mesh_buf_term(message)};
}

int act_call(mesh_node *node, const char *id, act_fn fn, const void *arg, mesh_result *result)
{
    mesh_buf message;
    mesh_result own;
    act_message(&message, fn, arg);
    mesh_request r = act_request(id, &message);
    int rc = mesh_call(node, &r, result != NULL ? result : &own);
    if (result == NULL)
        mesh_result_release(&own);
    mesh_buf_fini(&message);
    return rc;
}

int64_t act_number(mesh_node *node, const char *id, act_fn fn, const void *arg)
{
    mesh_result result;
    int64_t n = INT64_MIN;
    assert_int_equal(act_call(node, id, fn, arg, &result), MESH_OK);
    assert_int_equal(mesh_match(result.value, "~i", &n), MESH_OK);
    mesh_result_release(&result);
    return n;
}

int act_cast(mesh_node *node, const char *id, act_fn fn, const void *arg)
{
    mesh_buf message;
    act_message(&message, fn, arg);
    mesh_request r = act_request(id, &message);
    int rc = mesh_cast(node, &r);
    mesh_buf_fini(&message);
    return rc;
}

int act_send(mesh_node *node, const mesh_pid *pid, act_fn fn, const void *arg)
{
    mesh_buf message;
    act_message(&message, fn, arg);
    int rc = mesh_send(node, pid, mesh_buf_term(&message));
    mesh_buf_fini(&message);
    return rc;
}

/* ---- Acts ---- */

int reply_number(mesh_from from, int64_t n)
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    int rc = mesh_build(&buf, "~i", n);
    if (rc == MESH_OK && from.call != NULL)
        rc = mesh_reply(from, mesh_buf_term(&buf));
    mesh_buf_fini(&buf);
    return rc;
}

static int reply_ok(mesh_from from)
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    int rc = mesh_build(&buf, ":ok");
    if (rc == MESH_OK && from.call != NULL)
        rc = mesh_reply(from, mesh_buf_term(&buf));
    mesh_buf_fini(&buf);
    return rc;
}

int act_ok(struct scene *s)
{
    return reply_ok(s->from);
}

int act_echo(struct scene *s)
{
    return mesh_reply(s->from, s->term);
}

int act_add(struct scene *s)
{
    s->agent->n += s->arg != NULL ? *(int *)s->arg : 1;
    return reply_number(s->from, s->agent->n);
}

int act_self(struct scene *s)
{
    mesh_self(s->self, s->arg);
    return reply_ok(s->from);
}

int act_stop(struct scene *s)
{
    int rc = reply_ok(s->from);
    return rc != MESH_OK ? rc : mesh_stop(s->self, (mesh_term){0});
}

int act_crash(struct scene *s)
{
    (void)s;
    return MESH_EINVAL;
}

int act_park(struct scene *s)
{
    struct parked *p = s->arg;
    pthread_mutex_lock(&p->gate.lock);
    p->from[p->gate.count % 64] = s->from;
    pthread_mutex_unlock(&p->gate.lock);
    gate_add(&p->gate);
    return MESH_OK;
}
