/* Which texts are names of nodes. Names come from anybody who can reach the port, and end up in logs and in atoms. */
#ifndef DIST_NAMES_H
#define DIST_NAMES_H

#include <stdbool.h>

#include <mesh/bytes.h>

#define NAME_MAX_BYTES 255 /* a mesh_pid has room for so many */

/* Whether name is a full node name, alive@host: UTF-8 without control characters, 3 to NAME_MAX_BYTES bytes, exactly
 * one @ with something on both sides. Pure: any thread. */
bool names_full(mesh_bytes name);

/* Whether name is what epmd knows a node by, the part before the @. 1 to NAME_MAX_BYTES bytes, no @. */
bool names_alive(mesh_bytes name);

#endif
