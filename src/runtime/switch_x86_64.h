/* The switch between two stacks, x86-64, System V ABI.
 *
 * Inline, so that no return address is pushed: a processor predicts returns from a stack of its own, which an ordinary
 * switch function leaves out of step, and then every return on the way up is mispredicted (docs/performance.md). The
 * compiler is told that every register is lost, so it saves those that it needs, and no others. Nothing is written
 * below the stack pointer: a red zone stays as it is. */
#ifndef RUNTIME_SWITCH_X86_64_H
#define RUNTIME_SWITCH_X86_64_H

#if defined(__x86_64__) /* so that every header compiles alone, anywhere */

#include <stddef.h>
#include <stdint.h>

/* The control words of the floating-point units (rounding mode, exception masks) belong to the context. */
#define SWITCH_CONTROLS_ROUNDING 1

/* Where a stack goes on. */
struct switch_point {
    void *pc, *sp, *fp;
    uint32_t mxcsr;
    uint16_t x87;
};

/* Prepares the first switch to a stack: it calls begin(from, to), as the arguments of that switch_stack, which must not
 * return. top: its end, aligned to 16. */
static inline void switch_init(struct switch_point *point, void *top, void (*begin)(void *from, void *to))
{
    void **sp = (void **)top - 1; /* as behind a call */
    *sp = NULL;
    *point = (struct switch_point){.sp = sp};
    __extension__ point->pc = (void *)begin;
    __asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(point->mxcsr), "=m"(point->x87));
}

/* Leaves from, which begins with a switch_point that is written, and goes on at pc with the stack of to, which begins
 * with one as well. Returns when something switches back. */
__attribute__((always_inline)) static inline void switch_stack(struct switch_point *from, struct switch_point *to,
                                                               void *pc)
{
    __asm__ volatile("stmxcsr 24(%%rdi)\n\t"
                     "fnstcw 28(%%rdi)\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rax, (%%rdi)\n\t"
                     "movq %%rsp, 8(%%rdi)\n\t"
                     "movq %%rbp, 16(%%rdi)\n\t"
                     "movq 8(%%rsi), %%rsp\n\t"
                     "movq 16(%%rsi), %%rbp\n\t"
                     "jmpq *%%rdx\n"
                     "1:\n\t"
                     "endbr64"
                     : "+D"(from), "+S"(to), "+d"(pc)
                     :
                     : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1",
                       "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
                       "xmm13", "xmm14", "xmm15", "memory", "cc");
}

/* After the switch: the control words of self, if the side that was left had others. */
static inline void switch_arrive(const struct switch_point *self, const struct switch_point *left)
{
    if (__builtin_expect(self->mxcsr != left->mxcsr, 0))
        __asm__ volatile("ldmxcsr %0" : : "m"(self->mxcsr));
    if (__builtin_expect(self->x87 != left->x87, 0))
        __asm__ volatile("fldcw %0" : : "m"(self->x87));
}

_Static_assert(offsetof(struct switch_point, sp) == 8 && offsetof(struct switch_point, fp) == 16 &&
                   offsetof(struct switch_point, mxcsr) == 24 && offsetof(struct switch_point, x87) == 28,
               "as in the assembly");

#endif
#endif
