/* Settings from the command line. */
#ifndef CLI_FLAGS_H
#define CLI_FLAGS_H

#include <stdio.h>

#include "cli/args.h"
#include "cli/settings.h"

enum flags_result {
    FLAGS_OTHER, /* it is no setting's flag */
    FLAGS_TAKEN,
    FLAGS_REFUSED, /* *reason says why: "--port: expected ..." */
};

/* Takes one flag, with the word after it if that is its value. Lists grow with each time their flag is given. */
enum flags_result flags_take(struct settings *s, struct args *args, const struct arg *arg, mesh_reason *reason);

/* Writes the help of all flags, each on a line. */
void flags_help(FILE *to);

#endif
