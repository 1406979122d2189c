/* What is said to other nodes about requests: sending one on, serving one, and the answers. See membership.h.
 *
 * A call that is sent on is pending under a number of this node's until its answer comes, its link breaks or its time
 * is over. It begins here, or came from a peer: then the answer is passed on under the number that the peer gave. So
 * two nodes need no link of their own to answer each other through a third. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "node/membership.h"

/* ---- sending a request on ---- */

/* What is left of its time, rounded up; 0: without end. */
static uint64_t left_ms(const struct request *q)
{
    if (q->deadline_ns == 0)
        return 0;
    uint64_t now_ns = clock_now_ns();
    return q->deadline_ns > now_ns ? (q->deadline_ns - now_ns + 999999) / 1000000 : 1;
}

static int write_request(const struct request *q, uint64_t clock, bool follow, struct letter *letter)
{
    struct envelope e = {.op = q->cast ? ENVELOPE_CAST : ENVELOPE_CALL,
                         .number = q->number,
                         .clock = clock,
                         .trace = q->trace,
                         .left_ms = left_ms(q),
                         .hops = q->hops + 1U,
                         .followed = follow,
                         .capability = q->capability,
                         .module = q->module,
                         .id = q->id,
                         .payload = q->payload,
                         .init_arg = q->init_arg,
                         .chain_count = q->chain_count};
    memcpy(e.chain, q->chain, q->chain_count * sizeof *q->chain);
    return envelope_write(&e, letter);
}

static int send_cast(struct membership *m, struct request *q, struct node_link *to, const struct letter *letter)
{
    int rc = m->transport.ops->send(to->peer, letter->bytes, letter->block, false);
    link_drop(to);
    if (rc == MESH_ENOPROCESS)
        return request_again(m, q) ? MESH_OK : MESH_ESTOPPING;
    if (rc != MESH_OK)
        return rc;
    if (q->message != NULL)
        message_unref(m->runtime, NULL, q->message);
    request_free(q);
    return MESH_OK;
}

/* Takes a pending call back, if it still is. */
static struct request *take_pending(struct membership *m, uint64_t number, const struct node_link *from)
{
    struct request *q = request_pending(m, number);
    if (q == NULL || q->to != from)
        return NULL;
    request_delist(m, q);
    link_drop(q->to);
    q->to = NULL;
    return q;
}

static int send_call(struct membership *m, struct request *q, struct node_link *to, const struct letter *letter)
{
    uint64_t number = q->number; /* when it is pending it may end at any moment */
    pthread_mutex_lock(&m->lock);
    bool open = !m->closed && !to->told_down;
    if (open) {
        q->to = link_hold(to);
        request_enlist(m, q, REQUEST_PENDING);
    }
    pthread_mutex_unlock(&m->lock);
    int rc = open ? m->transport.ops->send(to->peer, letter->bytes, letter->block, false) : MESH_ENOPROCESS;
    if (open && rc != MESH_OK) { /* it has not gone; somebody else may have ended it meanwhile */
        pthread_mutex_lock(&m->lock);
        q = take_pending(m, number, to);
        pthread_mutex_unlock(&m->lock);
    }
    link_drop(to);
    if (rc == MESH_OK || q == NULL)
        return MESH_OK;
    if (rc == MESH_ENOPROCESS)
        return request_again(m, q) ? MESH_OK : MESH_ESTOPPING;
    return rc;
}

int remote_forward(struct membership *m, struct request *q, struct node_link *to, uint64_t clock, bool follow)
{
    struct letter letter;
    int rc = write_request(q, clock, follow, &letter);
    if (rc != MESH_OK) {
        link_drop(to);
        return rc;
    }
    rc = q->cast ? send_cast(m, q, to, &letter) : send_call(m, q, to, &letter);
    letter_fini(&letter);
    return rc;
}

/* ---- answers that this node gives ---- */

static void send_answer(struct membership *m, struct node_link *to, struct envelope *e)
{
    struct letter letter;
    pthread_mutex_lock(&m->lock);
    e->clock = cluster_clock(m->cluster);
    bool up = !to->told_down;
    pthread_mutex_unlock(&m->lock);
    if (!up)
        return;
    if (envelope_write(e, &letter) != MESH_OK) {
        e->error = MESH_ENOMEM;
        e->value = (mesh_term){0};
        if (envelope_write(e, &letter) != MESH_OK) {
            m->transport.ops->close(to->peer); /* then it is told that the outcome is unknown */
            return;
        }
    }
    if (m->transport.ops->send(to->peer, letter.bytes, letter.block, true) != MESH_OK)
        m->transport.ops->close(to->peer);
    letter_fini(&letter);
}

void remote_refuse(struct membership *m, struct node_link *to, uint64_t number, uint64_t trace, int error)
{
    struct envelope e = {.op = ENVELOPE_REPLY, .number = number, .trace = trace, .error = error};
    send_answer(m, to, &e);
}

void remote_moved(struct membership *m, struct node_link *to, uint64_t number, uint64_t trace, mesh_bytes node)
{
    struct envelope e = {.op = ENVELOPE_MOVED, .number = number, .trace = trace, .node = node};
    send_answer(m, to, &e);
}

void remote_sync(struct membership *m, struct node_link *to, uint64_t number, bool answer)
{
    struct envelope e = {.op = answer ? ENVELOPE_SYNCED : ENVELOPE_SYNC, .number = number};
    send_answer(m, to, &e);
}

/* ---- serving ---- */

/* A call of a peer that a process here has. */
struct guest {
    struct node_link *from;
    uint64_t number, trace;
};

static void guest_done(void *context, int error, const mesh_result *result)
{
    struct guest *g = context;
    struct envelope e = {.op = ENVELOPE_REPLY, .number = g->number, .trace = g->trace, .error = error};
    if (error == MESH_OK || error == MESH_ECRASHED || error == MESH_EINIT)
        e.value = result->value;
    e.pid = result->pid;
    send_answer(g->from->m, g->from, &e);
    link_drop(g->from);
    free(g);
}

static void copy_name(char out[MESH_NAME_SIZE], mesh_bytes name)
{
    memcpy(out, name.data, name.len); /* the envelope's reader has seen to the length */
    out[name.len] = '\0';
}

/* The chain as this node has it: what is of this node has its own numbers, the rest none that occurs here. */
static void take_chain(struct membership *m, const struct request *q, struct link_of_chain *chain)
{
    for (uint32_t i = 0; i < q->chain_count; i++)
        chain[i] = (struct link_of_chain){q->chain[i].pid, q->chain[i].call ^ m->self_hash};
}

int remote_serve(struct membership *m, struct worker *w, struct request *q, uint64_t permit)
{
    char module[MESH_NAME_SIZE], capability[MESH_NAME_SIZE];
    struct link_of_chain chain[MESSAGE_CHAIN_MAX];
    struct served s = {.id = q->id,
                       .payload = q->payload,
                       .init_arg = q->init_arg,
                       .deadline_ns = q->cast ? 0 : q->deadline_ns,
                       .permit = permit,
                       .chain = chain,
                       .chain_count = q->chain_count};
    copy_name(module, q->module);
    copy_name(capability, q->capability);
    int rc = runtime_class_here(m->runtime, module, capability, &s.class);
    if (rc != MESH_OK)
        return rc;
    take_chain(m, q, chain);
    struct guest *g = NULL;
    if (!q->cast) {
        g = must_calloc(1, sizeof *g);
        *g = (struct guest){link_hold(q->from), q->from_number, q->trace};
        s.done = guest_done;
        s.context = g;
    }
    rc = call_serve(m->runtime, w, &s);
    if (rc != MESH_OK && g != NULL) {
        link_drop(g->from);
        free(g);
    }
    return rc;
}

/* ---- answers that this node gets ---- */

/* An error that this version does not know is an outcome that it does not know. */
static int known_error(int error)
{
    return error > MESH_ELOST ? MESH_ELOST : error;
}

static void pass_reply_on(struct membership *m, const struct request *q, const struct envelope *e)
{
    struct envelope reply = {.op = ENVELOPE_REPLY,
                             .number = q->from_number,
                             .trace = q->trace,
                             .error = e->error,
                             .value = e->value,
                             .pid = e->pid};
    send_answer(m, q->from, &reply);
}

/* The peer itself has answered, or passed the answer of another on. */
static struct block *place_of(const struct node_link *from, const mesh_pid *pid)
{
    if (pid->number == 0)
        return NULL;
    if (pid->creation == from->self.creation && strcmp(pid->node, from->self.node) == 0)
        return from->place != NULL ? block_hold(from->place) : NULL;
    return call_place(mesh_str(pid->node), pid->creation);
}

static void replied(struct membership *m, struct node_link *from, struct worker *w, struct request *q,
                    const struct envelope *e)
{
    if (q->from != NULL) {
        pass_reply_on(m, q, e);
    } else {
        struct block *place = place_of(from, &e->pid);
        call_end(m->runtime, w, q->message, known_error(e->error), e->value, place != NULL ? e->pid.number : 0, place);
    }
    request_free(q);
}

/* With the lock, which is released: another node is to be asked. */
static void moved(struct membership *m, struct worker *w, struct request *q, const struct envelope *e)
{
    uint16_t peer = 0;
    if (q->from != NULL) {
        pthread_mutex_unlock(&m->lock);
        remote_moved(m, q->from, q->from_number, q->trace, e->node);
        request_free(q);
        return;
    }
    q->hint = cluster_peer(m->cluster, e->node, &peer) ? peer : 0;
    q->woken = false;
    q->followed = false;
    q->hops++;
    int rc = MESH_OK;
    if (m->running) {
        request_enlist(m, q, REQUEST_QUEUED);
        pthread_mutex_unlock(&m->lock);
    } else {
        rc = request_dispatch(m, w, q);
    }
    if (rc != MESH_OK)
        request_end(m, w, q, rc);
}

int remote_answered(struct node_link *from, struct worker *w, const struct envelope *e)
{
    struct membership *m = from->m;
    pthread_mutex_lock(&m->lock);
    cluster_clock_seen(m->cluster, e->clock);
    struct request *q = take_pending(m, e->number, from);
    if (q == NULL) { /* its time is over */
        pthread_mutex_unlock(&m->lock);
    } else if (e->op == ENVELOPE_MOVED) {
        moved(m, w, q, e);
    } else {
        pthread_mutex_unlock(&m->lock);
        replied(m, from, w, q, e);
    }
    return MESH_OK;
}
