/* System calls with their options. */
#include "dist/socket_io.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { BACKLOG = 1024, UNSENT_BYTES = 262144, STRETCHES_MAX = 64 };

bool socket_parse(const char *text, uint16_t port, union socket_address *out)
{
    union socket_address a;
    memset(&a, 0, sizeof a);
    if (inet_pton(AF_INET, text, &a.v4.sin_addr) == 1)
        a.v4.sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1)
        a.v6.sin6_family = AF_INET6;
    else
        return false;
    socket_set_port(&a, port);
    *out = a;
    return true;
}

void socket_set_port(union socket_address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET6)
        address->v6.sin6_port = htons(port);
    else
        address->v4.sin_port = htons(port);
}

static socklen_t size_of(const union socket_address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof address->v6 : sizeof address->v4;
}

static void set(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof value);
}

static int fail(int fd)
{
    int error = errno;
    close(fd);
    return -error;
}

static int listen_on(const union socket_address *address, bool both)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1); /* connections of a node that was here before do not keep the port */
    if (address->any.sa_family == AF_INET6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !both);
    if (bind(fd, &address->any, size_of(address)) != 0 || listen(fd, BACKLOG) != 0)
        return fail(fd);
    return fd;
}

int socket_listen(const union socket_address *address)
{
    return listen_on(address, false);
}

int socket_listen_all(uint16_t port)
{
    union socket_address v6 = {.v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any}};
    union socket_address v4 = {.v4 = {.sin_family = AF_INET, .sin_addr = {INADDR_ANY}}};
    socket_set_port(&v6, port);
    socket_set_port(&v4, port);
    int fd = listen_on(&v6, true);
    return fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL ? listen_on(&v4, false) : fd;
}

uint16_t socket_port(int fd)
{
    union socket_address a = {.v4 = {.sin_family = AF_UNSPEC}};
    socklen_t len = sizeof a;
    if (getsockname(fd, &a.any, &len) != 0)
        return 0;
    return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

int socket_accept(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int socket_connect(const union socket_address *to)
{
    int fd = socket(to->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, &to->any, size_of(to)) != 0 && errno != EINPROGRESS)
        return fail(fd);
    return fd;
}

int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        return -errno;
    return -error;
}

/* The IPv4 address inside an IPv6 one that stands for it, or of an IPv4 one; NULL: neither. */
static const uint8_t *ipv4_of(const union socket_address *a)
{
    if (a->any.sa_family == AF_INET)
        return (const uint8_t *)&a->v4.sin_addr;
    return IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr) ? (const uint8_t *)&a->v6.sin6_addr + 12 : NULL;
}

bool socket_is_local(int fd)
{
    union socket_address here = {.v6 = {.sin6_family = AF_UNSPEC}}, there = here;
    socklen_t here_len = sizeof here, there_len = sizeof there;
    if (getsockname(fd, &here.any, &here_len) != 0 || getpeername(fd, &there.any, &there_len) != 0)
        return false;
    const uint8_t *h = ipv4_of(&here), *t = ipv4_of(&there);
    if (t != NULL)
        return t[0] == IN_LOOPBACKNET || (h != NULL && memcmp(h, t, 4) == 0);
    return IN6_IS_ADDR_LOOPBACK(&there.v6.sin6_addr) ||
           (h == NULL && memcmp(&here.v6.sin6_addr, &there.v6.sin6_addr, 16) == 0);
}

void socket_tune(int fd, uint32_t timeout_ms)
{
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof timeout_ms);
}

void socket_abort(int fd)
{
    const struct linger none = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
}

ssize_t socket_write(int fd, const mesh_bytes *stretches, uint32_t count)
{
    struct iovec vec[STRETCHES_MAX];
    struct msghdr message = {.msg_iov = vec};
    for (; message.msg_iovlen < count && message.msg_iovlen < STRETCHES_MAX; message.msg_iovlen++) {
        const mesh_bytes *s = &stretches[message.msg_iovlen];
        vec[message.msg_iovlen] = (struct iovec){(void *)(uintptr_t)s->data, s->len};
    }
    ssize_t n;
    do {
        n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

ssize_t socket_read(int fd, void *into, size_t size)
{
    ssize_t n;
    do {
        n = recv(fd, into, size, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}
