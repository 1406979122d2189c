/* The pure part of a strategy: events and the time go in, actions come out. It has no socket, no timer and no clock;
 * the *_io.c files carry out what it asks for, and tests drive it with a logical clock.
 *
 * A source is driven so: whenever something was put in, and when source_next_ms says, call source_next until it returns
 * false, and carry out each action.
 *
 * One thread. Times are milliseconds since any moment, never decreasing. */
#ifndef DISCOVERY_SOURCE_H
#define DISCOVERY_SOURCE_H

#include "discovery/env.h"
#include "discovery/roster.h"

enum action_kind {
    ACTION_SEEN, /* report name */
    ACTION_GONE, /* likewise */
    ACTION_SEND, /* send packet to all */
    ACTION_ASK,  /* ask epmd on host for its names; the answer goes to ask_answer or ask_failed */
};

struct action {
    enum action_kind kind;
    const char *name;  /* SEEN, GONE: valid until the next call of a function of this source */
    mesh_bytes packet; /* SEND: likewise */
    size_t host;       /* ASK: index of the host */
};

struct source;

struct source_ops {
    /* The next action that is due by the source's own schedule; false when there is none now. NULL: it has none. */
    bool (*next)(struct source *s, uint64_t now_ms, struct action *out);

    /* When it will have the next; ROSTER_FOREVER: never by itself. NULL: never. */
    uint64_t (*next_ms)(const struct source *s);

    /* Its counters, beside those of every source, as in discovery_strategy. NULL: none. */
    size_t (*counts)(const struct source *s, struct discovery_count *out, size_t max);

    /* Frees what the source owns, itself included. NULL: nothing but itself. */
    void (*destroy)(struct source *s);
};

/* The first member of each source. */
struct source {
    const struct source_ops *ops;
    struct roster roster;
    char *own;
    uint64_t seen, gone;      /* reports */
    uint64_t displaced, full; /* what became of names for which there was no room */
};

/* Sets up s, which lives in zeroed memory from the heap, for env's node, functions and random source (not NULL here).
 * MESH_EBADNAME: env->node is no node's name; s then still is to be freed by the caller, and by nothing else. */
int source_init(struct source *s, const struct source_ops *ops, const struct discovery_env *env, uint32_t interval_ms,
                uint32_t per_second);

/* Frees a source that was set up. NULL is allowed. */
void source_destroy(struct source *s);

/* Lists a name until until_ms (roster_list), and counts what becomes of it. */
enum roster_outcome source_list(struct source *s, mesh_bytes name, uint16_t group, uint64_t now_ms, uint64_t until_ms);

/* The next action; false when nothing is to be done now. */
bool source_next(struct source *s, uint64_t now_ms, struct action *out);

/* When source_next has to be called again, if nothing is put in before. */
uint64_t source_next_ms(const struct source *s);

/* Writes up to max counters to out; returns how many there are. */
size_t source_counts(const struct source *s, struct discovery_count *out, size_t max);

/* Appends a counter at place n of out, if there is room; returns n + 1. */
size_t source_count(struct discovery_count *out, size_t max, size_t n, const char *name, uint64_t value);

#endif
