/* A node with connections, in a test: a runtime, a net on it, and what the net has told. Several stand in one program,
 * on an epmd port of their own. Every wait is for an event, and fails after PARTY_PATIENCE_MS. */
#ifndef TESTS_UNIT_DIST_PARTY_H
#define TESTS_UNIT_DIST_PARTY_H

#include <pthread.h>

#include <mesh.h>

#include "dist/net.h"

enum { PARTY_PATIENCE_MS = 30000, PARTY_SENDERS = 4, PARTY_EVENTS_MAX = 8192 };

struct party {
    mesh_node *node;
    struct net *net;
    char name[64];
    const char *expects; /* what messages may begin with that are not to be read; NULL: nothing */
    bool holds;          /* messages are held up in `message` as long as this is set: under the lock */

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t changed;
    char events[PARTY_EVENTS_MAX]; /* u: up, m: the first message since then, d: down, f: dial failed */
    size_t event_count;
    int ups, downs, failures;
    uint64_t messages;
    int expected;                /* messages that began so */
    char behind[16];             /* what the last of them was; "bad" is refused */
    int64_t last[PARTY_SENDERS]; /* by sender: the last number; numbers have to come in order */
    size_t large;                /* bytes of the last binary */
    uint64_t disorder;
    uint32_t creation; /* of the last peer */
    struct net_reason reason;
    int registered_again;
    int paused;
};

/* A free port of loopback, at this moment. */
uint16_t party_port(void);

/* Starts a node. options: name, cookie ("mesh") and epmd_address ("127.0.0.1") are filled in. What net_create says. */
int party_try(struct party *p, const char *name, const struct net_options *options);
void party_start(struct party *p, const char *name, const struct net_options *options);
void party_stop(struct party *p);

/* Waits until *count, one of p's, is at least n. */
void party_await(struct party *p, const int *count, int n);
void party_await_messages(struct party *p, uint64_t n);

/* What a count, one of p's, or the last reason, is now. */
int party_count(struct party *p, const int *count);
struct net_reason party_reason(struct party *p);
uint32_t party_peer_creation(struct party *p);

/* The link to another, held. */
struct net_link *party_link(struct party *p, const char *name);

/* Dials until it is up. */
void party_connect(struct party *p, struct party *to);

/* Sends a number, or a binary of so many bytes, to the name x. */
int party_send(struct party *p, struct net_link *link, int64_t sender, int64_t number, uint32_t wait_ms);
int party_send_bytes(struct party *p, struct net_link *link, int64_t sender, struct block *block, uint32_t wait_ms);

/* A term: a binary of len bytes, in a block that has one count. */
struct block *party_binary(size_t len);

uint64_t party_now_ms(void);

/* How many descriptors the program has open. */
int party_descriptors(void);

#endif
