/* What verbs have in common. */
#include "cli/verb.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/settings.h"
#include "cli/words.h"

int verb_misuse(const struct verb *verb, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "mesh %s: ", verb->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nusage: mesh %s %s\nmesh %s --help says more\n", verb->name, verb->words, verb->name);
    return EXIT_USAGE;
}

int verb_unknown_flag(const struct verb *verb, const struct arg *arg, const char *const *flags, bool settings)
{
    struct guess guess;
    char quote[QUOTE_SIZE];
    guess_begin(&guess, arg->flag);
    for (size_t i = 0; flags && flags[i]; i++)
        guess_offer(&guess, flags[i]);
    for (enum setting i = 0; settings && i < SETTING_COUNT; i++)
        guess_offer(&guess, setting_rows[i].flag);
    words_quote(arg->word, strcspn(arg->word, "="), quote, sizeof quote);
    if (guess.best)
        return verb_misuse(verb, "there is no flag %s; did you mean --%s?", quote, guess.best);
    return verb_misuse(verb, "there is no flag %s", quote);
}

int verb_end(const struct verb *verb, int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "mesh %s: standard output: %s\n", verb->name, strerror(errno));
    return EXIT_FAILED;
}
