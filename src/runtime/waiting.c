/* Gathering the suspended coroutines of a node: see waiting.h.
 *
 * What a coroutine waits for is written by its worker only, and without locks. So the caller posts a request to every
 * worker; each copies what it knows, between two handlers, into a part of its own. The last one that answers wakes the
 * caller, which joins the parts. Requests and parts are in one block that is counted: a caller whose time is over
 * leaves it to the workers that have not answered. */
#include "runtime/waiting.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "runtime/runtime.h"

enum { ON_ID_MAX = 64 };

/* What one worker answers. The bytes of each id, and then of whom it waits for, follow one another in bytes. */
struct part {
    struct post post; /* first */
    struct gather *gather;
    struct note *notes;
    size_t count;
    char *bytes;
    size_t len_bytes;
    bool failed; /* no memory */
};

struct note {
    uint64_t number;
    const struct class *class;    /* NULL: a task */
    const struct class *on_class; /* NULL: not a call */
    uint64_t since_ns;
    uint16_t id_len, on_id_len;
    uint8_t wait; /* enum wait_kind */
};

struct gather {
    pthread_mutex_t lock; /* pending, refs */
    pthread_cond_t answered;
    uint32_t pending; /* workers that have not answered */
    uint32_t refs;    /* they and the caller */
    uint32_t count;
    struct part part[];
};

/* ---- On the workers ---- */

static size_t on_id_len(const struct coroutine *c)
{
    if (c->wait != WAIT_CALL)
        return 0;
    return c->on_id.len < ON_ID_MAX ? c->on_id.len : ON_ID_MAX;
}

static void note(struct part *p, struct note *n, const struct coroutine *c)
{
    struct actor *a = c->self.actor;
    *n = (struct note){.since_ns = c->since_ns, .wait = c->wait, .on_id_len = (uint16_t)on_id_len(c)};
    if (a != NULL) {
        n->number = actor_number(a);
        n->class = a->class;
        n->id_len = a->id_len;
        memcpy(p->bytes + p->len_bytes, actor_id(a), n->id_len);
        p->len_bytes += n->id_len;
    }
    if (c->wait == WAIT_CALL) {
        n->on_class = c->on_class;
        memcpy(p->bytes + p->len_bytes, c->on_id.data, n->on_id_len);
        p->len_bytes += n->on_id_len;
    }
}

static void fill(struct part *p, const struct worker *w)
{
    size_t count = 0, len_bytes = 0;
    for (const struct coroutine *c = w->waiting; c != NULL; c = c->wait_next) {
        count++;
        len_bytes += on_id_len(c) + (c->self.actor != NULL ? c->self.actor->id_len : 0);
    }
    if (count == 0)
        return;
    p->notes = calloc(count, sizeof *p->notes);
    p->bytes = malloc(len_bytes + 1);
    p->failed = p->notes == NULL || p->bytes == NULL;
    if (p->failed)
        return;
    for (const struct coroutine *c = w->waiting; c != NULL; c = c->wait_next)
        note(p, &p->notes[p->count++], c);
}

static void unref(struct gather *g)
{
    pthread_mutex_lock(&g->lock);
    bool last = --g->refs == 0;
    pthread_mutex_unlock(&g->lock);
    if (!last)
        return;
    for (uint32_t i = 0; i < g->count; i++) {
        free(g->part[i].notes);
        free(g->part[i].bytes);
    }
    pthread_mutex_destroy(&g->lock);
    pthread_cond_destroy(&g->answered);
    free(g);
}

static void asked(struct worker *w, struct post *p)
{
    struct part *part = (struct part *)p;
    struct gather *g = part->gather;
    fill(part, w);
    pthread_mutex_lock(&g->lock);
    if (--g->pending == 0)
        pthread_cond_signal(&g->answered);
    pthread_mutex_unlock(&g->lock);
    unref(g);
}

/* ---- The caller ---- */

static struct gather *ask(struct runtime *rt)
{
    struct gather *g = must_calloc(1, sizeof *g + rt->worker_count * sizeof g->part[0]);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&g->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&g->lock, NULL);
    g->count = g->pending = rt->worker_count;
    g->refs = rt->worker_count + 1;
    for (uint32_t i = 0; i < rt->worker_count; i++) {
        g->part[i].gather = g;
        g->part[i].post.deliver = asked;
        worker_post(&rt->workers[i], &g->part[i].post);
    }
    return g;
}

static bool wait_for_all(struct gather *g)
{
    uint64_t at_ns = clock_now_ns() + (uint64_t)WAITING_TIMEOUT_MS * 1000000;
    struct timespec until = {.tv_sec = (time_t)(at_ns / 1000000000), .tv_nsec = (long)(at_ns % 1000000000)};
    int rc = 0;
    pthread_mutex_lock(&g->lock);
    while (g->pending > 0 && rc == 0)
        rc = pthread_cond_timedwait(&g->answered, &g->lock, &until);
    bool all = g->pending == 0;
    pthread_mutex_unlock(&g->lock);
    return all;
}

static const char *on_text(const struct note *n)
{
    switch (n->wait) {
    case WAIT_CALL:
        return "call";
    case WAIT_TASK:
        return "await";
    default:
        return "blocking";
    }
}

/* The end of a result under construction: bytes are appended, each piece with a NUL behind it. */
static const char *append(char **end, const void *data, size_t len)
{
    char *at = *end;
    if (len > 0)
        memcpy(at, data, len);
    at[len] = '\0';
    *end = at + len + 1;
    return at;
}

static const char *append_name(char **end, const struct class *class)
{
    const char *name = class != NULL ? class->module->ops.name : NULL;
    return name != NULL ? append(end, name, strlen(name)) : NULL;
}

static void write_wait(struct runtime *rt, mesh_wait *wait, const struct note *n, const char *bytes, uint64_t now_ns,
                       char **end)
{
    runtime_pid(rt, n->number, &wait->pid);
    wait->module = append_name(end, n->class);
    wait->id = (mesh_bytes){append(end, bytes, n->id_len), n->id_len};
    wait->on = on_text(n);
    wait->on_module = append_name(end, n->on_class);
    wait->on_id = (mesh_bytes){append(end, bytes + n->id_len, n->on_id_len), n->on_id_len};
    wait->since_ms = now_ns > n->since_ns ? (now_ns - n->since_ns) / 1000000 : 0;
}

static size_t name_size(const struct class *class)
{
    return class != NULL ? strlen(class->module->ops.name) + 1 : 0;
}

/* The size of the result, and how many waits are in it. */
static size_t measure(const struct gather *g, size_t *count)
{
    size_t size = sizeof(mesh_waits);
    *count = 0;
    for (uint32_t i = 0; i < g->count; i++) {
        const struct part *p = &g->part[i];
        *count += p->count;
        size += p->len_bytes;
        for (size_t k = 0; k < p->count; k++)
            size += sizeof(mesh_wait) + name_size(p->notes[k].class) + name_size(p->notes[k].on_class) + 2;
    }
    return size;
}

static int join(struct runtime *rt, const struct gather *g, mesh_waits **waits)
{
    size_t count;
    for (uint32_t i = 0; i < g->count; i++)
        if (g->part[i].failed)
            return MESH_ENOMEM;
    mesh_waits *all = malloc(measure(g, &count));
    if (all == NULL)
        return MESH_ENOMEM;
    all->count = 0;
    all->wait = (mesh_wait *)(all + 1);
    char *end = (char *)&all->wait[count];
    uint64_t now_ns = clock_now_ns();
    for (uint32_t i = 0; i < g->count; i++) {
        const char *bytes = g->part[i].bytes;
        for (size_t k = 0; k < g->part[i].count; k++) {
            const struct note *n = &g->part[i].notes[k];
            write_wait(rt, &all->wait[all->count++], n, bytes, now_ns, &end);
            bytes += n->id_len + n->on_id_len;
        }
    }
    *waits = all;
    return MESH_OK;
}

int waiting_list(struct runtime *rt, mesh_waits **waits)
{
    struct gather *g = ask(rt);
    int rc = wait_for_all(g) ? join(rt, g, waits) : MESH_ETIMEOUT;
    unref(g);
    return rc;
}
