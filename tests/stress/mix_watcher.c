/* A process that watches others, and is told of the end of each exactly once: see mix.h.
 *
 * It never ends before them. What it keeps is written by its own handlers only, which do not overlap. */
#include "stress/mix.h"

#include <sched.h>

enum { PENDING_MAX = 4096 };

struct watcher {
    struct world *world;
    struct {
        mesh_ref ref;
        mesh_pid pid;
    } monitor[PENDING_MAX];
    mesh_pid link[PENDING_MAX];
    int monitors, links;
};

struct wish {
    mesh_pid pid;
    bool link;
};

static struct watcher *watcher_of(void *state)
{
    struct watcher *w;
    memcpy(&w, state, sizeof w);
    return w;
}

static int init(mesh_process *self, void *state, mesh_term init_arg)
{
    mesh_bytes bytes;
    int rc = mesh_match(init_arg, "~b", &bytes);
    if (rc == MESH_OK)
        memcpy(state, bytes.data, sizeof(struct watcher *));
    mesh_trap_exits(self, true);
    return rc;
}

static bool is_linked(const struct watcher *w, const mesh_pid *pid, int *at)
{
    for (*at = 0; *at < w->links; (*at)++)
        if (mesh_pid_equal(&w->link[*at], pid))
            return true;
    return false;
}

/* A second link to the same process would be none. */
static int link_to(struct watcher *w, mesh_process *self, const mesh_pid *pid)
{
    int at;
    if (w->links == PENDING_MAX || is_linked(w, pid, &at))
        return MESH_OK;
    w->link[w->links++] = *pid;
    atomic_fetch_add(&w->world->watches, 1);
    return mesh_link(self, pid);
}

static int monitor(struct watcher *w, mesh_process *self, const mesh_pid *pid)
{
    if (w->monitors == PENDING_MAX)
        return MESH_OK;
    int rc = mesh_monitor(self, pid, &w->monitor[w->monitors].ref);
    w->monitor[w->monitors++].pid = *pid;
    atomic_fetch_add(&w->world->watches, 1);
    return rc;
}

static int handle_cast(mesh_process *self, void *state, mesh_term message)
{
    struct watcher *w = watcher_of(state);
    mesh_bytes bytes;
    struct wish wish;
    if (mesh_match(message, "~b", &bytes) != MESH_OK || bytes.len != sizeof wish)
        return MESH_ENOMATCH;
    memcpy(&wish, bytes.data, sizeof wish);
    return wish.link ? link_to(w, self, &wish.pid) : monitor(w, self, &wish.pid);
}

/* Told of an end that it did not wait for, or of another process: that is counted as unexpected. */
static int handle_info(mesh_process *self, void *state, mesh_term message)
{
    struct watcher *w = watcher_of(state);
    mesh_ref ref;
    mesh_pid pid;
    int at = 0;
    bool known = false;
    (void)self;
    if (mesh_match(message, "{:DOWN, ~r, :process, ~p, _}", &ref, &pid) == MESH_OK) {
        while (at < w->monitors && !mesh_ref_equal(&w->monitor[at].ref, &ref))
            at++;
        known = at < w->monitors && mesh_pid_equal(&w->monitor[at].pid, &pid);
        if (known)
            w->monitor[at] = w->monitor[--w->monitors];
    } else if (mesh_match(message, "{:EXIT, ~p, _}", &pid) == MESH_OK) {
        known = is_linked(w, &pid, &at);
        if (known)
            w->link[at] = w->link[--w->links];
    }
    atomic_fetch_add(known ? &w->world->gone : &w->world->unexpected, 1);
    return MESH_OK;
}

static void cast(struct world *w, mesh_bytes bytes, mesh_bytes init_arg)
{
    mesh_buf message, arg;
    mesh_buf_init(&message);
    mesh_buf_init(&arg);
    int rc = mesh_build(&message, "~b", bytes);
    rc = rc ? rc : mesh_build(&arg, "~b", init_arg);
    const mesh_request r = {.module = "Watcher",
                            .capability = "watch",
                            .id = mesh_str("watcher"),
                            .payload = mesh_buf_term(&message),
                            .init_arg = mesh_buf_term(&arg)};
    rc = rc ? rc : mesh_cast(w->node, &r);
    mix_expect(w, rc);
    atomic_fetch_add(&w->watched, rc == MESH_OK);
    mesh_buf_fini(&message);
    mesh_buf_fini(&arg);
}

void mix_start_watcher(struct world *w)
{
    const mesh_module module = {.size = sizeof module,
                                .name = "Watcher",
                                .state_size = sizeof(struct watcher *),
                                .init = init,
                                .handle_cast = handle_cast,
                                .handle_info = handle_info,
                                .idle_timeout_ms = MESH_NEVER};
    w->watcher = calloc(1, sizeof *w->watcher);
    assert_non_null(w->watcher);
    w->watcher->world = w;
    assert_int_equal(mesh_register_module(w->node, &module), MESH_OK);
    assert_int_equal(mesh_register_capability(w->node, "watch", NULL), MESH_OK);
}

void mix_watch(struct world *w, const mesh_pid *pid, bool link)
{
    struct wish wish;
    memset(&wish, 0, sizeof wish);
    wish.pid = *pid;
    wish.link = link;
    cast(w, (mesh_bytes){&wish, sizeof wish}, (mesh_bytes){&w->watcher, sizeof w->watcher});
}

/* Casts that were taken are handled in time; each makes at most one watch. */
void mix_await_ends(struct world *w)
{
    mesh_stats stats = {.size = sizeof stats};
    uint64_t until = now_ms() + PATIENCE_MS;
    bool all = false;
    while (!all && now_ms() < until) {
        assert_int_equal(mesh_stats_read(w->node, "watch", NULL, &stats), MESH_OK);
        all = stats.casts == (uint64_t)atomic_load(&w->watched) && atomic_load(&w->gone) == atomic_load(&w->watches);
        sched_yield();
    }
    assert_int_equal(atomic_load(&w->gone), atomic_load(&w->watches));
}

void mix_free_watcher(struct world *w)
{
    free(w->watcher);
}
