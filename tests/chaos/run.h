/* One scenario while it is played: its machines, its nodes, its callers, and what was done to them when. */
#ifndef CHAOS_RUN_H
#define CHAOS_RUN_H

#include "cli/terminal.h"

#include "fleet.h"
#include "history.h"
#include "load.h"
#include "stage.h"

enum { RUN_CHANGES_MAX = 256, RUN_FOLDER_SIZE = 256 };

struct run_options {
    const char *program, *module; /* of `mesh`, and of the shared object with accounts */
    const char *folder;           /* where each scenario has a folder */
    bool brief;                   /* fewer nodes, rounds and ids */
    bool timed;                   /* what took too long is a failure */
};

/* A time in which nothing was done to the cluster, since_ns; from from_ns on nothing may be doubled. */
struct calm {
    uint64_t since_ns, from_ns, until_ns;
};

struct run {
    const struct run_options *options;
    char folder[RUN_FOLDER_SIZE];
    struct stage stage;
    struct fleet fleet;
    struct load load;
    struct progress progress;
    const char *title;
    uint32_t step, steps; /* for the bar */

    struct change changes[RUN_CHANGES_MAX];
    size_t change_count;
    bool changing; /* the last one has not been settled */
    struct calm calms[RUN_CHANGES_MAX];
    size_t calm_count;
};

/* The beginnings: of all; of the folder, when all nodes are known; of the callers, which join. False: stderr says why;
 * run_fini all the same. */
bool run_init(struct run *r, const struct run_options *options, const char *title, bool apart, size_t machines);
bool run_folder(struct run *r);
bool run_load(struct run *r, const struct load_options *load);
void run_fini(struct run *r);

/* Goes on for so long, shows how it goes, and looks after the nodes. */
void run_pass(struct run *r, uint32_t ms);

/* Something is done to the cluster from now on, or from_ns; node: to whom. Ends the change before it. */
void run_change(struct run *r, enum change_kind kind, size_t node);
void run_change_from(struct run *r, enum change_kind kind, size_t node, uint64_t from_ns);

/* The cluster has settled: the last change has ended. */
void run_settled(struct run *r);

/* From after_ms on, until run_calm_ends, nothing may be doubled. */
void run_calm_begins(struct run *r, uint32_t after_ms);
void run_calm_ends(struct run *r);

#endif
