/* A call from another node: how it was asked, and what its answer needs. Between spawn.c and spawn_job.c. */
#ifndef DIST_SPAWN_JOB_H
#define DIST_SPAWN_JOB_H

#include "dist/spawn.h"

enum form {
    FORM_ERPC,     /* DOWN with the outcome as erpc expects it */
    FORM_CAST,     /* nobody waits */
    FORM_PROCESS,  /* a process that ends: DOWN, EXIT, as was asked for */
    FORM_REX_CALL, /* a reply to a gen_call */
    FORM_REX_INFO, /* {rex, Reply} */
};

/* A call. While its function runs its terms are views of the request; one that is kept owns them. */
struct spawn_job {
    struct spawn_job *next, **back; /* in the peer's list; *back points here */
    struct spawn_peer *owner;       /* of one that is kept */
    uint64_t token;
    enum form form;
    uint32_t flags; /* CONTROL_SPAWN_LINKED, _MONITORED */
    uint64_t pid;   /* of the process, or of rex */
    uint32_t arity;
    mesh_bytes peer;
    mesh_bytes module;
    mesh_bytes function;
    mesh_term args; /* not kept */
    mesh_term from; /* the caller */
    mesh_term tag;  /* of a spawn its ReqId, of a gen_call its tag */
    mesh_term res;  /* FORM_ERPC: the caller's Res */
    char *names;    /* of one that is kept: module and function */
};

/* A token for the next call: an unused place, and a number that the place has not had lately. */
uint64_t job_token(struct spawn *spawn);

/* The job that was kept under the token; NULL: none. */
struct spawn_job *job_find(const struct spawn *spawn, uint64_t token);

/* Whether that peer has as many as it may. */
bool job_limit(const struct spawn *spawn, mesh_bytes peer);

/* Keeps a copy of job that owns what it refers to; false when memory is refused. */
bool job_keep(struct spawn *spawn, const struct spawn_job *job);

/* Takes it out; it is the caller's then, to be freed. */
void job_take(struct spawn *spawn, struct spawn_job *job);
void job_free(struct spawn_job *job);

#endif
