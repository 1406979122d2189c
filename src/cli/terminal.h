/* What is different when a person watches: colours, and a progress bar that is gone when the work is done.
 *
 * Nothing but the C library: the benchmarks and the demo draw with this, too. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Whether a stream is a terminal. */
bool terminal_is(FILE *stream);

/* Whether to write colours to a stream: a terminal that knows them, and NO_COLOR is not set. */
bool terminal_colours(FILE *stream);

/* A bar on the last line of a terminal; nothing at all elsewhere. */
struct progress {
    FILE *to;
    bool shown; /* `to` is a terminal */
    bool drawn; /* the line has to be cleared */
};

void progress_init(struct progress *progress, FILE *to);

/* Draws the line anew: "[##########....................]  33 %  " and a text, as printf makes it. total 0: the end is
 * not known, the text stands alone. How often is for the caller to bound. */
void progress_show(struct progress *progress, uint64_t done, uint64_t total, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Takes the line away, so that something else can be written; a later progress_show draws it again. */
void progress_clear(struct progress *progress);

#endif
