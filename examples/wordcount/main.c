/* wordcount: counts words with one process per distinct word.
 *
 * A demonstration of Mesh that can be checked against `tr | sort | uniq -c`: the words of the files are fed to
 * processes that nobody starts, places or looks up (word_counter.h), by many callers at once (feed.h). The files:
 *
 *     reader   files → words               word_counter   the module: a word's process
 *     feed     words → calls, in batches   intake         reader + feed + progress bar
 *     demo     the narrated run            story          what it tells, as text or JSON
 *     print    numbers, headings, clock */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mesh.h>

#include "demo.h"
#include "feed.h"
#include "intake.h"
#include "print.h"
#include "word_counter.h"

enum { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

enum mode { MODE_NONE, MODE_COUNTS, MODE_DEMO };

struct options {
    enum mode mode;
    bool json;
    char **files;
    size_t count;
};

static const char USAGE[] = "usage: wordcount --counts FILE...\n"
                            "       wordcount --demo [--json] FILE...\n"
                            "       wordcount --help\n";

static const char HELP[] =
    "\n"
    "Counts words with one Mesh process per distinct word. A word is a run of ASCII letters, lower-cased; a file may\n"
    "have any size and any bytes; \"-\" is standard input.\n"
    "\n"
    "  --counts   print COUNT<TAB>WORD for every word, sorted by word\n"
    "  --demo     count, then show the numbers, a crash, and processes coming back from their snapshots\n"
    "  --json     with --demo: the outcome as one JSON object\n"
    "  --help     this text\n"
    "\n"
    "A word is its process's id, and an id holds at most 4,096 bytes: longer words are reported on standard error "
    "with\n"
    "their place and not counted.\n"
    "\n"
    "Exit code: 0 everything was counted; 1 something was not (a file that cannot be read, a word that is too long, "
    "an\n"
    "error of the node, output that cannot be written; it is told on standard error, the rest is counted); 2 usage.\n";

static int usage(const char *why)
{
    if (why)
        fprintf(stderr, "wordcount: %s\n", why);
    fputs(USAGE, stderr);
    return EXIT_USAGE;
}

/* Reads the command line. Returns -1 to go on, else the exit code. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        {"counts", no_argument, NULL, 'c'},
        {"demo", no_argument, NULL, 'd'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        enum mode mode = c == 'c' ? MODE_COUNTS : c == 'd' ? MODE_DEMO : MODE_NONE;
        if (c == 'h') {
            fputs(USAGE, stdout);
            fputs(HELP, stdout);
            return print_done() ? EXIT_GOOD : EXIT_FAILED;
        }
        if (c == '?')
            return usage(NULL); /* getopt has said why */
        if (mode != MODE_NONE && o->mode != MODE_NONE && o->mode != mode)
            return usage("--counts and --demo exclude each other");
        if (mode != MODE_NONE)
            o->mode = mode;
        else
            o->json = true;
    }
    o->files = argv + optind;
    o->count = (size_t)(argc - optind);
    if (o->mode == MODE_NONE)
        return usage(o->count > 0 ? "say --counts or --demo" : NULL);
    if (o->json && o->mode != MODE_DEMO)
        return usage("--json goes with --demo");
    return o->count > 0 ? -1 : usage("no file is named");
}

static int by_word(const void *left, const void *right)
{
    const struct word_count *a = left, *b = right;
    return strcmp(a->word, b->word);
}

/* The mode --counts. complete: whether every file was read and every word counted. */
static int print_counts(struct feed *f, const struct options *o, bool *complete)
{
    struct intake intake;
    int error = intake_run(f, o->files, o->count, &intake);
    *complete = !intake.failed;
    if (error)
        return error;
    size_t distinct = feed_distinct(f);
    struct word_count *counts = calloc(distinct + 1, sizeof *counts);
    if (!counts)
        return MESH_ENOMEM;
    error = feed_counts(f, counts);
    if (!error)
        qsort(counts, distinct, sizeof *counts, by_word);
    for (size_t i = 0; i < distinct && !error; i++)
        printf("%" PRIu64 "\t%s\n", counts[i].count, counts[i].word);
    free(counts);
    return error;
}

/* Does the work on a running node. */
static int work(mesh_node *node, const struct options *o, bool *complete)
{
    int error = word_counter_register(node);
    if (error)
        return error;
    struct feed *f = feed_create(node);
    if (!f)
        return MESH_ENOMEM;
    if (o->mode == MODE_DEMO)
        error = demo_run(node, f, o->files, o->count, o->json, complete);
    else
        error = print_counts(f, o, complete);
    feed_destroy(f);
    return error;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    int code = read_options(argc, argv, &o);
    if (code >= 0)
        return code;

    const mesh_node_options options = {
        .size = sizeof options,
        .name = "wordcount@127.0.0.1",
        .log_level = MESH_LOG_ERROR,
        .crash_reports = true,
    };
    mesh_node *node;
    bool complete = false;
    int error = mesh_node_start(&options, &node);
    if (!error) {
        error = work(node, &o, &complete);
        int stop_error = mesh_node_stop(node);
        error = error ? error : stop_error;
    }
    if (error)
        fprintf(stderr, "wordcount: %s: %s\n", mesh_error_name(error), mesh_strerror(error));
    bool written = print_done();
    return !error && complete && written ? EXIT_GOOD : EXIT_FAILED;
}
