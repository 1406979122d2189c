/* A hashed timer wheel of 1,024 slots of 16 ms.
 *
 * Why: a call enters a deadline and takes it back microseconds later. That must cost stores, not a search, and a slot
 * more or less of lateness is nothing to a timeout of seconds. A tick is 16 ms of absolute time; a timer of tick t is
 * in slot t % 1024. One that is more than a round (16.4 s) away stays in its slot until its own round comes: a slot
 * knows the lowest tick in it, so that a visit in an earlier round costs one comparison, not a walk. A bitmap of the
 * slots in use makes the empty ones free.
 *
 * Rounding: a deadline belongs to the tick at or after it, and a tick is due when time has reached its start. So never
 * early, and less than a slot late. */
#include "runtime/wheel.h"

/* A list is circular; its head is a link that is part of no timer. */
static void list_init(struct timer_link *head)
{
    head->next = head->prev = head;
}

static bool list_empty(const struct timer_link *head)
{
    return head->next == head;
}

static void append(struct timer_link *head, struct timer_link *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

static void unlink_timer(struct timer_link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}

static struct timer *timer_of(struct timer_link *link)
{
    return (struct timer *)link; /* the first member */
}

static unsigned slot_of(uint64_t tick)
{
    return (unsigned)(tick % WHEEL_SLOTS);
}

static void mark(struct wheel *wheel, unsigned slot, bool filled)
{
    uint64_t bit = UINT64_C(1) << (slot % 64);
    if (filled)
        wheel->filled[slot / 64] |= bit;
    else
        wheel->filled[slot / 64] &= ~bit;
}

/* How far from slot `from`, going round, the first slot in use is; WHEEL_SLOTS when there is none. */
static unsigned distance(const struct wheel *wheel, unsigned from)
{
    unsigned word = from / 64;
    uint64_t bits = wheel->filled[word] & (UINT64_MAX << (from % 64));
    for (unsigned i = 0; i <= WHEEL_WORDS; i++) {
        if (bits != 0)
            return (word * 64 + (unsigned)__builtin_ctzll(bits) - from) % WHEEL_SLOTS;
        word = (word + 1) % WHEEL_WORDS;
        bits = wheel->filled[word];
    }
    return WHEEL_SLOTS;
}

void wheel_init(struct wheel *wheel, uint64_t now_ns)
{
    *wheel = (struct wheel){.tick = now_ns / WHEEL_SLOT_NS};
    list_init(&wheel->due);
    for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
        list_init(&wheel->slots[slot]);
}

void wheel_add(struct wheel *wheel, struct timer *timer, uint64_t deadline_ns)
{
    wheel_remove(wheel, timer);
    uint64_t tick = deadline_ns / WHEEL_SLOT_NS + (deadline_ns % WHEEL_SLOT_NS != 0);
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    unsigned slot = slot_of(tick);
    struct timer_link *head = &wheel->slots[slot];
    if (list_empty(head) || tick < wheel->first[slot])
        wheel->first[slot] = tick;
    timer->deadline_ns = deadline_ns;
    timer->tick = tick;
    append(head, &timer->link);
    mark(wheel, slot, true);
    wheel->count++;
}

bool wheel_remove(struct wheel *wheel, struct timer *timer)
{
    if (!timer_pending(timer))
        return false;
    unlink_timer(&timer->link);
    wheel->count--;
    /* Right for a due timer, too: the slot it came from is marked exactly when it is in use. */
    unsigned slot = slot_of(timer->tick);
    if (list_empty(&wheel->slots[slot]))
        mark(wheel, slot, false);
    return true;
}

/* Moves the timers of a slot up to a tick to the end of a list, and finds the lowest tick of those that stay. */
static void expire(struct wheel *wheel, unsigned slot, uint64_t tick, struct timer_link *expired)
{
    struct timer_link *head = &wheel->slots[slot];
    uint64_t first = UINT64_MAX;
    for (struct timer_link *link = head->next, *next; link != head; link = next) {
        next = link->next;
        uint64_t due = timer_of(link)->tick;
        if (due <= tick) {
            unlink_timer(link);
            append(expired, link);
        } else if (due < first) {
            first = due;
        }
    }
    wheel->first[slot] = first;
    mark(wheel, slot, !list_empty(head));
}

/* Merges two chains that are linked by next and end with NULL; for equal deadlines a goes first. */
static struct timer_link *merge(struct timer_link *a, struct timer_link *b)
{
    struct timer_link *chain = NULL;
    struct timer_link **end = &chain;
    while (a != NULL && b != NULL) {
        struct timer_link **lower = timer_of(b)->deadline_ns < timer_of(a)->deadline_ns ? &b : &a;
        *end = *lower;
        end = &(*lower)->next;
        *lower = *end;
    }
    *end = a != NULL ? a : b;
    return chain;
}

/* Sorts by deadline: a merge sort that needs no memory. runs[i] is a sorted chain of 2^i timers, or NULL. */
static void sort(struct timer_link *head)
{
    struct timer_link *runs[48] = {NULL};
    head->prev->next = NULL;
    for (struct timer_link *link = head->next, *next; link != NULL; link = next) {
        next = link->next;
        link->next = NULL;
        unsigned i = 0;
        for (; runs[i] != NULL; i++) {
            link = merge(runs[i], link);
            runs[i] = NULL;
        }
        runs[i] = link;
    }
    struct timer_link *sorted = NULL;
    for (unsigned i = 0; i < sizeof runs / sizeof *runs; i++)
        sorted = merge(runs[i], sorted);
    list_init(head);
    for (struct timer_link *next; sorted != NULL; sorted = next) {
        next = sorted->next;
        append(head, sorted);
    }
}

void wheel_advance(struct wheel *wheel, uint64_t now_ns)
{
    uint64_t tick = now_ns / WHEEL_SLOT_NS;
    if (tick <= wheel->tick)
        return;
    uint64_t passed = tick - wheel->tick;
    unsigned from = slot_of(wheel->tick + 1);
    unsigned span = passed < WHEEL_SLOTS ? (unsigned)passed : WHEEL_SLOTS;
    struct timer_link expired;
    list_init(&expired);
    for (unsigned i = 0; i < span; i++) {
        i += distance(wheel, (from + i) % WHEEL_SLOTS);
        unsigned slot = (from + i) % WHEEL_SLOTS;
        if (i < span && wheel->first[slot] <= tick)
            expire(wheel, slot, tick, &expired);
    }
    wheel->tick = tick;
    if (list_empty(&expired))
        return;
    sort(&expired);
    expired.next->prev = wheel->due.prev;
    wheel->due.prev->next = expired.next;
    expired.prev->next = &wheel->due;
    wheel->due.prev = expired.prev;
}

struct timer *wheel_pop(struct wheel *wheel)
{
    if (list_empty(&wheel->due))
        return NULL;
    struct timer_link *link = wheel->due.next;
    unlink_timer(link);
    wheel->count--;
    return timer_of(link);
}

uint64_t wheel_next_ns(const struct wheel *wheel)
{
    if (!list_empty(&wheel->due))
        return 0;
    uint64_t next = UINT64_MAX;
    for (unsigned i = 0; wheel->count > 0 && i < WHEEL_SLOTS; i++) {
        uint64_t base = wheel->tick + 1;
        i += distance(wheel, slot_of(base + i));
        if (i >= WHEEL_SLOTS)
            break;
        uint64_t first = wheel->first[slot_of(base + i)];
        if (first < next)
            next = first;
        if (next <= base + i)
            break; /* in this round; the slots after it are later */
    }
    return next > UINT64_MAX / WHEEL_SLOT_NS ? UINT64_MAX : next * WHEEL_SLOT_NS;
}
