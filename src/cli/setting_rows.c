/* The list of settings. The order is that of the help and of check-config. */
#include "cli/settings.h"

#include <string.h>

#define U16 65535u
#define U31 2147483647u
#define U32 4294967295u

static const char *const levels[] = {"error", "warn", "info", "debug", NULL};

#define TEXT(key, form, value, help, ...)                                                                              \
    {                                                                                                                  \
        NULL, key, key, KIND_TEXT, form, 0, 0, 0, NULL, NULL, value, help, __VA_ARGS__                                 \
    }
#define NUMBER(key, min, max, otherwise, otherwise_is, value, help)                                                    \
    {                                                                                                                  \
        NULL, key, key, KIND_NUMBER, FORM_ANY, min, max, otherwise, otherwise_is, NULL, value, help, 0, false          \
    }
#define SWITCH(key, otherwise, help)                                                                                   \
    {                                                                                                                  \
        NULL, key, key, KIND_SWITCH, FORM_ANY, 0, 1, otherwise, NULL, NULL, NULL, help, 0, false                       \
    }
#define LIST(section, key, flag, kind, form, value, help)                                                              \
    {                                                                                                                  \
        section, key, flag, kind, form, 0, 0, 0, "none", NULL, value, help, 0, false                                   \
    }
#define SUB_TEXT(section, key, flag, form, otherwise_is, value, help, secret)                                          \
    {                                                                                                                  \
        section, key, flag, KIND_TEXT, form, 0, 0, 0, otherwise_is, NULL, value, help, 0, secret                       \
    }
#define SUB_NUMBER(section, key, flag, min, max, otherwise, value, help)                                               \
    {                                                                                                                  \
        section, key, flag, KIND_NUMBER, FORM_ANY, min, max, otherwise, NULL, NULL, value, help, 0, false              \
    }

const struct setting_row setting_rows[SETTING_COUNT] = {
    [SETTING_NAME] = TEXT("name", FORM_HALF, "NAME[@HOST]", "long name of the node, as elixir's --name", 1, false),
    [SETTING_SNAME] = TEXT("sname", FORM_HALF, "NAME[@HOST]", "short name of the node, as elixir's --sname", 1, false),
    [SETTING_COOKIE] = TEXT("cookie", FORM_COOKIE, "COOKIE", "of the cluster; others can see it in `ps`", 2, true),
    [SETTING_COOKIE_FILE] =
        TEXT("cookie-file", FORM_ANY, "FILE", "holds the cookie; default ~/.erlang.cookie", 2, false),
    [SETTING_MODULES] = LIST(NULL, "modules", "module", KIND_LIST, FORM_ANY, "FILE", "shared object with modules"),
    [SETTING_CAPABILITIES] = LIST(NULL, "capabilities", "capability", KIND_CAPABILITIES, FORM_ANY,
                                  "NAME[,OPTION=VALUE]", "what the node can do; options: strategy, shards, weight"),
    [SETTING_CONNECT] = LIST(NULL, "connect", "connect", KIND_LIST, FORM_FULL, "NODE", "node to connect to"),
    [SETTING_WAIT_FOR] = NUMBER("wait-for", 0, U16, 0, NULL, "N", "nodes to be linked to before serving"),
    [SETTING_LISTEN] = TEXT("listen", FORM_ANY, "ADDRESS", "to listen on for other nodes; default all", 0, false),
    [SETTING_PORT] = NUMBER("port", 1, U16, 0, "any", "PORT", "to listen on for other nodes"),
    [SETTING_EPMD_PORT] =
        NUMBER("epmd-port", 1, U16, 0, "ERL_EPMD_PORT, else 4369", "PORT", "of epmd on every machine"),
    [SETTING_NO_EPMD] = SWITCH("no-epmd", 0, "neither ask nor start an epmd: all nodes listen on --port"),
    [SETTING_NET_TICKTIME] = NUMBER("net-ticktime", 4, 86400, 60, NULL, "SECONDS", "a silent node is gone after it"),
    [SETTING_MAJORITY_OF] =
        NUMBER("majority-of", 0, 1024, 0, NULL, "N", "serve only among a majority of N nodes; 0: always"),
    [SETTING_MAX_MESSAGE] =
        NUMBER("max-message", 1024, 1u << 30, 16u << 20, NULL, "BYTES", "of one message, to or from anybody"),

    [SETTING_GOSSIP] = SWITCH("gossip", 0, "find nodes by libcluster's gossip; its options are libcluster's:"),
    [SETTING_GOSSIP_PORT] = SUB_NUMBER("gossip", "port", "gossip-port", 1, U16, 45892, "PORT", "UDP port"),
    [SETTING_GOSSIP_IF_ADDR] =
        SUB_TEXT("gossip", "if_addr", "gossip-if-addr", FORM_IPV4, "0.0.0.0", "ADDRESS", "to bind", false),
    [SETTING_GOSSIP_MULTICAST_IF] = SUB_TEXT("gossip", "multicast_if", "gossip-multicast-if", FORM_IPV4,
                                             "the system's choice", "ADDRESS", "interface for multicast", false),
    [SETTING_GOSSIP_MULTICAST_ADDR] = SUB_TEXT("gossip", "multicast_addr", "gossip-multicast-addr", FORM_IPV4,
                                               "233.252.1.32", "ADDRESS", "group, or broadcast address", false),
    [SETTING_GOSSIP_MULTICAST_TTL] =
        SUB_NUMBER("gossip", "multicast_ttl", "gossip-multicast-ttl", 1, 255, 1, "N", "routers that a packet may pass"),
    [SETTING_GOSSIP_BROADCAST_ONLY] = {"gossip", "broadcast_only", "gossip-broadcast-only", KIND_SWITCH, FORM_ANY, 0, 1,
                                       0, NULL, NULL, NULL, "no multicast", 0, false},
    [SETTING_GOSSIP_SECRET] =
        SUB_TEXT("gossip", "secret", "gossip-secret", FORM_ANY, "none", "TEXT", "encrypts the packets", true),

    [SETTING_EPMD] = SWITCH("epmd", 0, "find nodes by a list, as libcluster's Epmd"),
    [SETTING_EPMD_HOSTS] = LIST("epmd", "hosts", "epmd-host", KIND_LIST, FORM_FULL, "NODE", "node of the list"),
    [SETTING_EPMD_TIMEOUT] =
        SUB_NUMBER("epmd", "timeout", "epmd-timeout", 10, 3600000, 5000, "MS", "between two attempts at a node"),
    [SETTING_LOCAL_EPMD] = SWITCH("local-epmd", 0, "find the nodes of this machine by its epmd"),
    [SETTING_LOCAL_EPMD_TIMEOUT] = SUB_NUMBER("local-epmd", "timeout", "local-epmd-timeout", 10, 3600000, 5000, "MS",
                                              "between two questions to it"),
    [SETTING_ERLANG_HOSTS] = SWITCH("erlang-hosts", 0, "find the nodes of the machines in .hosts.erlang"),
    [SETTING_ERLANG_HOSTS_FILE] = SUB_TEXT("erlang-hosts", "file", "erlang-hosts-file", FORM_ANY,
                                           ".hosts.erlang here, else in $HOME", "FILE", "to read instead", false),
    [SETTING_ERLANG_HOSTS_TIMEOUT] =
        SUB_NUMBER("erlang-hosts", "timeout", "erlang-hosts-timeout", 10, 3600000, 5000, "MS", "between two rounds"),

    [SETTING_LOG_LEVEL] = {NULL, "log-level", "log-level", KIND_WORD, FORM_ANY, 0, 0, 3, NULL, levels, "LEVEL",
                           "error, warn, info or debug", 0, false},
    [SETTING_WORKERS] = NUMBER("workers", 1, 256, 0, "one a usable core", "N", "threads that run processes"),
    [SETTING_STACK_BYTES] = NUMBER("stack-bytes", 16384, 64u << 20, 65536, NULL, "BYTES", "stack of a running handler"),
    [SETTING_MAX_SUSPENDED] =
        NUMBER("max-suspended", 1, 1u << 19, 16384, NULL, "N", "handlers that wait for an answer"),
    [SETTING_MAX_MAILBOX] = NUMBER("max-mailbox", 1, U32, 4096, NULL, "N", "messages waiting for one process"),
    [SETTING_MAX_PROCESSES] = NUMBER("max-processes", 1, INT64_MAX, 0, "no limit", "N", "live processes on this node"),
    [SETTING_MAX_SHARD] = NUMBER("max-shard", 1, U32, 1048576, NULL, "N", "live processes in one shard"),
    [SETTING_MAX_THREADS] = NUMBER("max-threads", 1, 32768, 512, NULL, "N", "threads, those of blocking work included"),
    [SETTING_IDLE_TIMEOUT_MS] =
        NUMBER("idle-timeout-ms", 1, U31, 0, "never", "MS", "processes idle for so long are passivated"),
    [SETTING_DRAIN_MS] = NUMBER("drain-ms", 1, U31, 5000, NULL, "MS", "a stop waits so long for handlers"),
    [SETTING_SPIN_US] = NUMBER("spin-us", 0, 1000000, 50, NULL, "US", "an idle worker polls before it sleeps"),
    [SETTING_STUCK_MS] = NUMBER("stuck-ms", 1, U31, 1000, NULL, "MS", "a handler that runs so long is reported"),
    [SETTING_CRASH_REPORTS] = SWITCH("crash-reports", 1, "say where a crash happened, and drain before the end"),
};

enum setting setting_by_flag(const char *flag)
{
    enum setting i = 0;
    while (i < SETTING_COUNT && strcmp(setting_rows[i].flag, flag) != 0)
        i++;
    return i;
}

static bool same_section(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

enum setting setting_by_key(const char *section, const char *key)
{
    enum setting i = 0;
    while (i < SETTING_COUNT &&
           !(same_section(setting_rows[i].section, section) && strcmp(setting_rows[i].key, key) == 0))
        i++;
    return i;
}
