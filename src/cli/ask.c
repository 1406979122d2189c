/* The way to a running cluster: see ask.h. Faults of connections are known to the log of our own node alone, so that is
 * where their words are from. */
#include "cli/ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <mesh/admin.h>

#include "cli/flags.h"
#include "cli/terminal.h"
#include "cli/words.h"

enum { TIMEOUT_MAX_MS = 3600000, CANDIDATES_MAX = 64, CANDIDATE_MS = 2000 };

static const char admin[] = "mesh_admin";

void ask_init(struct ask *a, const struct verb *verb)
{
    *a = (struct ask){.verb = verb, .timeout_ms = ASK_TIMEOUT_MS, .trouble = {.lock = PTHREAD_MUTEX_INITIALIZER}};
    resolved_init(&a->resolved);
}

int ask_end(struct ask *a, int code)
{
    (void)mesh_node_stop(a->node);
    resolved_fini(&a->resolved);
    return verb_end(a->verb, code);
}

/* ---- the command line -------------------------------------------------------------------------------------------- */

void ask_help(void)
{
    puts("\nIt asks through a hidden node of its own, mesh-PID-RANDOM, which is gone when it ends.\n\n"
         "  --node NAME[@HOST]                 whom to ask; without a host it is a short name on this machine. "
         "Default:\n"
         "                                     the node of --config, else the first one by name that epmd knows on "
         "this\n"
         "                                     machine and that has the same cookie, BEAM nodes aside\n"
         "  --config FILE                      settings of that node: its name, its cookie, and how it is reached\n"
         "  --cookie COOKIE                    of the cluster; others can see it in `ps`\n"
         "  --cookie-file FILE                 holds the cookie; default ~/.erlang.cookie\n"
         "  --epmd-port PORT                   of epmd on every machine (default: ERL_EPMD_PORT, else 4369)\n"
         "  --no-epmd                          ask no epmd: the nodes listen on --port\n"
         "  --port PORT                        with --no-epmd\n"
         "  --timeout-ms N                     to wait for an answer (default: 5000)\n"
         "  --json                             for programs");
}

bool ask_target(struct ask *a, const char *name, mesh_reason *reason)
{
    const char *at = strchr(name, '@');
    enum setting which = at != NULL && strchr(at, '.') != NULL ? SETTING_NAME : SETTING_SNAME;
    a->targeted = true;
    return settings_begin(&a->resolved.settings, which, FROM_FLAG, 0, reason) &&
           settings_put(&a->resolved.settings, which, name, strlen(name), reason);
}

static bool read_timeout(const char *text, uint32_t *ms)
{
    unsigned long n = 0;
    if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0' && strlen(text) <= 7)
        n = strtoul(text, NULL, 10);
    if (n == 0 || n > TIMEOUT_MAX_MS)
        return false;
    *ms = (uint32_t)n;
    return true;
}

static bool is_own_setting(const char *flag)
{
    static const enum setting own[] = {SETTING_COOKIE, SETTING_COOKIE_FILE, SETTING_EPMD_PORT, SETTING_NO_EPMD,
                                       SETTING_PORT};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (strcmp(setting_rows[own[i]].flag, flag) == 0)
            return true;
    return false;
}

static int take_value(struct ask *a, const struct arg *arg, const char *value)
{
    mesh_reason reason;
    char quote[QUOTE_SIZE];
    if (value == NULL)
        return verb_misuse(a->verb, "--%s: expected a value", arg->flag);
    if (strcmp(arg->flag, "config") == 0) {
        if (a->resolved.file != NULL)
            return verb_misuse(a->verb, "--config: given twice");
        a->resolved.file = value;
    } else if (strcmp(arg->flag, "node") == 0) {
        if (!ask_target(a, value, &reason))
            return verb_misuse(a->verb, "--node: %s", reason.text);
    } else if (!read_timeout(value, &a->timeout_ms)) {
        return verb_misuse(a->verb, "--timeout-ms: expected a number, 1 to %d, got %s", TIMEOUT_MAX_MS,
                           words_quote(value, strlen(value), quote, sizeof quote));
    }
    return EXIT_DONE;
}

bool ask_take(struct ask *a, struct args *args, const struct arg *arg, int *code)
{
    mesh_reason reason;
    *code = EXIT_DONE;
    if (strcmp(arg->word, "--json") == 0) {
        a->json = true;
    } else if (strcmp(arg->flag, "node") == 0 || strcmp(arg->flag, "config") == 0 ||
               strcmp(arg->flag, "timeout-ms") == 0) {
        *code = take_value(a, arg, args_value(args, arg));
    } else if (is_own_setting(arg->flag)) {
        if (flags_take(&a->resolved.settings, args, arg, &reason) == FLAGS_REFUSED)
            *code = verb_misuse(a->verb, "%s", reason.text);
    } else {
        return false;
    }
    return true;
}

int ask_words(struct ask *a, struct args *args, const char **words, size_t least, size_t most, const char *const *named)
{
    static const char *const flags[] = {ASK_FLAGS, NULL};
    struct arg arg;
    size_t count = 0;
    int code = EXIT_DONE;
    char quote[QUOTE_SIZE];
    for (size_t i = 0; i < most; i++)
        words[i] = NULL;
    while (code == EXIT_DONE && args_next(args, &arg)) {
        if (arg.flag[0] != '\0') {
            if (!ask_take(a, args, &arg, &code))
                return verb_unknown_flag(a->verb, &arg, flags, false);
        } else if (count == most) {
            return verb_misuse(a->verb, "%s is one word too many",
                               words_quote(arg.word, strlen(arg.word), quote, sizeof quote));
        } else {
            words[count++] = arg.word;
        }
    }
    if (code == EXIT_DONE && count < least)
        return verb_misuse(a->verb, "expected %s", named[count]);
    return code;
}

/* ---- our own node ------------------------------------------------------------------------------------------------ */

static void copy_cut(char *out, size_t size, mesh_bytes from)
{
    size_t len = from.len < size ? from.len : size - 1;
    memcpy(out, from.data, len);
    out[len] = '\0';
}

static void note_log(void *context, const mesh_log_event *event)
{
    struct trouble *t = context;
    const mesh_log_field *peer = NULL, *why = NULL;
    for (size_t i = 0; i < event->count; i++) {
        const mesh_log_field *f = &event->fields[i];
        if (strcmp(f->key, "peer") == 0)
            peer = f;
        else if (strcmp(f->key, "why") == 0)
            why = f;
    }
    if (peer == NULL || why == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    copy_cut(t->peer, sizeof t->peer, peer->bytes);
    copy_cut(t->why, sizeof t->why, why->bytes);
    pthread_mutex_unlock(&t->lock);
}

int ask_fail(const struct ask *a, const char *text)
{
    const size_t len = strlen(text);
    size_t n;
    int width;
    fprintf(stderr, "mesh %s: ", a->verb->name);
    for (size_t at = 0; at < len; at += n) {
        n = words_character(text + at, len - at, &width);
        for (size_t i = 0; width < 0 && i < n; i++)
            fprintf(stderr, "\\x%02x", (unsigned)(unsigned char)text[at + i]);
        if (width >= 0)
            fwrite(text + at, 1, n, stderr);
    }
    fputc('\n', stderr);
    return EXIT_FAILED;
}

/* A name that nobody has, with a host of the same kind as the target's: the machine's own, where it has one. */
static void name_self(const struct ask *a, char name[MESH_NAME_SIZE])
{
    const char *at = strchr(a->target, '@');
    struct host host;
    uint32_t random = 0;
    (void)!getrandom(&random, sizeof random, 0);
    host_read(&host, false);
    const char *own = at != NULL && strpbrk(at, ".:") != NULL ? host.full : host.brief;
    if (own[0] == '\0')
        own = at != NULL ? at + 1 : "localhost";
    snprintf(name, MESH_NAME_SIZE, "mesh-%ld-%08" PRIx32 "@%.200s", (long)getpid(), random, own);
}

static int start_self(struct ask *a)
{
    const struct settings *s = &a->resolved.settings;
    char name[MESH_NAME_SIZE];
    mesh_reason reason;
    name_self(a, name);
    const mesh_node_options options = {.size = sizeof options,
                                       .name = name,
                                       .workers = 1,
                                       .log = note_log,
                                       .log_context = &a->trouble,
                                       .log_level = MESH_LOG_WARN};
    const uint16_t port = (uint16_t)settings_number(s, SETTING_PORT);
    const mesh_cluster_options cluster = {.size = sizeof cluster,
                                          .cookie = a->resolved.cookie,
                                          .hidden = true,
                                          .listen = "127.0.0.1",
                                          .no_epmd = settings_on(s, SETTING_NO_EPMD),
                                          .dial_port = port,
                                          .epmd_port = (uint16_t)settings_number(s, SETTING_EPMD_PORT)};
    int rc = mesh_node_start(&options, &a->node);
    if (rc != MESH_OK)
        return ask_fail(a, mesh_strerror(rc));
    rc = mesh_cluster_join(a->node, &cluster, &reason);
    if (rc == MESH_OK)
        return EXIT_DONE;
    ask_fail(a, reason.text);
    return rc == MESH_EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static bool trouble_of(struct ask *a, const char *node, char *why, size_t size)
{
    struct trouble *t = &a->trouble;
    pthread_mutex_lock(&t->lock);
    bool known = strcmp(t->peer, node) == 0;
    if (known)
        snprintf(why, size, "%s", t->why);
    pthread_mutex_unlock(&t->lock);
    return known;
}

/* What went wrong with a call, in words. value: of MESH_ECRASHED. */
static bool explain(struct ask *a, const char *node, const char *function, int rc, uint32_t timeout_ms, mesh_term value,
                    mesh_reason *reason)
{
    char why[256], text[128];
    if (rc == MESH_ELOST && trouble_of(a, node, why, sizeof why))
        return words_fail(reason, "cannot connect to %s: %s", node, why);
    if (rc == MESH_ELOST)
        return words_fail(reason, "cannot connect to %s, or the connection broke", node);
    if (rc == MESH_ETIMEOUT)
        return words_fail(reason, "%s did not answer within %" PRIu32 " ms", node, timeout_ms);
    if (rc != MESH_ECRASHED)
        return words_fail(reason, "%s: %s", node, mesh_strerror(rc));
    if (mesh_match(value, "{:EXIT, {:undef, _}}") == MESH_OK)
        return words_fail(reason, "%s has no function %s:%s: it is no Mesh node in C, or of another version", node,
                          admin, function);
    if (mesh_match(value, "{:EXIT, {:system_limit, _}}") == MESH_OK)
        return words_fail(reason, "%s has too much to do at the moment", node);
    return words_fail(reason, "%s: %s:%s failed: %s", node, admin, function,
                      mesh_inspect_text(value, text, sizeof text));
}

bool ask_try(struct ask *a, const char *node, const char *function, mesh_term args, uint32_t timeout_ms,
             mesh_buf *value, mesh_reason *reason)
{
    mesh_term why;
    mesh_bytes name, words;
    char shown[256];
    int rc = mesh_rpc(a->node, node, admin, function, args, timeout_ms, value);
    if (rc != MESH_OK)
        return explain(a, node, function, rc, timeout_ms, mesh_buf_term(value), reason);
    if (mesh_match(mesh_buf_term(value), "{:error, %{error: ~a, text: ~b, reason: ~t}}", &name, &words, &why) !=
        MESH_OK)
        return true;
    int cut = words.len < 256 ? (int)words.len : 256;
    if (mesh_match(why, "nil") == MESH_OK)
        return words_fail(reason, "%.*s: %.*s", (int)name.len, (const char *)name.data, cut, (const char *)words.data);
    return words_fail(reason, "%.*s: %.*s: %s", (int)name.len, (const char *)name.data, cut, (const char *)words.data,
                      mesh_inspect_text(why, shown, sizeof shown));
}

int ask_call(struct ask *a, const char *function, mesh_term args, uint32_t timeout_ms, mesh_buf *value)
{
    mesh_reason reason;
    mesh_buf_init(value);
    return ask_try(a, a->target, function, args, timeout_ms, value, &reason) ? EXIT_DONE : ask_fail(a, reason.text);
}

int ask_strange(const struct ask *a, const char *function)
{
    fprintf(stderr, "mesh %s: %s: the answer of %s:%s is not understood: it is of another version\n", a->verb->name,
            a->target, admin, function);
    return EXIT_FAILED;
}

mesh_term ask_nothing(void)
{
    static const uint8_t empty[] = {106};
    return (mesh_term){.data = empty, .len = sizeof empty};
}

/* ---- the target -------------------------------------------------------------------------------------------------- */

/* Whether somebody else runs this program there. */
static bool is_own_kind(const char *alive)
{
    return strncmp(alive, "mesh-", 5) == 0 && alive[5] >= '0' && alive[5] <= '9';
}

/* The first of a list that answers. epmd knows names without hosts, so those that a node of this machine may have are
 * tried. */
static bool find(struct ask *a, const mesh_names *names, mesh_reason *reason)
{
    struct host host;
    mesh_buf value;
    bool found = false;
    host_read(&host, false);
    const char *const hosts[] = {host.brief, host.full, "127.0.0.1", "localhost"};
    uint32_t each_ms = a->timeout_ms < CANDIDATE_MS ? a->timeout_ms : CANDIDATE_MS;
    for (size_t i = 0; i < names->count && i < CANDIDATES_MAX && !found; i++)
        for (size_t h = 0; h < sizeof hosts / sizeof hosts[0] && !found; h++) {
            int len = snprintf(a->target, sizeof a->target, "%s@%s", names->name[i], hosts[h]);
            if (hosts[h][0] == '\0' || is_own_kind(names->name[i]) || len >= (int)sizeof a->target)
                continue;
            mesh_buf_init(&value);
            found = ask_try(a, a->target, "info", ask_nothing(), each_ms, &value, reason);
            mesh_buf_fini(&value);
        }
    return found;
}

static int find_target(struct ask *a)
{
    const uint16_t port = (uint16_t)settings_number(&a->resolved.settings, SETTING_EPMD_PORT);
    mesh_names *names = NULL;
    mesh_reason reason;
    if (settings_on(&a->resolved.settings, SETTING_NO_EPMD))
        return verb_misuse(a->verb, "expected --node, since --no-epmd leaves nobody to be asked for names");
    if (mesh_epmd_names(NULL, port, &names, &reason) != MESH_OK) {
        fprintf(stderr, "mesh %s: no node runs on this machine (epmd: %s); --node names one elsewhere\n", a->verb->name,
                reason.text);
        return EXIT_FAILED;
    }
    int code = start_self(a);
    if (code == EXIT_DONE && !find(a, names, &reason)) {
        fprintf(stderr, "mesh %s: epmd knows no node on this machine that is a Mesh node in C with this cookie;",
                a->verb->name);
        fputs(names->count > 0 ? " it knows" : " it knows none at all", stderr);
        for (size_t i = 0; i < names->count && i < CANDIDATES_MAX; i++)
            if (!is_own_kind(names->name[i]))
                fprintf(stderr, " %s", names->name[i]);
        fputs("; --node names one\n", stderr);
        code = EXIT_FAILED;
    }
    mesh_names_free(names);
    return code;
}

int ask_begin(struct ask *a)
{
    mesh_buf value;
    int code = resolve(&a->resolved, a->verb);
    if (code != EXIT_DONE)
        return code;
    memcpy(a->target, a->resolved.node, sizeof a->target);
    if (a->target[0] == '\0') {
        code = resolve_cookie(&a->resolved, a->verb);
        return code == EXIT_DONE ? find_target(a) : code;
    }
    code = start_self(a);
    if (code != EXIT_DONE)
        return code;
    code = ask_call(a, "progress", ask_nothing(), a->timeout_ms, &value); /* what costs it least */
    mesh_buf_fini(&value);
    return code;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

void ask_print(const struct ask *a, struct columns *table)
{
    if (a->json)
        columns_print_json(table, stdout);
    else
        columns_print(table, stdout, terminal_colours(stdout));
    columns_destroy(table);
}
