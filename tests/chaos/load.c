/* Callers. See load.h. */
#include "load.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"

enum {
    TURN_NS = 1000000,    /* how often the generator looks what is due */
    LATE_NS = 200000000,  /* what is later than this is left out: the machine cannot do more */
    READS_OPEN_MAX = 256, /* when all values are read */
    OUTCOME_MS = LOAD_TIMEOUT_MS + 5000,
};

/* A call under way. */
struct pending {
    struct load *load;
    struct call_record *record; /* NULL: outside of the history */
    struct watch *watch;        /* NULL: of the round */
    uint64_t token;
};

static void rest(uint64_t ns)
{
    const struct timespec t = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    nanosleep(&t, NULL);
}

/* ---- ids --------------------------------------------------------------------------------------------------------- */

/* CAPABILITY/INDEX/SALT with a salt that puts it into the shard. */
static void name_id(struct load_id *id, const char *capability, uint32_t index, uint32_t shard)
{
    id->capability = capability;
    for (uint32_t salt = 0; salt < 1000000; salt++) {
        snprintf(id->name, sizeof id->name, "%s/%u/%u", capability, index, salt);
        if (mesh_shard_for(mesh_str(id->name)) == shard)
            return;
    }
}

static void make_ids(struct load *l)
{
    const struct load_options *o = &l->options;
    uint32_t capabilities = 0;
    while (o->capabilities[capabilities] != NULL)
        capabilities++;
    l->id_count = capabilities * o->ids;
    l->ids = must_calloc(l->id_count, sizeof *l->ids);
    l->order = must_calloc(l->id_count, sizeof *l->order);
    for (uint32_t i = 0; i < l->id_count; i++)
        name_id(&l->ids[i], o->capabilities[i / o->ids], i,
                (uint32_t)((uint64_t)(i % o->ids) * MESH_DEFAULT_SHARDS / o->ids));
    uint64_t random = 0x9e3779b97f4a7c15; /* a fixed order, so that runs are alike */
    for (uint32_t i = 0; i < l->id_count; i++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        const uint32_t at = (uint32_t)((random >> 33) % (i + 1));
        l->order[i] = l->order[at];
        l->order[at] = i;
    }
}

void load_init(struct load *l, const struct load_options *options, const struct fleet *fleet)
{
    char path[512];
    *l = (struct load){.options = *options, .fleet = fleet};
    make_ids(l);
    history_init(&l->history, l->id_count, options->calls_max);
    snprintf(path, sizeof path, "%s/load.log", fleet->folder);
    l->log = fopen(path, "ae");
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* To be started in a thread of its own, which may be on another machine: the node's threads are then there, too. */
struct joining {
    struct load *load;
    const struct fleet_node *member;
    mesh_node *node;
    mesh_reason reason;
    bool done;
};

static void write_log(void *context, const mesh_log_event *event)
{
    FILE *to = context;
    char line[LOG_LINE_MAX_BYTES];
    const size_t len = log_line(event, false, line, sizeof line);
    if (to != NULL && fwrite(line, 1, len, to) == len)
        fflush(to);
}

static int connect_others(struct joining *j)
{
    const struct fleet *f = j->load->fleet;
    const char *names[FLEET_MAX];
    size_t count = 0;
    char host[STAGE_HOST_SIZE];
    for (size_t i = 0; i < f->count; i++)
        if (&f->nodes[i] != j->member)
            names[count++] = f->nodes[i].name;
    const mesh_epmd_list_options list = {.hosts = names, .count = count};
    const mesh_discovery discovery = {"epmd", &list};
    stage_host(f->stage, j->member->machine, host);
    const mesh_cluster_options options = {.size = sizeof options,
                                          .cookie = "chaos",
                                          .listen = host,
                                          .epmd_port = f->stage->epmd_port,
                                          .discovery = &discovery,
                                          .discovery_count = 1};
    return mesh_cluster_join(j->node, &options, &j->reason);
}

static void *run_join(void *arg)
{
    struct joining *j = arg;
    const mesh_node_options options = {
        .size = sizeof options, .name = j->member->name, .log = write_log, .log_context = j->load->log};
    if (stage_enter(j->load->fleet->stage, j->member->machine) != 0 || mesh_node_start(&options, &j->node) != MESH_OK)
        return NULL;
    j->done = connect_others(j) == MESH_OK;
    return NULL;
}

bool load_join(struct load *l, size_t member)
{
    struct joining j = {.load = l, .member = &l->fleet->nodes[member]};
    pthread_t thread;
    if (l->node_count == LOAD_NODES_MAX || pthread_create(&thread, NULL, run_join, &j) != 0)
        return false;
    pthread_join(thread, NULL);
    if (j.node != NULL)
        l->nodes[l->node_count++] = j.node;
    if (!j.done)
        fprintf(stderr, "chaos: %s cannot join: %s\n", j.member->name, j.reason.text);
    return j.done;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

static void write_answer(struct call_record *r, const struct pending *p, mesh_term value)
{
    mesh_bytes node;
    uint64_t token;
    if (mesh_match(value, "{:ok, ~i, ~u, ~u, ~b, ~u}", &r->value, &r->activation, &r->epoch, &node, &token) ==
            MESH_OK &&
        token == p->token)
        r->node = fleet_find(p->load->fleet, node);
    else
        r->activation = 0; /* nobody's: history_contradictions counts it */
}

static void finish(struct pending *p, int error, const mesh_result *result)
{
    struct load *l = p->load;
    struct call_record *r = p->record;
    const uint64_t now = clock_now_ns();
    if (r != NULL) {
        r->error = (uint16_t)error;
        if (error == MESH_OK)
            write_answer(r, p, result->value);
        /* Release: pairs with the acquire in history.c. */
        atomic_store_explicit(&r->end_ns, now, memory_order_release);
    }
    atomic_fetch_add(error == MESH_OK ? &l->answered : &l->failed, 1);
    if (p->watch != NULL) {
        atomic_store(&p->watch->due_ns, now + (uint64_t)l->options.pause_ms * 1000000);
        atomic_store(&p->watch->busy, false);
    }
    free(p);
    atomic_fetch_sub(&l->open, 1); /* last: load_end waits for it */
}

static void on_done(void *context, int error, const mesh_result *result)
{
    finish(context, error, result);
}

static void call(struct load *l, struct call_record *r, uint32_t id, uint8_t from, enum call_kind kind,
                 struct watch *watch)
{
    struct pending *p = must_calloc(1, sizeof *p);
    mesh_buf message;
    *p = (struct pending){.load = l, .record = r, .watch = watch};
    p->token = r != NULL ? (uint64_t)(r - l->history.calls) : UINT32_MAX;
    mesh_buf_init(&message);
    int error = kind == CALL_READ ? mesh_build(&message, "{:read, ~u}", p->token)
                                  : mesh_build(&message, "{:add, 1, ~u}", p->token);
    const mesh_request request = {.module = "Account",
                                  .capability = l->ids[id].capability,
                                  .id = mesh_str(l->ids[id].name),
                                  .payload = mesh_buf_term(&message),
                                  .timeout_ms = LOAD_TIMEOUT_MS};
    atomic_fetch_add(&l->open, 1);
    error = error ? error : mesh_call_async(l->nodes[from], &request, on_done, p);
    mesh_buf_fini(&message);
    if (error)
        finish(p, error, NULL);
}

/* A call that is in the history. False: that is full. */
static bool recorded(struct load *l, uint32_t id, uint8_t from, enum call_kind kind, struct watch *watch)
{
    struct call_record *r = history_call(&l->history, clock_now_ns());
    if (r == NULL)
        return false;
    r->id = id;
    r->from = from;
    r->kind = (uint8_t)kind;
    r->watch = watch != NULL ? (uint16_t)(watch - l->watches) : NO_WATCH;
    call(l, r, id, from, kind, watch);
    return true;
}

/* ---- the generator ----------------------------------------------------------------------------------------------- */

static bool call_watched(struct load *l)
{
    for (size_t i = 0; i < l->watch_count; i++) {
        struct watch *w = &l->watches[i];
        if (atomic_load(&w->busy) || atomic_load(&w->due_ns) > clock_now_ns())
            continue;
        atomic_store(&w->busy, true);
        if (!recorded(l, w->id, w->from, CALL_ADD, w))
            return false;
    }
    return true;
}

static void *generate(void *arg)
{
    struct load *l = arg;
    const uint64_t period_ns = 1000000000 / l->options.rate;
    uint64_t due_ns = clock_now_ns(), last_ns = due_ns;
    for (uint64_t n = 0; !atomic_load(&l->ends);) {
        const uint64_t now = clock_now_ns();
        if (now - last_ns > l->stall_ns)
            l->stall_ns = now - last_ns;
        last_ns = now;
        if (now > due_ns + LATE_NS)
            due_ns = now;
        for (; due_ns <= now; due_ns += period_ns, n++)
            if (!recorded(l, l->order[n % l->id_count], (uint8_t)(n / l->id_count % l->node_count), CALL_ADD, NULL))
                return NULL;
        if (!call_watched(l))
            return NULL;
        rest(TURN_NS);
    }
    return NULL;
}

static void choose_watches(struct load *l)
{
    for (size_t from = 0; from < l->node_count; from++) {
        for (uint32_t i = 0; i < l->options.watches && l->watch_count < LOAD_WATCHES_MAX; i++) {
            struct watch *w = &l->watches[l->watch_count];
            w->id = (uint32_t)((uint64_t)i * l->id_count / l->options.watches);
            w->from = (uint8_t)from;
            l->watch_ids[l->watch_count++] = w->id;
        }
    }
}

void load_begin(struct load *l)
{
    choose_watches(l);
    l->running = pthread_create(&l->thread, NULL, generate, l) == 0;
    if (!l->running)
        abort(); /* as must_calloc */
}

/* ---- the beginning and the end ----------------------------------------------------------------------------------- */

static void await_open(struct load *l, uint64_t at_most, uint32_t timeout_ms)
{
    const uint64_t until_ns = clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    while (atomic_load(&l->open) > at_most && clock_now_ns() < until_ns)
        rest(TURN_NS);
}

static void read_all(struct load *l, bool in_history)
{
    for (size_t from = 0; from < l->node_count; from++) {
        for (uint32_t id = 0; id < l->id_count; id++) {
            await_open(l, READS_OPEN_MAX, OUTCOME_MS);
            if (in_history)
                (void)recorded(l, id, (uint8_t)from, CALL_READ, NULL);
            else
                call(l, NULL, id, (uint8_t)from, CALL_READ, NULL);
        }
    }
    await_open(l, 0, OUTCOME_MS);
}

bool load_warm(struct load *l, uint32_t timeout_ms)
{
    const uint64_t until_ns = clock_now_ns() + (uint64_t)timeout_ms * 1000000;
    bool warm = false;
    while (!warm && clock_now_ns() < until_ns) {
        atomic_store(&l->failed, 0);
        read_all(l, false);
        warm = atomic_load(&l->failed) == 0;
        if (!warm)
            rest(100 * (uint64_t)TURN_NS);
    }
    atomic_store(&l->failed, 0);
    atomic_store(&l->answered, 0);
    if (!warm)
        fputs("chaos: the cluster does not come to serve every id\n", stderr);
    return warm;
}

void load_end(struct load *l)
{
    if (!l->running)
        return;
    atomic_store(&l->ends, true);
    pthread_join(l->thread, NULL);
    l->running = false;
    await_open(l, 0, OUTCOME_MS);
    read_all(l, true);
}

void load_fini(struct load *l)
{
    atomic_store(&l->ends, true);
    if (l->running)
        pthread_join(l->thread, NULL);
    for (size_t i = 0; i < l->node_count; i++)
        (void)mesh_node_stop(l->nodes[i]); /* one that is stuck has logged it; the program ends soon */
    if (l->log != NULL)
        fclose(l->log);
    history_fini(&l->history);
    free(l->ids);
    free(l->order);
}
