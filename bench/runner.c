/* mesh_benchmark: runs every benchmark of Mesh and of its contenders in turn, and says what came out.
 *
 * In turn means: the first run of each program, then the second of each, so that a machine that grows slower or busier
 * does so for all of them. Medians are what counts; the table shows how far the runs were apart. */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/terminal.h"
#include "runner.h"

struct options {
    const char *programs; /* the folder they are in */
    const char *out;      /* the folder for results */
    const char *only;     /* names with commas between; NULL: all */
    unsigned runs;        /* 0: not given */
    bool quick;
    enum suite suite;
};

struct state {
    struct progress bar;
    unsigned done, total; /* programs */
};

static void usage(FILE *to)
{
    fputs(
        "usage: mesh_benchmark --programs DIR --out DIR [--suite SUITE] [--only BENCH[,BENCH]] [--runs N] [--quick]\n\n"
        "  --programs DIR    where mesh_bench and the contenders are\n"
        "  --out DIR         where SUITE.jsonl and SUITE.svg go (with --quick: SUITE-quick.jsonl, SUITE-quick.svg)\n"
        "  --suite SUITE     local (default): one node; cluster: nodes of two programs\n"
        "  --only BENCH,...  these benchmarks only\n"
        "  --runs N          how often each program runs, 1 to 99 (default 5; with --quick 1)\n"
        "  --quick           shorter, to try things out: no results to show\n",
        to);
    for (enum suite suite = SUITE_LOCAL; suite < SUITE_COUNT; suite++) {
        fprintf(to, "\n%s:", plan_suite_name(suite));
        for (size_t i = 0; i < plan_jobs_count; i++)
            if (plan_jobs[i].suite == suite)
                fprintf(to, " %s", plan_jobs[i].name);
    }
    fputs("\n", to);
}

/* ---- options ---- */

static _Noreturn void misuse(const char *what, const char *value)
{
    fprintf(stderr, "mesh_benchmark: %s: %s\n", what, value);
    usage(stderr);
    exit(2);
}

/* Whether every name in a list with commas (NULL: none) is one of a benchmark of the suite. */
static bool are_known(const char *only, enum suite suite)
{
    bool known = true;
    for (const char *at = only; at != NULL; at = *at == ',' ? at + 1 : NULL) {
        size_t len = strcspn(at, ",");
        const struct job *named = plan_find(at, len);
        known &= named != NULL && named->suite == suite;
        at += len;
    }
    return known;
}

static bool is_wanted(const struct options *options, const struct job *job)
{
    bool wanted = options->only == NULL;
    for (const char *at = options->only; at != NULL; at = *at == ',' ? at + 1 : NULL) {
        size_t len = strcspn(at, ",");
        wanted |= plan_find(at, len) == job;
        at += len;
    }
    return wanted && job->suite == options->suite;
}

static enum suite parse_suite(const char *text)
{
    enum suite suite = SUITE_LOCAL;
    while (suite < SUITE_COUNT && strcmp(plan_suite_name(suite), text) != 0)
        suite++;
    if (suite == SUITE_COUNT)
        misuse("--suite takes local or cluster, not", text);
    return suite;
}

static unsigned parse_runs(const char *text)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < 1 || n > MAX_RUNS)
        misuse("--runs takes a number from 1 to 99, not", text);
    return (unsigned)n;
}

static struct options parse(int argc, char **argv)
{
    struct options o = {NULL, NULL, NULL, 0, false, SUITE_LOCAL};
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--help") == 0) {
            usage(stdout);
            exit(0);
        }
        if (strcmp(name, "--quick") == 0) {
            o.quick = true;
            continue;
        }
        bool takes_value = strcmp(name, "--programs") == 0 || strcmp(name, "--out") == 0 ||
                           strcmp(name, "--only") == 0 || strcmp(name, "--runs") == 0 || strcmp(name, "--suite") == 0;
        if (!takes_value)
            misuse("unknown option", name);
        if (++i == argc)
            misuse("a value is missing after", name);
        if (strcmp(name, "--programs") == 0)
            o.programs = argv[i];
        else if (strcmp(name, "--out") == 0)
            o.out = argv[i];
        else if (strcmp(name, "--only") == 0)
            o.only = argv[i];
        else if (strcmp(name, "--suite") == 0)
            o.suite = parse_suite(argv[i]);
        else
            o.runs = parse_runs(argv[i]);
    }
    if (!are_known(o.only, o.suite))
        misuse("--only names a benchmark that there is not", o.only);
    if (o.programs == NULL || o.out == NULL)
        misuse("not given", o.programs == NULL ? "--programs" : "--out");
    return o;
}

static unsigned runs_of(const struct options *options, const struct job *job)
{
    if (job->once)
        return 1;
    return options->runs != 0 ? options->runs : options->quick ? 1 : 5;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- running ---- */

/* Runs one program once and takes its results; says what went wrong if it did. */
static bool run_program(const struct options *options, struct state *state, const struct job *job, enum who who,
                        struct results *results)
{
    static struct command command;
    static struct outcome outcome;
    const char *name = plan_who_name(who);
    if (!plan_command(job, who, options->programs, options->quick, &command)) {
        fprintf(stderr, "mesh_benchmark: the folder's name is too long: %s\n", options->programs);
        return false;
    }
    child_run(command.argv, job->limit_s, &outcome);
    if (outcome.ok && !results_add(results, outcome.out, name)) {
        outcome.ok = false;
        snprintf(outcome.why, sizeof outcome.why, "printed something that is no result");
    }
    if (!outcome.ok) {
        progress_clear(&state->bar);
        fprintf(stderr, "%s, %s: %s\n%s", job->name, name, outcome.why, outcome.err);
    }
    return outcome.ok;
}

/* Runs all programs of one benchmark in turn. A program that failed is not run again. Returns how many failed. */
static unsigned run_job(const struct options *options, struct state *state, const struct job *job,
                        struct results *results)
{
    unsigned runs = runs_of(options, job), programs = plan_programs(job), failed = 0;
    unsigned left = job->who; /* those that have not failed */
    double from = seconds();
    for (unsigned run = 1; run <= runs; run++) {
        for (enum who who = WHO_MESH; who < WHO_COUNT; who++) {
            if ((job->who & 1u << who) == 0)
                continue;
            progress_show(&state->bar, state->done, state->total, "%s: %s, run %u of %u", job->name, plan_who_name(who),
                          run, runs);
            if ((left & 1u << who) != 0 && !run_program(options, state, job, who, results)) {
                left &= ~(1u << who);
                failed++;
                if (who == WHO_MESH)
                    results->failed |= 1ul << (job - plan_jobs);
            }
            state->done++;
        }
    }
    if (!state->bar.shown)
        printf("%s: %u %s, %u %s, %.1f s%s\n", job->name, programs, programs == 1 ? "program" : "programs", runs,
               runs == 1 ? "run" : "runs", seconds() - from, failed > 0 ? ", FAILED" : "");
    fflush(stdout);
    return failed;
}

/* Writes one file, by `write`, so that it is there completely or not at all. */
static bool save(const struct options *options, const char *suffix, void (*write)(const struct results *, FILE *),
                 const struct results *results)
{
    char path[4096], unfinished[4096 + 8];
    int len = snprintf(path, sizeof path, "%s/%s%s.%s", options->out, plan_suite_name(options->suite),
                       options->quick ? "-quick" : "", suffix);
    if (len < 0 || (size_t)len >= sizeof path)
        return false;
    snprintf(unfinished, sizeof unfinished, "%s.new", path);
    FILE *file = fopen(unfinished, "w");
    bool ok = file != NULL;
    if (ok) {
        write(results, file);
        ok = !ferror(file);
        ok &= fclose(file) == 0;
        ok = ok && rename(unfinished, path) == 0;
    }
    if (ok)
        printf("%s\n", path);
    else
        fprintf(stderr, "mesh_benchmark: cannot write %s: %s\n", path, strerror(errno));
    return ok;
}

int main(int argc, char **argv)
{
    static struct results results;
    struct options options = parse(argc, argv);
    struct state state = {.done = 0};
    unsigned failed = 0;
    results.suite = options.suite;
    progress_init(&state.bar, stdout);
    for (size_t i = 0; i < plan_jobs_count; i++)
        if (is_wanted(&options, &plan_jobs[i]))
            state.total += runs_of(&options, &plan_jobs[i]) * plan_programs(&plan_jobs[i]);
    for (size_t i = 0; i < plan_jobs_count; i++)
        if (is_wanted(&options, &plan_jobs[i]))
            failed += run_job(&options, &state, &plan_jobs[i], &results);
    progress_clear(&state.bar);
    results_settle(&results);
    printf("\n");
    unsigned missed = table_print(&results, stdout);
    printf("\n%u %s not met%s%s\n", missed, missed == 1 ? "target" : "targets", failed > 0 ? "; programs FAILED" : "",
           options.quick ? "; short runs, which are no results" : "");
    bool saved = save(&options, "jsonl", results_write, &results) && save(&options, "svg", chart_write, &results);
    return failed == 0 && saved ? 0 : 1;
}
