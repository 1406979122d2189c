/* Random bytes from the operating system, for keys and challenges. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>

/* Fills out[0..len-1] with random bytes from the kernel's generator. Any thread; waits only in the first moments
 * after the machine's boot. MESH_ESYSTEM when the kernel refuses: what is in out must then not be used. */
int random_bytes(void *out, size_t len);

#endif
