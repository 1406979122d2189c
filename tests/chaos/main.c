/* Plays scenarios with real nodes, and says whether what is promised was kept.
 *
 *   mesh_chaos --mesh PROGRAM --module FILE --out FOLDER [--brief] [--untimed] [SCENARIO...]
 *
 * Writes FOLDER/report.jsonl, a line for each scenario, and keeps what the nodes logged in a folder for each. Exits
 * with 0 when all was kept, 1 when not or when a scenario could not be played (--brief does without the partitions
 * where they are not possible), 2 when it is used wrongly. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "cli/args.h"
#include "cli/words.h"

#include "report.h"
#include "scenarios.h"

enum { SCENARIOS_MAX = 16, TURNS_MAX = 3, DISTURBED_MS = 1000 };

struct wishes {
    struct run_options options;
    const struct scenario *chosen[SCENARIOS_MAX];
    size_t count;
};

static bool misuse(const char *what, const char *word)
{
    fprintf(stderr,
            "chaos: %s: %s\nusage: mesh_chaos --mesh PROGRAM --module FILE --out FOLDER [--brief] [--untimed] "
            "[SCENARIO...]\n",
            what, word);
    return false;
}

static bool choose(struct wishes *w, const char *name)
{
    for (size_t i = 0; i < scenario_count && w->count < SCENARIOS_MAX; i++) {
        if (strcmp(scenarios[i].name, name) != 0)
            continue;
        w->chosen[w->count++] = &scenarios[i];
        return true;
    }
    return misuse("no such scenario", name);
}

static bool read_words(struct wishes *w, int argc, char **argv)
{
    struct args args;
    struct arg arg;
    args_init(&args, argc - 1, argv + 1);
    w->options.timed = true;
    while (args_next(&args, &arg)) {
        const char **value = NULL;
        if (arg.flag[0] == '\0' && !choose(w, arg.word))
            return false;
        if (arg.flag[0] == '\0')
            continue;
        if (strcmp(arg.flag, "mesh") == 0)
            value = &w->options.program;
        else if (strcmp(arg.flag, "module") == 0)
            value = &w->options.module;
        else if (strcmp(arg.flag, "out") == 0)
            value = &w->options.folder;
        else if (strcmp(arg.flag, "brief") == 0)
            w->options.brief = true;
        else if (strcmp(arg.flag, "untimed") == 0)
            w->options.timed = false;
        else
            return misuse("no such flag", arg.word);
        if (value != NULL && (*value = args_value(&args, &arg)) == NULL)
            return misuse("a value is missing", arg.word);
    }
    if (w->options.program == NULL || w->options.module == NULL || w->options.folder == NULL)
        return misuse("a flag is missing", "--mesh, --module or --out");
    for (size_t i = 0; w->count == 0 && i < scenario_count; i++)
        w->chosen[i] = &scenarios[i];
    w->count = w->count > 0 ? w->count : scenario_count;
    return true;
}

static void play_once(const struct scenario *s, const struct run_options *options, struct report *report)
{
    struct run *r = must_calloc(1, sizeof *r);
    const bool played = scenario_play(s, options, r);
    report_make(report, s, r, played);
    report_story(r);
    run_fini(r);
    free(r);
}

/* A machine that stands still stops all nodes at once, for which nothing is promised: then it is played again. */
static void play(const struct scenario *s, const struct run_options *options, struct report *report)
{
    for (int turn = 1; turn <= TURNS_MAX; turn++) {
        play_once(s, options, report);
        if (report->broken[0] == '\0' || report->stall_ms < DISTURBED_MS)
            return;
        fprintf(stderr, "chaos: %s; but the machine stood still for %.0f ms meanwhile%s\n", report->broken,
                report->stall_ms, turn < TURNS_MAX ? ": once more" : "");
    }
}

/* One after the other; returns how many there is a report of. Those that are not possible here are left out. */
static size_t play_all(const struct wishes *w, struct report *reports, FILE *lines)
{
    size_t count = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct scenario *s = w->chosen[i];
        if (s->apart && !stage_possible()) {
            fprintf(stderr, "chaos: %s is left out: network namespaces need root\n", s->name);
            continue;
        }
        fprintf(stderr, "[%zu/%zu] %s: %s\n", i + 1, w->count, s->name, s->about);
        play(s, &w->options, &reports[count]);
        report_json(&reports[count++], lines);
        fflush(lines);
    }
    return count;
}

int main(int argc, char **argv)
{
    struct wishes w = {.count = 0};
    struct report reports[SCENARIOS_MAX];
    char path[RUN_FOLDER_SIZE + 16];
    words_use_utf8();
    if (!read_words(&w, argc, argv))
        return 2;
    signal(SIGPIPE, SIG_IGN);
    if (mkdir(w.options.folder, 0755) != 0 && errno != EEXIST) {
        perror(w.options.folder);
        return 1;
    }
    snprintf(path, sizeof path, "%s/report.jsonl", w.options.folder);
    FILE *lines = fopen(path, "we");
    if (lines == NULL) {
        perror(path);
        return 1;
    }
    const size_t count = play_all(&w, reports, lines);
    fclose(lines);
    report_table(reports, count, stdout);
    bool kept = count == w.count || (w.options.brief && count > 0);
    for (size_t i = 0; i < count; i++)
        kept &= reports[i].broken[0] == '\0';
    return kept ? 0 : 1;
}
