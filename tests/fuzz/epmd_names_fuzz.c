/* Any bytes in the place of epmd's answer: what is found lies inside them, and written out as lines again it is read
 * as the same. */
#include <stdio.h>
#include <stdlib.h>

#include "discovery/epmd_reply.h"
#include "fuzz/fuzz.h"

/* Writes a name's line and reads it back. */
static void check_again(mesh_bytes name, uint16_t port)
{
    static char line[EPMD_REPLY_MAX_BYTES + 64];
    struct epmd_names n;
    mesh_bytes again;
    uint16_t port_again;
    int len = snprintf(line, sizeof line, "portname %.*s at port %u\n", (int)name.len, (const char *)name.data, port);
    if (!epmd_names_open(&n, (mesh_bytes){line, (size_t)len}) || !epmd_names_next(&n, &again, &port_again) ||
        again.len != name.len || memcmp(again.data, name.data, name.len) != 0 || port_again != port || n.bad != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct epmd_names n;
    mesh_bytes name;
    uint16_t port;
    if (!epmd_names_open(&n, (mesh_bytes){data, size}))
        return 0;
    size_t lines = 0, found = 0;
    for (size_t i = 4; i < size; i++)
        lines += data[i] == '\n';
    while (epmd_names_next(&n, &name, &port)) {
        const uint8_t *at = name.data;
        found++;
        if (name.len == 0 || port == 0 || at < data + 4 || at + name.len >= data + size)
            abort();
        if (size + 32 <= EPMD_REPLY_MAX_BYTES)
            check_again(name, port);
    }
    if (found + n.bad != lines)
        abort();
    return 0;
}
