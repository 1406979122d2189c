/* getrandom gives at most 256 bytes for sure and may be interrupted beyond that: asked until all bytes are there. */
#include <errno.h>
#include <sys/random.h>

#include <mesh/error.h>

#include "base/random.h"

int random_bytes(void *out, size_t len)
{
    unsigned char *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return MESH_ESYSTEM;
        p += n;
        len -= (size_t)n;
    }
    return MESH_OK;
}
