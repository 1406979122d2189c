/* What the parts of the mix share: the world that one seed makes, and what is counted in it.
 *
 * mix_test.c has the senders and what must hold at the end, mix_acts.c what the agents do, mix_watcher.c a process that
 * watches the others. */
#ifndef TESTS_STRESS_MIX_H
#define TESTS_STRESS_MIX_H

#include "unit/api/agent.h"

enum { ACTORS = 24, THREADS = 3, TASKS = 4, SENDERS = THREADS + TASKS, ANSWERERS = 2, OWED_MAX = 64 };

enum errand_kind { ADD, NEST, ASK, DROP, LATE, BLOCK, SPIN, CRASH, STOP, TIMER };

/* What a message says, besides the act. It lives in an array of its sender's, which outlives the node's messages. */
struct errand {
    struct world *world;
    int sender, actor;
    uint32_t number; /* counted from 1 for each sender and actor; 0: of no sender's order */
    enum errand_kind what;
    int other;           /* whom NEST and ASK call */
    bool awaits;         /* an outcome is to come: by a completion */
    atomic_int outcomes; /* … that came */
};

/* Answers that agents leave to other threads. */
struct owed {
    pthread_mutex_t lock; /* everything below */
    pthread_cond_t changed;
    mesh_from from[OWED_MAX];
    int count;
    bool closed;
};

struct sender {
    struct world *world;
    int index;
    uint64_t seed;
    pthread_t thread;
    mesh_task *task;
    mesh_queue *queue;      /* of a thread */
    uint32_t next[ACTORS];  /* the number of the next message to each */
    mesh_pid known[ACTORS]; /* who answered last */
    long sent, acknowledged, calls, outcomes, queued, taken;
};

struct watcher; /* see mix_watcher.c */

struct world {
    mesh_node *node;
    struct sender sender[SENDERS];
    struct owed owed;
    pthread_t answerer[ANSWERERS];
    struct watcher *watcher;
    _Atomic uint32_t seen[SENDERS][ACTORS]; /* the highest number that arrived */
    atomic_long handled, disorder, unexpected;
    atomic_long asked, told;            /* asynchronous calls that handlers made, and their outcomes */
    atomic_long late, blocked, spun;    /* so that each is known to have happened */
    atomic_long watches, watched, gone; /* monitors and links made, and the ends that they told; at most one each */
    atomic_long exits;
    atomic_bool flipping;
};

extern const uint8_t mix_boom[6]; /* the atom :boom */

void mix_name(int actor, char id[16]);
/* Whether a call may end so; else it is counted as unexpected. */
void mix_expect(struct world *w, int rc);
/* The act of every errand. */
int mix_perform(struct scene *s);

void mix_start_answerers(struct world *w);
/* Answers what is left. */
void mix_stop_answerers(struct world *w);

/* Starts the watcher of a world. */
void mix_start_watcher(struct world *w);
/* Has it watch a process, by a monitor or a link. Any thread or task. */
void mix_watch(struct world *w, const mesh_pid *pid, bool link);
/* Nobody lives any more whom it watches: waits until it was told of each. */
void mix_await_ends(struct world *w);
void mix_free_watcher(struct world *w);

#endif
