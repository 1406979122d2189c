/* What the demo found out, and how it is told: as text or as JSON. */
#ifndef WORDCOUNT_STORY_H
#define WORDCOUNT_STORY_H

#include <stdbool.h>

#include "feed.h"

enum { STORY_TOP = 10, STORY_TEXT = 320 };

struct story {
    size_t files;
    uint64_t bytes;
    uint64_t words;        /* each one a call */
    uint64_t counted;      /* the sum of all counts that the processes told */
    double seconds;        /* from the first byte read to the last word counted */
    uint64_t activations;  /* processes */
    uint64_t shards;       /* that they live in */
    uint64_t memory_bytes; /* by which the program grew meanwhile */
    size_t top_count;
    struct word_count top[STORY_TOP];

    struct word_count victim; /* with its count before the crash */
    int crash_error;          /* what the caller of :crash got */
    char crash_reason[STORY_TEXT];
    char pid_before[STORY_TEXT];
    char pid_after[STORY_TEXT];
    uint64_t count_after; /* of the victim's fresh process */
    uint64_t others;      /* processes whose counts were read before and after */
    uint64_t changed;     /* of those: that differ */

    uint64_t passivated;
    uint64_t live;          /* afterwards */
    uint64_t snapshots;     /* afterwards */
    struct word_count back; /* a word with its count before the passivation */
    uint64_t back_count;    /* when called afterwards */
    uint64_t restores;      /* processes started from a snapshot */
};

/* Whether everything went as Mesh promises; if not, says on stderr what did not. */
bool story_check(const struct story *s);

/* Tells it on stdout: aligned text for people, or one JSON object. */
void story_print_text(const struct story *s);
void story_print_json(const struct story *s);

#endif
