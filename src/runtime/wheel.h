/* A timer wheel: many deadlines, most of which are taken back before they come.
 *
 * One wheel a worker; only the thread that runs the worker touches it. Time is a parameter: nanoseconds of any clock
 * that does not run backwards. A timer never fires before its deadline, and becomes due at most WHEEL_SLOT_NS after it,
 * given that wheel_advance is called in time. Adding and removing are a few stores. */
#ifndef RUNTIME_WHEEL_H
#define RUNTIME_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WHEEL_SLOT_NS UINT64_C(16000000)

enum { WHEEL_SLOTS = 1024, WHEEL_WORDS = WHEEL_SLOTS / 64 };

struct timer_link {
    struct timer_link *next; /* NULL in a timer that is not pending */
    struct timer_link *prev;
};

/* Lives in its user's struct; all zero is a timer that is not pending. The wheel owns the fields while it is pending,
 * and so long the struct may neither move nor go away. deadline_ns may be read at any time. */
struct timer {
    struct timer_link link;
    uint64_t deadline_ns;
    uint64_t tick;
};

struct wheel {
    uint64_t tick; /* every timer of this tick and before is due or gone */
    size_t count;  /* pending timers, due ones included */
    struct timer_link due;
    uint64_t filled[WHEEL_WORDS]; /* bit s: slots[s] is not empty */
    uint64_t first[WHEEL_SLOTS];  /* no timer in slots[s] has a lower tick; meaningless for an empty slot */
    struct timer_link slots[WHEEL_SLOTS];
};

/* Prepares an empty wheel in the caller's memory; it must not move. */
void wheel_init(struct wheel *wheel, uint64_t now_ns);

/* Makes timer pending with this deadline, also when it is pending already (it moves). A deadline that has passed is due
 * at the next tick, never at once, so that a loop of wheel_pop and wheel_add ends. */
void wheel_add(struct wheel *wheel, struct timer *timer, uint64_t deadline_ns);

/* Takes a pending timer back, due or not; says whether it was pending. For one that is not, nothing happens. */
bool wheel_remove(struct wheel *wheel, struct timer *timer);

/* Makes all timers due whose tick has passed. Time that stands still or went back changes nothing. The cost of a jump
 * is bounded by the slots and the timers, not by its length. */
void wheel_advance(struct wheel *wheel, uint64_t now_ns);

/* The next due timer, which then is not pending any more, or NULL. Those of one wheel_advance come in the order of
 * their deadlines, equal ones in the order they were added. Between two calls any timer may be added and removed. */
struct timer *wheel_pop(struct wheel *wheel);

/* When to call wheel_advance next: 0 while timers are due, UINT64_MAX for an empty wheel. No timer becomes due before
 * this time; it may be too early for all of them after wheel_remove, hence is asked for again after each advance. */
uint64_t wheel_next_ns(const struct wheel *wheel);

static inline bool timer_pending(const struct timer *timer)
{
    return timer->link.next != NULL;
}

#endif
