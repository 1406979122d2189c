/* A verb of the `mesh` program: one file and one row of the table in main.c each. */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include <mesh/error.h>

#include "cli/args.h"

/* Exit codes. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1, /* it was tried, and told on stderr why it did not work */
    EXIT_USAGE = 2,  /* the command line or the configuration cannot be meant */
};

struct verb {
    const char *name;
    const char *words;   /* behind the name in the usage: "FILE [--json]" */
    const char *summary; /* one line, a sentence without a full stop */
    void (*help)(void);  /* the rest of the help, on stdout: its flags; NULL: none */

    /* What it does; args are the words behind the verb. Returns an exit code. */
    int (*run)(struct args *args);
};

extern const struct verb verb_run, verb_epmd, verb_check_config;
extern const struct verb verb_nodes, verb_capabilities, verb_ring, verb_call, verb_cast, verb_stats, verb_ps,
    verb_drain;

/* Tells on stderr, behind "mesh VERB: ", what is wrong with the command line, and where its help is. Returns
 * EXIT_USAGE.
 */
int verb_misuse(const struct verb *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Likewise, of a flag that the verb does not have; flags are those that it has, ending in NULL (NULL: none), beside the
 * settings if settings says so. */
int verb_unknown_flag(const struct verb *verb, const struct arg *arg, const char *const *flags, bool settings);

/* Flushes stdout, and tells on stderr if something written to it was lost: the exit code is then EXIT_FAILED. */
int verb_end(const struct verb *verb, int code);

#endif
