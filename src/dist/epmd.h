/* The Erlang port mapper's protocol: which node of this machine listens on which port. Requests and replies, for both
 * ends; the server around them is epmd_server.h. erl_dist_protocol(3), "EPMD Protocol". All numbers big-endian.
 *
 *   requests   u16 length, then
 *     register   120, u16 port, u8 type, u8 protocol (0: TCP), u16 highest, u16 lowest, u16 n, name, u16 n, extra
 *     lookup     122, name
 *     names      110
 *     kill       107
 *   replies, without a length
 *     register   118, u8 result, u32 creation      (epmd before OTP 23: 121, u8 result, u16 creation)
 *     lookup     119, u8 result (not 0: end), u16 port, u8 type, u8 protocol, u16 highest, u16 lowest,
 *                u16 n, name, u16 n, extra; then the connection ends
 *     names      u32 port of epmd, lines of text "name N at port P\n"; then the connection ends
 *
 * Pure functions: any thread, no I/O. */
#ifndef DIST_EPMD_H
#define DIST_EPMD_H

#include <mesh/term.h>

#include "dist/refusal.h"

#define EPMD_PORT 4369
#define EPMD_EXTRA_MAX_BYTES 255
#define EPMD_REQUEST_MAX_BYTES (13 + 255 + EPMD_EXTRA_MAX_BYTES) /* of a request without its length */
#define EPMD_NAMES_MAX_BYTES (1u << 20)                          /* of the text that a client reads */

enum epmd_type { EPMD_VISIBLE = 77, EPMD_HIDDEN = 72 };

/* What epmd knows of a node. Both texts are views. */
struct epmd_node {
    mesh_bytes name; /* the part before the @ */
    mesh_bytes extra;
    uint16_t port;
    uint8_t type;     /* enum epmd_type as a rule; whether a node is visible is decided by its flags alone */
    uint8_t protocol; /* 0: TCP over IPv4 */
    uint16_t highest; /* versions of the handshake: 6 */
    uint16_t lowest;
};

/* The port of epmd: the option, or if that is 0 what ERL_EPMD_PORT says, or the usual one. False: the variable is none
 * (it is in *text), *port is unchanged. */
bool epmd_port(uint16_t option, uint16_t *port, const char **text);

/* ---- the client's side ------------------------------------------------------------------------------------------ */

/* Each appends a request with its length. Errors of mesh_buf_reserve; MESH_EBADNAME for a name that is none
 * (names.h), MESH_EINVAL for an extra that is too long. */
int epmd_put_register(mesh_buf *out, const struct epmd_node *node);
int epmd_put_lookup(mesh_buf *out, mesh_bytes name);
int epmd_put_names(mesh_buf *out);

/* How far a reply is. */
enum epmd_read {
    EPMD_MORE,     /* not all of it is there: ask again with what has come since, from its first byte */
    EPMD_COMPLETE, /* the result is set */
    EPMD_DENIED,   /* register: the name is taken; lookup: there is no such node */
    EPMD_REFUSED,  /* not a reply; *why is set */
};

/* All bytes of a reply that have come so far. The registration lasts as long as the connection. */
enum epmd_read epmd_read_register(mesh_bytes reply, uint32_t *creation, enum refusal *why);

/* *node points into reply. Its name is the one that was asked for, or the reply is REFUSAL_OTHER_NAME. */
enum epmd_read epmd_read_lookup(mesh_bytes reply, mesh_bytes name, struct epmd_node *node, enum refusal *why);

/* The text of a complete reply (the connection has ended): a view for epmd_next_name. Never EPMD_MORE; REFUSAL_LENGTH
 * beyond EPMD_NAMES_MAX_BYTES, which a client should stop reading at; REFUSAL_MALFORMED for a reply that was cut off
 * (no whole port, a last line without its end): nothing of it can be trusted to be complete. */
enum epmd_read epmd_read_names(mesh_bytes reply, mesh_bytes *text, enum refusal *why);

/* The next line of the text: false at its end. Whoever may connect to epmd from its own machine may register nearly any
 * bytes as a name, and so put lines of his making into the reply: lines that are none of "name N at port P" are left
 * out, and added to *bad unless that is NULL. */
bool epmd_next_name(mesh_bytes *text, mesh_bytes *name, uint16_t *port, uint32_t *bad);

/* ---- the server's side ------------------------------------------------------------------------------------------ */

enum epmd_op { EPMD_REGISTER = 120, EPMD_LOOKUP = 122, EPMD_NAMES = 110, EPMD_KILL = 107 };

struct epmd_request {
    enum epmd_op op;
    struct epmd_node node; /* register: all of it; lookup: the name. Views of the request. */
};

/* One request without its length. REFUSAL_NONE and *out, or why not. */
enum refusal epmd_read_request(mesh_bytes body, struct epmd_request *out);

/* Each appends a reply. Errors of mesh_buf_reserve. */
int epmd_put_registered(mesh_buf *out, bool taken, uint32_t creation, uint16_t highest);
int epmd_put_found(mesh_buf *out, const struct epmd_node *node); /* NULL: there is no such node */
int epmd_put_name_line(mesh_buf *out, const struct epmd_node *node);

#endif
