/* Cutting a command line into flags and words. */
#include "cli/args.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

void args_init(struct args *args, int count, char **words)
{
    *args = (struct args){.count = count, .words = words};
}

bool args_next(struct args *args, struct arg *arg)
{
    if (!args->rest && args->at < args->count && strcmp(args->words[args->at], "--") == 0) {
        args->rest = true;
        args->at++;
    }
    if (args->at >= args->count)
        return false;
    const char *word = args->words[args->at++];
    *arg = (struct arg){.word = word};
    if (args->rest || word[0] != '-' || word[1] == '\0')
        return true;
    const char *name = word + 1 + (word[1] == '-');
    size_t len = strcspn(name, "=");
    if (name[len] == '=')
        arg->value = name + len + 1;
    snprintf(arg->flag, sizeof arg->flag, "%.*s", (int)(len < sizeof arg->flag ? len : sizeof arg->flag), name);
    return true;
}

const char *args_value(struct args *args, const struct arg *arg)
{
    if (arg->value != NULL)
        return arg->value;
    return args->at < args->count ? args->words[args->at++] : NULL;
}
