/* Memory that is refused, for one thread and one allocation at a time.
 *
 * The linker turns the library's allocations to functions of refuse.c (mesh_refuses in tests/unit/CMakeLists.txt). What
 * goes through must_calloc is of the library's own sizes and never refused: it would end the program. */
#ifndef TESTS_UNIT_REFUSE_H
#define TESTS_UNIT_REFUSE_H

#include <stdbool.h>

/* The calling thread gets n more allocations; the one after is refused, and all later ones succeed. */
void refuse_after(int n);

/* Ends that. True: nothing was refused since refuse_after. */
bool refuse_end(void);

/* How many are left until one is refused; -1: none will be. */
int refuse_left(void);

#endif
