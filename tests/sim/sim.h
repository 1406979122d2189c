/* The simulator: many nodes of src/cluster/ in one thread, on a logical clock, from a seed.
 *
 * Everything that happens is an event at a millisecond; events of one millisecond happen in the order in which they
 * were planned; all chance comes from one generator. So a seed gives the same run on every machine, and a run that
 * breaks a promise is repeated by its seed.
 *
 * What is real: the whole of src/cluster/, with its messages as bytes. What is modelled: links (ordered streams that
 * break and come back), the runtime of a node (processes that run handlers, end, leave snapshots), clients that call
 * and cast, and the faults. Each model has its file; check.c watches. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh/term.h>

#include "cluster/cluster.h"
#include "term/block.h"

enum {
    SIM_NODES_MAX = 1000,
    SIM_CAPS_MAX = 3,
    SIM_IDS_MAX = 24, /* of each capability */
    SIM_CLIENTS_MAX = 8,
    SIM_CALLS_KEPT = 1 << 14,
};

/* What may go wrong in a run: bits of sim_options.faults. */
enum sim_fault {
    SIM_BLINK = 1,     /* a link breaks and comes back */
    SIM_PARTITION = 2, /* nodes are cut off from others, one way or both, for a while */
    SIM_CRASH = 4,     /* a node dies, and starts again under its name */
    SIM_PAUSE = 8,     /* a node stands still, and goes on */
    SIM_JOIN = 16,     /* new nodes */
    SIM_DRAIN = 32,    /* nodes that leave in order, and come back */
    SIM_REGISTER = 64, /* capabilities on and off */
    SIM_BUSY = 128,    /* handlers that take seconds */
    SIM_PEACEFUL = SIM_JOIN | SIM_DRAIN | SIM_REGISTER | SIM_BUSY,
    SIM_ALL = 255,
};

struct sim_options {
    uint64_t seed;
    uint16_t nodes;
    uint32_t seconds;
    uint32_t faults;
    uint32_t rules_off; /* bit n: rule n */
    uint32_t shards;
    uint32_t majority_of;
    uint32_t changes; /* not 0: a large cluster that starts converged and sees so many changes, one a second */
    bool trace;
};

/* What a run has counted, and what it has found. */
struct sim_result {
    uint64_t events, messages, calls, replies, casts, activations, holds, faults, moved, parcels, conflicts, forced;
    uint64_t refused[64]; /* by error */
    uint64_t timeouts;
    uint64_t doubled_holds, doubled_processes; /* I2 */
    uint64_t ran_twice;                        /* I3 */
    uint64_t late;                             /* I4 */
    uint64_t disordered;                       /* I5 */
    uint64_t lost;                             /* I5 across hand-offs: an update that was acknowledged is not there */
    uint64_t unsettled;                        /* I6: shards, members */
    uint64_t protocol_errors;
    uint64_t rings_built;
    uint8_t most_hops;
    char first[256]; /* the first broken promise, in words */
};

/* ---- the calendar ---- */

enum event_kind {
    EVENT_TICK,
    EVENT_DELIVER,
    EVENT_LINK_UP,
    EVENT_LINK_DOWN,
    EVENT_DIAL,
    EVENT_HANDLED,
    EVENT_RELEASED,
    EVENT_CLIENT,
    EVENT_DEADLINE,
    EVENT_FAULT,
    EVENT_HEAL,
    EVENT_RESUME,
    EVENT_RESTART,
};

struct packet;

struct event {
    struct event *next;
    enum event_kind kind;
    uint16_t node, other;
    uint32_t generation; /* of the link, the node or the process that it is for: an older one is void */
    uint32_t a, b;
    struct packet *packet;
};

/* One queue for each millisecond of the near future. */
struct calendar {
    struct event **first, **last;
    struct event *free;
};

/* ---- what travels on a link ---- */

enum packet_kind {
    PACKET_MESSAGE,
    PACKET_REQUEST,
    PACKET_REPLY,
    PACKET_MOVED,
};

struct packet {
    struct packet *next; /* among the spare ones */
    enum packet_kind kind;
    uint32_t generation; /* of the link */
    uint64_t clock;
    struct block *bytes; /* of a message */
    uint32_t call;
    uint8_t hops;
    bool followed;
    uint16_t node; /* MOVED: whom to ask */
    int error;
    uint64_t value, epoch;
};

/* ---- models ---- */

/* Both directions between two nodes. */
struct wire {
    bool up;
    bool cut[2];  /* what the lower, the higher node sends is lost */
    bool seen[2]; /* the lower, the higher node has been told that it is up */
    bool dialling;
    bool breaking; /* something was lost: it will break */
    uint32_t generation;
    uint64_t not_before_ms; /* a scenario: no link before */
    uint64_t last_ms[2];    /* nothing arrives at the lower, the higher before this */
    uint64_t met_ms;        /* since when both count each other as linked; 0: not yet */
    uint32_t breaks;
};

enum { MAILBOX = 64 };

/* One process, at one node. */
struct process {
    bool live, ending, handling;
    bool excused; /* its shard was held twice when this node gave way */
    uint32_t serial;
    uint64_t epoch, started_ms;
    uint32_t mail[MAILBOX];
    uint32_t count;
    uint32_t to_handle; /* while it ends: mail that is still handled */
    uint64_t value;
    uint64_t cast_seen[SIM_CLIENTS_MAX];
};

struct snapshot {
    bool there;
    uint64_t epoch, value;
};

struct waiting {
    struct waiting *next;
    struct packet request;
    uint16_t from;
};

enum node_state { NODE_ABSENT, NODE_UP, NODE_PAUSED, NODE_DOWN };

struct node {
    uint16_t number;
    char name[32];
    enum node_state state;
    bool draining;
    uint32_t creation;
    struct cluster *cluster;
    uint16_t *peer_of, *node_of; /* link numbers of this node's cluster; by node, and back */
    uint64_t tick_ms, started_ms;
    uint64_t conflict_ms;      /* the last time that it gave way to a node that held the same */
    uint64_t forced_ms;        /* the last time that a claim was forced here */
    struct process *processes; /* SIM_CAPS_MAX * SIM_IDS_MAX */
    struct snapshot *store;
    struct waiting *waiting, **waiting_end;
    struct event *backlog, **backlog_end; /* while it is paused */
    uint64_t *held[SIM_CAPS_MAX];         /* by shard: epochs */
};

struct call {
    uint8_t cap, id, client;
    bool cast, done, elsewhere;
    bool indirect; /* it was forwarded on its way */
    uint16_t origin;
    uint32_t origin_creation;
    uint32_t ran;
    uint32_t serial; /* how many have used this place */
    uint64_t begun_ms, deadline_ms;
    uint64_t least; /* the reply must be greater: what had been acknowledged when it began */
    uint64_t order;
};

struct client {
    uint32_t call; /* that it waits for; UINT32_MAX: none */
    uint64_t casts[SIM_CAPS_MAX][SIM_IDS_MAX];
};

struct sim {
    struct sim_options options;
    struct sim_result result;
    uint64_t now_ms, end_ms, quiet_ms; /* no fault begins from quiet_ms on */
    uint64_t random;
    struct calendar calendar;
    struct node *nodes; /* all that ever join */
    uint16_t node_count;
    uint32_t caps, ids;
    struct wire *wires; /* node_count * node_count: the place (lower, higher) is used */
    struct call *calls;
    uint32_t next_call;
    uint64_t acknowledged[SIM_CAPS_MAX][SIM_IDS_MAX];
    uint64_t conflict_ms;               /* the last time that a shard was found to be held twice */
    bool forgetful;                     /* a fault that may lose state has happened */
    uint64_t vanished_ms[SIM_CAPS_MAX]; /* the last time that no node had it */
    struct client clients[SIM_CLIENTS_MAX];
    struct rings rings;
    struct packet *spare;
    uint32_t partitioned; /* cuts that have not healed */
    uint32_t creations;
    uint64_t last_fault_ms;
    bool scripted; /* no fault by chance */
    bool at_once;  /* what is sent arrives at the same moment: to set a large cluster up */
};

/* sim.c */
struct sim *sim_create(const struct sim_options *options);
void sim_run(struct sim *sim);
void sim_run_until(struct sim *sim, uint64_t ms);
void sim_destroy(struct sim *sim);
struct sim_options sim_defaults(uint64_t seed);
/* The options of a seed of the test runs: nodes and faults by chance. */
struct sim_options sim_varied(uint64_t seed);
bool sim_broken(const struct sim_result *r);
void sim_print(const struct sim_options *options, const struct sim_result *r, bool json);
void trace(const struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint32_t sim_below(struct sim *sim, uint32_t below);
uint32_t sim_between(struct sim *sim, uint32_t low, uint32_t high);
static inline bool sim_chance(struct sim *sim, uint32_t percent)
{
    return sim_below(sim, 100) < percent;
}
mesh_bytes sim_capability(uint32_t cap);
mesh_bytes sim_id(uint32_t id, char text[16]);
uint32_t sim_shard(const struct sim *sim, uint32_t id);

/* calendar.c */
void calendar_init(struct calendar *calendar);
struct event *plan(struct sim *sim, uint64_t ms, enum event_kind kind, uint16_t node);
struct event *calendar_next(struct sim *sim);
void event_free(struct sim *sim, struct event *e);
void calendar_fini(struct sim *sim);

/* net.c */
struct wire *wire_of(struct sim *sim, uint16_t a, uint16_t b);
bool net_up(struct sim *sim, uint16_t a, uint16_t b);
void net_send(struct sim *sim, uint16_t from, uint16_t to, struct packet *packet);
void net_dial(struct sim *sim, uint16_t a, uint16_t b, uint32_t in_ms);
void net_dialled(struct sim *sim, const struct event *e);
void net_break(struct sim *sim, uint16_t a, uint16_t b, uint32_t low_ms, uint32_t high_ms);
void net_cut(struct sim *sim, uint16_t from, uint16_t to);
void net_heal(struct sim *sim, uint16_t from, uint16_t to);
void net_connect_now(struct sim *sim, uint16_t a, uint16_t b);
void net_link_event(struct sim *sim, struct event *e);
bool net_met(struct sim *sim, uint16_t a, uint16_t b);
void packet_free(struct sim *sim, struct packet *packet);
struct packet *packet_new(struct sim *sim, enum packet_kind kind);
void packets_fini(struct sim *sim);

/* node.c */
void node_start(struct sim *sim, uint16_t number, uint32_t caps);
void node_crash(struct sim *sim, uint16_t number, bool slowly);
void node_free(struct sim *sim, uint16_t number);
void node_begin(struct sim *sim, struct node *n);
void node_settle(struct sim *sim, struct node *n); /* runs the cluster, carries out its actions */
void node_event(struct sim *sim, struct event *e);
void node_route(struct sim *sim, struct node *n, const struct packet *request, uint16_t from);
void node_wait(struct node *n, const struct packet *request);
void node_register(struct sim *sim, uint16_t number, uint32_t cap, bool on);
void node_drain(struct sim *sim, uint16_t number);

/* process.c */
void process_deliver(struct sim *sim, struct node *n, const struct packet *request);
void process_handled(struct sim *sim, const struct event *e);
void process_release(struct sim *sim, struct node *n, uint32_t cap, uint32_t shard);
static inline struct process *process_of(struct node *n, uint32_t cap, uint32_t id)
{
    return &n->processes[cap * SIM_IDS_MAX + id];
}

/* load.c */
void load_client(struct sim *sim, const struct event *e);
void load_reply(struct sim *sim, uint32_t number, int error, uint64_t value);
void load_deadline(struct sim *sim, const struct event *e);
void load_lost(struct sim *sim, uint32_t call);

/* faults.c */
void faults_step(struct sim *sim);
void faults_heal(struct sim *sim, const struct event *e);
void faults_resume(struct sim *sim, uint16_t number);
void faults_pause(struct sim *sim, uint16_t number, uint32_t ms);

/* large.c */
void large_run(struct sim *sim);

/* check.c */
void check_broken(struct sim *sim, uint64_t *counter, const char *format, ...) __attribute__((format(printf, 3, 4)));
void check_hold(struct sim *sim, struct node *n, uint32_t cap, uint32_t shard);
void check_start(struct sim *sim, struct node *n, uint32_t cap, uint32_t id);
void check_end(struct sim *sim);
void check_large(struct sim *sim);

#endif
