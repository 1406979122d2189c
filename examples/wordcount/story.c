/* What the demo found out, told in three chapters. */
#include "story.h"

#include <inttypes.h>
#include <stdio.h>

#include "print.h"

static bool expect(bool holds, const char *what)
{
    if (!holds)
        fprintf(stderr, "wordcount: the demo failed: %s\n", what);
    return holds;
}

bool story_check(const struct story *s)
{
    bool good = expect(s->counted == s->words, "the counts do not add up to the words that were read");
    good &= expect(s->crash_error == MESH_ECRASHED, "the caller was not told of the crash");
    good &= expect(s->count_after == 0, "the process after the crash was not a fresh one");
    good &= expect(s->changed == 0, "a crash changed the count of another process");
    good &= expect(s->live == 0, "processes are live after their passivation");
    good &= expect(s->snapshots == s->activations, "there is not one snapshot for each process");
    good &= expect(s->back_count == s->back.count && s->restores == 1, "the count did not come back");
    return good;
}

static double per_second(const struct story *s)
{
    return s->seconds > 0 ? (double)s->words / s->seconds : 0;
}

static void print_numbers(const struct story *s)
{
    char a[PRINT_NUMBER_SIZE], b[PRINT_NUMBER_SIZE];
    print_heading("The top ten words");
    for (size_t i = 0; i < s->top_count; i++)
        printf("  %10s  %s\n", print_number(s->top[i].count, a), s->top[i].word);

    print_heading("One process per distinct word, one call per word");
    print_fact("read", "%s bytes in %s file%s", print_number(s->bytes, a), print_number(s->files, b),
               s->files == 1 ? "" : "s");
    print_fact("calls", "%s in %.3f s", print_number(s->words, a), s->seconds);
    print_fact("calls per second", "%s", print_number((uint64_t)per_second(s), a));
    print_fact("processes activated", "%s over %s shards", print_number(s->activations, a), print_number(s->shards, b));
    print_fact("memory per process", "%s bytes (%s in all, the node's stacks and caches included)",
               print_number(s->activations ? s->memory_bytes / s->activations : 0, a),
               print_number(s->memory_bytes, b));
}

static void print_crash(const struct story *s)
{
    char a[PRINT_NUMBER_SIZE];
    print_heading("One process crashes");
    print_fact("told to crash", "\"%s\", count %s, %s", s->victim.word, print_number(s->victim.count, a),
               s->pid_before);
    print_fact("its caller got", "%s: %s", mesh_error_name(s->crash_error), mesh_strerror(s->crash_error));
    print_fact("with the reason", "%s", s->crash_reason);
    print_fact("the next call", "activated a fresh process: count %s, %s", print_number(s->count_after, a),
               s->pid_after);
    print_number(s->others, a);
    if (s->changed == 0)
        print_fact("all others", "%s other processes asked before and after: every count unchanged", a);
    else
        print_fact("all others", "%s other processes asked before and after: %" PRIu64 " CHANGED", a, s->changed);
}

static void print_passivation(const struct story *s)
{
    char a[PRINT_NUMBER_SIZE], b[PRINT_NUMBER_SIZE];
    print_heading("The rest is passivated");
    print_fact("passivated", "%s processes", print_number(s->passivated, a));
    print_fact("now", "%s live, %s snapshots", print_number(s->live, a), print_number(s->snapshots, b));
    print_fact("calling again", "\"%s\" is back with %s from its snapshot (it had %s)", s->back.word,
               print_number(s->back_count, a), print_number(s->back.count, b));
    putchar('\n');
}

void story_print_text(const struct story *s)
{
    print_numbers(s);
    print_crash(s);
    print_passivation(s);
}

void story_print_json(const struct story *s)
{
    printf("{\n  \"files\": %zu,\n  \"bytes\": %" PRIu64 ",\n  \"calls\": %" PRIu64 ",\n  \"seconds\": %.6f,\n"
           "  \"calls_per_second\": %.0f,\n  \"processes\": %" PRIu64 ",\n  \"shards\": %" PRIu64 ",\n"
           "  \"memory_bytes\": %" PRIu64 ",\n",
           s->files, s->bytes, s->words, s->seconds, per_second(s), s->activations, s->shards, s->memory_bytes);
    printf("  \"top\": [");
    for (size_t i = 0; i < s->top_count; i++) /* words are letters: nothing to escape */
        printf("%s\n    {\"word\": \"%s\", \"count\": %" PRIu64 "}", i ? "," : "", s->top[i].word, s->top[i].count);
    printf("\n  ],\n  \"crash\": {\n    \"word\": \"%s\",\n    \"count_before\": %" PRIu64
           ",\n    \"error\": \"%s\",\n",
           s->victim.word, s->victim.count, mesh_error_name(s->crash_error));
    printf("    \"reason\": ");
    print_json_string(s->crash_reason);
    printf(",\n    \"count_after\": %" PRIu64 ",\n    \"others\": %" PRIu64 ",\n    \"others_changed\": %" PRIu64
           "\n  },\n",
           s->count_after, s->others, s->changed);
    printf("  \"passivation\": {\n    \"passivated\": %" PRIu64 ",\n    \"live\": %" PRIu64
           ",\n    \"snapshots\": %" PRIu64 ",\n    \"word\": \"%s\",\n    \"count_before\": %" PRIu64
           ",\n    \"count_after\": %" PRIu64 "\n  }\n}\n",
           s->passivated, s->live, s->snapshots, s->back.word, s->back.count, s->back_count);
}
