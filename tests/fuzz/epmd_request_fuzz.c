/* Any client of our epmd: what it says, in two portions, from this machine or from another. */
#include <stdlib.h>

#include "dist/epmd_server.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct epmd_server server;
    struct epmd_conn conn;
    mesh_buf out;
    enum refusal why = REFUSAL_NONE;
    if (size < 2)
        return 0;
    size_t first = data[1] < size - 2 ? data[1] : size - 2;
    epmd_server_init(&server, EPMD_PORT, 1000);
    mesh_buf_init(&out);
    if (!epmd_conn_open(&server, &conn, data[0] & 1, 0))
        abort();
    enum epmd_action action = epmd_conn_feed(&server, &conn, (mesh_bytes){data + 2, first}, 1, &out, &why);
    if (action == EPMD_WAIT)
        action = epmd_conn_feed(&server, &conn, (mesh_bytes){data + 2 + first, size - 2 - first}, 2, &out, &why);
    if (why != REFUSAL_NONE && (action != EPMD_CLOSE || out.len > 0))
        abort();
    if ((action == EPMD_KEEP) != (server.count == 1) || (action == EPMD_KEEP && !(data[0] & 1)))
        abort();
    epmd_conn_closed(&server, &conn);
    if (server.count != 0 || server.waiting != 0)
        abort();
    epmd_server_fini(&server);
    mesh_buf_fini(&out);
    return 0;
}
