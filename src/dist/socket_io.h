/* TCP sockets as everything here wants them: non-blocking, closed on exec, IPv4 and IPv6. Results are descriptors, or
 * the negative errno. Any thread. */
#ifndef DIST_SOCKET_IO_H
#define DIST_SOCKET_IO_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <mesh/bytes.h>

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Whether text is an address and not a name; *out is then that address with the port. */
bool socket_parse(const char *text, uint16_t port, union socket_address *out);

void socket_set_port(union socket_address *address, uint16_t port);

/* Listens on an address; its port 0: any. */
int socket_listen(const union socket_address *address);

/* Listens on all addresses of the machine, over IPv6 and IPv4 where there is IPv6, else over IPv4. */
int socket_listen_all(uint16_t port);

/* The port of a socket that listens. */
uint16_t socket_port(int fd);

/* The next connection of a listener. */
int socket_accept(int listener);

/* Begins to connect: when it becomes writable, socket_error says how that went (0, or the negative errno). */
int socket_connect(const union socket_address *to);
int socket_error(int fd);

/* Whether the other end is on this machine. */
bool socket_is_local(int fd);

/* What is for connections between nodes: small packets leave at once; what waits stays with us rather than in the
 * kernel, where nothing could go past it; what the peer does not acknowledge for timeout_ms ends the connection. */
void socket_tune(int fd, uint32_t timeout_ms);

/* Before a close: the peer is told at once, by a reset; what it has not been sent or has not acknowledged is dropped,
 * and does not stand before that. */
void socket_abort(int fd);

/* Writes and reads without waiting and without a signal: how much, or the negative errno. A read of 0 is the end. */
ssize_t socket_write(int fd, const mesh_bytes *stretches, uint32_t count);
ssize_t socket_read(int fd, void *into, size_t size);

#endif
