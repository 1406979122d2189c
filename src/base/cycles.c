/* Keeping the counter in step with the clock: see cycles.h. */
#include "base/cycles.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define MEASURE_NS UINT64_C(2000000)   /* a rate is used when it was measured for so long */
#define ANCHOR_NS UINT64_C(4000000000) /* and from a new anchor after so long */

/* The counter runs at a constant rate in all power states (the "invariant TSC" bit). */
static bool is_constant(void)
{
#if defined(__x86_64__)
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) != 0 && (d & 1u << 8) != 0;
#else
    return false;
#endif
}

void cycles_init(struct cycles *c)
{
    *c = (struct cycles){.usable = is_constant()};
    cycles_sync(c);
}

uint64_t cycles_sync(struct cycles *c)
{
    uint64_t ns = clock_now_ns(), count = cycles_count();
    if (!c->usable)
        return ns;
    if (c->anchor_ns == 0 || count <= c->anchor_count) { /* first, or the machine was moved */
        c->anchor_ns = ns;
        c->anchor_count = count;
        c->rate = 0;
    }
    uint64_t passed_ns = ns - c->anchor_ns, passed = count - c->anchor_count;
    if (passed_ns >= MEASURE_NS && passed > 0)
        c->rate = (uint64_t)((double)passed_ns * 4294967296.0 / (double)passed);
    if (passed_ns >= ANCHOR_NS) {
        c->anchor_ns = ns;
        c->anchor_count = count;
    }
    c->ns = ns;
    c->count = count;
    return ns;
}
