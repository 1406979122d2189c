/* The locker, which holds the lock `global` for one session at a time.
 *
 *   locker          what it does                                          goes on
 *   IDLE            after a while picks somebody with a session           -> ACTIVE
 *                   his lock_set true has come                            -> PASSIVE
 *   ACTIVE          locks the boss, both nodes, the rest of this part     -> WAITS_HIM, having told him; or IDLE
 *   PASSIVE         locks the boss, this node, the rest of this part      -> WAITS_END, having told him; or IDLE,
 * likewise WAITS_HIM       waits for his lock_set                                true -> WAITS_END; false -> IDLE
 *   WAITS_END       the names are exchanged                               -> IDLE, by the end of the session
 *
 * Both lockers use one lock, of which both pids are the requester, so that both can hold it on the same nodes. It goes
 * only after new_nodes has been sent: requests from here are then served after that. A session that ends in between
 * releases the lock too. */
#include "dist/global_state.h"

/* When the locker looks next: it gives the others a chance, which have perhaps failed for this one's lock. */
void locker_rest(struct global *g, bool just_synced)
{
    uint64_t known = 0;
    for (const struct peer_state *p = g->peers; p; p = p->next)
        known += p->known;
    const uint64_t wait_ms = known == 0 ? 200 : known < 20 ? 1000 + 100 * known : 3000;
    g->locker_due_ms = g->now_ms + (just_synced ? 0 : wait_ms);
}

void locker_idle(struct global *g, bool just_synced)
{
    g->locking = NULL;
    g->locker = LOCKER_IDLE;
    grab_release(g, &g->locker_grab);
    locker_rest(g, just_synced);
}

static int compare_names(const char *a, const char *b)
{
    return strcmp(a, b); /* bytes, as the order of atoms */
}

/* The nodes to be locked for p: those known, this one, and when it is this side that begins, p. */
static int locker_prepare(struct global *g, struct peer_state *p, bool active)
{
    struct grab *grab = &g->locker_grab;
    const char *boss = g->service->self;
    mesh_buf buf, requester, global;
    mesh_buf_init(&buf);
    mesh_buf_init(&requester);
    mesh_buf_init(&global);
    int error = service_put_pid(g->service, &buf, g->config.locker);
    const mesh_term own = mesh_buf_term(&buf);
    const bool own_first = !error && mesh_term_compare(own, p->his_locker) < 0;
    if (!error)
        error = mesh_build(&requester, "[~t, ~t]", own_first ? own : p->his_locker, own_first ? p->his_locker : own);
    if (!error)
        error = mesh_build(&global, ":global");
    if (!error)
        error = grab_start(g, grab, mesh_buf_term(&global), mesh_buf_term(&requester));
    grab->pid = g->config.locker;
    for (const struct peer_state *q = g->peers; q; q = q->next)
        if (q->known && q->up && compare_names(q->name, boss) > 0)
            boss = q->name;
    grab_add(grab, mesh_str(boss), GRAB_BOSS);
    grab_add(grab, service_self(g->service), GRAB_PAIR);
    if (active)
        grab_add(grab, mesh_str(p->name), GRAB_PAIR);
    for (const struct peer_state *q = g->peers; q; q = q->next)
        if (q->known && q->up)
            grab_add(grab, mesh_str(q->name), GRAB_REST);
    mesh_buf_fini(&buf);
    mesh_buf_fini(&requester);
    mesh_buf_fini(&global);
    return error;
}

static void send_lock_set(struct global *g, const struct peer_state *p, bool set)
{
    mesh_buf pid, known, message;
    mesh_buf_init(&pid);
    mesh_buf_init(&known);
    mesh_buf_init(&message);
    int built = service_put_pid(g->service, &pid, g->config.locker);
    if (!built)
        built = global_put_known(g, &known, false);
    if (!built)
        built = mesh_build(&message, "{:lock_set, ~t, ~o, ~t, ~i}", mesh_buf_term(&pid), set, mesh_buf_term(&known),
                           p->his_tag);
    global_cast(g, p, built, &message);
    mesh_buf_fini(&pid);
    mesh_buf_fini(&known);
}

/* What his locker has said about the lock, to one that waits for it. */
static void hear_him(struct global *g, struct peer_state *p)
{
    const enum saying said = p->lock_set;
    p->lock_set = SAID_NOTHING;
    if (said == SAID_TRUE)
        session_locked(g, p);
    else if (said == SAID_FALSE)
        locker_idle(g, false);
}

static void locker_grabbed(struct global *g, enum grab_result result)
{
    struct peer_state *p = g->locking;
    if (result == GRAB_WAITS || !p)
        return;
    const bool active = g->locker == LOCKER_ACTIVE;
    g->locker_since_ms = g->now_ms;
    if (result == GRAB_FAILED) {
        if (!active)
            send_lock_set(g, p, false);
        locker_idle(g, false);
        return;
    }
    send_lock_set(g, p, true);
    if (!active) {
        session_locked(g, p);
        return;
    }
    g->locker = LOCKER_WAITS_HIM;
    hear_him(g, p);
}

static void locker_begin(struct global *g, struct peer_state *p, bool active)
{
    g->locking = p;
    g->locker = active ? LOCKER_ACTIVE : LOCKER_PASSIVE;
    g->locker_since_ms = g->now_ms;
    if (locker_prepare(g, p, active) != MESH_OK)
        locker_idle(g, false);
    else
        locker_grabbed(g, grab_run(g, &g->locker_grab));
}

/* Serves those who have set their lock. */
void locker_look(struct global *g)
{
    for (struct peer_state *p = g->peers; p && g->locker == LOCKER_IDLE; p = p->next) {
        const enum saying said = p->lock_set;
        p->lock_set = SAID_NOTHING;
        if (said == SAID_TRUE && p->pending)
            locker_begin(g, p, false);
    }
}

/* Somebody with a session, by chance. */
static struct peer_state *locker_pick(struct global *g)
{
    struct peer_state *picked = NULL;
    uint64_t seen = 0;
    for (struct peer_state *p = g->peers; p; p = p->next) {
        if (p->known && !p->up)
            return NULL; /* it would have to be locked too: its connection is on its way, or fails */
        if (p->pending && !p->known && global_random(g, ++seen) == 0)
            picked = p;
    }
    return picked;
}

void locker_told(struct global *g, struct peer_state *p, bool set, int64_t tag)
{
    if (tag != p->my_tag)
        return;
    p->lock_set = set ? SAID_TRUE : SAID_FALSE;
    if (g->locker == LOCKER_WAITS_HIM && g->locking == p)
        hear_him(g, p);
    locker_look(g);
}

bool locker_answered(struct global *g, mesh_bytes node, uint64_t ref, mesh_term value)
{
    bool yes = false;
    if (!g->locking || ref != g->locker_grab.ref)
        return false;
    mesh_match(value, "~o", &yes);
    locker_grabbed(g, grab_answered(g, &g->locker_grab, node, yes));
    locker_look(g);
    return true;
}

void locker_node_down(struct global *g, mesh_bytes node)
{
    const enum grab_result result = grab_node_down(g, &g->locker_grab, node);
    if (g->locking && g->locker <= LOCKER_PASSIVE)
        locker_grabbed(g, result);
}

/* What does not go on: the lock is given up; where he waits for this node, or the lock is held, his connection too. */
static void locker_watch(struct global *g)
{
    struct peer_state *p = g->locking;
    if (!p || g->now_ms < g->locker_since_ms + GLOBAL_STEP_MS)
        return;
    g->counts.given_up++;
    if (g->locker <= LOCKER_PASSIVE) {
        grab_release(g, &g->locker_grab);
        locker_grabbed(g, GRAB_FAILED);
        return;
    }
    g->service->actions->disconnect(g->service->context, mesh_str(p->name));
    session_end(g, p);
}

void locker_tick(struct global *g)
{
    locker_watch(g);
    locker_look(g);
    if (g->locker != LOCKER_IDLE || g->now_ms < g->locker_due_ms)
        return;
    struct peer_state *p = lock_global_is_set(g) ? NULL : locker_pick(g);
    if (p)
        locker_begin(g, p, true);
    else
        locker_rest(g, false);
}
