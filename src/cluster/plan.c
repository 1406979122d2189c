/* What to claim, and when; and what to give away unasked.
 *
 * Shards that no living node of the view holds are claimed at once. A shard that is only better placed here moves when
 * the view has been quiet for quiet_ms, so that ten nodes that join make one move of shards, not ten; but not later
 * than ten times that. A member that flaps is left to rest first (members.c). Until a shard is claimed its holder goes
 * on serving it, so waiting costs nothing.
 *
 * Such moves go a few at a time: what is under way serves nobody, and if a thousand shards leave together the calls to
 * each wait for all of them. */
#include "cluster/state.h"

enum {
    QUIET_TIMES = 10, /* moves wait for quiet at most so many times quiet_ms */
    MOVES_AT_ONCE = 128,
    MOVES_TO_GO_ON = 64, /* left under way when the next may follow */
};

static bool may_hold(const struct cluster *c, const struct capability *cap)
{
    return cap->registered && !cap->leaving && !cap->excluded && c->quorum && !c->draining;
}

/* When shards that have a holder in the view may move. */
static uint64_t move_time(const struct cluster *c, const struct capability *cap)
{
    uint64_t quiet = cap->changed_ms + c->config.quiet_ms;
    uint64_t latest = cap->unsettled_ms + QUIET_TIMES * (uint64_t)c->config.quiet_ms;
    uint64_t ms = quiet < latest ? quiet : latest;
    return ms > cap->rest_ms ? ms : cap->rest_ms;
}

static void collect_wanted(struct cluster *c, struct capability *cap, struct shards *set)
{
    const struct ring *ring = views_ring(c, cap);
    uint64_t move_ms = move_time(c, cap);
    bool waits = false;
    cap->move_ms = UINT64_MAX;
    cap->moves_on = false;
    if (ring == NULL || cap->my_index == UINT32_MAX)
        return;
    views_rows(cap);
    for (uint32_t s = 0; s < cap->row_count; s++) {
        const struct row *row = &cap->rows[s];
        if (ring_owner(ring, s) != cap->my_index || row->state != ROW_FREE)
            continue;
        bool settled = row->promise != NOBODY && linked(c, row->promise) && bit_get(cap->active, row->promise);
        if (settled && c->now_ms < move_ms)
            waits = true;
        else if (settled && cap->claiming + set->count >= MOVES_AT_ONCE)
            cap->moves_on = true;
        else
            shards_push(set, s);
    }
    if (waits)
        cap->move_ms = move_ms;
}

/* What this node holds and nobody will claim from it: of a capability that ends with it, or that a BEAM node owns. */
static void give_away(struct cluster *c, struct capability *cap)
{
    bool end = cap->node_count == 0 || !c->quorum;
    for (uint32_t s = 0; (end || cap->beam) && cap->held > 0 && s < cap->row_count; s++) {
        if (cap->rows[s].state != ROW_HELD)
            continue;
        uint16_t owner = end ? NOBODY : views_owner(c, cap, s);
        if (end || (owner != NOBODY && owner != SELF && c->members[owner].kind == CLUSTER_BEAM))
            grants_release(c, cap, s, owner, 0);
    }
}

bool plan_goes_on(const struct capability *cap)
{
    return cap->moves_on && cap->claiming <= MOVES_TO_GO_ON;
}

void plan_run(struct cluster *c, struct capability *cap)
{
    if (plan_goes_on(cap)) {
        cap->moves_on = false;
        cap->replan = true;
    }
    if (!cap->replan && c->now_ms < cap->move_ms) {
        wake_by(c, cap->move_ms);
        return;
    }
    if (!cap->any) {
        cap->replan = false;
        return;
    }
    claims_drop(c, cap, may_hold(c, cap));
    give_away(c, cap);
    cap->move_ms = UINT64_MAX;
    if (!may_hold(c, cap)) {
        cap->replan = false;
        return;
    }
    if (!members_may_claim(c))
        return; /* asked again in every run */
    cap->replan = false;
    struct shards set = {NULL, 0, 0};
    collect_wanted(c, cap, &set);
    if (set.count > 0)
        claims_open(c, cap, &set);
    shards_fini(&set);
    wake_by(c, cap->move_ms);
}
