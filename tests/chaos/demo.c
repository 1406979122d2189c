/* The cluster's demo: four nodes on one machine (game, chat, payment, and one that can do all three), and a fifth that
 * calls. One is killed, one is drained, one joins. The table at the end is made from the history of all calls and all
 * processes: history.h.
 *
 *   mesh_demo_cluster --mesh PROGRAM --module FILE --out FOLDER [--json]
 *
 * Exits with 0 when nothing was doubled or without an outcome, and no call failed but by the kill; else with 1. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/args.h"
#include "cli/columns.h"
#include "cli/words.h"

#include "run.h"

enum {
    CALLER,
    GAME,
    CHAT,
    PAYMENT,
    ALL,
    MORE,
    IDS = 1000,
    RATE = 2000,
    WATCHES = 120,
    CALLS_MAX = 1000000,
    STEADY_MS = 3000,
    PHASE_MS = 5000,
    WARM_MS = 30000,
    STOOD_STILL_MS = 1000,
    KINDS_MAX = 64,
};

/* A part of the story. */
struct phase {
    const char *what;
    struct change change; /* CHANGE_SPLIT: nothing is done */
    uint64_t calls, failed, doubled;
    struct moves moves;
    double outage_ms;
};

static const char *const game[] = {"game", NULL}, *const chat[] = {"chat", NULL}, *const payment[] = {"payment", NULL},
                         *const all[] = {"game", "chat", "payment", NULL};

enum { STEADY, KILLED, DRAINED, JOINED, PHASES };

static const char *const titles[PHASES] = {"four nodes, undisturbed", "chat is killed (-9)", "payment is drained",
                                           "a node joins, with all three"};

/* ---- playing ----------------------------------------------------------------------------------------------------- */

static bool begin(struct run *r)
{
    const struct load_options load = {
        .capabilities = all, .ids = IDS, .rate = RATE, .watches = WATCHES, .pause_ms = 20, .calls_max = CALLS_MAX};
    fleet_add(&r->fleet, "caller", 0, NULL);
    fleet_add(&r->fleet, "game", 1, game);
    fleet_add(&r->fleet, "chat", 2, chat);
    fleet_add(&r->fleet, "payment", 3, payment);
    fleet_add(&r->fleet, "all", 4, all);
    fleet_add(&r->fleet, "more", 5, all);
    bool done = run_folder(r);
    for (size_t i = GAME; i <= ALL; i++)
        done = done && fleet_launch(&r->fleet, i);
    for (size_t i = GAME; i <= ALL; i++)
        done = done && fleet_await(&r->fleet, i, WARM_MS);
    if (!done || !run_load(r, &load) || !load_warm(&r->load, WARM_MS))
        return false;
    run_pass(r, STEADY_MS); /* shards that are better placed elsewhere have moved */
    load_begin(&r->load);
    return true;
}

/* For the bar. */
static void next_phase(struct run *r)
{
    r->steps = PHASES;
    r->title = titles[r->step++];
}

static bool play(struct run *r)
{
    bool done = true;
    next_phase(r);
    run_change(r, CHANGE_SPLIT, CALLER);
    run_pass(r, STEADY_MS);
    next_phase(r);
    run_change_from(r, CHANGE_LOSS, CHAT, fleet_kill(&r->fleet, CHAT));
    run_pass(r, PHASE_MS);
    next_phase(r);
    run_change(r, CHANGE_LEAVE, PAYMENT);
    done &= fleet_drain(&r->fleet, PAYMENT);
    run_pass(r, PHASE_MS);
    next_phase(r);
    run_change(r, CHANGE_JOIN, MORE);
    done &= fleet_start(&r->fleet, MORE);
    run_pass(r, PHASE_MS);
    run_settled(r);
    load_end(&r->load);
    return done;
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static void count_phase(struct phase *p, const struct run *r)
{
    const struct history *h = &r->load.history;
    uint64_t outages[LOAD_WATCHES_MAX];
    for (size_t i = 0; i < h->call_count; i++) {
        const struct call_record *c = &h->calls[i];
        if (c->start_ns < p->change.from_ns || c->start_ns >= p->change.until_ns)
            continue;
        p->calls++;
        p->failed += c->error != MESH_OK;
    }
    p->doubled = history_doubled(h, p->change.from_ns, p->change.until_ns);
    history_moves(h, &p->change, &p->moves);
    const size_t count = history_outages(h, &p->change, r->load.watch_ids, r->load.watch_count, outages);
    for (size_t i = 0; i < count; i++)
        if ((double)outages[i] / 1e6 > p->outage_ms)
            p->outage_ms = (double)outages[i] / 1e6;
}

static struct columns *tabulate(const struct phase *phases, size_t count)
{
    static const char *const headings[] = {"what", "calls", "failed", "moved", "moved_least", "doubled", "outage_ms"};
    struct columns *table = columns_create(headings, sizeof headings / sizeof headings[0]);
    for (size_t i = 0; i < count; i++) {
        const struct phase *p = &phases[i];
        columns_text(table, mesh_str(p->what));
        columns_number(table, (int64_t)p->calls);
        columns_number(table, (int64_t)p->failed);
        columns_number(table, (int64_t)p->moves.moved);
        columns_number(table, (int64_t)p->moves.least);
        columns_number(table, (int64_t)p->doubled);
        columns_number(table, (int64_t)(p->outage_ms + 0.5));
    }
    return table;
}

static void print_kinds(const struct history *h)
{
    uint64_t kinds[KINDS_MAX] = {0};
    const char *between = "failures by kind: ";
    for (size_t i = 0; i < h->call_count; i++)
        kinds[h->calls[i].error < KINDS_MAX ? h->calls[i].error : 0]++;
    for (int i = 1; i < KINDS_MAX; i++) {
        if (kinds[i] == 0)
            continue;
        printf("%s%s %" PRIu64 " (%s)", between, mesh_error_name(i), kinds[i], mesh_strerror(i));
        between = ", ";
    }
    puts(between[0] == 'f' ? "failures by kind: none" : "");
}

static bool expect_none(uint64_t count, const char *what)
{
    if (count > 0)
        fprintf(stderr, "demo: %" PRIu64 " %s\n", count, what);
    return count == 0;
}

static bool judge(const struct phase *phases, const struct run *r)
{
    const struct history *h = &r->load.history;
    bool good = expect_none(history_unanswered(h), "calls without an outcome");
    good &= expect_none(history_excess(h), "updates were made twice");
    good &= expect_none(history_contradictions(h), "answers that contradict what the processes have written down");
    good &= expect_none(r->fleet.faults, "nodes ended as they should not");
    for (size_t i = 0; i < PHASES; i++) {
        good &= expect_none(phases[i].doubled, "processes were active twice");
        good &= i == KILLED || expect_none(phases[i].failed, "calls failed, and not by the kill");
    }
    if (!good && (double)r->load.stall_ns / 1e6 >= STOOD_STILL_MS)
        fprintf(stderr, "demo: the machine stood still for %.0f ms meanwhile\n", (double)r->load.stall_ns / 1e6);
    return good;
}

/* Completes the history and tells it. */
static bool tell(struct run *r, bool json)
{
    struct phase phases[PHASES] = {{0}};
    struct history *h = &r->load.history;
    if (!fleet_lives(&r->fleet, h) || r->change_count != PHASES)
        return false;
    history_close(h, r->fleet.deaths, r->fleet.death_count);
    for (size_t i = 0; i < PHASES; i++) {
        phases[i] = (struct phase){.what = titles[i], .change = r->changes[i]};
        count_phase(&phases[i], r);
    }
    struct columns *table = tabulate(phases, PHASES);
    if (json) {
        columns_print_json(table, stdout);
    } else {
        columns_print(table, stdout, terminal_colours(stdout));
        print_kinds(h);
        puts("moved: processes that went to another node; doubled: active twice at a time; outage: the longest time\n"
             "without an answer of a process that was moved or lost, or of any where nothing was done");
    }
    columns_destroy(table);
    return judge(phases, r);
}

/* ---- the program ------------------------------------------------------------------------------------------------- */

static bool read_words(struct run_options *options, bool *json, int argc, char **argv)
{
    struct args args;
    struct arg arg;
    args_init(&args, argc - 1, argv + 1);
    while (args_next(&args, &arg)) {
        if (strcmp(arg.flag, "json") == 0)
            *json = true;
        else if (strcmp(arg.flag, "mesh") == 0)
            options->program = args_value(&args, &arg);
        else if (strcmp(arg.flag, "module") == 0)
            options->module = args_value(&args, &arg);
        else if (strcmp(arg.flag, "out") == 0)
            options->folder = args_value(&args, &arg);
        else
            return false;
    }
    return options->program != NULL && options->module != NULL && options->folder != NULL;
}

int main(int argc, char **argv)
{
    struct run_options options = {.program = NULL};
    bool json = false;
    words_use_utf8();
    if (!read_words(&options, &json, argc, argv)) {
        fputs("usage: mesh_demo_cluster --mesh PROGRAM --module FILE --out FOLDER [--json]\n", stderr);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    if (mkdir(options.folder, 0755) != 0 && errno != EEXIST) {
        perror(options.folder);
        return 1;
    }
    struct run *r = must_calloc(1, sizeof *r);
    bool good = run_init(r, &options, "demo", false, MORE + 1);
    if (good)
        fputs("Four nodes start: game, chat, payment, and one that can do all three. A fifth calls 3,000 processes of\n"
              "theirs. Then one node is killed, one drained, and one joins.\n",
              stderr);
    good = good && begin(r) && play(r);
    progress_clear(&r->progress);
    good = good && tell(r, json);
    run_fini(r);
    free(r);
    return good ? 0 : 1;
}
