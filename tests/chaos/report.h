/* What a scenario came to: judged, as a line for programs, and as a table for people. */
#ifndef CHAOS_REPORT_H
#define CHAOS_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <mesh/error.h>

#include "scenarios.h"

enum { REPORT_BROKEN_SIZE = 512 };

/* As enum mesh_error, and behind them how many they are. */
enum report_error {
    REPORT_OK,
#define REPORT_ERROR(name, text) REPORT_##name,
    MESH_ERRORS(REPORT_ERROR)
#undef REPORT_ERROR
        REPORT_ERRORS
};

struct report {
    const struct scenario *scenario;
    bool played;
    uint64_t calls, failed[REPORT_ERRORS], failed_all;
    uint64_t unanswered; /* calls without an outcome */
    uint64_t missing;    /* updates that were acknowledged and are not there; counted where none may be */
    uint64_t doubled, stale, excess, contradictions, disagreements, late;
    uint64_t faults; /* programs that ended by themselves */
    struct moves moves;
    size_t outages;                      /* how many were measured */
    double outage_ms_p50, outage_ms_p99; /* 0: none */
    double doubled_ms;                   /* how long after a fault something was still doubled; 0: not at all */
    double stall_ms;                     /* the longest time in which this machine did not let the callers run */
    char broken[REPORT_BROKEN_SIZE];     /* promises that were not kept; "" */
};

/* After the load has ended. Completes the history. played: what scenario_play said. */
void report_make(struct report *p, const struct scenario *s, struct run *r, bool played);

/* For whoever looks for a cause: what was done when, and the first calls that failed, into FOLDER/story.tsv of the run.
 */
void report_story(const struct run *r);

/* One object on one line. */
void report_json(const struct report *p, FILE *to);

/* A table of all, and what was not kept. */
void report_table(const struct report *reports, size_t count, FILE *to);

#endif
