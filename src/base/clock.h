/* The clocks: two that only go forward, one that people read.
 *
 * Code that decides by time takes `now` as a parameter; only what drives it calls these. Any thread. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some moment in the past, never decreasing, not moved by steps of the wall clock; stands still
 * while the machine sleeps (CLOCK_MONOTONIC). For durations and deadlines; about 20 ns a call. */
uint64_t clock_now_ns(void);

/* Milliseconds since some moment in the past, never decreasing, and going on while the machine sleeps (CLOCK_BOOTTIME).
 * For what others may have done meanwhile. */
uint64_t clock_boot_ms(void);

/* Milliseconds since 1970 in UTC, as the machine believes (CLOCK_REALTIME). It may step back: for people and epochs,
 * not for durations. 0 if the machine's clock is set before 1970. */
uint64_t clock_wall_ms(void);

#endif
