/* Latencies, counted in buckets that grow with the value: from nanoseconds to two minutes in 2 KiB.
 *
 * Below 64 ns a bucket is 8 ns wide. From there each doubling is cut into eight equal buckets, and percentiles give the
 * middle of one: at most a sixteenth (6.25 %) off, 4 % on average. 2^37 ns (137 s) and more share the last bucket.
 *
 * One thread writes a histogram, usually a worker its own. Any thread may merge it meanwhile. */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HISTOGRAM_BUCKETS 256

/* All zero is an empty histogram. Written by its one writer: relaxed, since each number stands for itself, and a
 * reader that sees one addition in part is off by one, for a moment. */
struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BUCKETS];
    _Atomic uint64_t sum_ns;
    _Atomic uint64_t max_ns;
};

/* One or more histograms added up; plain numbers of whoever owns it. All zero is empty. */
struct histogram_snapshot {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t count; /* of all values: the sum of counts */
    uint64_t sum_ns;
    uint64_t max_ns; /* the largest value, exactly */
};

/* The bucket of a value. The exponent and the three highest bits of a double are the number of its eighth: one
 * conversion finds both. */
static inline size_t histogram_bucket(uint64_t ns)
{
    if (ns < 64)
        return (size_t)(ns / 8);
    if (ns >= (uint64_t)1 << 37)
        return HISTOGRAM_BUCKETS - 1;
    double value = (double)(int64_t)ns;
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (size_t)(bits >> 49) - ((1023 + 6) * 8 - 8); /* 2^6 is the first of bucket 8 */
}

static inline void histogram_raise(_Atomic uint64_t *number, uint64_t by)
{
    atomic_store_explicit(number, atomic_load_explicit(number, memory_order_relaxed) + by, memory_order_relaxed);
}

/* Counts one value. Only the histogram's writer; about 2 ns. */
static inline void histogram_add(struct histogram *h, uint64_t ns)
{
    histogram_raise(&h->counts[histogram_bucket(ns)], 1);
    histogram_raise(&h->sum_ns, ns);
    if (ns > atomic_load_explicit(&h->max_ns, memory_order_relaxed))
        atomic_store_explicit(&h->max_ns, ns, memory_order_relaxed);
}

/* Adds what h has counted so far to s. Any thread. */
void histogram_merge(struct histogram_snapshot *s, struct histogram *h);

/* The value that p percent of the values are not above, in ns; p is 0 to 100 and taken as the nearer of the two when
 * outside (NaN: 0). 0 for an empty snapshot, the largest value for 100. */
uint64_t histogram_percentile(const struct histogram_snapshot *s, double p);

/* The smallest value of a bucket, in ns; for HISTOGRAM_BUCKETS, where the last would end. For who exports buckets. */
uint64_t histogram_floor_ns(size_t bucket);

#endif
