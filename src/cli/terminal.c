/* Terminals. */
#include "cli/terminal.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAR_CELLS = 30 };

#define CLEAR_LINE "\r\033[K"

bool terminal_is(FILE *stream)
{
    return isatty(fileno(stream)) == 1;
}

bool terminal_colours(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return terminal_is(stream) && !(no_color && *no_color) && terminal && strcmp(terminal, "dumb") != 0;
}

void progress_init(struct progress *progress, FILE *to)
{
    *progress = (struct progress){to, terminal_is(to), false};
}

static void draw_bar(FILE *to, uint64_t done, uint64_t total)
{
    double part = done < total ? (double)done / (double)total : 1;
    int full = (int)(part * BAR_CELLS);
    char bar[BAR_CELLS + 1];
    memset(bar, '.', BAR_CELLS);
    memset(bar, '#', (size_t)full);
    bar[BAR_CELLS] = '\0';
    fprintf(to, "[%s] %3d %%  ", bar, (int)(part * 100));
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total, const char *format, ...)
{
    if (!progress->shown)
        return;
    fputs(CLEAR_LINE, progress->to);
    if (total > 0)
        draw_bar(progress->to, done, total);
    va_list args;
    va_start(args, format);
    vfprintf(progress->to, format, args);
    va_end(args);
    fflush(progress->to);
    progress->drawn = true;
}

void progress_clear(struct progress *progress)
{
    if (progress->drawn)
        fputs(CLEAR_LINE, progress->to);
    fflush(progress->to);
    progress->drawn = false;
}
