/* The calendar: events by the millisecond. One list for each of the next HORIZON milliseconds, in order of planning. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "sim/sim.h"

enum { HORIZON = 1 << 17 };

void calendar_init(struct calendar *calendar)
{
    calendar->first = must_calloc(HORIZON, sizeof(struct event *));
    calendar->last = must_calloc(HORIZON, sizeof(struct event *));
}

struct event *plan(struct sim *sim, uint64_t ms, enum event_kind kind, uint16_t node)
{
    struct calendar *calendar = &sim->calendar;
    assert(ms >= sim->now_ms && ms < sim->now_ms + HORIZON);
    struct event *e = calendar->free;
    if (e != NULL)
        calendar->free = e->next;
    else
        e = must_calloc(1, sizeof *e);
    *e = (struct event){.kind = kind, .node = node};
    size_t place = ms % HORIZON;
    if (calendar->first[place] == NULL)
        calendar->first[place] = e;
    else
        calendar->last[place]->next = e;
    calendar->last[place] = e;
    return e;
}

/* The next event before sim->end_ms, with the clock moved to it; NULL: there is none. */
struct event *calendar_next(struct sim *sim)
{
    struct calendar *calendar = &sim->calendar;
    while (calendar->first[sim->now_ms % HORIZON] == NULL) {
        if (sim->now_ms >= sim->end_ms)
            return NULL;
        sim->now_ms++;
    }
    struct event *e = calendar->first[sim->now_ms % HORIZON];
    calendar->first[sim->now_ms % HORIZON] = e->next;
    e->next = NULL;
    return e;
}

void event_free(struct sim *sim, struct event *e)
{
    if (e->packet != NULL)
        packet_free(sim, e->packet);
    e->packet = NULL;
    e->next = sim->calendar.free;
    sim->calendar.free = e;
}

void calendar_fini(struct sim *sim)
{
    struct calendar *calendar = &sim->calendar;
    for (size_t place = 0; place < HORIZON; place++)
        while (calendar->first[place] != NULL) {
            struct event *e = calendar->first[place];
            calendar->first[place] = e->next;
            event_free(sim, e);
        }
    while (calendar->free != NULL) {
        struct event *next = calendar->free->next;
        free(calendar->free);
        calendar->free = next;
    }
    free(calendar->first);
    free(calendar->last);
}
