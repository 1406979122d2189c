/* mesh capabilities: what the nodes of the cluster can do. */
#include <stdio.h>

#include "cli/tables.h"

static void help(void)
{
    puts(
        "\nA row for each capability that some node has, as the node that is asked sees it. The state is ok; leaving,\n"
        "when all nodes are giving it up; or nodes disagree, when some have another strategy or shard count, and are\n"
        "left out: their logs say what to set.");
    ask_help();
}

static int show(struct ask *a)
{
    mesh_buf value;
    struct columns *t = NULL;
    int code = ask_call(a, "capabilities", ask_nothing(), a->timeout_ms, &value);
    if (code == EXIT_DONE && (t = table_capabilities(mesh_buf_term(&value))) == NULL)
        code = ask_strange(a, "capabilities");
    if (t != NULL)
        ask_print(a, t);
    mesh_buf_fini(&value);
    return code;
}

static int run(struct args *args)
{
    struct ask a;
    ask_init(&a, &verb_capabilities);
    int code = ask_words(&a, args, NULL, 0, 0, NULL);
    if (code == EXIT_DONE)
        code = ask_begin(&a);
    if (code == EXIT_DONE)
        code = show(&a);
    return ask_end(&a, code);
}

const struct verb verb_capabilities = {"capabilities", "[FLAGS]", "List what the nodes of a cluster can do", help, run};
