/* The words of files of any size: read in blocks, cut into runs of ASCII letters, lower-cased.
 *
 * Knows nothing of Mesh. Its memory is one block and one word, whatever the file holds: text, binary, no newline. */
#ifndef WORDCOUNT_READER_H
#define WORDCOUNT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { READER_WORD_MAX = 4096 }; /* letters of a word; longer ones are refused, since a process id ends there too */

/* Called with each word: letters only, lower-cased, not ended by a NUL. Anything but 0 ends the reading. */
typedef int (*reader_word_fn)(void *context, const char *word, size_t len);

/* Called after each block with the bytes read so far in all files. */
typedef void (*reader_progress_fn)(void *context, uint64_t bytes);

/* Set word, progress (may be NULL) and context; zero the rest. */
struct reader {
    reader_word_fn word;
    reader_progress_fn progress;
    void *context;
    uint64_t bytes; /* read so far */
    bool failed;    /* something was not counted: it was said on stderr */
};

/* Reads a file to its end; "-" is standard input. A word does not go on from one file to the next.
 * What cannot be opened or read, or a word that is too long, is told on stderr and remembered in failed; that is no
 * error of this function, so that the other files are counted. Returns 0, or what word returned. */
int reader_file(struct reader *r, const char *name);

/* The size of all these files in bytes, or 0 if one is not a regular file: then nobody knows. */
uint64_t reader_size(char *const *names, size_t count);

#endif
