/* The allocator for sizes of our own: see alloc.h. */
#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *must_calloc(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (p == NULL) {
        fprintf(stderr, "mesh: out of memory: %zu x %zu bytes\n", count, size);
        abort();
    }
    return p;
}

char *must_copy(const void *data, size_t len)
{
    char *p = must_calloc(1, len + 1);
    if (len > 0)
        memcpy(p, data, len);
    return p;
}
