/* Words for people. */
#include "cli/words.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

bool words_fail(mesh_reason *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(reason->text, sizeof reason->text, format, args);
    va_end(args);
    return false;
}

void words_use_utf8(void)
{
    setlocale(LC_CTYPE, "C.UTF-8"); /* part of glibc since 2.35, and of Debian's long before */
}

size_t words_character(const char *text, size_t len, int *width)
{
    wchar_t c;
    mbstate_t state = {0};
    size_t n = mbrtowc(&c, text, len, &state);
    if (n == (size_t)-1 || n == (size_t)-2 || n == 0) {
        *width = -1;
        return 1;
    }
    *width = wcwidth(c);
    return n;
}

const char *words_quote(const char *text, size_t len, char *out, size_t size)
{
    size_t used = 0, n;
    int width;
    out[used++] = '"';
    for (size_t at = 0; at < len; at += n) {
        n = words_character(text + at, len - at, &width);
        if (used + 4 * n + sizeof "...\"" > size) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        if (width >= 0 && (text[at] == '"' || text[at] == '\\'))
            out[used++] = '\\';
        for (size_t i = 0; i < n; i++)
            if (width >= 0)
                out[used++] = text[at + i];
            else
                used += (size_t)snprintf(out + used, size - used, "\\x%02x", (unsigned)(unsigned char)text[at + i]);
    }
    out[used++] = '"';
    out[used] = '\0';
    return out;
}

/* ---- Guesses ---- */

enum { GUESS_MAX = 40 };

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* How many letters have to be added, dropped, replaced or swapped with their neighbour to make one word of the other.
 * Optimal string alignment: a table of three rows. */
static unsigned distance(const char *a, size_t len_a, const char *b, size_t len_b)
{
    unsigned rows[3][GUESS_MAX + 1];
    for (size_t j = 0; j <= len_b; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= len_a; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= len_b; j++) {
            unsigned replaced = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least(replaced, least(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], before[j - 2] + 1);
        }
    }
    return rows[len_a % 3][len_b];
}

void guess_begin(struct guess *guess, const char *word)
{
    *guess = (struct guess){.word = word, .distance = (unsigned)(strlen(word) / 3 + 1)};
}

void guess_offer(struct guess *guess, const char *candidate)
{
    size_t len = strlen(guess->word), candidate_len = strlen(candidate);
    if (len > GUESS_MAX || candidate_len > GUESS_MAX)
        return;
    unsigned d = distance(guess->word, len, candidate, candidate_len);
    if (d < guess->distance || (d == guess->distance && guess->best == NULL && d < candidate_len)) {
        guess->best = candidate;
        guess->distance = d;
    }
}
