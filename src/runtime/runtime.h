/* The actor runtime of one node: its workers, tables and limits, and what the layers above may do with it.
 *
 * Lock order, outermost first; a thread that holds one takes only those below it:
 *   0 capabilities->lock, then membership->lock, of the node; or the lock of its processes abroad (node/foreign.h)
 *   1 runtime->lock        modules, capabilities, classes; start and stop
 *   2 a stripe of the id table
 *   3 a row of a capability
 *   4 leaves: a lane (node/lane.h), pids->lock, slab pools, runtime->debts, coroutines_lock, seats_lock, message pool,
 *     run queue, timers_lock, stack pool, back-off, snapshots, drain, task, thread pool, watchdog, a queue of
 *     completions, a list of waits (waiting.c), crash handlers (crash.c)
 * No user code runs with any of them held. */
#ifndef RUNTIME_RUNTIME_H
#define RUNTIME_RUNTIME_H

#include <pthread.h>

#include <mesh/log.h>
#include <mesh/node.h>
#include <mesh/process.h>
#include <mesh/stats.h>

#include "base/log.h"
#include "base/siphash.h"
#include "base/threads.h"
#include "runtime/actor.h"
#include "runtime/backoff.h"
#include "runtime/pids.h"
#include "runtime/shard.h"
#include "runtime/slab.h"
#include "runtime/snapshots.h"
#include "runtime/stack.h"
#include "runtime/table.h"
#include "runtime/watchdog.h"
#include "runtime/worker.h"

enum { DEBT_LOCKS = 64, CLASS_BUCKETS = 256 };

struct route;

/* Where messages go whose shard this node does not hold. Set before the first call, by the layer above of a node that
 * is part of a cluster; take NULL: nowhere, they are refused with MESH_EMOVED.
 *
 * take is called without a lock. w: the running worker, entered, or NULL. MESH_OK: r->message is the taker's, as it
 * would be a process's, and ends by route_to_id, call_end or message_unref; else it is still the caller's. r and what
 * it points to are the caller's. */
struct elsewhere {
    void *context;
    int (*take)(void *context, struct worker *w, const struct route *r);
};

struct signal;

/* Processes of other nodes, as those of this node monitor, link and write to them. Set before the first call, by the
 * layer above of a node that has links to others; all NULL: every such process is gone, with the reason :noconnection.
 *
 * A process abroad that somebody here is tied to, in either direction, has a number that stands for it, with
 * PIDS_ABROAD set: bonds know processes by numbers. It stands for the same process as long as a bond or a message has
 * it, and for none afterwards. What comes from such a process is an ordinary signal.
 *
 * All are called without a lock, in any place, and do not suspend. */
struct abroad {
    void *context;
    /* Sends an info, or an exit signal that is not from a link. signal->from: the sending process, or 0. MESH_EBUSY:
     * too much waits for the link to that node; MESH_EINVAL: pid cannot be a process's; MESH_ENOMEM. */
    int (*send)(void *context, const mesh_pid *pid, const struct signal *signal);
    /* The number that stands for a process, or 0 if none does. */
    uint64_t (*find)(void *context, const mesh_pid *pid);
    /* Monitors or links: signal is a MESSAGE_MONITOR or a MESSAGE_LINK, and *number stands for the process from here
     * on. Errors as above, and MESH_ELIMIT: too many are tied. Nothing has happened then. */
    int (*tie)(void *context, const mesh_pid *pid, const struct signal *signal, uint64_t *number);
    /* Any other signal to a process that a number stands for: DEMONITOR, UNLINK; DOWN and EXIT when a process of this
     * node has ended. MESH_OK, also if nothing is left to be told. */
    int (*signal)(void *context, uint64_t number, const struct signal *signal);
    /* A MESSAGE_UNLINK, or a MESSAGE_EXIT by a link, which came from there, has been handled or refused: until then the
     * receiver may look for its link. */
    void (*settled)(void *context, uint64_t number);
};

struct runtime {
    /* Constant after runtime_init. */
    mesh_node_options options; /* every default filled in */
    char name[MESH_NAME_SIZE];
    size_t name_size;       /* with its NUL */
    uint32_t creation;      /* of the pids */
    struct siphash_key key; /* of the id table */
    struct worker *workers;
    uint32_t worker_count;
    mesh_store store;
    uint64_t started_ns;
    void *owner; /* the mesh_node */
    struct elsewhere elsewhere;
    struct abroad abroad;

    struct logger log;
    struct table table;
    struct pids pids;
    struct slab_pool cells;  /* of actors */
    struct slab_pool arrays; /* of the table and the rows */
    struct message_pool messages;
    struct stack_pool stacks;
    struct threads threads; /* workers, spares and mesh_blocking */
    struct backoff backoff;
    struct snapshots snapshots;
    struct watchdog watchdog;
    struct crash_left crash;
    struct spin debts[DEBT_LOCKS]; /* see process.c */

    pthread_mutex_t lock; /* the lists below: written under it; read without it through the buckets */
    struct module *modules;
    struct capability *capabilities;
    struct module *foreign_modules; /* names alone */
    struct capability *foreign_capabilities;
    uint32_t module_count, capability_count;
    _Atomic uint32_t class_count;
    struct class **class_by_index;                  /* CLASSES_MAX; filled before class_count counts them */
    _Atomic(struct class *) buckets[CLASS_BUCKETS]; /* by names; classes are only added */
    _Atomic(struct class *) foreign[CLASS_BUCKETS]; /* those of which this node lacks a part */
    _Atomic uint32_t known;                         /* counts modules and capabilities that came */
    _Atomic(struct class_stats *) *shared_stats;    /* CLASSES_MAX; see stats.h */

    struct spin coroutines_lock;
    struct coroutine **coroutines; /* by index; max_suspended + spare of them, filled as made */
    uint32_t coroutine_count, coroutine_max;
    struct coroutine *coroutines_free;

    struct spin seats_lock;
    struct seat *seats;

    _Atomic uint64_t started;  /* processes that threads started; the rest is counted by workers */
    _Atomic uint64_t limited;  /* live processes, where max_processes limits them */
    _Atomic uint64_t tasks;    /* not yet ended */
    _Atomic uint64_t async;    /* asynchronous calls not completed */
    _Atomic uint64_t blocking; /* mesh_blocking under way */
    _Atomic uint64_t callers;  /* threads inside mesh_call */
    _Atomic bool stopping;     /* new calls are refused */
    _Atomic bool asks;         /* nothing starts without asking elsewhere.take */
    _Atomic bool ending;       /* workers leave */
    _Atomic uint32_t polling;  /* index + 1 of the worker that polls */
    _Atomic uint32_t sleepers; /* workers that sleep */
    _Atomic uint32_t next;     /* round robin of work from ordinary threads */
    _Atomic uint64_t refs;     /* of references and timers */
    _Atomic uint64_t epoch;    /* the last given out */
    _Atomic uint64_t stuck;    /* handlers reported */
    _Atomic bool passivates;   /* some class has an idle time-out */
    _Atomic uint64_t round_ns; /* how often the hand goes round */
};

/* ---- runtime.c ---- */

int runtime_init(struct runtime *rt, const mesh_node_options *options);
int runtime_start(struct runtime *rt);
/* Drains and ends everything. MESH_ESTUCK: call again. */
int runtime_stop(struct runtime *rt);
/* The same without the handler that runs on c, which never returns: until all others have ended, or for timeout_ms. */
void runtime_drain_but(struct runtime *rt, const struct coroutine *c, uint32_t timeout_ms);
void runtime_fini(struct runtime *rt);

/* A number that was not given before, of references and timers. */
uint64_t runtime_ref(struct runtime *rt);
uint64_t runtime_epoch(struct runtime *rt);

void runtime_pid(const struct runtime *rt, uint64_t number, mesh_pid *pid);
/* The number of a pid of this node, or 0; also 0 for one that no process can have. */
uint64_t runtime_number(const struct runtime *rt, const mesh_pid *pid);
void runtime_make_ref(const struct runtime *rt, uint64_t number, mesh_ref *ref);
/* The number of a reference that this node made, or 0. */
uint64_t runtime_ref_number(const struct runtime *rt, const mesh_ref *ref);

/* ---- classes.c ---- */

/* Adds all of them or none. MESH_EEXISTS: modules[*clash] has the name of another definition; clash may be NULL. */
int runtime_add_modules(struct runtime *rt, const mesh_module *const *modules, size_t count, size_t *clash);
int runtime_add_capability(struct runtime *rt, const char *name, uint32_t shards, struct capability **capability);
/* The class of two names. MESH_ENOMODULE, MESH_ENOCAPABILITY, but a foreign class if there is somewhere else to send
 * to. w may be NULL. */
int runtime_class(struct runtime *rt, struct worker *w, const char *module, const char *capability,
                  struct class **class);
/* The same of names that a peer has sent: never a foreign one. */
int runtime_class_here(struct runtime *rt, const char *module, const char *capability, struct class **class);
struct capability *runtime_capability(struct runtime *rt, const char *name);
const struct module *runtime_module(struct runtime *rt, const char *name);
void classes_fini(struct runtime *rt);

/* ---- route.c ---- */

/* A message on its way to a process by id. */
struct route {
    struct class *class;
    mesh_bytes id;
    mesh_term init_arg;
    struct message *message;
    bool direct;         /* in: take the run right rather than push, where possible. Only with a worker */
    uint64_t permit;     /* not 0: elsewhere.take has been asked. It has allowed a start under this epoch (no epoch: 1),
                            and is not asked again */
    struct actor *actor; /* out: whose run right was taken; the message was not pushed then */

    /* Set by route_prepare. */
    uint64_t hash, hint;
    struct actor *known; /* where a hint leads, or NULL */
};

/* Computes the hash of class and id, and fetches what it leads to. Before route_to_id. w may be NULL. direct may be
 * taken back afterwards. */
void route_prepare(struct runtime *rt, struct worker *w, struct route *r);

/* Fetches more of that: once what route_prepare asked for can be there. */
void route_fetch(struct runtime *rt, struct route *r);

/* Finds or starts the process and pushes the message, or takes its run right. The message is the actor's afterwards;
 * after an error still the caller's. w may be NULL. */
int route_to_id(struct runtime *rt, struct worker *w, struct route *r);

/* Pushes a message to a process by number. MESH_ENOPROCESS, MESH_EBUSY. Signals are never refused as busy. */
int route_to_pid(struct runtime *rt, struct worker *w, uint64_t number, struct message *m);

/* Whether a process has that number and lives. */
bool route_lives(struct runtime *rt, uint64_t number);

/* Takes an actor that ends out of the tables and frees it; false when messages wait: it then has a new life and pid,
 * and init runs before the next message. Run right. */
bool route_remove(struct runtime *rt, struct worker *w, struct actor *a);

/* How many processes live: a number from about now, and not 0 while any does. Any thread. */
uint64_t runtime_live(struct runtime *rt);

/* ---- call.c ---- */

int call_run(struct runtime *rt, const mesh_request *request, mesh_result *result);
int call_cast(struct runtime *rt, const mesh_request *request);
int call_async(struct runtime *rt, const mesh_request *request, mesh_done_fn done, void *context);
/* Those two from inside the runtime: w is the running worker, entered, or NULL. */
int call_cast_on(struct runtime *rt, struct worker *w, const mesh_request *request);
int call_async_on(struct runtime *rt, struct worker *w, const mesh_request *request, mesh_done_fn done, void *context);
int call_answer(mesh_from from, mesh_term term);
int call_drop(mesh_from from);
void call_release(mesh_result *result);
/* Releases what the handler on c has left. */
void call_release_held(struct worker *w, struct coroutine *c);

/* Ends the open ticket of a message with an error and, for a crash or a failed start, its reason; nothing if it was
 * answered. w: the running worker or NULL. */
void call_fail(struct runtime *rt, struct worker *w, struct message *m, int error, mesh_term reason);

/* The receiver is done with a message: the handler returned, or it is dropped unhandled. a: whose handler, or NULL. */
void call_handled(struct runtime *rt, struct worker *w, struct actor *a, struct message *m);

/* Answers every call that a process returned from and owes: MESH_ENOREPLY. */
void call_pay_debts(struct runtime *rt, struct worker *w, struct actor *a);

/* Keeps the request of a release for when the process owes no answer any more; it then comes again. False: it owes
 * none, and the request is still the caller's. Run right. */
bool call_await_debts(struct runtime *rt, struct actor *a, struct message *leaving);

/* Runs the completions that wait on w. c: the running coroutine. */
void call_complete(struct worker *w, struct coroutine *c);

/* The outcome of a call that elsewhere.take has taken: error, the reply or reason, and the process that answered, if
 * any: its number and its node, as `place` says (call_place; a count that is given away, or NULL). The taker's share of
 * the message ends here. value may be a view of anything. w: the running worker, entered, or NULL in any other place.
 */
void call_end(struct runtime *rt, struct worker *w, struct message *m, int error, mesh_term value, uint64_t number,
              struct block *place);

/* A counted note of a node, for call_end. NULL: no memory. */
struct block *call_place(mesh_bytes node, uint32_t creation);

/* The process that answered m, whose init_arg.block has such a note. */
void call_pid_elsewhere(const struct message *m, mesh_pid *pid);

/* A message from another node. Everything is the caller's. */
struct served {
    struct class *class;
    mesh_bytes id;
    mesh_term payload, init_arg; /* checked; data NULL: nil */
    uint64_t deadline_ns;        /* 0: none */
    uint64_t permit;             /* as in struct route */
    const struct link_of_chain *chain;
    uint32_t chain_count; /* at most MESSAGE_CHAIN_MAX */
    peer_done_fn done;    /* NULL: a cast */
    bool conflict;        /* a cast: the payload is a snapshot, for the module's conflict */
    void *context;
    uint64_t tags[2];
};

/* Hands it to its process on this node. If this returns MESH_OK, done is called exactly once, maybe before it returns;
 * else never. A process that gives no answer by the deadline is not told: whoever has sent the call watches the time
 * himself, and done is called when the process answers or ends. MESH_EMOVED: the shard is not held. */
int call_serve(struct runtime *rt, struct worker *w, const struct served *s);

/* A call of another node to a process by number, without a deadline. done is called once likewise, but by whoever
 * answers, before that goes on: what the process does next comes after its answer, its end too. It is in the runtime
 * then, so that it calls no public function, and it takes no lock that is held here. MESH_ENOPROCESS, MESH_EBUSY,
 * MESH_ENOMEM, MESH_ESTOPPING. */
int call_serve_pid(struct runtime *rt, struct worker *w, uint64_t number, mesh_term payload, mesh_done_fn done,
                   void *context);

/* Drops one reference; the last returns the message. */
void message_unref(struct runtime *rt, struct worker *w, struct message *m);

/* ---- process.c ---- */

/* Handles what waits for an actor, first before the rest if not NULL. Run right. */
void process_run(struct worker *w, struct coroutine *c, struct actor *a, struct message *first);

/* A process has ended, otherwise than by the request of a release that it was sent: whoever releases is told. */
void process_refuse_release(struct runtime *rt, struct worker *w, const struct class *class, struct message *m);

/* The handler on c will never return: whoever waits for its process is told. No thread runs c any more. */
void process_lost(struct runtime *rt, struct coroutine *c, mesh_term reason);

/* ---- task.c ---- */

int task_spawn(struct runtime *rt, mesh_task_fn fn, void *arg, struct mesh_task **task);
/* Starts a task that nobody awaits, also while the node stops or as many are suspended as may. Any place. */
void task_start(struct runtime *rt, mesh_task_fn fn, void *arg);
void task_run(struct worker *w, struct coroutine *c, struct mesh_task *task);
int task_await(struct mesh_task *task, uint32_t timeout_ms, int *value);

/* Runs fn(arg) on a helper thread while c waits. Entered. MESH_ESYSTEM, MESH_ESUSPENDED. */
int task_block(struct worker *w, struct coroutine *c, void (*fn)(void *arg), void *arg);
int task_blocking(struct runtime *rt, void (*fn)(void *arg), void *arg);

/* ---- timers.c ---- */

int timers_send_after(struct runtime *rt, uint32_t delay_ms, uint64_t number, mesh_term term, mesh_timer *timer);
int timers_cancel(struct runtime *rt, mesh_timer timer);
/* Sends what is due. */
void timers_fire(struct worker *w);
/* At the end: nobody else touches the worker any more. */
void timers_drop_all(struct worker *w);

/* ---- signals.c ---- */

struct signal {
    enum message_kind kind;
    uint64_t from; /* the process it is about, or 0 */
    uint64_t ref;
    bool by_link;
    struct block *who; /* of DOWN and EXIT: the pid that it is about, if from does not tell; or NULL. The caller's */
    void *context;     /* a struct drain, of the kinds that ask a process to end */
    mesh_term term;
};

/* Sends a signal from inside the runtime (w: the running worker or NULL), or from user code. MESH_ENOPROCESS. */
int signal_push(struct runtime *rt, struct worker *w, uint64_t to, const struct signal *signal);
int signal_send(struct runtime *rt, uint64_t to, const struct signal *signal);

/* The first for what must arrive: where there is no memory for the term, it is nil. */
int signal_push_surely(struct runtime *rt, struct worker *w, uint64_t to, struct signal signal);

/* A signal that came to a process has been handled, or will not be. */
void signal_settled(struct runtime *rt, const struct message *m);

int signal_info(struct runtime *rt, const mesh_pid *pid, mesh_term message);
int signal_exit(struct runtime *rt, const mesh_pid *pid, mesh_term reason);
int signal_monitor(struct mesh_process *self, const mesh_pid *pid, mesh_ref *ref);
int signal_demonitor(struct mesh_process *self, const mesh_ref *ref);
int signal_link(struct mesh_process *self, const mesh_pid *pid);
int signal_unlink(struct mesh_process *self, const mesh_pid *pid);

/* ---- sweep.c ---- */

/* Moves the passivation hand; called by worker 0 between handlers. Returns when to be called again (ns), 0: never. */
uint64_t sweep_turn(struct worker *w);

#endif
