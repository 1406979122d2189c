/* mesh stats: the numbers of every node. */
#include <stdio.h>

#include "cli/tables.h"

static void help(void)
{
    puts("\nA row for each node: counters since it started, and what is there now (processes, suspended handlers, "
         "shards\n"
         "held). With CAPABILITY, of its processes alone, for the nodes that have it. Times are in microseconds for\n"
         "people; --json has every number, with times in nanoseconds. mesh/stats.h says what is counted as what. A\n"
         "node that does not answer is told on stderr, and the exit code is 1.");
    ask_help();
}

/* Whether anybody has the capability, or has not answered. */
static bool any_has(const struct view *view)
{
    bool any = false;
    for (size_t i = 0; i < view->count && !any; i++)
        any = !view->seen[i].beam && !seen_lacks(&view->seen[i]);
    return any;
}

static int show(struct ask *a, const char *capability)
{
    struct view view;
    mesh_buf args;
    mesh_buf_init(&args);
    int code = view_begin(&view, a);
    int rc = capability != NULL ? mesh_build(&args, "[~s]", capability) : mesh_put_empty(&args);
    if (code == EXIT_DONE && rc != MESH_OK)
        code = ask_fail(a, mesh_strerror(rc));
    if (code == EXIT_DONE) {
        view_ask(&view, a, "stats", mesh_buf_term(&args));
        if (any_has(&view)) {
            ask_print(a, table_stats(&view, a->json));
            code = view_tell_missing(&view, a);
        } else {
            code = ask_fail(a, mesh_strerror(MESH_ENOCAPABILITY));
        }
    }
    mesh_buf_fini(&args);
    view_fini(&view);
    return code;
}

static int run(struct args *args)
{
    const char *words[1];
    struct ask a;
    ask_init(&a, &verb_stats);
    int code = ask_words(&a, args, words, 0, 1, NULL);
    if (code == EXIT_DONE)
        code = ask_begin(&a);
    if (code == EXIT_DONE)
        code = show(&a, words[0]);
    return ask_end(&a, code);
}

const struct verb verb_stats = {"stats", "[CAPABILITY] [FLAGS]", "Show the numbers of all nodes", help, run};
