/* epmd's answer to NAMES_REQ: pure.
 *
 *   question   0,1 110                      u16 length, and NAMES_REQ
 *   answer     u32 epmd's port, then for each node a line "name NAME at port PORT\n", until the connection closes
 *
 * Whoever may connect to epmd from its own machine may register nearly any bytes as a name, and so put lines of its
 * making into the answer: a line that is not as above is passed over and counted, and the others still stand. */
#ifndef DISCOVERY_EPMD_REPLY_H
#define DISCOVERY_EPMD_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include <mesh/bytes.h>

#define EPMD_PORT 4369u
#define EPMD_NAMES_QUESTION "\0\1n"
#define EPMD_NAMES_QUESTION_BYTES 3

/* The longest answer that is read: about 2,400 nodes on one machine. */
#define EPMD_REPLY_MAX_BYTES 65536u

/* A place in an answer. */
struct epmd_names {
    const char *at, *end;
    uint32_t bad; /* lines passed over so far */
};

/* Starts reading an answer, which must outlive n. False when it was cut off (no whole port, a last line without its
 * end) or is too long: nothing of it can be trusted to be complete. */
bool epmd_names_open(struct epmd_names *n, mesh_bytes reply);

/* The next node: its name, 1 byte or more without spaces and control characters, as a view of the answer, and its port.
 * False at the end. The name is not yet a whole node's name: it lacks the host. */
bool epmd_names_next(struct epmd_names *n, mesh_bytes *name, uint16_t *port);

#endif
