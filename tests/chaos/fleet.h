/* Nodes that are programs of their own: `mesh run` with the module of accounts, started, asked to end, killed, stopped.
 *
 * Each keeps in the folder of the run: NAME.log (its standard error) and NAME.lives (lives.h). They end with the
 * program, however that ends: the kernel is asked to kill them. One thread. */
#ifndef CHAOS_FLEET_H
#define CHAOS_FLEET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <mesh/bytes.h>

#include "history.h"
#include "stage.h"

enum { FLEET_MAX = 18, FLEET_NAME_SIZE = 48, FLEET_CAPABILITIES_MAX = 3, FLEET_DEATHS_MAX = 256 };

struct fleet_node {
    char name[FLEET_NAME_SIZE]; /* ALIAS@HOST */
    char alias[16];
    size_t machine;
    const char *capabilities[FLEET_CAPABILITIES_MAX + 1]; /* NULL ends them */
    bool here;                                            /* a node of this very program: it is only connected to */
    pid_t pid;                                            /* 0: it does not run */
    int out;                                              /* its standard output */
};

struct fleet {
    struct stage *stage;
    const char *program, *module, *folder; /* not copied */
    struct fleet_node nodes[FLEET_MAX];
    size_t count;
    struct death deaths[FLEET_DEATHS_MAX]; /* of all programs that have ended */
    size_t death_count;
    size_t faults; /* programs that ended by themselves, or not as they should */
};

void fleet_init(struct fleet *f, struct stage *stage, const char *program, const char *module, const char *folder);

/* Kills what still runs. */
void fleet_fini(struct fleet *f);

/* Makes a node known that starts later; all that are known when one starts are those that it connects to. capabilities:
 * one or more words with spaces between them; NULL: a node of this program. Returns its index. */
uint8_t fleet_add(struct fleet *f, const char *alias, size_t machine, const char *const *capabilities);

/* The index of a node by its name; NO_NODE. Any thread, once all are added. */
uint8_t fleet_find(const struct fleet *f, mesh_bytes name);

/* Starts a node and waits until it serves. False: stderr says why. */
bool fleet_start(struct fleet *f, size_t node);

/* Only the first half, and whether it has said that it serves, without waiting for longer than timeout_ms. */
bool fleet_launch(struct fleet *f, size_t node);
bool fleet_await(struct fleet *f, size_t node, uint32_t timeout_ms);

/* SIGTERM, until it has ended. False: not within the time, or not with 0. */
bool fleet_drain(struct fleet *f, size_t node);

/* SIGTERM alone, and whether it has ended since: for those who do something meanwhile. */
void fleet_ask(struct fleet *f, size_t node);
bool fleet_gone(struct fleet *f, size_t node);

/* SIGKILL. Returns when it happened (clock_now_ns). */
uint64_t fleet_kill(struct fleet *f, size_t node);

/* SIGSTOP and SIGCONT. */
void fleet_pause(struct fleet *f, size_t node);
void fleet_resume(struct fleet *f, size_t node);

/* Notices programs that have ended by themselves: faults grows. */
void fleet_look(struct fleet *f);

/* Reads what the nodes have written down into a history. False: a file cannot be read. */
bool fleet_lives(const struct fleet *f, struct history *h);

#endif
