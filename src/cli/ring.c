/* mesh ring: how the shards of a capability are shared out, and what would move if a node left. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/tables.h"

/* For more nodes the column is left out: each costs the target a ring. */
enum { MOVED_NODES_MAX = 64 };

static void help(void)
{
    puts(
        "\nA row for each node that has CAPABILITY: its weight, how many shards the ring gives it, and how many would\n"
        "move if it left (with up to 64 nodes). With NODE, what each of the others would get if that one left.");
    ask_help();
}

/* How many shards would move if a node left; -1: the target cannot tell, as for the only one. */
static int64_t moved_without(struct ask *a, const char *capability, mesh_bytes node)
{
    mesh_buf args, value;
    mesh_reason reason;
    int64_t moved = -1;
    mesh_buf_init(&args);
    mesh_buf_init(&value);
    if (mesh_build(&args, "[~s, ~b]", capability, node) == MESH_OK &&
        ask_try(a, a->target, "leave", mesh_buf_term(&args), a->timeout_ms, &value, &reason))
        (void)mesh_match(mesh_buf_term(&value), "%{moved: ~i}", &moved);
    mesh_buf_fini(&value);
    mesh_buf_fini(&args);
    return moved;
}

static struct columns *with_moved(struct ask *a, const char *capability, mesh_term ring)
{
    int64_t moved[MOVED_NODES_MAX];
    size_t count = 0;
    struct ring_nodes nodes;
    mesh_bytes name;
    if (!ring_nodes_begin(&nodes, ring) || nodes.left > MOVED_NODES_MAX)
        return table_ring(ring, NULL, 0);
    while (count < MOVED_NODES_MAX && ring_nodes_next(&nodes, &name))
        moved[count++] = moved_without(a, capability, name);
    return table_ring(ring, moved, count);
}

/* Behind the table, for people. */
static void sum_up(const struct ask *a, mesh_term leave)
{
    uint32_t moved, least;
    if (!a->json && mesh_match(leave, "%{moved: ~u, least: ~u}", &moved, &least) == MESH_OK)
        printf("\n%" PRIu32 " shards would move; the least possible is %" PRIu32 "\n", moved, least);
}

static int show(struct ask *a, const char *capability, const char *leaver)
{
    const char *function = leaver != NULL ? "leave" : "ring";
    mesh_buf args, value;
    struct columns *t = NULL;
    mesh_buf_init(&args);
    int rc = leaver != NULL ? mesh_build(&args, "[~s, ~s]", capability, leaver) : mesh_build(&args, "[~s]", capability);
    if (rc != MESH_OK)
        return ask_fail(a, mesh_strerror(rc));
    int code = ask_call(a, function, mesh_buf_term(&args), a->timeout_ms, &value);
    if (code == EXIT_DONE) {
        t = leaver != NULL ? table_leave(mesh_buf_term(&value)) : with_moved(a, capability, mesh_buf_term(&value));
        code = t != NULL ? EXIT_DONE : ask_strange(a, function);
    }
    if (t != NULL)
        ask_print(a, t);
    if (t != NULL && leaver != NULL)
        sum_up(a, mesh_buf_term(&value));
    mesh_buf_fini(&value);
    mesh_buf_fini(&args);
    return code;
}

static int run(struct args *args)
{
    static const char *const named[] = {"a capability"};
    const char *words[2];
    struct ask a;
    ask_init(&a, &verb_ring);
    int code = ask_words(&a, args, words, 1, 2, named);
    if (code == EXIT_DONE)
        code = ask_begin(&a);
    if (code == EXIT_DONE)
        code = show(&a, words[0], words[1]);
    return ask_end(&a, code);
}

const struct verb verb_ring = {"ring", "CAPABILITY [NODE] [FLAGS]",
                               "Show how shards are shared out, and what would move if a node left", help, run};
