/* Names of nodes as they come from outside: NAME@HOST. */
#ifndef DISCOVERY_NODE_NAME_H
#define DISCOVERY_NODE_NAME_H

#include <stdbool.h>

#include <mesh/bytes.h>

/* The longest name of a node, in bytes; with a NUL it fills what mesh_pid and the log have for one. */
#define NODE_NAME_MAX_BYTES 255

/* Whether name may be a node's: 3 to NODE_NAME_MAX_BYTES bytes of UTF-8 without control characters and white space,
 * exactly one @, something on both sides of it. Who checks this may keep the name as a C string and print it. Any
 * thread; name.data may be NULL when name.len is 0. */
bool node_name_valid(mesh_bytes name);

/* What stands behind the @ of a valid name; points into it. */
const char *node_name_host(const char *name);

#endif
