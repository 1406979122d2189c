/* From files to counted words: reads the files, feeds every word, and shows how far it is. */
#ifndef WORDCOUNT_INTAKE_H
#define WORDCOUNT_INTAKE_H

#include "feed.h"

struct intake {
    uint64_t bytes; /* read from all files */
    bool failed;    /* a file could not be read or a word was too long; it was told on stderr */
};

/* Feeds the words of count files ("-": standard input) and returns when each has been counted by its process. Draws a
 * progress bar on stderr while it works if that is a terminal, and removes it at the end.
 * Errors: what a call gave; result is then incomplete. */
int intake_run(struct feed *f, char *const *names, size_t count, struct intake *result);

#endif
