/* mesh nodes: who is in the cluster, and in what state. */
#include <stdio.h>

#include "cli/tables.h"

static void help(void)
{
    puts(
        "\nA row for each node that the one asked is connected to, and for itself: every one is asked. BEAM nodes are\n"
        "shown as connected. A node that does not answer is shown so, and the exit code is 1.");
    ask_help();
}

static int show(struct ask *a)
{
    struct view view;
    int code = view_begin(&view, a);
    if (code == EXIT_DONE) {
        view_ask(&view, a, "info", ask_nothing());
        struct columns *t = table_nodes(&view);
        if (t != NULL)
            ask_print(a, t);
        code = t != NULL ? view_tell_missing(&view, a) : ask_strange(a, "info");
    }
    view_fini(&view);
    return code;
}

static int run(struct args *args)
{
    struct ask a;
    ask_init(&a, &verb_nodes);
    int code = ask_words(&a, args, NULL, 0, 0, NULL);
    if (code == EXIT_DONE)
        code = ask_begin(&a);
    if (code == EXIT_DONE)
        code = show(&a);
    return ask_end(&a, code);
}

const struct verb verb_nodes = {"nodes", "[FLAGS]", "List the nodes of a cluster", help, run};
