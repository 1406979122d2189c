/* The benchmark runner: what its files share.
 *
 *   runner.c   the command line, the order of the runs, progress
 *   plan.c     which programs run for which benchmark, and the targets
 *   child.c    runs one program, within its time
 *   results.c  what the programs reported; medians; local.jsonl, cluster.jsonl
 *   table.c    the tables on the terminal
 *   chart.c    local.svg, cluster.svg
 *
 * One thread; everything is owned by main. */
#ifndef BENCH_RUNNER_H
#define BENCH_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { MAX_RUNS = 99, MAX_RESULTS = 64, MAX_ARGS = 8, TEXT_BYTES = 16384, NAME_BYTES = 32, JOB_REPORTS = 3 };

/* ---- plan.c ---- */

enum who {
    WHO_MESH,
    WHO_FLOOR,
    WHO_CAF,
    WHO_GENSERVER,
    WHO_SEMAPHORE,
    WHO_TCP_BATCHED,
    WHO_TCP_POLLING,
    WHO_TCP_BLOCKING,
    WHO_COUNT
};

/* Benchmarks that run together, and have files of their own. */
enum suite { SUITE_LOCAL, SUITE_CLUSTER, SUITE_COUNT };

/* One benchmark: it runs as `mesh_bench name`, and each contender by the same name. */
struct job {
    const char *name;
    const char *reports[JOB_REPORTS]; /* the values it reports; all but the first may be NULL */
    unsigned who;                     /* bits of enum who, 1 << WHO_MESH among them */
    bool once;                        /* too long to repeat */
    unsigned limit_s;                 /* after which a program is killed */
    enum suite suite;
};

enum bound { AT_LEAST, AT_MOST, BELOW };

/* What a value shall reach. */
struct target {
    const char *bench;
    const char *against; /* a contender: wanted is a factor of its value; NULL: wanted is the value itself */
    enum bound bound;    /* of good values */
    double wanted;
};

extern const struct job plan_jobs[];
extern const size_t plan_jobs_count;
extern const struct target plan_targets[];
extern const size_t plan_targets_count;

/* A suite's name, which is also that of its files; NULL for a number that is none. */
const char *plan_suite_name(enum suite suite);

/* A contender's name in results; "?" for a number that is none. */
const char *plan_who_name(enum who who);

/* The job of this name, or the one that reports a value of this name; NULL if there is none. name_len bytes. */
const struct job *plan_find(const char *name, size_t name_len);

/* How many programs take part in a job. */
unsigned plan_programs(const struct job *job);

/* A command line; its strings point into text. */
struct command {
    char *argv[MAX_ARGS + 1];
    char text[4096];
};

/* Writes how `who` runs the job with the programs in dir. False if dir is too long. */
bool plan_command(const struct job *job, enum who who, const char *dir, bool quick, struct command *command);

/* ---- child.c ---- */

/* What became of a program. */
struct outcome {
    bool ok;              /* it exited with 0 in its time */
    char why[160];        /* else a sentence */
    char out[TEXT_BYTES]; /* what it wrote to stdout, cut at the size; a C string */
    char err[TEXT_BYTES]; /* the same of stderr */
};

/* Runs a program and waits for its end; after limit_s seconds it is killed. */
void child_run(char *const argv[], unsigned limit_s, struct outcome *outcome);

/* ---- results.c ---- */

struct result {
    char bench[NAME_BYTES], who[NAME_BYTES], unit[NAME_BYTES];
    double samples[MAX_RUNS];
    unsigned runs;
    double median, min, max; /* set by results_settle */
};

struct results {
    size_t count;
    unsigned long failed; /* bits of jobs, by their place in the plan: Mesh's own program failed */
    enum suite suite;
    struct result list[MAX_RESULTS];
};

/* Takes every line of a program's output. False, with nothing said about which, if a line is no result, names somebody
 * else than who, or there are too many. */
bool results_add(struct results *results, const char *output, const char *who);

/* Computes medians and limits; call it once, after the last add. */
void results_settle(struct results *results);

/* The result of one bench and contender, NULL if there is none. */
const struct result *results_find(const struct results *results, const char *bench, const char *who);

/* The value that a target stands for now: its own, or the factor times what the contender reached.
 * False when the contender has no result. */
bool results_wanted(const struct results *results, const struct target *target, double *value);

/* Writes one JSON line per result. */
void results_write(const struct results *results, FILE *to);

/* ---- table.c, chart.c ---- */

/* Prints results, then the targets of the benchmarks that ran. Returns how many targets are not met, which counts
 * those of a benchmark that failed. */
unsigned table_print(const struct results *results, FILE *to);

/* Writes a value for people: 12,345,678 or 0.0123. Returns text. */
const char *table_number(double value, char text[NAME_BYTES]);

/* Writes the SVG document. */
void chart_write(const struct results *results, FILE *to);

#endif
