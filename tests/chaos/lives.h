/* What the accounts of a node write down of themselves: one record for each process that starts or ends.
 *
 * The records of a node are appended to a file of its own, each by one write, so that they are there after a kill -9.
 * The times are those of CLOCK_MONOTONIC, which is the same for all programs of a machine. */
#ifndef CHAOS_LIVES_H
#define CHAOS_LIVES_H

#include <stdint.h>

#define LIVES_VARIABLE "MESH_CHAOS_LIVES" /* in the environment of a node: the path of its file */

enum { LIFE_START = 1, LIFE_STOP = 2, LIFE_ID_MAX = 34 };

struct life_event {
    uint64_t at_ns; /* a start: before the first handler could run; a stop: after the last one */
    uint64_t activation;
    uint64_t epoch;
    uint32_t shard;
    uint8_t kind;
    uint8_t id_len;
    char id[LIFE_ID_MAX];
};

_Static_assert(sizeof(struct life_event) == 64, "a record has no padding");

#endif
