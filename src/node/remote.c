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
static uint64_t left_ms(uint64_t deadline_ns, uint64_t now_ns)
{
    if (deadline_ns == 0)
        return 0;
    return deadline_ns > now_ns ? (deadline_ns - now_ns + 999999) / 1000000 : 1;
}

/* The chain of a message of this node as others may have it, or the other way round: what is of this node has its own
 * numbers, the rest none that occurs here. */
static void copy_chain(const struct membership *m, const struct link_of_chain *from, uint32_t count,
                       struct link_of_chain *to)
{
    for (uint32_t i = 0; i < count; i++)
        to[i] = (struct link_of_chain){from[i].pid, from[i].call ^ m->self_hash};
}

/* Messages to one process keep their order, whoever they are from. */
static uint64_t order_of(uint32_t hash)
{
    return UINT64_C(1) << 32 | hash;
}

static int send_cast(struct membership *m, const struct lane_pass *pass, uint32_t hash, const struct letter *letter)
{
    return m->transport.ops->send(pass->link->peer, letter->bytes, letter->block, order_of(hash), false);
}

/* MESH_OK: it is not the caller's any more. MESH_EMOVED: the link is down; else it has not gone. */
static int send_call(struct membership *m, struct request *q, const struct lane_pass *pass, const struct letter *letter)
{
    uint64_t due_ns = UINT64_MAX;
    const uint32_t hash = q->hash; /* q may end at any moment, once it is kept */
    if (!lane_keep(pass, q, &due_ns))
        return MESH_EMOVED;
    if (due_ns != UINT64_MAX) {
        pthread_mutex_lock(&m->lock);
        membership_arm(m, due_ns);
        pthread_mutex_unlock(&m->lock);
    }
    int rc = m->transport.ops->send(pass->link->peer, letter->bytes, letter->block, order_of(hash), false);
    if (rc == MESH_OK || lane_take(pass->lane, pass->number) == NULL) /* somebody else has ended it meanwhile */
        return MESH_OK;
    return rc;
}

static int write_begun(struct membership *m, struct worker *w, const struct route *r, const struct lane_pass *pass,
                       struct letter *letter)
{
    const struct message *message = r->message;
    uint64_t now_ns = w != NULL ? worker_clock(w) : clock_now_ns();
    struct envelope e;
    envelope_clear(&e, pass->call ? ENVELOPE_CALL : ENVELOPE_CAST);
    e.number = pass->call ? pass->number : 0;
    e.clock = membership_clock(m);
    e.trace = m->self_hash + pass->number;
    e.left_ms = pass->call ? left_ms(message->deadline_ns, now_ns) : CAST_WAIT_MS;
    e.hops = 1;
    e.capability = mesh_str(r->class->capability->name);
    e.module = mesh_str(r->class->module->ops.name);
    e.id = r->id;
    e.payload = payload_term(&message->body);
    if (message->init_arg.data != NULL)
        e.init_arg = payload_term(&message->init_arg);
    e.chain_count = message->chain_count;
    copy_chain(m, message->chain, message->chain_count, e.chain);
    return envelope_write(&e, letter);
}

static int begin_call(struct membership *m, const struct route *r, uint32_t hash, const struct lane_pass *pass,
                      const struct letter *letter)
{
    struct request *q = request_of(r, hash, pass->spare);
    if (q == NULL) {
        lane_leave(pass);
        return MESH_ENOMEM;
    }
    q->trace = m->self_hash + pass->number;
    int rc = send_call(m, q, pass, letter);
    if (rc != MESH_OK)
        request_free(q); /* the message is the caller's again */
    return rc;
}

int remote_begin(struct membership *m, struct worker *w, const struct route *r, uint32_t hash, struct lane *lane)
{
    struct lane_pass pass;
    struct letter letter;
    int rc = lane_enter(lane, r->message->kind == MESSAGE_CALL, m->max_requests, &pass);
    if (rc != MESH_OK)
        return rc;
    rc = write_begun(m, w, r, &pass, &letter);
    if (rc != MESH_OK) {
        free(pass.spare);
        lane_leave(&pass);
        link_drop(pass.link);
        return rc;
    }
    rc = pass.call ? begin_call(m, r, hash, &pass, &letter) : send_cast(m, &pass, hash, &letter);
    if (rc == MESH_OK && !pass.call)
        message_unref(m->runtime, w, r->message);
    link_drop(pass.link);
    letter_fini(&letter);
    return rc == MESH_ENOPROCESS ? MESH_EMOVED : rc;
}

static int write_request(struct membership *m, const struct request *q, const struct lane_pass *pass, bool follow,
                         struct letter *letter)
{
    struct envelope e;
    envelope_clear(&e, q->cast ? ENVELOPE_CAST : ENVELOPE_CALL);
    e.number = pass->call ? pass->number : 0;
    e.clock = membership_clock(m);
    e.trace = q->trace;
    e.left_ms = left_ms(q->deadline_ns, clock_now_ns());
    e.hops = q->hops + 1U;
    e.followed = follow;
    e.capability = q->capability;
    e.module = q->module;
    e.id = q->id;
    e.payload = q->payload;
    e.init_arg = q->init_arg;
    e.chain_count = q->chain_count;
    if (q->message != NULL)
        copy_chain(m, q->chain, q->chain_count, e.chain);
    else
        memcpy(e.chain, q->chain, q->chain_count * sizeof *q->chain);
    return envelope_write(&e, letter);
}

int remote_forward(struct membership *m, struct request *q, const struct lane_pass *pass, bool follow)
{
    struct letter letter;
    free(pass->spare);
    int rc = write_request(m, q, pass, follow, &letter);
    if (rc != MESH_OK) {
        lane_leave(pass);
        link_drop(pass->link);
        return rc;
    }
    rc = pass->call ? send_call(m, q, pass, &letter) : send_cast(m, pass, q->hash, &letter);
    if (rc == MESH_OK && !pass->call) {
        if (q->message != NULL)
            message_unref(m->runtime, NULL, q->message);
        request_free(q);
    }
    link_drop(pass->link);
    letter_fini(&letter);
    if (rc == MESH_ENOPROCESS || rc == MESH_EMOVED)
        return request_again(m, q) ? MESH_OK : MESH_ESTOPPING;
    return rc;
}

/* ---- answers that this node gives ---- */

static void send_answer(struct membership *m, struct node_link *to, struct envelope *e)
{
    struct letter letter;
    e->clock = membership_clock(m);
    if (atomic_load_explicit(&to->told_down, memory_order_relaxed)) /* sending would find out, too */
        return;
    if (envelope_write(e, &letter) != MESH_OK) {
        e->error = MESH_ENOMEM;
        e->value = (mesh_term){0};
        if (envelope_write(e, &letter) != MESH_OK) {
            m->transport.ops->close(to->peer); /* then it is told that the outcome is unknown */
            return;
        }
    }
    /* An answer that is large delays no other. */
    const uint64_t order = e->op == ENVELOPE_REPLY ? UINT64_C(2) << 32 | (uint32_t)e->number : 0;
    if (m->transport.ops->send(to->peer, letter.bytes, letter.block, order, true) != MESH_OK)
        m->transport.ops->close(to->peer);
    letter_fini(&letter);
}

static void answer(struct membership *m, struct node_link *to, enum envelope_op op, uint64_t number, uint64_t trace,
                   int error)
{
    struct envelope e;
    envelope_clear(&e, op);
    e.number = number;
    e.trace = trace;
    e.error = error;
    send_answer(m, to, &e);
}

void remote_refuse(struct membership *m, struct node_link *to, uint64_t number, uint64_t trace, int error)
{
    answer(m, to, ENVELOPE_REPLY, number, trace, error);
}

void remote_moved(struct membership *m, struct node_link *to, uint64_t number, uint64_t trace, mesh_bytes node)
{
    struct envelope e;
    envelope_clear(&e, ENVELOPE_MOVED);
    e.number = number;
    e.trace = trace;
    e.node = node;
    send_answer(m, to, &e);
}

void remote_sync(struct membership *m, struct node_link *to, uint64_t number, bool reply)
{
    answer(m, to, reply ? ENVELOPE_SYNCED : ENVELOPE_SYNC, number, 0, MESH_OK);
}

/* ---- serving ---- */

/* A process here has answered a call of a peer: number and trace. */
static void answered_here(void *context, const uint64_t tags[2], int error, const mesh_result *result)
{
    struct node_link *to = context;
    struct envelope e;
    envelope_clear(&e, ENVELOPE_REPLY);
    e.number = tags[0];
    e.trace = tags[1];
    e.error = error;
    if (error == MESH_OK || error == MESH_ECRASHED || error == MESH_EINIT)
        e.value = result->value;
    e.pid.number = result->pid.number;
    e.pid.creation = result->pid.creation;
    memcpy(e.pid.node, result->pid.node, strlen(result->pid.node) + 1);
    send_answer(to->m, to, &e);
    link_drop(to);
}

/* Who has sent a request, and what it is to be answered by. */
struct sender {
    struct node_link *from;
    uint64_t number, trace; /* number 0: a cast */
};

/* Everything but class and chain of s is set. */
static int serve(struct membership *m, struct worker *w, struct served *s, const struct sender *sender,
                 const struct link_of_chain *chain)
{
    struct link_of_chain own[MESSAGE_CHAIN_MAX];
    copy_chain(m, chain, s->chain_count, own);
    s->chain = own;
    if (sender->number != 0) {
        s->done = answered_here;
        s->context = link_hold(sender->from);
        s->tags[0] = sender->number;
        s->tags[1] = sender->trace;
    }
    int rc = call_serve(m->runtime, w, s);
    if (rc != MESH_OK && sender->number != 0)
        link_drop(sender->from);
    return rc;
}

static void copy_name(char out[MESH_NAME_SIZE], mesh_bytes name)
{
    memcpy(out, name.data, name.len); /* the envelope's reader has seen to the length */
    out[name.len] = '\0';
}

static int find_class(struct membership *m, mesh_bytes module, mesh_bytes capability, struct class **class)
{
    char module_name[MESH_NAME_SIZE], capability_name[MESH_NAME_SIZE];
    copy_name(module_name, module);
    copy_name(capability_name, capability);
    return runtime_class_here(m->runtime, module_name, capability_name, class);
}

int remote_serve(struct membership *m, struct worker *w, struct request *q, uint64_t permit)
{
    struct served s = {.id = q->id,
                       .payload = q->payload,
                       .init_arg = q->init_arg,
                       .deadline_ns = q->cast ? 0 : q->deadline_ns,
                       .permit = permit,
                       .chain_count = q->chain_count};
    const struct sender sender = {q->from, q->from_number, q->trace};
    int rc = find_class(m, q->module, q->capability, &s.class);
    return rc == MESH_OK ? serve(m, w, &s, &sender, q->chain) : rc;
}

static bool is_named(const char *name, mesh_bytes bytes)
{
    return strncmp(name, bytes.data, bytes.len) == 0 && name[bytes.len] == '\0';
}

/* Mostly one of those that came from this peer before. */
static int find_usual_class(struct node_link *from, const struct envelope *e, struct class **class)
{
    const uint8_t *last = (const uint8_t *)e->module.data + e->module.len - 1;
    struct class **usual = &from->usual[(*last + e->module.len + e->capability.len) % LINK_CLASSES];
    if (*usual != NULL && is_named((*usual)->module->ops.name, e->module) &&
        is_named((*usual)->capability->name, e->capability)) {
        *class = *usual;
        return MESH_OK;
    }
    int rc = find_class(from->m, e->module, e->capability, class);
    if (rc == MESH_OK)
        *usual = *class;
    return rc;
}

int remote_serve_read(struct node_link *from, struct worker *w, const struct envelope *e, uint64_t deadline_ns)
{
    struct served s = {.id = e->id,
                       .payload = e->payload,
                       .init_arg = e->init_arg,
                       .deadline_ns = deadline_ns,
                       .permit = 1,
                       .chain_count = e->chain_count};
    const struct sender sender = {from, e->op == ENVELOPE_CALL ? e->number : 0, e->trace};
    /* A class that is not here is for the cluster to judge. */
    if (find_usual_class(from, e, &s.class) != MESH_OK)
        return MESH_EMOVED;
    return serve(from->m, w, &s, &sender, e->chain);
}

/* ---- answers that this node gets ---- */

/* An error that this version does not know is an outcome that it does not know. */
static int known_error(int error)
{
    return error > MESH_ELOST ? MESH_ELOST : error;
}

static void pass_reply_on(struct membership *m, struct request *q, const struct envelope *e)
{
    struct envelope reply;
    envelope_clear(&reply, ENVELOPE_REPLY);
    reply.number = q->from_number;
    reply.trace = q->trace;
    reply.error = e->error;
    reply.value = e->value;
    reply.pid = e->pid;
    send_answer(m, q->from, &reply);
    request_free(q);
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

static void end_own(struct membership *m, struct node_link *from, struct worker *w, struct message *message,
                    const struct envelope *e)
{
    struct block *place = place_of(from, &e->pid);
    call_end(m->runtime, w, message, known_error(e->error), e->value, place != NULL ? e->pid.number : 0, place);
}

/* Another node is to be asked. */
static void moved(struct membership *m, struct worker *w, struct request *q, const struct envelope *e)
{
    uint16_t peer = 0;
    int rc = MESH_OK;
    if (q->from != NULL) {
        remote_moved(m, q->from, q->from_number, q->trace, e->node);
        request_free(q);
        return;
    }
    pthread_mutex_lock(&m->lock);
    q->hint = cluster_peer(m->cluster, e->node, &peer) ? peer : 0;
    q->woken = false;
    q->followed = false;
    q->hops++;
    if (!m->closed && !m->running) {
        rc = request_dispatch(m, w, q); /* releases the lock */
    } else {
        rc = m->closed ? MESH_ESTOPPING : MESH_OK;
        if (rc == MESH_OK)
            request_enlist(m, q, REQUEST_QUEUED);
        pthread_mutex_unlock(&m->lock);
    }
    if (rc != MESH_OK)
        request_end(m, w, q, rc);
}

int remote_answered(struct node_link *from, struct worker *w, const struct envelope *e)
{
    struct lane *lane = atomic_load_explicit(&from->lane, memory_order_acquire); /* pairs with apply_up */
    struct membership *m = from->m;
    struct message *message = NULL;
    struct request *q = NULL;
    membership_clock_seen(m, e->clock);
    if (lane != NULL)
        q = e->op == ENVELOPE_MOVED ? lane_take(lane, e->number) : lane_answered(lane, e->number, &message);
    if (message != NULL)
        end_own(m, from, w, message, e);
    else if (q != NULL && e->op == ENVELOPE_MOVED)
        moved(m, w, q, e);
    else if (q != NULL)
        pass_reply_on(m, q, e);
    return MESH_OK; /* without any: its time is over */
}
