/* Programs. See fleet.h. */
#include "fleet.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { READY_MS = 30000, END_MS = 30000, LOOK_MS = 2, WORDS_MAX = 32 + 2 * FLEET_MAX, PATH_SIZE = 512 };

static const char cookie[] = "chaos";

void fleet_init(struct fleet *f, struct stage *stage, const char *program, const char *module, const char *folder)
{
    *f = (struct fleet){.stage = stage, .program = program, .module = module, .folder = folder};
}

/* The program has ended: what it left without an end of its own was there until asked_ns at least. */
static void reap(struct fleet *f, struct fleet_node *n, uint64_t asked_ns)
{
    if (f->death_count < FLEET_DEATHS_MAX)
        f->deaths[f->death_count++] = (struct death){(uint32_t)n->pid, asked_ns, clock_now_ns()};
    n->pid = 0;
    if (n->out >= 0)
        close(n->out);
    n->out = -1;
}

void fleet_fini(struct fleet *f)
{
    for (size_t i = 0; i < f->count; i++) {
        struct fleet_node *n = &f->nodes[i];
        if (n->pid == 0)
            continue;
        kill(n->pid, SIGKILL);
        while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
            ;
        reap(f, n, clock_now_ns());
    }
}

uint8_t fleet_add(struct fleet *f, const char *alias, size_t machine, const char *const *capabilities)
{
    char host[STAGE_HOST_SIZE];
    if (f->count == FLEET_MAX)
        abort(); /* a scenario that is written wrongly */
    struct fleet_node *n = &f->nodes[f->count];
    stage_host(f->stage, machine, host);
    snprintf(n->alias, sizeof n->alias, "%s", alias);
    snprintf(n->name, sizeof n->name, "%s@%s", alias, host);
    n->machine = machine;
    n->here = capabilities == NULL;
    n->out = -1;
    for (size_t i = 0; capabilities != NULL && capabilities[i] != NULL && i < FLEET_CAPABILITIES_MAX; i++)
        n->capabilities[i] = capabilities[i];
    return (uint8_t)f->count++;
}

uint8_t fleet_find(const struct fleet *f, mesh_bytes name)
{
    for (size_t i = 0; i < f->count; i++)
        if (strlen(f->nodes[i].name) == name.len && memcmp(f->nodes[i].name, name.data, name.len) == 0)
            return (uint8_t)i;
    return NO_NODE;
}

static void path_of(const struct fleet *f, const struct fleet_node *n, const char *what, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s.%s", f->folder, n->alias, what);
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

/* The words of the command, which point into the fleet and to port. */
static void words_of(const struct fleet *f, const struct fleet_node *n, const char *port, const char *listen,
                     const char **words)
{
    size_t count = 0;
    const char *const first[] = {f->program, "run",         "--name", n->name,    "--cookie", cookie,        "--listen",
                                 listen,     "--epmd-port", port,     "--module", f->module,  "--log-level", "info"};
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
        words[count++] = first[i];
    for (const char *const *c = n->capabilities; *c != NULL; c++) {
        words[count++] = "--capability";
        words[count++] = *c;
    }
    for (size_t i = 0; i < f->count; i++) {
        if (&f->nodes[i] == n)
            continue;
        words[count++] = "--connect";
        words[count++] = f->nodes[i].name;
    }
    words[count] = NULL;
}

/* In the child, where only what is safe after fork may be called. */
static void become(const struct fleet *f, const struct fleet_node *n, int out, int err, const char *const *words,
                   const char *const *environment, pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent || stage_enter(f->stage, n->machine) != 0 ||
        dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
        _exit(126);
    execve(f->program, (char *const *)words, (char *const *)environment);
    _exit(127);
}

bool fleet_launch(struct fleet *f, size_t node)
{
    struct fleet_node *n = &f->nodes[node];
    char log[PATH_SIZE], lives[PATH_SIZE + sizeof LIVES_VARIABLE + 1], port[8], host[STAGE_HOST_SIZE];
    const char *words[WORDS_MAX], *environment[] = {lives, "LC_ALL=C.UTF-8", NULL};
    int out[2];
    snprintf(lives, sizeof lives, "%s=%s/%s.lives", LIVES_VARIABLE, f->folder, n->alias);
    snprintf(port, sizeof port, "%u", f->stage->epmd_port);
    stage_host(f->stage, n->machine, host);
    path_of(f, n, "log", log);
    words_of(f, n, port, host, words);
    const int err = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (err < 0 || pipe2(out, O_CLOEXEC) != 0) {
        fprintf(stderr, "chaos: %s: %s\n", log, strerror(errno));
        if (err >= 0)
            close(err);
        return false;
    }
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid == 0)
        become(f, n, out[1], err, words, environment, parent);
    close(err);
    close(out[1]);
    n->pid = pid > 0 ? pid : 0;
    n->out = out[0];
    return pid > 0;
}

bool fleet_await(struct fleet *f, size_t node, uint32_t timeout_ms)
{
    struct fleet_node *n = &f->nodes[node];
    const uint64_t until_ns = clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    char text[512];
    size_t len = 0;
    for (uint64_t now = clock_now_ns(); n->out >= 0 && now < until_ns; now = clock_now_ns()) {
        struct pollfd fd = {.fd = n->out, .events = POLLIN};
        if (poll(&fd, 1, (int)((until_ns - now) / 1000000) + 1) <= 0)
            continue;
        const ssize_t got = read(n->out, text + len, sizeof text - 1 - len);
        if (got <= 0)
            break;
        len += (size_t)got;
        text[len] = '\0';
        if (strstr(text, " is ready") != NULL)
            return true;
    }
    fprintf(stderr, "chaos: %s does not get ready: see %s/%s.log\n", n->name, f->folder, n->alias);
    return false;
}

bool fleet_start(struct fleet *f, size_t node)
{
    return fleet_launch(f, node) && fleet_await(f, node, READY_MS);
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

static void pause_ms(long ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

void fleet_ask(struct fleet *f, size_t node)
{
    if (f->nodes[node].pid > 0)
        kill(f->nodes[node].pid, SIGTERM);
}

bool fleet_gone(struct fleet *f, size_t node)
{
    struct fleet_node *n = &f->nodes[node];
    int status;
    if (n->pid == 0)
        return true;
    if (waitpid(n->pid, &status, WNOHANG) == 0)
        return false;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "chaos: %s has ended with the status %#x: see %s/%s.log\n", n->name, (unsigned)status,
                f->folder, n->alias);
        f->faults++;
    }
    reap(f, n, clock_now_ns());
    return true;
}

bool fleet_drain(struct fleet *f, size_t node)
{
    const size_t faults = f->faults;
    const uint64_t until_ns = clock_now_ns() + (uint64_t)END_MS * 1000000;
    fleet_ask(f, node);
    while (!fleet_gone(f, node)) {
        if (clock_now_ns() > until_ns) {
            fprintf(stderr, "chaos: %s does not end: see %s/%s.log\n", f->nodes[node].name, f->folder,
                    f->nodes[node].alias);
            f->faults++;
            fleet_kill(f, node);
            return false;
        }
        pause_ms(LOOK_MS);
    }
    return f->faults == faults;
}

uint64_t fleet_kill(struct fleet *f, size_t node)
{
    struct fleet_node *n = &f->nodes[node];
    const uint64_t asked_ns = clock_now_ns();
    if (n->pid == 0)
        return asked_ns;
    kill(n->pid, SIGKILL);
    while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    reap(f, n, asked_ns);
    return asked_ns;
}

void fleet_pause(struct fleet *f, size_t node)
{
    if (f->nodes[node].pid > 0)
        kill(f->nodes[node].pid, SIGSTOP);
}

void fleet_resume(struct fleet *f, size_t node)
{
    if (f->nodes[node].pid > 0)
        kill(f->nodes[node].pid, SIGCONT);
}

void fleet_look(struct fleet *f)
{
    for (size_t i = 0; i < f->count; i++) {
        struct fleet_node *n = &f->nodes[i];
        int status;
        if (n->pid == 0 || waitpid(n->pid, &status, WNOHANG) == 0)
            continue;
        fprintf(stderr, "chaos: %s has ended by itself with the status %#x: see %s/%s.log\n", n->name, (unsigned)status,
                f->folder, n->alias);
        f->faults++;
        reap(f, n, clock_now_ns());
    }
}

/* ---- lives ------------------------------------------------------------------------------------------------------- */

static bool read_file(const char *path, struct history *h, uint8_t node)
{
    struct life_event events[256];
    FILE *in = fopen(path, "rbe");
    size_t got;
    if (in == NULL)
        return errno == ENOENT; /* it has never had a process */
    while ((got = fread(events, sizeof events[0], sizeof events / sizeof events[0], in)) > 0)
        history_lives(h, node, events, got);
    const bool good = ferror(in) == 0;
    fclose(in);
    return good;
}

bool fleet_lives(const struct fleet *f, struct history *h)
{
    bool good = true;
    for (size_t i = 0; i < f->count; i++) {
        char path[PATH_SIZE];
        path_of(f, &f->nodes[i], "lives", path);
        if (!f->nodes[i].here)
            good &= read_file(path, h, (uint8_t)i);
    }
    return good;
}
