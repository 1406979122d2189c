/* The narrated run. Nothing that it tells is taken for granted: each number comes from the node's counters, from the
 * kernel, or from asking every process. */
#include "demo.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "intake.h"
#include "print.h"
#include "story.h"
#include "word_counter.h"

enum { PASSIVATE_TURNS = 1000 };

/* Memory that this program has written to, its code not counted, in bytes; 0 if the system does not tell. */
static uint64_t memory_bytes(void)
{
    unsigned long long total, resident, shared;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f)
        return 0;
    bool known = fscanf(f, "%llu %llu %llu", &total, &resident, &shared) == 3;
    fclose(f);
    return known ? (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

/* capability NULL: the whole node. */
static int read_stats(mesh_node *node, const char *capability, mesh_stats *stats)
{
    *stats = (mesh_stats){.size = sizeof *stats};
    return mesh_stats_read(node, capability, NULL, stats);
}

static int more_frequent_first(const void *left, const void *right)
{
    const struct word_count *a = left, *b = right;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return strcmp(a->word, b->word);
}

/* Chapter one: every word is fed, every process asked. counts: one for each distinct word, in the feed's order; the
 * caller frees it, also after an error. */
static int count_words(mesh_node *node, struct feed *f, char *const *files, size_t count, struct story *s,
                       struct word_count **counts, bool *complete)
{
    struct intake intake;
    uint64_t memory_before = memory_bytes(), from_ns = print_clock_ns();
    int error = intake_run(f, files, count, &intake);
    if (error)
        return error;
    s->seconds = (double)(print_clock_ns() - from_ns) / 1e9;
    uint64_t memory_after = memory_bytes();
    s->files = count;
    s->bytes = intake.bytes;
    s->words = feed_words(f);
    *complete = !intake.failed;

    mesh_stats stats;
    error = read_stats(node, WORDS, &stats);
    if (error)
        return error;
    s->activations = stats.activations;
    s->shards = stats.shards;
    s->memory_bytes = memory_after > memory_before ? memory_after - memory_before : 0;

    *counts = calloc(feed_distinct(f) + 1, sizeof **counts);
    error = *counts ? feed_counts(f, *counts) : MESH_ENOMEM;
    for (size_t i = 0; i < feed_distinct(f) && !error; i++)
        s->counted += (*counts)[i].count;
    return error;
}

static int find_top(struct story *s, const struct word_count *counts, size_t distinct)
{
    struct word_count *sorted = calloc(distinct, sizeof *sorted);
    if (!sorted)
        return MESH_ENOMEM;
    memcpy(sorted, counts, distinct * sizeof *sorted);
    qsort(sorted, distinct, sizeof *sorted, more_frequent_first);
    s->top_count = distinct < STORY_TOP ? distinct : STORY_TOP;
    memcpy(s->top, sorted, s->top_count * sizeof *sorted);
    free(sorted);
    s->back = s->top[0];
    s->victim = s->top[s->top_count - 1];
    return MESH_OK;
}

/* Asks one word for its count; pid (may be NULL) is the process in print. */
static int ask(mesh_node *node, const struct word_count *w, uint64_t *count, char *pid_text)
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    mesh_pid pid;
    int error = mesh_build(&buf, WORD_READ);
    if (!error)
        error = word_counter_call(node, w->word, w->len, mesh_buf_term(&buf), count, &pid);
    mesh_buf_clear(&buf);
    if (!error && pid_text && !(error = mesh_put_pid(&buf, &pid)))
        mesh_inspect_text(mesh_buf_term(&buf), pid_text, STORY_TEXT);
    mesh_buf_fini(&buf);
    return error;
}

/* Tells one process to crash and keeps what its caller gets. */
static int crash_one(mesh_node *node, struct story *s)
{
    mesh_buf crash;
    mesh_buf_init(&crash);
    int error = mesh_build(&crash, WORD_CRASH);
    if (error)
        return error;
    const mesh_request request = {
        .module = WORD_COUNTER,
        .capability = WORDS,
        .id = {s->victim.word, s->victim.len},
        .payload = mesh_buf_term(&crash),
    };
    mesh_result result = {0};
    s->crash_error = mesh_call(node, &request, &result);
    mesh_inspect_text(result.value, s->crash_reason, sizeof s->crash_reason);
    mesh_result_release(&result);
    mesh_buf_fini(&crash);
    return MESH_OK;
}

/* Chapter two: one process crashes; all are asked again and compared with before. */
static int show_crash(mesh_node *node, struct feed *f, struct story *s, const struct word_count *before)
{
    uint64_t count;
    int error = ask(node, &s->victim, &count, s->pid_before);
    if (!error)
        error = crash_one(node, s);
    if (!error)
        error = ask(node, &s->victim, &s->count_after, s->pid_after);
    if (error)
        return error;

    size_t distinct = feed_distinct(f);
    struct word_count *after = calloc(distinct, sizeof *after);
    if (!after)
        return MESH_ENOMEM;
    error = feed_counts(f, after);
    for (size_t i = 0; i < distinct && !error; i++) {
        if (strcmp(after[i].word, s->victim.word) == 0)
            continue;
        s->others++;
        s->changed += after[i].count != before[i].count;
    }
    free(after);
    return error;
}

/* Passivates every process. One that has just answered may still be on its way out of its handler, and then stays:
 * hence the turns. */
static int passivate_all(mesh_node *node, struct story *s)
{
    for (int turn = 0; turn < PASSIVATE_TURNS; turn++) {
        uint64_t ended;
        mesh_stats stats;
        int error = mesh_passivate(node, WORDS, 0, &ended);
        if (!error)
            error = read_stats(node, WORDS, &stats);
        if (error)
            return error;
        s->passivated += ended;
        s->live = stats.processes;
        s->restores = stats.restores;
        if (s->live == 0)
            break;
        sched_yield();
    }
    return MESH_OK;
}

/* Chapter three: all are passivated, and one is called again. */
static int show_passivation(mesh_node *node, struct story *s)
{
    mesh_stats stats;
    int error = ask(node, &s->back, &s->back.count, NULL);
    if (!error)
        error = passivate_all(node, s);
    if (!error)
        error = read_stats(node, NULL, &stats); /* snapshots are counted for the node */
    if (error)
        return error;
    s->snapshots = stats.snapshots;
    uint64_t restores = s->restores;
    error = ask(node, &s->back, &s->back_count, NULL);
    if (!error)
        error = read_stats(node, WORDS, &stats);
    if (!error)
        s->restores = stats.restores - restores;
    return error;
}

int demo_run(mesh_node *node, struct feed *f, char *const *files, size_t count, bool json, bool *complete)
{
    struct story s = {0};
    struct word_count *counts = NULL;
    int error = count_words(node, f, files, count, &s, &counts, complete);
    if (!error && feed_distinct(f) == 0) {
        fputs("wordcount: there is no word in these files, and so no process to show\n", stderr);
        *complete = false;
        free(counts);
        return MESH_OK;
    }
    if (!error)
        error = find_top(&s, counts, feed_distinct(f));
    if (!error)
        error = show_crash(node, f, &s, counts);
    if (!error)
        error = show_passivation(node, &s);
    free(counts);
    if (error)
        return error;
    (json ? story_print_json : story_print_text)(&s);
    *complete &= story_check(&s);
    return MESH_OK;
}
