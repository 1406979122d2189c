/* LocalEpmd and ErlangHosts: one source (ask.c) and one running question a host at most (dist/epmd_query_io.h).
 *
 * LocalEpmd asks at 127.0.0.1 and gives its nodes our own host; ErlangHosts asks each host of .hosts.erlang, which is
 * read once, at the start. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mesh/error.h>

#include "base/alloc.h"
#include "discovery/ask.h"
#include "discovery/drive_io.h"
#include "discovery/node_name.h"
#include "dist/epmd_query_io.h"

#define LOCAL_ADDRESS "127.0.0.1"

struct slot {
    struct ask_io *io;
    size_t host;
    struct epmd_query *query; /* the running one, or NULL */
    bool silent;              /* the last question had no answer, and that was logged */
};

struct ask_io {
    struct discovery base;
    uint16_t port;
    bool local; /* asks LOCAL_ADDRESS, whatever the host */
    size_t count;
    struct slot slots[]; /* count of them, by host */
};

/* Logs that a host does not answer any more, or does again: once for each change. */
static void note_silence(struct slot *slot, int error)
{
    const struct discovery *d = &slot->io->base;
    const mesh_bytes host = mesh_str(ask_host(d->source, slot->host));
    bool changed = slot->silent != (error != 0);
    slot->silent = error != 0;
    if (!changed || d->env.logger == NULL)
        return;
    if (error != 0)
        log_write(d->env.logger, MESH_LOG_WARN, "epmd does not answer", log_name("host", host),
                  log_bytes("why", mesh_str(uv_strerror(error))));
    else
        log_write(d->env.logger, MESH_LOG_INFO, "epmd answers again", log_name("host", host));
}

static void answered(void *context, int error, mesh_bytes reply, const union socket_address *address)
{
    (void)address;
    struct slot *slot = context;
    struct discovery *d = &slot->io->base;
    slot->query = NULL;
    if (error == 0)
        ask_answer(d->source, slot->host, reply, drive_now_ms(d));
    else
        ask_failed(d->source, slot->host, drive_now_ms(d));
    note_silence(slot, error);
    drive_soon(d);
}

static void closed(void *context)
{
    struct slot *slot = context;
    drive_release(&slot->io->base);
}

static const struct epmd_query_fns query_fns = {.answered = answered, .closed = closed};

static void perform(struct discovery *d, const struct action *action)
{
    struct ask_io *io = (struct ask_io *)d;
    struct slot *slot = &io->slots[action->host];
    drive_hold(d);
    slot->query = epmd_query_start(d->env.loop, io->local ? LOCAL_ADDRESS : ask_host(d->source, action->host), io->port,
                                   (mesh_bytes){NULL, 0}, &query_fns, slot);
}

static void close_queries(struct discovery *d)
{
    struct ask_io *io = (struct ask_io *)d;
    for (size_t i = 0; i < io->count; i++)
        if (io->slots[i].query != NULL)
            epmd_query_cancel(io->slots[i].query);
}

static const struct drive_ops ops = {.perform = perform, .close = close_queries};

/* The port to ask at: that of the options, of the environment, or the usual one. */
static int port_of(const char *strategy, uint32_t option, uint16_t *out, struct discovery_reason *reason)
{
    const char *text;
    if (!epmd_port((uint16_t)option, out, &text)) {
        reason_say(reason, "%s: ERL_EPMD_PORT: expected 1 to 65535, got \"%s\"", strategy, text);
        return MESH_EINVAL;
    }
    return MESH_OK;
}

/* What both strategies have in common. */
struct ask_options {
    const char *strategy;
    uint32_t timeout_ms, per_second, epmd_port;
    bool local;
};

static int check_asking(const struct ask_options *a, struct discovery_reason *reason)
{
    int error = discovery_check_port(a->strategy, "epmd_port", a->epmd_port, reason);
    return error == MESH_OK ? discovery_check_timing(a->strategy, a->timeout_ms, a->per_second, reason) : error;
}

static int start_asking(const struct discovery_env *given, const struct ask_options *a, const mesh_bytes *hosts,
                        size_t count, struct discovery **out, struct discovery_reason *reason)
{
    struct discovery_env env = drive_env(given);
    struct source *source;
    uint16_t port;
    int error = port_of(a->strategy, a->epmd_port, &port, reason);
    if (error != MESH_OK)
        return error;
    error = ask_create(&env, hosts, count, a->timeout_ms, a->per_second, &source);
    if (error != MESH_OK)
        return drive_refuse(a->strategy, given, error, reason);
    struct ask_io *io = must_calloc(1, sizeof *io + count * sizeof io->slots[0]);
    io->port = port;
    io->local = a->local;
    io->count = count;
    for (size_t i = 0; i < count; i++)
        io->slots[i] = (struct slot){.io = io, .host = i};
    drive_open(&io->base, &ops, &env, source);
    *out = &io->base;
    return MESH_OK;
}

/* ---- LocalEpmd ----------------------------------------------------------------------------------------------------
 */

static struct ask_options local_asking(const mesh_local_epmd_options *o)
{
    return (struct ask_options){"local_epmd", o->timeout_ms, o->per_second, o->epmd_port, true};
}

static int local_check(const void *options, struct discovery_reason *reason)
{
    struct ask_options a = local_asking(options);
    return check_asking(&a, reason);
}

static int local_start(const struct discovery_env *env, const void *options, struct discovery **out,
                       struct discovery_reason *reason)
{
    struct ask_options a = local_asking(options);
    int error = check_asking(&a, reason);
    if (error == MESH_OK && !node_name_valid(mesh_str(env->node)))
        error = drive_refuse(a.strategy, env, MESH_EBADNAME, reason);
    if (error != MESH_OK)
        return error;
    mesh_bytes host = mesh_str(node_name_host(env->node));
    return start_asking(env, &a, &host, 1, out, reason);
}

/* ---- ErlangHosts --------------------------------------------------------------------------------------------------
 */

static struct ask_options hosts_asking(const mesh_erlang_hosts_options *o)
{
    return (struct ask_options){"erlang_hosts", o->timeout_ms, o->per_second, o->epmd_port, false};
}

/* Opens the hosts file, and writes its path to path: the given one; or the first of ./ and $HOME/ that exists. */
static int open_file(const char *given, char path[PATH_MAX])
{
    const char *home = getenv("HOME");
    snprintf(path, PATH_MAX, "%s", given != NULL ? given : ".hosts.erlang");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 || given != NULL || errno != ENOENT || home == NULL || home[0] == 0)
        return fd;
    if (snprintf(path, PATH_MAX, "%s/.hosts.erlang", home) >= PATH_MAX)
        errno = ENAMETOOLONG;
    else
        fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd;
}

/* Reads up to size bytes; the number read, or -1. */
static ssize_t read_all(int fd, char *out, size_t size)
{
    size_t len = 0;
    ssize_t n = 1;
    while (len < size && n != 0) {
        n = read(fd, out + len, size - len);
        if (n < 0 && errno != EINTR)
            return -1;
        len += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)len;
}

static int parse_hosts(const char *path, mesh_bytes text, mesh_bytes hosts[HOSTS_MAX], size_t *count,
                       struct discovery_reason *reason)
{
    size_t line = 0;
    const char *expected = NULL;
    int error = hosts_file_parse(text, hosts, count, &line, &expected);
    if (error != MESH_OK)
        reason_say(reason, "erlang_hosts: %s:%zu: expected %s", path, line, expected);
    return error;
}

static int hosts_check(const void *options, struct discovery_reason *reason)
{
    struct ask_options a = hosts_asking(options);
    return check_asking(&a, reason);
}

static int hosts_start(const struct discovery_env *env, const void *options, struct discovery **out,
                       struct discovery_reason *reason)
{
    const mesh_erlang_hosts_options *o = options;
    struct ask_options a = hosts_asking(o);
    char path[PATH_MAX];
    mesh_bytes hosts[HOSTS_MAX];
    size_t count = 0;
    int error = check_asking(&a, reason);
    if (error != MESH_OK)
        return error;
    char *text = must_calloc(1, HOSTS_FILE_MAX_BYTES + 1); /* one more, so that a longer file shows */
    int fd = open_file(o->file, path);
    ssize_t len = fd < 0 ? -1 : read_all(fd, text, HOSTS_FILE_MAX_BYTES + 1);
    if (len < 0) {
        reason_say(reason, "erlang_hosts: %s: %s", path, strerror(errno));
        error = MESH_ESYSTEM;
    } else {
        error = parse_hosts(path, (mesh_bytes){text, (size_t)len}, hosts, &count, reason);
    }
    if (fd >= 0)
        close(fd);
    if (error == MESH_OK)
        error = start_asking(env, &a, hosts, count, out, reason);
    free(text);
    return error;
}

const struct discovery_strategy discovery_local_epmd = {
    .name = "local_epmd", .check = local_check, .start = local_start, .stop = drive_close, .counts = drive_counts};

const struct discovery_strategy discovery_erlang_hosts = {
    .name = "erlang_hosts", .check = hosts_check, .start = hosts_start, .stop = drive_close, .counts = drive_counts};
