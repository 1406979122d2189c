/* Starting and ending of epmd and erl. */
#include "system/dist/beam.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "unit/check.h"

/* Evaluates each line of standard input. */
static const char program[] =
    "Loop = fun F() -> case io:get_line(\"\") of eof -> halt();"
    " Line -> {ok, Tokens, _} = erl_scan:string(Line), {ok, Exprs} = erl_parse:parse_exprs(Tokens),"
    " Value = try erl_eval:exprs(Exprs, []) of {value, V, _} -> V catch C:R -> {C, R} end,"
    " io:format(\"~w~n\", [Value]), F() end end, io:format(\"ready~n\"), Loop().";

uint64_t beam_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct sockaddr_in loopback(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

uint16_t beam_free_port(void)
{
    struct sockaddr_in a = loopback(0);
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

bool beam_installed(void)
{
    return system("command -v erl >/dev/null 2>&1 && command -v epmd >/dev/null 2>&1") == 0;
}

static bool answers(uint16_t port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0;
    if (fd >= 0)
        close(fd);
    return connected;
}

/* In the child: ends with the test, whatever happens to it. */
static void follow_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

pid_t beam_start_epmd(uint16_t port)
{
    char text[16];
    snprintf(text, sizeof text, "%u", (unsigned)port);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        follow_parent();
        setenv("ERL_EPMD_ADDRESS", "127.0.0.1", 1);
        execlp("epmd", "epmd", "-port", text, (char *)NULL);
        _exit(127);
    }
    const uint64_t deadline = beam_now_ms() + BEAM_DEADLINE_MS;
    while (!answers(port)) {
        if (beam_now_ms() > deadline) {
            beam_end(pid);
            fail_msg("epmd does not answer on port %u", (unsigned)port);
        }
        poll(NULL, 0, 5);
    }
    return pid;
}

static void run_erl(const char *mode, const char *name, const char *cookie, uint16_t epmd_port)
{
    char port[16];
    snprintf(port, sizeof port, "%u", (unsigned)epmd_port);
    setenv("ERL_EPMD_PORT", port, 1);
    setenv("ERL_EPMD_ADDRESS", "127.0.0.1", 1);
    setenv("HOME", "/tmp", 1);
    execlp("erl", "erl", mode, name, "-setcookie", cookie, "-noshell", "-start_epmd", "false", "-kernel",
           "inet_dist_use_interface", "{127,0,0,1}", "-eval", program, (char *)NULL);
    _exit(127);
}

void beam_start(struct beam *beam, const char *mode, const char *name, const char *cookie, uint16_t epmd_port)
{
    int in[2], out[2];
    char line[64];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    beam->pid = fork();
    assert_true(beam->pid >= 0);
    if (beam->pid == 0) {
        follow_parent();
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        for (int i = 0; i < 2; i++) {
            close(in[i]);
            close(out[i]);
        }
        run_erl(mode, name, cookie, epmd_port);
    }
    close(in[0]);
    close(out[1]);
    beam->in = in[1];
    beam->out = out[0];
    beam_hear(beam, line, sizeof line);
    assert_string_equal(line, "ready");
}

void beam_tell(const struct beam *beam, const char *expressions)
{
    size_t len = strlen(expressions);
    assert_int_equal(write(beam->in, expressions, len), (ssize_t)len);
    assert_int_equal(write(beam->in, ".\n", 2), 2);
}

void beam_hear(const struct beam *beam, char *line, size_t size)
{
    const uint64_t deadline = beam_now_ms() + BEAM_DEADLINE_MS;
    for (size_t len = 0;;) {
        char c;
        struct pollfd p = {.fd = beam->out, .events = POLLIN};
        uint64_t now = beam_now_ms();
        if (now >= deadline || poll(&p, 1, (int)(deadline - now)) == 0)
            fail_msg("erl prints nothing");
        if (read(beam->out, &c, 1) != 1)
            fail_msg("erl has ended");
        if (c == '\n') {
            line[len] = '\0';
            return;
        }
        if (len + 1 < size)
            line[len++] = c;
    }
}

void beam_end(pid_t pid)
{
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

void beam_stop(struct beam *beam)
{
    close(beam->in);
    close(beam->out);
    beam_end(beam->pid);
}
