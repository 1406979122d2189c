/* What has happened in a run, and whether it was right: every call with its outcome, every process with its life.
 *
 * Calls are written down by whoever makes them, lives by the processes themselves. Nothing is judged while it happens:
 * the checks below read the whole history afterwards, so that they hold for what nobody was looking for.
 *
 * One thread, but for the calls: history_call and the fields of a call are the generator's, until its end_ns is set. */
#ifndef CHAOS_HISTORY_H
#define CHAOS_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lives.h"

enum { NO_NODE = 255, NO_WATCH = 65535 };

enum call_kind { CALL_ADD, CALL_READ };

struct call_record {
    uint64_t start_ns;
    _Atomic uint64_t end_ns; /* 0: no outcome. Release, after the rest; whoever reads the rest acquires it first */
    uint64_t activation, epoch;
    int64_t value;
    uint32_t id;
    uint16_t error;
    uint16_t watch; /* the watch whose call it is; NO_WATCH */
    uint8_t from;   /* which of the callers' nodes */
    uint8_t node;   /* who has answered; NO_NODE */
    uint8_t kind;
};

/* A process, from its start to its end. One that was killed was certainly there until end_ns, and no more at gone_ns;
 * else both are the same. UINT64_MAX: it still is. */
struct life {
    uint64_t start_ns, end_ns, gone_ns;
    uint64_t activation, epoch;
    uint32_t id;
    uint8_t node;
};

/* A program that did not end by itself. */
struct death {
    uint32_t pid;
    uint64_t asked_ns, gone_ns;
};

struct history {
    uint32_t ids; /* named 0 to ids - 1 */

    struct call_record *calls;
    size_t call_count, calls_max;

    struct life *lives;    /* after history_close by id, then by start */
    size_t life_count;     /* all of those */
    size_t lives_max;      /* room */
    size_t *first;         /* ids + 1: where the lives of each id begin */
    struct life **by_name; /* the same by activation */
    size_t broken;         /* records that make no sense: a stop without a start, two starts of one activation */
};

/* calls_max: more are refused. */
void history_init(struct history *h, uint32_t ids, size_t calls_max);
void history_fini(struct history *h);

/* A new call that starts now; NULL: no room. */
struct call_record *history_call(struct history *h, uint64_t now_ns);

/* The name of an id: PREFIX/INDEX and what follows a further slash. Returns the index, or UINT32_MAX. */
uint32_t history_id(const char *name, size_t len);

/* Adds the records of a node's file. */
void history_lives(struct history *h, uint8_t node, const struct life_event *events, size_t count);

/* Completes the lives: from here on the checks can be asked. */
void history_close(struct history *h, const struct death *deaths, size_t count);

/* ---- the checks -------------------------------------------------------------------------------------------------- */

/* Processes that were active while another of their id was, at any time from from_ns on and before until_ns. */
uint64_t history_doubled(const struct history *h, uint64_t from_ns, uint64_t until_ns);

/* The last moment in that time at which two processes of one id were active; 0: there is none. */
uint64_t history_doubled_until(const struct history *h, uint64_t from_ns, uint64_t until_ns);

/* Processes that started in that time under a lower epoch than an earlier one of their id. */
uint64_t history_stale(const struct history *h, uint64_t from_ns, uint64_t until_ns);

/* Answers that contradict the lives: of a process that nobody knows, or at a time when it was not there. They would
 * mean that doubled processes are not all seen. */
uint64_t history_contradictions(const struct history *h);

/* Calls without an outcome. */
uint64_t history_unanswered(const struct history *h);

/* Calls whose outcome came later than timeout_ms + 100 ms. */
uint64_t history_late(const struct history *h, uint32_t timeout_ms);

/* Updates that were acknowledged and are not in the last value that was read; ids that were not read are skipped. */
uint64_t history_missing(const struct history *h);

/* Updates that are in it although nobody made them: one has run twice. */
uint64_t history_excess(const struct history *h);

/* Ids for which two nodes of the callers read last from different processes. */
uint64_t history_disagreements(const struct history *h);

/* ---- what is measured -------------------------------------------------------------------------------------------- */

enum change_kind {
    CHANGE_LOSS,  /* node has gone or is cut off: its processes are affected */
    CHANGE_LEAVE, /* node leaves: those that move are */
    CHANGE_JOIN,  /* node comes: those that move are */
    CHANGE_SPLIT, /* all are affected */
};

/* A change and the time that is counted as its: until the next one, or until it has settled. */
struct change {
    uint64_t from_ns, until_ns;
    enum change_kind kind;
    uint8_t node;
};

struct moves {
    uint64_t moved; /* starts at another node than the process before */
    uint64_t least; /* how many a change needs: what the node had before it left, or has after it came */
};

/* Adds up. CHANGE_SPLIT counts nothing. */
void history_moves(const struct history *h, const struct change *c, struct moves *moves);

/* The longest time without an answer within the change, for each watch whose process is affected, in ns.
 * watch_ids: watches of them, the id of each. outages: room for watches; returns how many were written. */
size_t history_outages(const struct history *h, const struct change *c, const uint32_t *watch_ids, size_t watches,
                       uint64_t *outages);

#endif
