/* A visible node that consists of the services of src/dist and nothing else, on blocking sockets and poll: what a BEAM
 * has beside it in the tests. */
#ifndef TESTS_SYSTEM_DIST_MEMBER_H
#define TESTS_SYSTEM_DIST_MEMBER_H

#include "dist/system.h"
#include "system/dist/beam.h"
#include "system/dist/link.h"

enum { MEMBER_LINKS_MAX = 8, MEMBER_FIRST_PID = 16, MEMBER_USER_PID = 8 };

struct member_link {
    bool up;
    bool closing;
    struct link link;
};

struct member {
    const char *name;
    uint16_t epmd_port;
    int listener;
    int registration;
    struct handshake_config config;
    struct member_link links[MEMBER_LINKS_MAX];
    struct system system;
    char wanted[MEMBER_LINKS_MAX][NAME_MAX_BYTES + 1]; /* connects not yet made */
    size_t wanted_count;
    uint64_t last_pid;
    uint64_t later; /* the token of a call of mesh_test:later/1; 0: none */
    int64_t later_value;
    uint64_t casts;      /* calls of mesh_test:note/1 */
    uint64_t killed;     /* exit signals for the user's process */
    uint64_t done_token; /* the last request to global that ended */
    bool done_yes;
};

/* Registers with epmd, and listens. name: a literal. */
void member_start(struct member *m, const char *name, uint16_t epmd_port);

/* Leaves as a node should: the services are told first. */
void member_stop(struct member *m);

/* A connection from this side, made before it returns. */
void member_dial(struct member *m, const char *peer);
void member_disconnect(struct member *m, const char *peer);
bool member_has(const struct member *m, const char *peer);

/* Serves for up to wait_ms, until something has happened. */
void member_serve(struct member *m, int wait_ms, int also);

/* Has a BEAM evaluate expressions, serves until it prints a line, and compares. */
void member_expect(struct member **members, size_t count, struct beam *beam, const char *expressions,
                   const char *wanted);

#endif
