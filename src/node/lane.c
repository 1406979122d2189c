/* Passes, places and late calls: see lane.h. */
#include "node/lane.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "node/membership.h"

enum { PLACES_FIRST = 64 };

struct lane *lane_create(uint16_t slot)
{
    struct lane *lane = must_calloc(1, sizeof *lane);
    lane->slot = slot;
    lane->due_ns = UINT64_MAX;
    return lane;
}

/* With the lock, as the next. NULL: there is none. */
static struct request *take_spare(struct lane *lane)
{
    struct request *q = lane->spare;
    if (q == NULL)
        return NULL;
    lane->spare = (struct request *)q->item.in.next;
    lane->spare_count--;
    return q;
}

/* Whether it is kept. */
static bool put_spare(struct lane *lane, struct request *q)
{
    if (q->room != REQUEST_ROOM || lane->spare_count == LANE_SPARE_MAX)
        return false;
    q->item.in.next = (struct list *)lane->spare;
    lane->spare = q;
    lane->spare_count++;
    return true;
}

void lane_destroy(struct lane *lane)
{
    if (lane == NULL)
        return;
    while (lane->spare != NULL)
        free(take_spare(lane));
    free(lane->places);
    free(lane);
}

/* ---- places; with the lock ---- */

static bool make_places(struct lane *lane)
{
    uint32_t count = lane->place_count == 0 ? PLACES_FIRST : 2 * lane->place_count;
    if (count > LANE_CALLS_MAX)
        return false;
    struct lane_place *places = realloc(lane->places, count * sizeof *places);
    if (places == NULL)
        return false;
    for (uint32_t i = lane->place_count; i < count; i++)
        places[i] = (struct lane_place){.next_free = i + 1};
    lane->places = places;
    lane->place_count = count; /* the old one, which `free` is now, is the first of the new places */
    return true;
}

static struct lane_place *find(const struct lane *lane, uint64_t number)
{
    uint32_t index = (uint32_t)(number % LANE_CALLS_MAX);
    bool is = number != 0 && index < lane->place_count && lane->places[index].number == number;
    return is ? &lane->places[index] : NULL;
}

static struct request *empty(struct lane *lane, struct lane_place *place)
{
    struct request *q = place->request;
    *place = (struct lane_place){.next_free = lane->free};
    lane->free = (uint32_t)(place - lane->places);
    lane->count--;
    return q;
}

/* ---- the link ---- */

void lane_open(struct lane *lane, struct node_link *link)
{
    spin_lock(&lane->lock);
    lane->link = link;
    spin_unlock(&lane->lock);
}

struct node_link *lane_close(struct lane *lane, struct list *out)
{
    spin_lock(&lane->lock);
    struct node_link *link = lane->link;
    lane->link = NULL;
    lane->due_ns = UINT64_MAX;
    for (uint32_t i = 0; i < lane->place_count && lane->count > 0; i++) {
        struct lane_place *place = &lane->places[i];
        if (place->number == 0)
            continue;
        struct request *q = empty(lane, place);
        if (q != NULL)
            list_append(out, &q->item.in);
    }
    spin_unlock(&lane->lock);
    return link;
}

/* ---- one request ---- */

int lane_enter(struct lane *lane, bool call, uint32_t most, struct lane_pass *pass)
{
    int rc = MESH_OK;
    uint64_t index = 0;
    spin_lock(&lane->lock);
    if (lane->link == NULL)
        rc = MESH_EMOVED;
    else if (call && lane->count >= most)
        rc = MESH_EBUSY;
    else if (call && lane->free == lane->place_count && !make_places(lane))
        rc = lane->place_count == LANE_CALLS_MAX ? MESH_EBUSY : MESH_ENOMEM;
    if (rc == MESH_OK) {
        struct lane_place *place = call ? &lane->places[lane->free] : NULL;
        index = call ? lane->free : 0;
        uint64_t number = (uint64_t)lane->slot << LANE_SLOT_SHIFT |
                          (++lane->serial << LANE_INDEX_BITS) % (UINT64_C(1) << LANE_SLOT_SHIFT) | index;
        if (call) {
            lane->free = place->next_free;
            *place = (struct lane_place){.number = number};
            lane->count++;
        }
        lane->sent++;
        *pass = (struct lane_pass){lane, link_hold(lane->link), number, call, call ? take_spare(lane) : NULL};
    }
    spin_unlock(&lane->lock);
    return rc;
}

bool lane_keep(const struct lane_pass *pass, struct request *q, uint64_t *due_ns)
{
    struct lane *lane = pass->lane;
    q->number = pass->number;
    uint64_t deadline_ns = q->deadline_ns;
    spin_lock(&lane->lock);
    struct lane_place *place = find(lane, pass->number);
    if (place != NULL)
        place->request = q;
    if (place != NULL && deadline_ns != 0 && deadline_ns < lane->due_ns)
        lane->due_ns = *due_ns = deadline_ns;
    spin_unlock(&lane->lock);
    return place != NULL;
}

void lane_leave(const struct lane_pass *pass)
{
    struct lane *lane = pass->lane;
    if (!pass->call)
        return;
    spin_lock(&lane->lock);
    struct lane_place *place = find(lane, pass->number);
    if (place != NULL)
        (void)empty(lane, place);
    spin_unlock(&lane->lock);
}

struct request *lane_take(struct lane *lane, uint64_t number)
{
    struct request *q = NULL;
    spin_lock(&lane->lock);
    struct lane_place *place = find(lane, number);
    if (place != NULL && place->request != NULL)
        q = empty(lane, place);
    spin_unlock(&lane->lock);
    return q;
}

struct request *lane_answered(struct lane *lane, uint64_t number, struct message **message)
{
    struct request *q = NULL, *rest = NULL;
    *message = NULL;
    spin_lock(&lane->lock);
    struct lane_place *place = find(lane, number);
    if (place != NULL && place->request != NULL)
        q = empty(lane, place);
    if (q != NULL && q->from == NULL) {
        *message = q->message;
        rest = put_spare(lane, q) ? NULL : q;
        q = NULL;
    }
    spin_unlock(&lane->lock);
    free(rest);
    return q;
}

void lane_collect_late(struct lane *lane, uint64_t now_ns, struct list *out)
{
    spin_lock(&lane->lock);
    if (lane->due_ns <= now_ns) {
        uint64_t due_ns = UINT64_MAX;
        for (uint32_t i = 0; i < lane->place_count; i++) {
            struct lane_place *place = &lane->places[i];
            uint64_t deadline_ns = place->request != NULL ? place->request->deadline_ns : 0;
            if (deadline_ns != 0 && deadline_ns <= now_ns)
                list_append(out, &empty(lane, place)->item.in);
            else if (deadline_ns != 0 && deadline_ns < due_ns)
                due_ns = deadline_ns;
        }
        lane->due_ns = due_ns < now_ns + LANE_LOOK_NS ? now_ns + LANE_LOOK_NS : due_ns;
    }
    spin_unlock(&lane->lock);
}

uint64_t lane_due(struct lane *lane)
{
    spin_lock(&lane->lock);
    uint64_t due_ns = lane->due_ns;
    spin_unlock(&lane->lock);
    return due_ns;
}

void lane_read(struct lane *lane, struct membership_stats *stats)
{
    spin_lock(&lane->lock);
    stats->requests += lane->count;
    stats->sent += lane->sent;
    spin_unlock(&lane->lock);
    stats->came += atomic_load_explicit(&lane->came, memory_order_relaxed);
    stats->served += atomic_load_explicit(&lane->served, memory_order_relaxed);
}
