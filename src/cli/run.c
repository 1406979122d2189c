/* mesh run: a node in the foreground, until SIGTERM or SIGINT has it hand everything over. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mesh.h>

#include "cli/flags.h"
#include "cli/resolve.h"
#include "cli/verb.h"
#include "cli/words.h"

enum { LOOK_MS = 100, STRATEGIES_MAX = 5, FOREVER_MS = 60000 };

static const char *const flags[] = {"config", "help", NULL};

static void help(void)
{
    puts(
        "\nStarts a node with the modules of shared objects and what is said here that it can do. With a name it is "
        "part\n"
        "of a cluster. When it serves it says so in one line on stdout; its log is on stderr. By SIGTERM or SIGINT it\n"
        "hands its processes over to the other nodes and ends; by a second one at once.\n\n"
        "  --config FILE                      YAML with settings; flags take their place (mesh check-config)\n");
    flags_help(stdout);
}

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "mesh run: %s%s%s\n", what, what[0] ? ": " : "", why);
    return EXIT_FAILED;
}

/* ---- From settings to options ------------------------------------------------------------------------------------ */

static uint32_t number(const struct settings *s, enum setting which)
{
    return (uint32_t)settings_number(s, which);
}

static mesh_node_options node_options(const struct resolved *r)
{
    const struct settings *s = &r->settings;
    const uint32_t spin_us = number(s, SETTING_SPIN_US);
    return (mesh_node_options){.size = sizeof(mesh_node_options),
                               .name = r->node[0] != '\0' ? r->node : NULL,
                               .workers = number(s, SETTING_WORKERS),
                               .stack_bytes = number(s, SETTING_STACK_BYTES),
                               .max_suspended = number(s, SETTING_MAX_SUSPENDED),
                               .max_mailbox = number(s, SETTING_MAX_MAILBOX),
                               .max_processes = settings_number(s, SETTING_MAX_PROCESSES),
                               .max_shard = number(s, SETTING_MAX_SHARD),
                               .max_threads = number(s, SETTING_MAX_THREADS),
                               .max_message = number(s, SETTING_MAX_MESSAGE),
                               .idle_timeout_ms = number(s, SETTING_IDLE_TIMEOUT_MS),
                               .drain_ms = number(s, SETTING_DRAIN_MS),
                               .spin_us = spin_us,
                               .no_spin = spin_us == 0,
                               .stuck_ms = number(s, SETTING_STUCK_MS),
                               .crash_reports = settings_on(s, SETTING_CRASH_REPORTS),
                               .log_level = (mesh_log_level)number(s, SETTING_LOG_LEVEL)};
}

/* What mesh_cluster_join needs beside its options, for as long as it is called. */
struct finding {
    mesh_gossip_options gossip;
    mesh_epmd_list_options connect, epmd;
    mesh_local_epmd_options local_epmd;
    mesh_erlang_hosts_options erlang_hosts;
    mesh_discovery strategies[STRATEGIES_MAX];
    size_t count;
};

static void find_by(struct finding *f, const char *strategy, const void *options)
{
    f->strategies[f->count++] = (mesh_discovery){strategy, options};
}

static mesh_epmd_list_options list_of(const struct settings *s, enum setting which, uint32_t timeout_ms)
{
    const struct setting_value *v = &s->values[which];
    return (mesh_epmd_list_options){.hosts = (const char *const *)v->list, .count = v->count, .timeout_ms = timeout_ms};
}

static void fill_in(struct finding *f, const struct settings *s)
{
    const uint32_t epmd_port = number(s, SETTING_EPMD_PORT);
    *f = (struct finding){.gossip = {.port = number(s, SETTING_GOSSIP_PORT),
                                     .if_addr = settings_text(s, SETTING_GOSSIP_IF_ADDR),
                                     .multicast_if = settings_text(s, SETTING_GOSSIP_MULTICAST_IF),
                                     .multicast_addr = settings_text(s, SETTING_GOSSIP_MULTICAST_ADDR),
                                     .multicast_ttl = number(s, SETTING_GOSSIP_MULTICAST_TTL),
                                     .broadcast_only = settings_on(s, SETTING_GOSSIP_BROADCAST_ONLY),
                                     .secret = settings_text(s, SETTING_GOSSIP_SECRET)},
                          .connect = list_of(s, SETTING_CONNECT, 0),
                          .epmd = list_of(s, SETTING_EPMD_HOSTS, number(s, SETTING_EPMD_TIMEOUT)),
                          .local_epmd = {.timeout_ms = number(s, SETTING_LOCAL_EPMD_TIMEOUT), .epmd_port = epmd_port},
                          .erlang_hosts = {.file = settings_text(s, SETTING_ERLANG_HOSTS_FILE),
                                           .timeout_ms = number(s, SETTING_ERLANG_HOSTS_TIMEOUT),
                                           .epmd_port = epmd_port}};
    if (f->connect.count > 0)
        find_by(f, "epmd", &f->connect);
    if (settings_on(s, SETTING_GOSSIP))
        find_by(f, "gossip", &f->gossip);
    if (settings_on(s, SETTING_EPMD))
        find_by(f, "epmd", &f->epmd);
    if (settings_on(s, SETTING_LOCAL_EPMD))
        find_by(f, "local_epmd", &f->local_epmd);
    if (settings_on(s, SETTING_ERLANG_HOSTS))
        find_by(f, "erlang_hosts", &f->erlang_hosts);
}

/* ---- Signals ----------------------------------------------------------------------------------------------------- */

static void end_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

/* Held back from here on, in this thread and in those that it starts. */
static void hold_signals(void)
{
    sigset_t set;
    end_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* stdout may be a pipe whose reader has gone */
}

/* Waits for one of them; false when none has come within timeout_ms. */
static bool await_signal(uint32_t timeout_ms)
{
    const struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = (long)(timeout_ms % 1000) * 1000000};
    sigset_t set;
    end_signals(&set);
    return sigtimedwait(&set, NULL, &timeout) > 0;
}

/* The next one ends the program as if nobody had asked for it. */
static void release_signals(void)
{
    sigset_t set;
    end_signals(&set);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- The node ---------------------------------------------------------------------------------------------------- */

static int load_modules(mesh_node *node, const struct settings *s)
{
    const struct setting_value *modules = &s->values[SETTING_MODULES];
    mesh_reason reason;
    for (size_t i = 0; i < modules->count; i++)
        if (mesh_load_modules(node, modules->list[i], NULL, &reason) != MESH_OK)
            return fail(modules->list[i], reason.text);
    return EXIT_DONE;
}

static int join(mesh_node *node, const struct resolved *r)
{
    const struct settings *s = &r->settings;
    struct finding finding;
    mesh_reason reason;
    fill_in(&finding, s);
    const mesh_cluster_options options = {.size = sizeof options,
                                          .cookie = r->cookie,
                                          .port = (uint16_t)number(s, SETTING_PORT),
                                          .listen = settings_text(s, SETTING_LISTEN),
                                          .no_epmd = settings_on(s, SETTING_NO_EPMD),
                                          .epmd_port = (uint16_t)number(s, SETTING_EPMD_PORT),
                                          .net_ticktime_ms = number(s, SETTING_NET_TICKTIME) * 1000,
                                          .discovery = finding.strategies,
                                          .discovery_count = finding.count,
                                          .majority_of = number(s, SETTING_MAJORITY_OF)};
    int rc = mesh_cluster_join(node, &options, &reason);
    if (rc == MESH_OK)
        return EXIT_DONE;
    fail("", reason.text);
    return rc == MESH_EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

static int give_capabilities(mesh_node *node, const struct settings *s)
{
    for (size_t i = 0; i < s->capability_count; i++) {
        const struct capability_setting *c = &s->capabilities[i];
        const mesh_capability_options options = {
            .size = sizeof options, .strategy = c->strategy, .shards = c->shards, .weight = c->weight};
        int rc = mesh_register_capability(node, c->name, &options);
        if (rc != MESH_OK)
            return fail(c->name, mesh_strerror(rc));
    }
    return EXIT_DONE;
}

/* Waits for others; false when a signal came first. */
static bool await_others(mesh_node *node, uint32_t others)
{
    while (others > 0 && mesh_wait_for(node, others + 1, LOOK_MS) == MESH_ETIMEOUT)
        if (await_signal(0))
            return false;
    return true;
}

static void say_ready(mesh_node *node)
{
    mesh_names *capabilities = NULL, *nodes = NULL;
    if (mesh_nodes(node, false, &nodes) == MESH_OK && mesh_all_capabilities(node, &capabilities) == MESH_OK)
        printf("%s is ready; connected to %zu nodes, %zu capabilities known\n", mesh_node_name(node), nodes->count,
               capabilities->count);
    fflush(stdout);
    mesh_names_free(nodes);
    mesh_names_free(capabilities);
}

/* Serves until a signal comes. */
static int serve(mesh_node *node, const struct resolved *r)
{
    const struct settings *s = &r->settings;
    int code = load_modules(node, s);
    if (code == EXIT_DONE && r->node[0] != '\0')
        code = join(node, r);
    if (code != EXIT_DONE)
        return code;
    if (r->node[0] != '\0' && !await_others(node, number(s, SETTING_WAIT_FOR)))
        return EXIT_DONE;
    code = give_capabilities(node, s);
    if (code != EXIT_DONE)
        return code;
    say_ready(node);
    while (!await_signal(FOREVER_MS))
        ;
    return EXIT_DONE;
}

static int stop(mesh_node *node, int code)
{
    release_signals();
    int rc = mesh_node_stop(node);
    return rc == MESH_OK ? code : fail("the node does not stop", mesh_strerror(rc));
}

static int take_words(struct resolved *r, struct args *args)
{
    mesh_reason reason;
    struct arg arg;
    char quote[QUOTE_SIZE];
    while (args_next(args, &arg)) {
        if (arg.flag[0] == '\0')
            return verb_misuse(&verb_run, "expected flags, got %s",
                               words_quote(arg.word, strlen(arg.word), quote, sizeof quote));
        if (strcmp(arg.flag, "config") == 0) {
            if (r->file != NULL)
                return verb_misuse(&verb_run, "--config: given twice");
            if ((r->file = args_value(args, &arg)) == NULL)
                return verb_misuse(&verb_run, "--config: expected a value");
            continue;
        }
        switch (flags_take(&r->settings, args, &arg, &reason)) {
        case FLAGS_TAKEN:
            break;
        case FLAGS_REFUSED:
            return verb_misuse(&verb_run, "%s", reason.text);
        default:
            return verb_unknown_flag(&verb_run, &arg, flags, true);
        }
    }
    return EXIT_DONE;
}

static int run(struct args *args)
{
    struct resolved r;
    mesh_node *node;
    resolved_init(&r);
    int code = take_words(&r, args);
    if (code == EXIT_DONE)
        code = resolve(&r, &verb_run);
    if (code == EXIT_DONE) {
        const mesh_node_options options = node_options(&r);
        hold_signals();
        int rc = mesh_node_start(&options, &node);
        code = rc == MESH_OK ? stop(node, serve(node, &r)) : fail("the node does not start", mesh_strerror(rc));
    }
    resolved_fini(&r);
    return code;
}

const struct verb verb_run = {"run", "[FLAGS]", "Run a node until SIGTERM or SIGINT", help, run};
