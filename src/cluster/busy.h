/* Processes that stay inside a handler while their shard moves on; the other half of handoff.c. */
#ifndef CLUSTER_BUSY_H
#define CLUSTER_BUSY_H

#include "cluster/state.h"

enum { BUSY_MAX = 65536 /* of one capability, in one direction */ };

/* A process of a shard that has moved on, still inside a handler. It is here (out), or `giver` said so. Its parcel
 * goes to `to`: NOBODY if this node has the shard itself, or nobody else yet. */
struct busy {
    struct busy *next;
    uint32_t shard;
    uint16_t giver, to;
    uint16_t at;            /* where it is */
    uint16_t then, then_at; /* of one that is here: another, that began while the link was down, at these */
    bool out;
    uint32_t module_len, id_len;
    uint8_t bytes[];
};

/* The link to this process in its chain, or to the chain's end (a link to NULL); NULL: the capability has no chains. */
struct busy **busy_place(const struct capability *cap, const struct cluster_key *key);

/* Adds one, unless it is known. giver: who named it, SELF for one of this node (out); at_node: where it runs. */
void busy_add(struct capability *cap, const struct cluster_key *key, uint16_t giver, uint16_t at_node, bool out);
void busy_remove(struct capability *cap, struct busy **at);

/* One of this node has ended. Whether another of its id is waited for now; else it is to be removed. */
bool busy_second(struct cluster *c, struct capability *cap, struct busy *b);

/* Asks the node where the process is for its parcel: the one that should have passed it on is gone. */
void busy_fetch(struct cluster *c, struct capability *cap, struct busy *b);

/* The link to a peer has ended. */
void busy_link_down(struct cluster *c, struct capability *cap, uint16_t peer);

/* A shard, a module and an id of a message: MESH_EBADTERM in *error when they are none. */
struct cluster_key busy_read_key(struct items *it, const struct capability *cap, int *error);

#endif
