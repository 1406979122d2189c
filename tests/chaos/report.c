/* Reports. See report.h. */
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/columns.h"

enum { STORY_LINES_MAX = 10000 };

/* ---- counting ---------------------------------------------------------------------------------------------------- */

static void count_calls(struct report *p, const struct history *h)
{
    p->calls = h->call_count;
    p->unanswered = history_unanswered(h);
    for (size_t i = 0; i < h->call_count; i++) {
        const struct call_record *r = &h->calls[i];
        if (atomic_load_explicit(&r->end_ns, memory_order_acquire) == 0 || r->error == MESH_OK)
            continue;
        p->failed[r->error < REPORT_ERRORS ? r->error : 0]++; /* MESH_OK's place: one that is not known */
        p->failed_all++;
    }
}

static int compare_times(const void *a, const void *b)
{
    const uint64_t *l = a, *r = b;
    return (*l > *r) - (*l < *r);
}

static void measure(struct report *p, const struct run *r)
{
    const struct history *h = &r->load.history;
    uint64_t *outages = must_calloc((size_t)RUN_CHANGES_MAX * LOAD_WATCHES_MAX, sizeof *outages);
    for (size_t i = 0; i < r->change_count; i++) {
        const struct change *c = &r->changes[i];
        if (c->until_ns == UINT64_MAX)
            continue; /* the scenario did not get that far */
        history_moves(h, c, &p->moves);
        /* A node that comes back after a fault is none. */
        if (c->kind != CHANGE_JOIN || p->scenario->promise.none_failed)
            p->outages += history_outages(h, c, r->load.watch_ids, r->load.watch_count, outages + p->outages);
    }
    if (p->outages > 0) {
        qsort(outages, p->outages, sizeof *outages, compare_times);
        const size_t half = (p->outages - 1) / 2, most = (p->outages - 1) * 99 / 100;
        p->outage_ms_p50 = (double)outages[half] / 1e6;
        p->outage_ms_p99 = (double)outages[most] / 1e6;
    }
    free(outages);
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

static void break_promise(struct report *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void break_promise(struct report *p, const char *format, ...)
{
    const size_t len = strlen(p->broken);
    va_list args;
    const int before = snprintf(p->broken + len, sizeof p->broken - len, "%s", len > 0 ? "; " : "");
    va_start(args, format);
    if (before >= 0 && (size_t)before < sizeof p->broken - len)
        vsnprintf(p->broken + len + before, sizeof p->broken - len - (size_t)before, format, args);
    va_end(args);
}

static void expect_none(struct report *p, uint64_t count, const char *what)
{
    if (count > 0)
        break_promise(p, "%" PRIu64 " %s", count, what);
}

static double moved_ratio(const struct report *p)
{
    return p->moves.least > 0 ? (double)p->moves.moved / (double)p->moves.least : 0;
}

static void judge(struct report *p, bool timed)
{
    const struct promise *promise = &p->scenario->promise;
    if (!p->played)
        break_promise(p, "it was not played to its end");
    expect_none(p, p->unanswered, "calls without an outcome");
    expect_none(p, p->doubled, "processes doubled");
    expect_none(p, p->excess, "updates made twice");
    expect_none(p, p->stale, "processes under an older epoch");
    expect_none(p, p->contradictions, "answers that contradict the lives");
    expect_none(p, p->disagreements, "ids whose callers ask different processes");
    expect_none(p, p->faults, "programs that ended as they should not");
    if (promise->none_failed) {
        expect_none(p, p->failed_all, "calls failed");
        expect_none(p, p->missing, "updates lost");
    }
    if (!timed)
        return;
    expect_none(p, p->late, "outcomes later than the deadline + 100 ms");
    if (promise->moved_ratio_max > 0 && moved_ratio(p) > promise->moved_ratio_max)
        break_promise(p, "moved %.3f times the least", moved_ratio(p));
    if (promise->outage_ms_max > 0 && p->outage_ms_p99 > promise->outage_ms_max)
        break_promise(p, "served again after %.0f ms", p->outage_ms_p99);
}

void report_make(struct report *p, const struct scenario *s, struct run *r, bool played)
{
    struct history *h = &r->load.history;
    *p = (struct report){.scenario = s, .played = played};
    if (!fleet_lives(&r->fleet, h))
        p->played = false;
    history_close(h, r->fleet.deaths, r->fleet.death_count);
    count_calls(p, h);
    if (h->call_count == h->calls_max)
        p->played = false; /* the load has ended before the scenario */
    for (size_t i = 0; i < r->calm_count; i++) {
        p->doubled += history_doubled(h, r->calms[i].from_ns, r->calms[i].until_ns);
        p->stale += history_stale(h, r->calms[i].from_ns, r->calms[i].until_ns);
        const uint64_t until_ns = history_doubled_until(h, r->calms[i].since_ns, r->calms[i].until_ns);
        if (until_ns > 0 && (double)(until_ns - r->calms[i].since_ns) / 1e6 > p->doubled_ms)
            p->doubled_ms = (double)(until_ns - r->calms[i].since_ns) / 1e6;
    }
    p->missing = s->promise.none_failed ? history_missing(h) : 0;
    p->excess = history_excess(h);
    p->contradictions = history_contradictions(h);
    p->disagreements = history_disagreements(h);
    p->late = history_late(h, LOAD_TIMEOUT_MS);
    p->faults = r->fleet.faults;
    p->stall_ms = (double)r->load.stall_ns / 1e6;
    measure(p, r);
    judge(p, r->options->timed);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static const char *kind_of(size_t error)
{
    return error == MESH_OK ? "unknown" : mesh_error_name((int)error);
}

static void write_failed(const struct report *p, FILE *to)
{
    const char *between = "";
    fputc('{', to);
    for (size_t i = 0; i < REPORT_ERRORS; i++) {
        if (p->failed[i] == 0)
            continue;
        fprintf(to, "%s\"%s\":%" PRIu64, between, kind_of(i), p->failed[i]);
        between = ",";
    }
    fputc('}', to);
}

void report_json(const struct report *p, FILE *to)
{
    fprintf(to, "{\"scenario\":\"%s\",\"calls\":%" PRIu64 ",\"failed\":", p->scenario->name, p->calls);
    write_failed(p, to);
    fprintf(to,
            ",\"lost\":%" PRIu64 ",\"doubled\":%" PRIu64 ",\"moved_ratio\":%.3f,\"outage_ms_p99\":%.1f"
            ",\"outage_ms_p50\":%.1f,\"outages\":%zu,\"moved\":%" PRIu64 ",\"moved_least\":%" PRIu64
            ",\"twice\":%" PRIu64 ",\"stale\":%" PRIu64 ",\"contradictions\":%" PRIu64 ",\"disagreements\":%" PRIu64
            ",\"late\":%" PRIu64 ",\"ended\":%" PRIu64 ",\"doubled_ms\":%.0f,\"stall_ms\":%.0f,\"broken\":",
            p->unanswered + p->missing, p->doubled, moved_ratio(p), p->outage_ms_p99, p->outage_ms_p50, p->outages,
            p->moves.moved, p->moves.least, p->excess, p->stale, p->contradictions, p->disagreements, p->late,
            p->faults, p->doubled_ms, p->stall_ms);
    columns_json_string(to, mesh_str(p->broken));
    fputs("}\n", to);
}

static double since(const struct run *r, uint64_t at_ns)
{
    const struct history *h = &r->load.history;
    return h->call_count > 0 ? ((double)at_ns - (double)h->calls[0].start_ns) / 1e9 : 0;
}

void report_story(const struct run *r)
{
    static const char *const kinds[] = {
        [CHANGE_LOSS] = "loss", [CHANGE_LEAVE] = "leave", [CHANGE_JOIN] = "join", [CHANGE_SPLIT] = "split"};
    const struct history *h = &r->load.history;
    char path[RUN_FOLDER_SIZE + 16];
    snprintf(path, sizeof path, "%s/story.tsv", r->folder);
    FILE *to = fopen(path, "we");
    if (to == NULL)
        return;
    fputs("what\tfrom_s\tuntil_s\twho\tid\n", to);
    for (size_t i = 0; i < r->change_count; i++) {
        const struct change *c = &r->changes[i];
        fprintf(to, "%s\t%.3f\t%.3f\t%s\t\n", kinds[c->kind], since(r, c->from_ns), since(r, c->until_ns),
                r->fleet.nodes[c->node].alias);
    }
    size_t lines = 0;
    for (size_t i = 0; i < h->call_count && lines < STORY_LINES_MAX; i++) {
        const struct call_record *c = &h->calls[i];
        const uint64_t end = atomic_load_explicit(&c->end_ns, memory_order_acquire);
        if (end != 0 && c->error == MESH_OK)
            continue;
        fprintf(to, "%s\t%.3f\t%.3f\t%s\t%s\n", end != 0 ? kind_of(c->error) : "no outcome", since(r, c->start_ns),
                end != 0 ? since(r, end) : 0, r->fleet.nodes[c->from].alias, r->load.ids[c->id].name);
        lines++;
    }
    fclose(to);
}

static void put(struct columns *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct columns *table, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    columns_text(table, mesh_str(text));
}

void report_table(const struct report *reports, size_t count, FILE *to)
{
    static const char *const headings[] = {"scenario",      "calls",      "failed",      "lost",
                                           "doubled",       "doubled_ms", "moved_ratio", "outage_p50_ms",
                                           "outage_p99_ms", "stall_ms",   "result"};
    struct columns *table = columns_create(headings, sizeof headings / sizeof headings[0]);
    for (size_t i = 0; i < count; i++) {
        const struct report *p = &reports[i];
        columns_text(table, mesh_str(p->scenario->name));
        columns_number(table, (int64_t)p->calls);
        columns_number(table, (int64_t)p->failed_all);
        columns_number(table, (int64_t)(p->unanswered + p->missing));
        columns_number(table, (int64_t)p->doubled);
        put(table, "%.0f", p->doubled_ms);
        put(table, p->moves.least > 0 ? "%.3f" : "-", moved_ratio(p));
        put(table, "%.0f", p->outage_ms_p50);
        put(table, "%.0f", p->outage_ms_p99);
        put(table, "%.0f", p->stall_ms);
        columns_text(table, mesh_str(p->broken[0] == '\0' ? "kept" : "BROKEN"));
    }
    columns_print(table, to, terminal_colours(to));
    columns_destroy(table);
    for (size_t i = 0; i < count; i++)
        if (reports[i].broken[0] != '\0')
            fprintf(to, "%s: %s\n", reports[i].scenario->name, reports[i].broken);
}
