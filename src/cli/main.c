/* The `mesh` program: finds the verb, and gives it the rest of the command line. */
#include <stdio.h>
#include <string.h>

#include "cli/verb.h"
#include "cli/words.h"

static const struct verb *const verbs[] = {&verb_run,   &verb_nodes,        &verb_capabilities, &verb_ring,
                                           &verb_call,  &verb_cast,         &verb_stats,        &verb_ps,
                                           &verb_drain, &verb_check_config, &verb_epmd};

enum { VERBS = sizeof verbs / sizeof verbs[0] };

static void usage(FILE *to)
{
    fputs("usage: mesh VERB [FLAGS]\n\n", to);
    for (size_t i = 0; i < VERBS; i++)
        fprintf(to, "  %-14s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\nmesh VERB --help says more about one; mesh --version\n"
          "Exit code: 0 done, 1 failed, 2 the command line or the configuration cannot be meant\n",
          to);
}

static int help(const struct verb *verb)
{
    printf("usage: mesh %s %s\n\n%s.\n", verb->name, verb->words, verb->summary);
    if (verb->help)
        verb->help();
    return verb_end(verb, EXIT_DONE);
}

/* Whether a word asks for help; behind "--" it is a word like others. */
static bool wants_help(int count, char **words)
{
    bool wants = false;
    for (int i = 0; i < count && strcmp(words[i], "--") != 0 && !wants; i++)
        wants = strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0;
    return wants;
}

static int unknown(const char *word)
{
    struct guess guess;
    char quote[QUOTE_SIZE];
    guess_begin(&guess, word);
    for (size_t i = 0; i < VERBS; i++)
        guess_offer(&guess, verbs[i]->name);
    fprintf(stderr, "mesh: there is no %s %s", word[0] == '-' ? "flag" : "verb",
            words_quote(word, strlen(word), quote, sizeof quote));
    if (guess.best)
        fprintf(stderr, "; did you mean %s?", guess.best);
    fputs("\nmesh --help lists the verbs\n", stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    words_use_utf8();
    if (argc < 2) {
        usage(stderr);
        return EXIT_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        usage(stdout);
        return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
    }
    if (strcmp(word, "--version") == 0) {
        puts("mesh " MESH_VERSION);
        return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
    }
    for (size_t i = 0; i < VERBS; i++) {
        struct args args;
        if (strcmp(verbs[i]->name, word) != 0)
            continue;
        if (wants_help(argc - 2, argv + 2))
            return help(verbs[i]);
        args_init(&args, argc - 2, argv + 2);
        return verbs[i]->run(&args);
    }
    return unknown(word);
}
