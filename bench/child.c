/* Runs one program within its time.
 *
 * Its stdout and stderr come through pipes, its end through a pidfd, so that one poll waits for everything. A program
 * that is late is killed by its pid, which cannot have become somebody else's: it is not reaped before. If the runner
 * itself dies, the kernel kills the program. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner.h"

/* One pipe and the text that comes out of it. */
struct stream {
    int fd; /* the end that is read; -1 when it has ended */
    size_t len;
    char *text; /* TEXT_BYTES */
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads what is there, without waiting; what does not fit is dropped. */
static void drain(struct stream *s)
{
    char rest[4096];
    while (s->fd >= 0) {
        size_t room = TEXT_BYTES - 1 - s->len;
        ssize_t n = room > 0 ? read(s->fd, s->text + s->len, room) : read(s->fd, rest, sizeof rest);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            close(s->fd);
            s->fd = -1;
            return;
        }
        s->len += room > 0 ? (size_t)n : 0;
        s->text[s->len] = '\0';
    }
}

static _Noreturn void become(char *const argv[], int out, int err, pid_t parent)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126); /* the runner died before the line above */
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execvp(argv[0], argv);
    _exit(127);
}

/* Waits for the end of the program, or for its time to be over; it is killed then. Returns whether it was in time. */
static bool watch(pid_t pid, int pidfd, struct stream streams[2], unsigned limit_s)
{
    int64_t deadline = now_ms() + limit_s * (int64_t)1000;
    for (;;) {
        struct pollfd polled[3] = {{.fd = pidfd, .events = POLLIN},
                                   {.fd = streams[0].fd, .events = POLLIN},
                                   {.fd = streams[1].fd, .events = POLLIN}};
        int64_t left = deadline - now_ms();
        if (left <= 0) {
            kill(pid, SIGKILL);
            return false;
        }
        if (poll(polled, 3, (int)left) < 0 && errno != EINTR)
            return false;
        drain(&streams[0]);
        drain(&streams[1]);
        if (polled[0].revents != 0)
            return true;
    }
}

static void explain(int status, bool in_time, unsigned limit_s, const char *program, struct outcome *outcome)
{
    char *why = outcome->why;
    size_t size = sizeof outcome->why;
    outcome->ok = in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!in_time)
        snprintf(why, size, "not done after %u s: killed", limit_s);
    else if (WIFSIGNALED(status))
        snprintf(why, size, "ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 127)
        snprintf(why, size, "%.100s cannot be run", program);
    else
        snprintf(why, size, "exited with %d", WEXITSTATUS(status));
}

void child_run(char *const argv[], unsigned limit_s, struct outcome *outcome)
{
    int out[2], err[2], status = 0;
    outcome->ok = false;
    outcome->why[0] = outcome->out[0] = outcome->err[0] = '\0';
    if (pipe2(out, O_CLOEXEC) != 0) {
        snprintf(outcome->why, sizeof outcome->why, "no pipe: %s", strerror(errno));
        return;
    }
    if (pipe2(err, O_CLOEXEC) != 0) {
        snprintf(outcome->why, sizeof outcome->why, "no pipe: %s", strerror(errno));
        close(out[0]);
        close(out[1]);
        return;
    }
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        become(argv, out[1], err[1], parent);
    close(out[1]);
    close(err[1]);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(err[0], F_SETFL, O_NONBLOCK);
    struct stream streams[2] = {{out[0], 0, outcome->out}, {err[0], 0, outcome->err}};
    int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        snprintf(outcome->why, sizeof outcome->why, "cannot be started: %s", strerror(errno));
        if (pid > 0)
            kill(pid, SIGKILL);
    }
    bool in_time = pidfd >= 0 && watch(pid, pidfd, streams, limit_s);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pidfd >= 0) {
        explain(status, in_time, limit_s, argv[0], outcome);
        close(pidfd);
    }
    for (int i = 0; i < 2; i++) {
        drain(&streams[i]);
        if (streams[i].fd >= 0)
            close(streams[i].fd);
    }
}
