/* Reading histograms: adding them up, and finding the value at a rank. */
#include "base/histogram.h"

uint64_t histogram_floor_ns(size_t bucket)
{
    if (bucket < 8)
        return bucket * 8;
    size_t octave = bucket / 8 - 1; /* 0: from 64 ns */
    return (8 + (uint64_t)bucket % 8) << (octave + 3);
}

void histogram_merge(struct histogram_snapshot *s, struct histogram *h)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t n = atomic_load_explicit(&h->counts[i], memory_order_relaxed);
        s->counts[i] += n;
        s->count += n;
    }
    s->sum_ns += atomic_load_explicit(&h->sum_ns, memory_order_relaxed);
    uint64_t max = atomic_load_explicit(&h->max_ns, memory_order_relaxed);
    s->max_ns = max > s->max_ns ? max : s->max_ns;
}

/* The middle of a bucket, at most a sixteenth away from any value in it; never above the largest value. */
static uint64_t middle(const struct histogram_snapshot *s, size_t bucket)
{
    uint64_t value = (histogram_floor_ns(bucket) + histogram_floor_ns(bucket + 1)) / 2;
    return value < s->max_ns ? value : s->max_ns;
}

uint64_t histogram_percentile(const struct histogram_snapshot *s, double p)
{
    if (s->count == 0)
        return 0;
    if (p >= 100)
        return s->max_ns;
    double position = p > 0 ? p / 100 * (double)s->count : 0;
    uint64_t rank = (uint64_t)position;
    rank += (double)rank < position || rank == 0; /* the rank-th smallest value, from 1 */
    uint64_t below = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        below += s->counts[i];
        if (below >= rank)
            return middle(s, i);
    }
    return s->max_ns;
}
