/* Feeding words to their processes, and asking the processes for their counts, with many callers at once.
 *
 * Every occurrence of a word is one call to the process of that word. A single caller would wait for each answer in
 * turn; here words go in batches to tasks of the node, a bounded number of them under way at a time: when all batches
 * are out, feed_word waits for the oldest. That is all the back pressure there is to it, and no mailbox can get longer
 * than the number of tasks.
 *
 * One thread uses a feed. Functions return MESH_OK or the first error that any call gave; the counts are then
 * incomplete, and the caller gives up. */
#ifndef WORDCOUNT_FEED_H
#define WORDCOUNT_FEED_H

#include <stddef.h>
#include <stdint.h>

#include <mesh.h>

/* A word and what its process answered. */
struct word_count {
    const char *word; /* ended by a NUL; points into the feed */
    size_t len;
    uint64_t count;
};

struct feed;

/* Makes a feed to the words of a node, which it does not own. NULL when memory is refused. */
struct feed *feed_create(mesh_node *node);

/* Waits for what is under way and frees the feed and every word that it gave. NULL is allowed. */
void feed_destroy(struct feed *f);

/* Adds a word (1 to MESH_ID_MAX letters, copied): its process will be called. Waits while all batches are out. */
int feed_word(struct feed *f, const char *word, size_t len);

/* Waits until every word added has been counted by its process. */
int feed_finish(struct feed *f);

/* How many words were added, and how many different ones were found by the batches that are done. */
uint64_t feed_words(const struct feed *f);
size_t feed_distinct(const struct feed *f);

/* Asks the process of every different word for its count; after feed_finish. counts has room for feed_distinct and is
 * filled in the order of the words. */
int feed_counts(struct feed *f, struct word_count *counts);

#endif
