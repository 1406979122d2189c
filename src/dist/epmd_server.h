/* An epmd of our own, for machines where none runs: the table of names, and what happens on each connection.
 *
 * It moves no bytes: whoever owns the sockets feeds what came, writes what is to be written, and closes when told to.
 * One thread uses a server and its connections at a time.
 *
 * A connection carries one request and is closed after the reply, but for a registration: that lasts as long as its
 * connection. Registering and killing are for this machine only; every connection has to be done, or be a
 * registration, by a deadline that counts from its start, so that a silent or dripping one costs little for long. */
#ifndef DIST_EPMD_SERVER_H
#define DIST_EPMD_SERVER_H

#include "dist/epmd.h"

#define EPMD_NODES_MAX 1024   /* names at a time */
#define EPMD_WAITING_MAX 1024 /* connections at a time that are not registrations */
#define EPMD_REQUEST_TIMEOUT_MS 5000

struct epmd_entry; /* a registered node: epmd_server.c */

struct epmd_server {
    struct epmd_entry *entries; /* a list, the newest first */
    uint32_t count;
    uint32_t waiting;  /* connections without a registration */
    uint32_t creation; /* of the next registration */
    uint16_t port;
};

struct epmd_conn {
    struct epmd_entry *entry; /* of a registration; else NULL */
    uint64_t deadline_ms;
    size_t len; /* bytes in request */
    bool local;
    bool done; /* a reply or a refusal has been given */
    uint8_t request[2 + EPMD_REQUEST_MAX_BYTES];
};

/* What the owner of the socket does next. */
enum epmd_action {
    EPMD_WAIT,  /* nothing: read on */
    EPMD_CLOSE, /* write what was added to out, then close; *why says whether it was a refusal */
    EPMD_KEEP,  /* write what was added to out, and keep the connection open: it is a registration now */
    EPMD_STOP,  /* write what was added to out, then stop the server: it was asked to */
};

/* A server without names. port is its own, which clients that ask for the names are told. first_creation is the
 * creation of the first registration, a random number: a node that restarts with its epmd, or at one that took over,
 * gets another than it had, whenever that is. */
void epmd_server_init(struct epmd_server *server, uint16_t port, uint32_t first_creation);

/* Frees the names. Connections of this server need no teardown of their own, and must not be used after this. */
void epmd_server_fini(struct epmd_server *server);

/* A connection has been accepted; local says whether it came from this machine. False when too many wait already:
 * close it then, it is not counted. */
bool epmd_conn_open(struct epmd_server *server, struct epmd_conn *conn, bool local, uint64_t now_ms);

/* Bytes have come. Replies are added to out. *why becomes REFUSAL_NONE, or why the connection is to be closed. */
enum epmd_action epmd_conn_feed(struct epmd_server *server, struct epmd_conn *conn, mesh_bytes in, uint64_t now_ms,
                                mesh_buf *out, enum refusal *why);

/* Whether the connection has missed its deadline: close it. Never true for a registration. */
bool epmd_conn_expired(const struct epmd_conn *conn, uint64_t now_ms);

/* Whether the connection is a registration, and of which name and port; *name is valid until the connection is closed.
 */
bool epmd_conn_registered(const struct epmd_conn *conn, mesh_bytes *name, uint16_t *port);

/* The connection has been closed, by whichever side: a registration ends with it. Once for each epmd_conn_open that
 * returned true. */
void epmd_conn_closed(struct epmd_server *server, struct epmd_conn *conn);

#endif
