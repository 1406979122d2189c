/* One poll loop over a listener and at most CONNS connections. */
#include "system/dist/epmd_loop.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dist/epmd_server.h"
#include "system/dist/beam.h"
#include "unit/check.h"

enum { CONNS = 16 };

struct slots {
    struct pollfd fds[1 + CONNS]; /* the listener first; -1 is a free one */
    struct epmd_conn conns[1 + CONNS];
};

static void end(struct epmd_server *server, struct slots *s, int i)
{
    close(s->fds[i].fd);
    s->fds[i].fd = -1;
    epmd_conn_closed(server, &s->conns[i]);
}

static void take(struct epmd_server *server, struct slots *s)
{
    int fd = accept4(s->fds[0].fd, NULL, NULL, SOCK_CLOEXEC);
    for (int i = 1; i <= CONNS && fd >= 0; i++)
        if (s->fds[i].fd < 0 && epmd_conn_open(server, &s->conns[i], true, beam_now_ms())) {
            s->fds[i] = (struct pollfd){.fd = fd, .events = POLLIN};
            return;
        }
    if (fd >= 0)
        close(fd);
}

static void serve(struct epmd_server *server, struct slots *s, int i)
{
    uint8_t bytes[512];
    mesh_buf out;
    enum refusal why;
    ssize_t n = recv(s->fds[i].fd, bytes, sizeof bytes, 0);
    mesh_buf_init(&out);
    enum epmd_action action = EPMD_CLOSE;
    if (n > 0)
        action = epmd_conn_feed(server, &s->conns[i], (mesh_bytes){bytes, (size_t)n}, beam_now_ms(), &out, &why);
    if (out.len > 0 && send(s->fds[i].fd, out.data, out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
        action = EPMD_CLOSE;
    mesh_buf_fini(&out);
    if (action == EPMD_CLOSE || action == EPMD_STOP)
        end(server, s, i);
}

static void loop(int listener, uint16_t port)
{
    static struct slots s;
    struct epmd_server server;
    epmd_server_init(&server, port, 1000);
    for (int i = 1; i <= CONNS; i++)
        s.fds[i].fd = -1;
    s.fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    for (;;) {
        poll(s.fds, 1 + CONNS, 1000);
        for (int i = 1; i <= CONNS; i++) {
            if (s.fds[i].fd < 0)
                continue;
            if (epmd_conn_expired(&s.conns[i], beam_now_ms()))
                end(&server, &s, i);
            else if (s.fds[i].revents)
                serve(&server, &s, i);
        }
        if (s.fds[0].revents)
            take(&server, &s);
    }
}

pid_t epmd_loop_start(uint16_t port)
{
    const int one = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 64), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        loop(fd, port);
    }
    close(fd);
    return pid;
}
