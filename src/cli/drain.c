/* mesh drain: has a node hand everything over, and shows how far it is. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/terminal.h"
#include "cli/words.h"

enum { LOOK_MS = 250, DRAIN_MS = 60000 };

static void help(void)
{
    puts(
        "\nNODE hands every shard, and what its processes leave, over to other nodes; calls go on meanwhile. It takes\n"
        "no shard any more until it is started again, and can be stopped without anybody noticing. Where nobody else\n"
        "has a capability its processes end. On a terminal a bar shows how far it is. The exit code is 1 if it is not\n"
        "done after --timeout-ms (default here: 60000): it goes on nevertheless.");
    ask_help();
}

/* The wait for its end, in a task of our own node. */
struct drain {
    struct ask *ask;
    uint32_t timeout_ms;
    mesh_term args;
    mesh_buf value;
    mesh_reason reason;
    bool done;
};

static int wait_for_end(mesh_node *node, void *arg)
{
    struct drain *d = arg;
    (void)node;
    d->done = ask_try(d->ask, d->ask->target, "drain", d->args, d->timeout_ms + 1000, &d->value, &d->reason);
    return MESH_OK;
}

/* What is still there; before: what it was told last. */
static uint64_t left_of(struct ask *a, uint64_t before)
{
    mesh_buf value;
    mesh_reason reason;
    uint64_t held, leaving;
    mesh_buf_init(&value);
    if (ask_try(a, a->target, "progress", ask_nothing(), a->timeout_ms, &value, &reason) &&
        mesh_match(mesh_buf_term(&value), "%{held: ~u, leaving: ~u}", &held, &leaving) == MESH_OK)
        before = held + leaving;
    mesh_buf_fini(&value);
    return before;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Shows how much is left until the task has ended. */
static void watch(struct ask *a, mesh_task *task, uint64_t total)
{
    struct progress bar;
    uint64_t left = total;
    progress_init(&bar, stderr);
    while (mesh_await(task, LOOK_MS, NULL) == MESH_ETIMEOUT) {
        left = left_of(a, left);
        progress_show(&bar, total > left ? total - left : 0, total, "%" PRIu64 " of %" PRIu64 " shards left", left,
                      total);
    }
    progress_clear(&bar);
}

static void say_done(const struct ask *a, uint64_t shards, uint64_t ms)
{
    if (!a->json) {
        printf("%s has handed over %" PRIu64 " shards in %" PRIu64 " ms\n", a->target, shards, ms);
        return;
    }
    fputs("{\"node\": ", stdout);
    columns_json_string(stdout, mesh_str(a->target));
    printf(", \"shards\": %" PRIu64 ", \"ms\": %" PRIu64 "}\n", shards, ms);
}

static int drain(struct ask *a, uint32_t timeout_ms)
{
    mesh_buf args;
    mesh_task *task;
    struct drain d = {.ask = a, .timeout_ms = timeout_ms};
    mesh_buf_init(&args);
    mesh_buf_init(&d.value);
    const uint64_t begin_ms = now_ms(), total = left_of(a, 0);
    int rc = mesh_build(&args, "[~u]", timeout_ms);
    d.args = mesh_buf_term(&args);
    if (rc == MESH_OK)
        rc = mesh_spawn(a->node, wait_for_end, &d, &task);
    if (rc == MESH_OK)
        watch(a, task, total);
    mesh_buf_fini(&d.value);
    mesh_buf_fini(&args);
    if (rc != MESH_OK)
        return ask_fail(a, mesh_strerror(rc));
    if (!d.done)
        return ask_fail(a, d.reason.text);
    say_done(a, total, now_ms() - begin_ms);
    return EXIT_DONE;
}

static int run(struct args *args)
{
    static const char *const named[] = {"the name of a node"};
    const char *words[1];
    mesh_reason reason;
    struct ask a;
    ask_init(&a, &verb_drain);
    a.timeout_ms = DRAIN_MS;
    int code = ask_words(&a, args, words, 1, 1, named);
    if (code == EXIT_DONE && a.targeted)
        code = verb_misuse(&verb_drain, "expected NODE alone, without --node");
    if (code == EXIT_DONE && !ask_target(&a, words[0], &reason))
        code = verb_misuse(&verb_drain, "%s", reason.text);
    const uint32_t timeout_ms = a.timeout_ms;
    a.timeout_ms = ASK_TIMEOUT_MS; /* for everything else */
    if (code == EXIT_DONE)
        code = ask_begin(&a);
    if (code == EXIT_DONE)
        code = drain(&a, timeout_ms);
    return ask_end(&a, code);
}

const struct verb verb_drain = {"drain", "NODE [FLAGS]", "Have a node hand everything over to others", help, run};
