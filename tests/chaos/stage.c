/* Machines. See stage.h. */
#include "stage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWN_SPACE "/proc/thread-self/ns/net"

enum { WORDS_MAX = 24, FIRST_HOST = 11 };

/* ---- commands ---------------------------------------------------------------------------------------------------- */

/* Runs a command in a network namespace (-1: where the program is), and waits for it. The words are split at spaces. */
static bool run(int space, const char *command)
{
    char text[256], *words[WORDS_MAX + 1], *rest = NULL;
    size_t count = 0;
    int status = -1;
    snprintf(text, sizeof text, "%s", command);
    for (char *w = strtok_r(text, " ", &rest); w != NULL && count < WORDS_MAX; w = strtok_r(NULL, " ", &rest))
        words[count++] = w;
    words[count] = NULL;
    const pid_t pid = fork();
    if (pid == 0) {
        if (words[0] != NULL && (space < 0 || setns(space, CLONE_NEWNET) == 0))
            execvp(words[0], words);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    fprintf(stderr, "chaos: this failed: %s\n", command);
    return false;
}

static bool fail(const char *what)
{
    fprintf(stderr, "chaos: %s: %s\n", what, strerror(errno));
    return false;
}

/* ---- machines ---------------------------------------------------------------------------------------------------- */

/* A namespace that nobody is in, held by its descriptor. */
static bool make_space(int *space)
{
    const int here = open(OWN_SPACE, O_RDONLY | O_CLOEXEC);
    if (here < 0 || unshare(CLONE_NEWNET) != 0) {
        fail("a network namespace");
        if (here >= 0)
            close(here);
        return false;
    }
    *space = open(OWN_SPACE, O_RDONLY | O_CLOEXEC);
    const bool back = setns(here, CLONE_NEWNET) == 0;
    close(here);
    return *space >= 0 && back ? true : fail("a network namespace");
}

static bool make_machine(struct stage *s, size_t m)
{
    char command[256], host[STAGE_HOST_SIZE];
    if (!make_space(&s->spaces[m]))
        return false;
    stage_host(s, m, host);
    snprintf(command, sizeof command, "ip link add port%zu type veth peer name eth0 netns /proc/%ld/fd/%d", m,
             (long)getpid(), s->spaces[m]);
    bool done = run(-1, command);
    snprintf(command, sizeof command, "ip link set port%zu master switch up", m);
    done = done && run(-1, command);
    snprintf(command, sizeof command, "ip addr add %s/24 dev eth0", host);
    done = done && run(s->spaces[m], command);
    return done && run(s->spaces[m], "ip link set lo up") && run(s->spaces[m], "ip link set eth0 up") &&
           run(s->spaces[m], "nft add table inet chaos") &&
           run(s->spaces[m], "nft add chain inet chaos in { type filter hook input priority 0 ; }");
}

static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    uint16_t port = 0;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
        getsockname(fd, (struct sockaddr *)&at, &len) == 0)
        port = ntohs(at.sin_port);
    if (fd >= 0)
        close(fd);
    return port;
}

bool stage_possible(void)
{
    int status = -1;
    const pid_t pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWNET) == 0 ? 0 : 1);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool stage_init(struct stage *s, bool apart, size_t machines)
{
    *s = (struct stage){.apart = apart, .machines = machines, .home = -1, .epmd_port = free_port()};
    for (size_t m = 0; m < STAGE_MACHINES_MAX; m++)
        s->spaces[m] = -1;
    if (s->epmd_port == 0 || machines > STAGE_MACHINES_MAX)
        return fail("no port is free");
    if (!apart)
        return true;
    s->home = open(OWN_SPACE, O_RDONLY | O_CLOEXEC);
    if (s->home < 0 || unshare(CLONE_NEWNET) != 0)
        return fail("a network namespace");
    bool done = run(-1, "ip link add switch type bridge") && run(-1, "ip link set switch up");
    for (size_t m = 0; m < machines && done; m++)
        done = make_machine(s, m);
    return done;
}

void stage_fini(struct stage *s)
{
    for (size_t m = 0; m < STAGE_MACHINES_MAX; m++)
        if (s->spaces[m] >= 0)
            close(s->spaces[m]);
    if (s->home >= 0) {
        if (setns(s->home, CLONE_NEWNET) != 0)
            fail("the way back to the network");
        close(s->home);
    }
}

void stage_host(const struct stage *s, size_t machine, char host[STAGE_HOST_SIZE])
{
    if (s->apart)
        snprintf(host, STAGE_HOST_SIZE, "10.77.0.%u", (unsigned)(machine + FIRST_HOST) % 256);
    else
        snprintf(host, STAGE_HOST_SIZE, "127.0.0.1");
}

int stage_enter(const struct stage *s, size_t machine)
{
    return s->apart ? setns(s->spaces[machine], CLONE_NEWNET) : 0;
}

/* ---- cuts -------------------------------------------------------------------------------------------------------- */

bool stage_cut(const struct stage *s, size_t from, size_t to)
{
    char command[128], host[STAGE_HOST_SIZE];
    stage_host(s, from, host);
    snprintf(command, sizeof command, "nft add rule inet chaos in ip saddr %s drop", host);
    return run(s->spaces[to], command);
}

bool stage_heal(const struct stage *s)
{
    bool done = true;
    for (size_t m = 0; m < s->machines; m++)
        done &= run(s->spaces[m], "nft flush chain inet chaos in");
    return done;
}
