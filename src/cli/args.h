/* The words of a command line, one after the other: flags (--name VALUE, --name=VALUE), and the rest.
 *
 * Flags are whole words: no abbreviations, which would break when a flag is added. What stands after "--" is never a
 * flag. Which flags there are, and which take a value, is for the caller to say. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>

struct args {
    int count;
    char **words;
    int at;
    bool rest; /* "--" has been seen */
};

#define ARG_NAME_MAX_BYTES 63

struct arg {
    char flag[ARG_NAME_MAX_BYTES + 1]; /* without its dashes; "" when it is none. A longer one is cut */
    const char *value;                 /* what stands behind '='; NULL when nothing does */
    const char *word;                  /* the word as it was given */
};

/* words[0..count-1], which need to outlive it. */
void args_init(struct args *args, int count, char **words);

/* The next word; false at the end. */
bool args_next(struct args *args, struct arg *arg);

/* The value of a flag that has one: what stands behind its '=', or the word after it; NULL when there is none. */
const char *args_value(struct args *args, const struct arg *arg);

#endif
