/* The calls that are kept until their function answers: found by their token, and by the peer that waits for them. */
#include "dist/spawn_job.h"

#include <stdlib.h>

#include "base/alloc.h"

struct spawn_peer {
    struct spawn_peer *next;
    struct spawn_job *jobs; /* a list, the newest first */
    uint32_t count;
    char name[NAME_MAX_BYTES + 1];
};

/* ---- tokens ------------------------------------------------------------------------------------------------------ */

uint64_t job_token(struct spawn *spawn)
{
    while (spawn->free < spawn->cap && spawn->jobs[spawn->free])
        spawn->free++;
    if (spawn->free == spawn->cap) {
        const uint32_t cap = spawn->cap ? 2 * spawn->cap : 64; /* bounded by the jobs that are kept */
        struct spawn_job **jobs = must_calloc(cap, sizeof *jobs);
        if (spawn->cap > 0)
            memcpy(jobs, spawn->jobs, spawn->cap * sizeof *jobs);
        free(spawn->jobs);
        spawn->jobs = jobs;
        spawn->cap = cap;
    }
    if (++spawn->last == 0)
        spawn->last = 1;
    return (uint64_t)spawn->last << 32 | spawn->free;
}

struct spawn_job *job_find(const struct spawn *spawn, uint64_t token)
{
    const uint32_t place = (uint32_t)token;
    struct spawn_job *job = place < spawn->cap ? spawn->jobs[place] : NULL;
    return job && job->token == token ? job : NULL;
}

/* ---- what is kept ------------------------------------------------------------------------------------------------ */

static struct spawn_peer *peer_find(const struct spawn *spawn, mesh_bytes name)
{
    for (struct spawn_peer *p = spawn->peers; p; p = p->next)
        if (service_same(mesh_str(p->name), name))
            return p;
    return NULL;
}

bool job_limit(const struct spawn *spawn, mesh_bytes name)
{
    const struct spawn_peer *p = peer_find(spawn, name);
    return p && p->count >= SPAWN_PER_PEER_MAX;
}

static struct spawn_peer *peer_make(struct spawn *spawn, mesh_bytes name)
{
    struct spawn_peer *p = peer_find(spawn, name);
    if (p)
        return p;
    p = must_calloc(1, sizeof *p);
    memcpy(p->name, name.data, name.len);
    p->next = spawn->peers;
    spawn->peers = p;
    return p;
}

void job_free(struct spawn_job *job)
{
    mesh_term_release(&job->from);
    mesh_term_release(&job->tag);
    mesh_term_release(&job->res);
    free(job->names);
    free(job);
}

void job_take(struct spawn *spawn, struct spawn_job *job)
{
    const uint32_t place = (uint32_t)job->token;
    *job->back = job->next;
    if (job->next)
        job->next->back = job->back;
    job->owner->count--;
    spawn->jobs[place] = NULL;
    if (place < spawn->free)
        spawn->free = place;
}

/* Replaces a view by a copy; false when memory is refused. */
static bool keep_term(mesh_term *term)
{
    mesh_term kept = {NULL, 0, NULL};
    int error = term->len > 0 ? mesh_term_keep(*term, &kept) : MESH_OK;
    *term = kept;
    return error == MESH_OK;
}

static void keep_names(struct spawn_job *job)
{
    const size_t module = job->module.len, function = job->function.len; /* of atoms: at most 1020 bytes each */
    job->names = must_calloc(1, module + function + 1);
    if (module > 0)
        memcpy(job->names, job->module.data, module);
    if (function > 0)
        memcpy(job->names + module, job->function.data, function);
    job->module.data = job->names;
    job->function.data = job->names + module;
}

bool job_keep(struct spawn *spawn, const struct spawn_job *job)
{
    struct spawn_job *kept = must_calloc(1, sizeof *kept);
    *kept = *job;
    kept->args = (mesh_term){NULL, 0, NULL};
    keep_names(kept);
    bool from = keep_term(&kept->from), tag = keep_term(&kept->tag), res = keep_term(&kept->res);
    if (!from || !tag || !res) {
        job_free(kept);
        return false;
    }
    struct spawn_peer *owner = peer_make(spawn, job->peer);
    kept->owner = owner;
    kept->peer = mesh_str(owner->name);
    kept->next = owner->jobs;
    kept->back = &owner->jobs;
    if (kept->next)
        kept->next->back = &kept->next;
    owner->jobs = kept;
    owner->count++;
    spawn->jobs[(uint32_t)kept->token] = kept;
    return true;
}

static void drop_all(struct spawn *spawn, struct spawn_peer *peer)
{
    for (struct spawn_job *job = peer->jobs, *next; job; job = next) {
        next = job->next;
        spawn->jobs[(uint32_t)job->token] = NULL;
        job_free(job);
    }
    spawn->free = 0;
    free(peer);
}

void spawn_peer_down(struct spawn *spawn, mesh_bytes peer)
{
    for (struct spawn_peer **at = &spawn->peers; *at; at = &(*at)->next) {
        struct spawn_peer *p = *at;
        if (service_same(mesh_str(p->name), peer)) {
            *at = p->next;
            drop_all(spawn, p);
            return;
        }
    }
}

void spawn_fini(struct spawn *spawn)
{
    while (spawn->peers) {
        struct spawn_peer *p = spawn->peers;
        spawn->peers = p->next;
        drop_all(spawn, p);
    }
    free(spawn->jobs);
    spawn->jobs = NULL;
    spawn->cap = 0;
}

bool spawn_abandon(struct spawn *spawn, mesh_bytes peer, uint64_t pid, mesh_term ref)
{
    const struct spawn_peer *p = peer_find(spawn, peer);
    for (struct spawn_job *job = p ? p->jobs : NULL; job; job = job->next)
        if (job->flags & CONTROL_SPAWN_MONITORED && job->pid == pid && mesh_term_equal(job->tag, ref)) {
            job_take(spawn, job);
            job_free(job);
            return true;
        }
    return false;
}
