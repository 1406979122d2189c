/* Completions on a descriptor: see queue.h.
 *
 * The descriptor is an eventfd whose counter is 1 while completions wait and 0 while none do; both change under the
 * queue's lock, so that it is readable exactly while there is something to take. It costs a write when the queue stops
 * being empty and a read when it becomes empty, not one of each a completion.
 *
 * A completion is a message of its own, taken when the call is made, so that nothing but the copy of a large reply can
 * fail when the answer comes. It then holds the reply: mesh_result_release returns it like the message of any call. */
#include "runtime/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "runtime/runtime.h"

struct mesh_queue {
    struct runtime *runtime; /* constant, as fd until queue_destroy */
    int fd;
    pthread_mutex_t lock; /* everything below */
    struct message *oldest, **newest;
    uint32_t refs; /* the user, and calls under way */
    bool destroyed;
};

/* A call under way. */
struct arrival {
    struct mesh_queue *queue;
    struct message *kept; /* the completion to be; done_context is the tag, held_next the link while it waits */
};

int queue_create(struct runtime *rt, struct mesh_queue **queue)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0)
        return MESH_ESYSTEM;
    struct mesh_queue *q = must_calloc(1, sizeof *q);
    q->runtime = rt;
    q->fd = fd;
    q->newest = &q->oldest;
    q->refs = 1;
    pthread_mutex_init(&q->lock, NULL);
    *queue = q;
    return MESH_OK;
}

/* Drops a share and the lock. */
static void unref_locked(struct mesh_queue *q)
{
    bool last = --q->refs == 0;
    pthread_mutex_unlock(&q->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&q->lock);
    free(q);
}

void queue_destroy(struct mesh_queue *q)
{
    pthread_mutex_lock(&q->lock);
    struct message *left = q->oldest;
    q->oldest = NULL;
    q->destroyed = true;
    close(q->fd);
    struct runtime *rt = q->runtime;
    unref_locked(q);
    while (left != NULL) {
        struct message *next = left->held_next;
        message_put(&rt->messages, NULL, left);
        left = next;
    }
}

int queue_fd(const struct mesh_queue *q)
{
    return q->fd;
}

/* ---- The descriptor; under the lock ---- */

static void set_readable(struct mesh_queue *q)
{
    const uint64_t one = 1;
    ssize_t n = write(q->fd, &one, sizeof one); /* the counter is 0: nothing can refuse it */
    (void)n;
}

static void set_empty(struct mesh_queue *q)
{
    uint64_t count;
    ssize_t n = read(q->fd, &count, sizeof count);
    (void)n;
}

/* ---- Completions ---- */

bool queue_take(struct mesh_queue *q, mesh_completion *completion)
{
    pthread_mutex_lock(&q->lock);
    struct message *m = q->oldest;
    if (m != NULL) {
        q->oldest = m->held_next;
        if (q->oldest == NULL) {
            q->newest = &q->oldest;
            set_empty(q);
        }
    }
    pthread_mutex_unlock(&q->lock);
    if (m == NULL)
        return false;
    completion->tag = m->done_context;
    completion->error = m->error;
    completion->result.value = payload_term(&m->reply);
    completion->result.held = m;
    completion->result.fault_at = 0;
    completion->result.fault_in_init_arg = false;
    if (m->init_arg.block != NULL)
        call_pid_elsewhere(m, &completion->result.pid);
    else
        runtime_pid(q->runtime, m->pid, &completion->result.pid);
    if (m->pid == 0)
        completion->result.pid = (mesh_pid){0};
    return true;
}

/* The mesh_done_fn of queued calls; on a worker, in user code. */
static void arrived(void *context, int error, const mesh_result *result)
{
    struct arrival *arrival = context;
    struct mesh_queue *q = arrival->queue;
    struct message *m = arrival->kept;
    free(arrival);
    m->error = error;
    m->pid = result->pid.number;
    if (m->pid != 0 && runtime_number(q->runtime, &result->pid) == 0) {
        m->init_arg.block = call_place(mesh_str(result->pid.node), result->pid.creation);
        m->pid = m->init_arg.block != NULL ? m->pid : 0;
    }
    if (payload_set(&m->reply, m->inline_reply, result->value) != MESH_OK && error == MESH_OK)
        m->error = MESH_ENOMEM; /* after another error only the reason is missing */
    m->held_next = NULL;
    struct runtime *rt = q->runtime;
    pthread_mutex_lock(&q->lock);
    bool discarded = q->destroyed;
    if (!discarded) {
        if (q->oldest == NULL)
            set_readable(q);
        *q->newest = m;
        q->newest = &m->held_next;
    }
    unref_locked(q);
    if (discarded)
        message_put(&rt->messages, NULL, m);
}

static void add_ref(struct mesh_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->refs++;
    pthread_mutex_unlock(&q->lock);
}

int queue_call(struct runtime *rt, const mesh_request *request, struct mesh_queue *q, void *tag)
{
    if (q->runtime != rt)
        return MESH_EINVAL;
    struct arrival *arrival = malloc(sizeof *arrival);
    struct message *m = arrival != NULL ? message_get(&rt->messages, NULL) : NULL;
    if (m == NULL) {
        free(arrival);
        return MESH_ENOMEM;
    }
    *arrival = (struct arrival){.queue = q, .kept = m};
    m->waiter = WAITER_THREAD; /* released like the result of a call from a thread */
    m->done_context = tag;
    add_ref(q);
    int rc = call_async(rt, request, arrived, arrival);
    if (rc != MESH_OK) {
        message_put(&rt->messages, NULL, m);
        free(arrival);
        pthread_mutex_lock(&q->lock);
        unref_locked(q);
    }
    return rc;
}
