/* Feeding words to their processes.
 *
 * Which words are there? Nobody keeps a table of them but Mesh itself. A process answers :add with its new count, and
 * one caller alone gets the answer 1: that caller was the first to see the word, and keeps it. It writes the kept words
 * over the front of its batch, which it has read already, and they are collected when the batch comes back. */
#include "feed.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "word_counter.h"

enum {
    BATCHES = 16,        /* under way at once, at most */
    BATCH_BYTES = 16384, /* of words, each with its NUL; a batch that holds so much is sent */
};

/* Words on their way. The feed's thread owns a batch until it starts the task, and again once it has awaited it. */
struct batch {
    mesh_task *task; /* NULL: not under way */
    size_t len;      /* bytes of text in use; when the task is done: by the words it keeps */
    size_t kept;     /* words that it keeps */
    char text[BATCH_BYTES + MESH_ID_MAX + 1];
};

/* A part of the counts to ask for. */
struct part {
    mesh_task *task; /* NULL: not under way */
    struct word_count *counts;
    size_t len;
};

struct feed {
    mesh_node *node;
    uint64_t words;
    size_t filling;   /* the batch that feed_word adds to; the next ones are the oldest under way */
    char *index;      /* every different word, each with its NUL */
    size_t index_len; /* bytes */
    size_t index_cap;
    size_t distinct;
    struct batch batch[BATCHES];
};

/* ---- In the tasks ---- */

static int count_batch(mesh_node *node, void *arg)
{
    struct batch *b = arg;
    mesh_buf add;
    mesh_buf_init(&add);
    int error = mesh_build(&add, WORD_ADD);
    size_t kept_len = 0;
    for (size_t at = 0; at < b->len && !error;) {
        const char *word = b->text + at;
        size_t len = strlen(word);
        uint64_t count;
        error = word_counter_call(node, word, len, mesh_buf_term(&add), &count, NULL);
        if (!error && count == 1) {
            memmove(b->text + kept_len, word, len + 1);
            kept_len += len + 1;
            b->kept++;
        }
        at += len + 1;
    }
    b->len = kept_len;
    mesh_buf_fini(&add);
    return error;
}

static int ask_part(mesh_node *node, void *arg)
{
    struct part *p = arg;
    mesh_buf read;
    mesh_buf_init(&read);
    int error = mesh_build(&read, WORD_READ);
    for (size_t i = 0; i < p->len && !error; i++) {
        struct word_count *w = &p->counts[i];
        error = word_counter_call(node, w->word, w->len, mesh_buf_term(&read), &w->count, NULL);
    }
    mesh_buf_fini(&read);
    return error;
}

/* ---- In the feed's thread ---- */

/* Waits for a task, if there is one, and returns its error. */
static int finish_task(mesh_task **task)
{
    int value = MESH_OK;
    if (!*task)
        return MESH_OK;
    int error = mesh_await(*task, 0, &value);
    *task = NULL;
    return error ? error : value;
}

static int index_add(struct feed *f, const char *words, size_t len)
{
    if (f->index_cap - f->index_len < len) {
        size_t cap = f->index_cap + len > f->index_cap * 2 ? f->index_cap + len : f->index_cap * 2;
        char *grown = realloc(f->index, cap);
        if (!grown)
            return MESH_ENOMEM;
        f->index = grown;
        f->index_cap = cap;
    }
    if (len > 0)
        memcpy(f->index + f->index_len, words, len);
    f->index_len += len;
    return MESH_OK;
}

/* Takes a batch back and collects the words that it keeps. */
static int collect(struct feed *f, struct batch *b)
{
    int error = finish_task(&b->task);
    if (!error)
        error = index_add(f, b->text, b->len);
    if (!error)
        f->distinct += b->kept;
    b->len = 0;
    b->kept = 0;
    return error;
}

/* Sends the batch that is being filled, and makes room in the next. */
static int send_batch(struct feed *f)
{
    struct batch *b = &f->batch[f->filling];
    int error = mesh_spawn(f->node, count_batch, b, &b->task);
    if (error) {
        b->task = NULL;
        return error;
    }
    f->filling = (f->filling + 1) % BATCHES;
    return collect(f, &f->batch[f->filling]);
}

struct feed *feed_create(mesh_node *node)
{
    struct feed *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->node = node;
    for (size_t i = 0; i < BATCHES; i++)
        memset(f->batch[i].text, ' ', sizeof f->batch[i].text); /* resident now: what grows later is the processes' */
    return f;
}

void feed_destroy(struct feed *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < BATCHES; i++)
        finish_task(&f->batch[i].task);
    free(f->index);
    free(f);
}

int feed_word(struct feed *f, const char *word, size_t len)
{
    struct batch *b = &f->batch[f->filling];
    memcpy(b->text + b->len, word, len);
    b->text[b->len + len] = '\0';
    b->len += len + 1;
    f->words++;
    return b->len < BATCH_BYTES ? MESH_OK : send_batch(f);
}

int feed_finish(struct feed *f)
{
    int first = f->batch[f->filling].len > 0 ? send_batch(f) : MESH_OK;
    for (size_t i = 0; i < BATCHES; i++) {
        struct batch *b = &f->batch[(f->filling + i) % BATCHES];
        int error = b->task ? collect(f, b) : MESH_OK;
        first = first ? first : error;
    }
    return first;
}

uint64_t feed_words(const struct feed *f)
{
    return f->words;
}

size_t feed_distinct(const struct feed *f)
{
    return f->distinct;
}

int feed_counts(struct feed *f, struct word_count *counts)
{
    const char *word = f->index;
    for (size_t i = 0; i < f->distinct; i++) {
        counts[i] = (struct word_count){.word = word, .len = strlen(word)};
        word += counts[i].len + 1;
    }
    struct part part[BATCHES];
    int first = MESH_OK;
    for (size_t i = 0; i < BATCHES; i++) {
        size_t from = f->distinct * i / BATCHES, to = f->distinct * (i + 1) / BATCHES;
        part[i] = (struct part){.counts = counts + from, .len = to - from};
        int error = from < to ? mesh_spawn(f->node, ask_part, &part[i], &part[i].task) : MESH_OK;
        if (error)
            part[i].task = NULL;
        first = first ? first : error;
    }
    for (size_t i = 0; i < BATCHES; i++) {
        int error = finish_task(&part[i].task);
        first = first ? first : error;
    }
    return first;
}
