/* mesh call and mesh cast: a message to a process of the cluster, through any of its nodes. */
#include <stdio.h>
#include <string.h>

#include "cli/ask.h"
#include "cli/words.h"

enum { CAPABILITY, MODULE, ID, PAYLOAD, INIT_ARG, WORDS };

/* What the command line gives: terms are parsed before anything is connected. */
struct message {
    const char *words[WORDS];
    mesh_buf payload, init_arg;
};

static void help_words(void)
{
    puts("\nThe process ID of MODULE is started where CAPABILITY has it live, if it is not running. PAYLOAD and "
         "INIT-ARG\n"
         "are terms as Elixir writes them, such as '%{action: :increment, by: 5}'; both are nil when they are not "
         "given.\n"
         "What begins with a dash stands behind \"--\".");
}

static void help_call(void)
{
    help_words();
    puts("The reply is printed in the same form; the exit code is 1 if there is none, with the reason on stderr. The\n"
         "call ends after --timeout-ms.");
    ask_help();
}

static void help_cast(void)
{
    help_words();
    puts("Nobody waits for an answer: that it was sent does not say that it has been handled.");
    ask_help();
}

static int parse(const struct ask *a, const char *text, const char *what, mesh_buf *out)
{
    size_t column = 0;
    char quote[QUOTE_SIZE];
    if (text == NULL)
        text = "nil";
    int rc = mesh_parse(text, strlen(text), out, &column);
    if (rc == MESH_OK)
        return EXIT_DONE;
    words_quote(text, strlen(text), quote, sizeof quote);
    if (rc == MESH_EINVAL)
        return verb_misuse(a->verb, "%s: expected a term, got %s: fault in column %zu", what, quote, column);
    return verb_misuse(a->verb, "%s: %s", what, mesh_strerror(rc));
}

static int take_words(struct ask *a, struct args *args, struct message *m)
{
    static const char *const named[] = {"a capability", "a module", "an id"};
    int code = ask_words(a, args, m->words, 3, WORDS, named);
    if (code == EXIT_DONE)
        code = parse(a, m->words[PAYLOAD], "PAYLOAD", &m->payload);
    if (code == EXIT_DONE)
        code = parse(a, m->words[INIT_ARG], "INIT-ARG", &m->init_arg);
    if (code == EXIT_DONE && (m->words[ID][0] == '\0' || strlen(m->words[ID]) > MESH_ID_MAX))
        code = verb_misuse(a->verb, "%s", mesh_strerror(MESH_EBADID));
    for (size_t i = CAPABILITY; i <= MODULE && code == EXIT_DONE; i++)
        if (m->words[i][0] == '\0' || strlen(m->words[i]) >= MESH_NAME_SIZE)
            code = verb_misuse(a->verb, "%s", mesh_strerror(MESH_EBADNAME));
    return code;
}

/* ---- call ---- */

static int print_reply(const struct ask *a, mesh_term answer)
{
    mesh_bytes node;
    mesh_term value;
    mesh_buf text;
    if (mesh_match(answer, "{:ok, %{node: ~b, value: ~t}}", &node, &value) != MESH_OK)
        return ask_strange(a, "call");
    mesh_buf_init(&text);
    int rc = mesh_inspect(value, &text);
    if (rc != MESH_OK) {
        ask_fail(a, mesh_strerror(rc));
    } else if (a->json) {
        fputs("{\"node\": ", stdout);
        columns_json_string(stdout, node);
        fputs(", \"reply\": ", stdout);
        columns_json_string(stdout, mesh_buf_bytes(&text));
        puts("}");
    } else {
        printf("%s\n", (const char *)text.data);
    }
    mesh_buf_fini(&text);
    return rc == MESH_OK ? EXIT_DONE : EXIT_FAILED;
}

static int call(struct ask *a, const struct message *m)
{
    mesh_buf args, value;
    mesh_buf_init(&args);
    int rc = mesh_build(&args, "[~s, ~s, ~s, ~t, ~t, ~u]", m->words[CAPABILITY], m->words[MODULE], m->words[ID],
                        mesh_buf_term(&m->payload), mesh_buf_term(&m->init_arg), a->timeout_ms);
    if (rc != MESH_OK)
        return ask_fail(a, mesh_strerror(rc));
    /* The node that makes the call ends it in time, and says how. */
    int code = ask_call(a, "call", mesh_buf_term(&args), a->timeout_ms + 1000, &value);
    if (code == EXIT_DONE)
        code = print_reply(a, mesh_buf_term(&value));
    mesh_buf_fini(&value);
    mesh_buf_fini(&args);
    return code;
}

/* ---- cast ---- */

static int cast(struct ask *a, const struct message *m)
{
    mesh_buf args, value;
    mesh_buf_init(&args);
    int rc = mesh_build(&args, "[~s, ~s, ~s, ~t, ~t]", m->words[CAPABILITY], m->words[MODULE], m->words[ID],
                        mesh_buf_term(&m->payload), mesh_buf_term(&m->init_arg));
    if (rc != MESH_OK)
        return ask_fail(a, mesh_strerror(rc));
    int code = ask_call(a, "cast", mesh_buf_term(&args), a->timeout_ms, &value);
    if (code == EXIT_DONE && a->json)
        puts("{\"sent\": true}");
    mesh_buf_fini(&value);
    mesh_buf_fini(&args);
    return code;
}

static int run(struct args *args, const struct verb *verb, int (*send)(struct ask *a, const struct message *m))
{
    struct ask a;
    struct message m;
    ask_init(&a, verb);
    mesh_buf_init(&m.payload);
    mesh_buf_init(&m.init_arg);
    int code = take_words(&a, args, &m);
    if (code == EXIT_DONE)
        code = ask_begin(&a);
    if (code == EXIT_DONE)
        code = send(&a, &m);
    mesh_buf_fini(&m.payload);
    mesh_buf_fini(&m.init_arg);
    return ask_end(&a, code);
}

static int run_call(struct args *args)
{
    return run(args, &verb_call, call);
}

static int run_cast(struct args *args)
{
    return run(args, &verb_cast, cast);
}

const struct verb verb_call = {"call", "CAPABILITY MODULE ID [PAYLOAD [INIT-ARG]] [FLAGS]",
                               "Call a process of the cluster and print its reply", help_call, run_call};
const struct verb verb_cast = {"cast", "CAPABILITY MODULE ID [PAYLOAD [INIT-ARG]] [FLAGS]",
                               "Send a message to a process of the cluster", help_cast, run_cast};
