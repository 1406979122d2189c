/* A connection to a BEAM node, as simple as can be: one blocking socket under src/dist, and a deadline for each step.
 */
#ifndef TESTS_SYSTEM_DIST_LINK_H
#define TESTS_SYSTEM_DIST_LINK_H

#include <mesh.h>

#include "dist/control.h"
#include "dist/epmd.h"
#include "dist/frame.h"
#include "dist/handshake.h"

struct link {
    int fd;
    struct handshake handshake;
    struct frame_reader reader;
    struct frame frame; /* of the last message */
    mesh_bytes left;    /* of what has been read */
    uint64_t sequence;
    uint8_t bytes[65536];
};

/* Asks an epmd on loopback: sends the request, and gives what it answers until it closes or `enough` bytes have come.
 * Returns the connection if `keep` is set, else -1. */
int link_ask_epmd(uint16_t port, const mesh_buf *request, mesh_buf *reply, size_t enough, bool keep);

/* Registers a node with the epmd on that port; the registration lasts as long as the connection that is returned. */
int link_register(uint16_t epmd_port, const char *name, uint16_t port, uint32_t *creation);

/* The port of a node; 0: the epmd knows none. */
uint16_t link_look_up(uint16_t epmd_port, const char *name);

/* A socket that listens on a free port of loopback. */
int link_listen(uint16_t *port);

/* A connection to a port of loopback; the next one that the listener has. */
void link_connect(struct link *link, uint16_t port);
void link_accept(struct link *link, int listener);

/* Carries the handshake of link through; an accepting one is answered with ok. Returns HANDSHAKE_DONE or _FAILED; in
 * the latter case it may also be the peer that closed: handshake.why is then REFUSAL_NONE. */
enum handshake_event link_shake(struct link *link);

/* The next message; views until the next call. False when the peer has closed. Ticks are left out. */
bool link_next(struct link *link, struct control *out);

void link_send(struct link *link, const struct control *control);
void link_close(struct link *link);

#endif
