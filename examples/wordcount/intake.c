/* From files to counted words. */
#include "intake.h"

#include <stdio.h>
#include <unistd.h>

#include "print.h"
#include "reader.h"

enum { BAR_CELLS = 32 };

static const uint64_t BAR_EVERY_NS = 50000000; /* redraws no more often */

/* What the callbacks of the reader share. */
struct progress {
    struct feed *feed;
    uint64_t total_bytes; /* 0: not known */
    uint64_t drawn_ns;    /* when the bar was last drawn */
    bool bar;             /* stderr is a terminal */
};

static int feed_one(void *context, const char *word, size_t len)
{
    struct progress *p = context;
    return feed_word(p->feed, word, len);
}

/* One line: "[########........]  50 %  12,345 words", or without the bar where the end is not known. */
static void draw_bar(const struct progress *p, uint64_t bytes)
{
    char words[PRINT_NUMBER_SIZE];
    print_number(feed_words(p->feed), words);
    fputs("\r\033[K", stderr);
    if (p->total_bytes > 0) {
        unsigned percent = bytes < p->total_bytes ? (unsigned)(bytes * 100 / p->total_bytes) : 100;
        unsigned full = percent * BAR_CELLS / 100;
        fputc('[', stderr);
        for (unsigned i = 0; i < BAR_CELLS; i++)
            fputc(i < full ? '#' : '.', stderr);
        fprintf(stderr, "] %3u %%  ", percent);
    }
    fprintf(stderr, "%s words", words);
    fflush(stderr);
}

static void show_progress(void *context, uint64_t bytes)
{
    struct progress *p = context;
    uint64_t now_ns = print_clock_ns();
    if (!p->bar || now_ns - p->drawn_ns < BAR_EVERY_NS)
        return;
    p->drawn_ns = now_ns;
    draw_bar(p, bytes);
}

int intake_run(struct feed *f, char *const *names, size_t count, struct intake *result)
{
    struct progress p = {.feed = f, .total_bytes = reader_size(names, count), .bar = isatty(STDERR_FILENO) == 1};
    struct reader r = {.word = feed_one, .progress = show_progress, .context = &p};
    int error = MESH_OK;
    for (size_t i = 0; i < count && !error; i++)
        error = reader_file(&r, names[i]);
    if (!error)
        error = feed_finish(f);
    if (p.drawn_ns > 0)
        fputs("\r\033[K", stderr);
    *result = (struct intake){.bytes = r.bytes, .failed = r.failed};
    return error;
}
