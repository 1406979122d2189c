/* The words of files of any size. A word may span two blocks, so the open word is kept between them; of a word that is
 * too long only the length is kept, so that it can be told where it was. */
#include "reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK_BYTES = 65536 };

/* One file while it is read. */
struct source {
    struct reader *reader;
    const char *name;
    uint64_t offset; /* of the block in the file */
    uint64_t len;    /* letters of the open word, kept or not */
    char word[READER_WORD_MAX];
};

static bool is_stdin(const char *name)
{
    return strcmp(name, "-") == 0;
}

static void complain(struct source *s, const char *what)
{
    fprintf(stderr, "wordcount: %s: %s\n", is_stdin(s->name) ? "standard input" : s->name, what);
    s->reader->failed = true;
}

/* The open word, if any, ends before the byte at offset end. */
static int end_word(struct source *s, uint64_t end)
{
    uint64_t len = s->len;
    s->len = 0;
    if (len == 0)
        return 0;
    if (len <= READER_WORD_MAX)
        return s->reader->word(s->reader->context, s->word, (size_t)len);
    char text[160];
    snprintf(text, sizeof text,
             "not counted: the word of %" PRIu64 " letters at byte %" PRIu64 "; an id holds at most %d", len, end - len,
             READER_WORD_MAX);
    complain(s, text);
    return 0;
}

static int cut(struct source *s, const unsigned char *block, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned lower = block[i] | 0x20u; /* in ASCII: maps the letters, and only letters, to a–z */
        if (lower >= 'a' && lower <= 'z') {
            if (s->len < READER_WORD_MAX)
                s->word[s->len] = (char)lower;
            s->len++;
        } else if (s->len > 0) {
            int error = end_word(s, s->offset + i);
            if (error)
                return error;
        }
    }
    s->offset += len;
    return 0;
}

static int read_all(struct source *s, int fd)
{
    unsigned char block[BLOCK_BYTES];
    for (;;) {
        ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            complain(s, strerror(errno));
        if (n <= 0)
            return end_word(s, s->offset);
        int error = cut(s, block, (size_t)n);
        if (error)
            return error;
        s->reader->bytes += (uint64_t)n;
        if (s->reader->progress)
            s->reader->progress(s->reader->context, s->reader->bytes);
    }
}

int reader_file(struct reader *r, const char *name)
{
    struct source s = {.reader = r, .name = name};
    int fd = is_stdin(name) ? STDIN_FILENO : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        complain(&s, strerror(errno));
        return 0;
    }
    int error = read_all(&s, fd);
    if (fd != STDIN_FILENO)
        close(fd);
    return error;
}

uint64_t reader_size(char *const *names, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        int error = is_stdin(names[i]) ? fstat(STDIN_FILENO, &st) : stat(names[i], &st);
        if (error || !S_ISREG(st.st_mode))
            return 0;
        total += (uint64_t)st.st_size;
    }
    return total;
}
