/* The switch between two stacks, AArch64, AAPCS64: see switch_x86_64.h for why it is inline. */
#ifndef RUNTIME_SWITCH_AARCH64_H
#define RUNTIME_SWITCH_AARCH64_H

#if defined(__aarch64__) /* so that every header compiles alone, anywhere */

#include <stddef.h>
#include <stdint.h>

/* FPCR is left alone and belongs to the thread. */
#define SWITCH_CONTROLS_ROUNDING 0

/* Where a stack goes on. */
struct switch_point {
    void *pc, *sp, *fp;
};

/* Prepares the first switch to a stack: it calls begin(from, to), as the arguments of that switch_stack, which must not
 * return. top: its end, aligned to 16. */
static inline void switch_init(struct switch_point *point, void *top, void (*begin)(void *from, void *to))
{
    *point = (struct switch_point){.sp = top};
    __extension__ point->pc = (void *)begin;
}

/* Leaves from, which begins with a switch_point that is written, and goes on at pc with the stack of to, which begins
 * with one as well. Returns when something switches back. */
__attribute__((always_inline)) static inline void switch_stack(struct switch_point *from_, struct switch_point *to_,
                                                               void *pc_)
{
    register struct switch_point *from __asm__("x0") = from_;
    register struct switch_point *to __asm__("x1") = to_;
    register void *pc __asm__("x2") = pc_;
    __asm__ volatile("adr x9, 1f\n\t"
                     "mov x10, sp\n\t"
                     "stp x9, x10, [x0]\n\t"
                     "str x29, [x0, #16]\n\t"
                     "ldp x10, x29, [x1, #8]\n\t"
                     "mov sp, x10\n\t"
                     "mov x30, xzr\n\t"
                     "br x2\n"
                     "1:\n\t"
                     "hint #36" /* bti j */
                     : "+r"(from), "+r"(to), "+r"(pc)
                     :
                     : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17",
                       "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "v0", "v1",
                       "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16",
                       "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30",
                       "v31", "memory", "cc");
}

static inline void switch_arrive(const struct switch_point *self, const struct switch_point *left)
{
    (void)self;
    (void)left;
}

_Static_assert(offsetof(struct switch_point, sp) == 8 && offsetof(struct switch_point, fp) == 16, "as in the assembly");

#endif
#endif
