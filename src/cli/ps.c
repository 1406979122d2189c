/* mesh ps --waiting: who waits for whom, on every node. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/tables.h"
#include "cli/words.h"

static void help(void)
{
    puts("\nA row for each process that is inside a handler and waits: for a call (of whom), for a task (await), or "
         "for\n"
         "something outside of Mesh (blocking); rows without a module are tasks. Those that wait longest come first, "
         "at\n"
         "most 1,000 of each node.\n\n"
         "  --waiting                          is needed: idle processes are not listed");
    ask_help();
}

static int show(struct ask *a)
{
    struct view view;
    uint64_t left_out;
    int code = view_begin(&view, a);
    if (code == EXIT_DONE) {
        view_ask(&view, a, "waits", ask_nothing());
        struct columns *t = table_waits(&view, &left_out);
        if (t != NULL)
            ask_print(a, t);
        code = t != NULL ? view_tell_missing(&view, a) : ask_strange(a, "waits");
        if (t != NULL && left_out > 0)
            fprintf(stderr, "mesh ps: %" PRIu64 " more wait\n", left_out);
    }
    view_fini(&view);
    return code;
}

static int run(struct args *args)
{
    static const char *const flags[] = {"waiting", ASK_FLAGS, NULL};
    struct ask a;
    struct arg arg;
    bool waiting = false;
    int code = EXIT_DONE;
    char quote[QUOTE_SIZE];
    ask_init(&a, &verb_ps);
    while (code == EXIT_DONE && args_next(args, &arg)) {
        if (strcmp(arg.word, "--waiting") == 0)
            waiting = true;
        else if (arg.flag[0] == '\0')
            code = verb_misuse(&verb_ps, "expected flags, got %s",
                               words_quote(arg.word, strlen(arg.word), quote, sizeof quote));
        else if (!ask_take(&a, args, &arg, &code))
            code = verb_unknown_flag(&verb_ps, &arg, flags, false);
    }
    if (code == EXIT_DONE && !waiting)
        code = verb_misuse(&verb_ps, "expected --waiting");
    if (code == EXIT_DONE)
        code = ask_begin(&a);
    if (code == EXIT_DONE)
        code = show(&a);
    return ask_end(&a, code);
}

const struct verb verb_ps = {"ps", "--waiting [FLAGS]", "List the processes that wait, and for whom", help, run};
