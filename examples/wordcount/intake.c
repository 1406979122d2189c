/* From files to counted words. */
#include "intake.h"

#include <stdio.h>

#include "cli/terminal.h"
#include "print.h"
#include "reader.h"

static const uint64_t BAR_EVERY_NS = 50000000; /* redraws no more often */

/* What the callbacks of the reader share. */
struct intake_state {
    struct feed *feed;
    uint64_t total_bytes; /* 0: not known */
    uint64_t drawn_ns;    /* when the bar was last drawn */
    struct progress bar;  /* on stderr */
};

static int feed_one(void *context, const char *word, size_t len)
{
    struct intake_state *p = context;
    return feed_word(p->feed, word, len);
}

static void show_progress(void *context, uint64_t bytes)
{
    struct intake_state *p = context;
    uint64_t now_ns = print_clock_ns();
    char words[PRINT_NUMBER_SIZE];
    if (now_ns - p->drawn_ns < BAR_EVERY_NS)
        return;
    p->drawn_ns = now_ns;
    progress_show(&p->bar, bytes, p->total_bytes, "%s words", print_number(feed_words(p->feed), words));
}

int intake_run(struct feed *f, char *const *names, size_t count, struct intake *result)
{
    struct intake_state p = {.feed = f, .total_bytes = reader_size(names, count)};
    struct reader r = {.word = feed_one, .progress = show_progress, .context = &p};
    int error = MESH_OK;
    progress_init(&p.bar, stderr);
    for (size_t i = 0; i < count && !error; i++)
        error = reader_file(&r, names[i]);
    if (!error)
        error = feed_finish(f);
    progress_clear(&p.bar);
    *result = (struct intake){.bytes = r.bytes, .failed = r.failed};
    return error;
}
