/* Where nodes run: all on this machine's loopback, or each on a machine of its own, which is a network namespace.
 *
 * Machines hang from a bridge in a namespace that the program itself moves to. None of the namespaces has a name: they
 * are gone with the last process and descriptor that holds them, however the program ends, and nothing of the real
 * network is touched. Needs root, `ip` and `nft`. The main thread's; stage_enter anybody's. */
#ifndef CHAOS_STAGE_H
#define CHAOS_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { STAGE_MACHINES_MAX = 24, STAGE_HOST_SIZE = 16 };

struct stage {
    bool apart;
    size_t machines;
    int home;                       /* the namespace that the program came from; -1 */
    int spaces[STAGE_MACHINES_MAX]; /* of each machine; -1 */
    uint16_t epmd_port;             /* nobody's, when it was looked for */
};

/* apart: each machine for itself. Before the program has threads. False: stderr says why; stage_fini all the same. */
bool stage_init(struct stage *s, bool apart, size_t machines);
void stage_fini(struct stage *s);

/* Whether this program may make machines: root may, where nothing else forbids it. */
bool stage_possible(void);

/* The address of a machine. */
void stage_host(const struct stage *s, size_t machine, char host[STAGE_HOST_SIZE]);

/* The calling thread, and what it starts, is on that machine from here on. Safe after fork. 0, or -1 with errno. */
int stage_enter(const struct stage *s, size_t machine);

/* From here on nothing that `from` sends arrives at `to`. */
bool stage_cut(const struct stage *s, size_t from, size_t to);

/* All cuts of all machines are mended. */
bool stage_heal(const struct stage *s);

#endif
