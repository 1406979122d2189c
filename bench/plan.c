/* The benchmarks, who takes part in each, and what Mesh shall reach. */
#include <string.h>

#include "runner.h"

enum {
    MESH = 1 << WHO_MESH,
    FLOOR = 1 << WHO_FLOOR,
    CAF = 1 << WHO_CAF,
    GENSERVER = 1 << WHO_GENSERVER,
    SEMAPHORE = 1 << WHO_SEMAPHORE,
    TCP_BATCHED = 1 << WHO_TCP_BATCHED,
    TCP_POLLING = 1 << WHO_TCP_POLLING,
    TCP_BLOCKING = 1 << WHO_TCP_BLOCKING,
};

const struct job plan_jobs[] = {
    {"call_spread", {"call_spread"}, MESH | FLOOR | CAF | GENSERVER, false, 60, SUITE_LOCAL},
    {"call_hot", {"call_hot"}, MESH | CAF | GENSERVER, false, 60, SUITE_LOCAL},
    {"activate", {"activate"}, MESH | CAF | GENSERVER, false, 60, SUITE_LOCAL},
    {"thread_call", {"thread_call"}, MESH | SEMAPHORE, false, 30, SUITE_LOCAL},
    {"thread_call_busy", {"thread_call_busy"}, MESH | SEMAPHORE, false, 60, SUITE_LOCAL},
    {"neighbour", {"neighbour_p99", "neighbour_max"}, MESH, false, 30, SUITE_LOCAL},
    {"neighbour_spin", {"neighbour_p99_spin", "neighbour_max_spin"}, MESH, false, 30, SUITE_LOCAL},
    {"crash_survivors", {"crash_survivors"}, MESH, true, 60, SUITE_LOCAL},
    {"idle_cpu", {"idle_cpu"}, MESH, false, 40, SUITE_LOCAL},
    {"idle_bytes", {"idle_bytes"}, MESH | CAF | GENSERVER, true, 150, SUITE_LOCAL},
    {"idle_10m", {"idle_10m", "idle_10m_answered"}, MESH, true, 180, SUITE_LOCAL},
    {"remote_call", {"remote_call"}, MESH | GENSERVER | TCP_BATCHED, false, 60, SUITE_CLUSTER},
    {"remote_cast", {"remote_cast"}, MESH | GENSERVER, false, 60, SUITE_CLUSTER},
    {"remote_activate", {"remote_activate"}, MESH, false, 60, SUITE_CLUSTER},
    {"remote_sequential",
     {"remote_sequential_p50", "remote_sequential_cpu"},
     MESH | GENSERVER | TCP_POLLING | TCP_BLOCKING,
     false,
     60,
     SUITE_CLUSTER},
    {"join_1m", {"join_1m", "join_1m_p99", "join_1m_failed"}, MESH, false, 120, SUITE_CLUSTER},
    {"ring_1000", {"ring_1000"}, MESH, false, 30, SUITE_CLUSTER},
};
const size_t plan_jobs_count = sizeof plan_jobs / sizeof plan_jobs[0];

const struct target plan_targets[] = {
    {"call_spread", "floor", AT_LEAST, 0.3},
    {"call_spread", "caf", AT_LEAST, 8},
    {"call_spread", "genserver", AT_LEAST, 12},
    {"call_hot", "caf", AT_LEAST, 4},
    {"activate", NULL, AT_LEAST, 2e6},
    {"activate", "caf", AT_LEAST, 3},
    {"activate", "genserver", AT_LEAST, 10},
    {"thread_call", "semaphore", AT_MOST, 1.3},
    {"thread_call_busy", NULL, AT_MOST, 3},
    {"neighbour_p99", NULL, AT_MOST, 10000},
    {"neighbour_max", NULL, AT_MOST, 50000},
    {"neighbour_p99_spin", NULL, AT_MOST, 10000},
    {"neighbour_max_spin", NULL, AT_MOST, 50000},
    {"crash_survivors", NULL, AT_LEAST, 20000},
    {"idle_cpu", NULL, AT_MOST, 0.1},
    {"idle_bytes", NULL, AT_MOST, 200},
    {"idle_10m", NULL, AT_MOST, 2.5e9},
    {"idle_10m_answered", NULL, AT_LEAST, 1000},
    {"remote_call", NULL, AT_LEAST, 600000},
    {"remote_call", "genserver", AT_LEAST, 12},
    {"remote_call", "tcp_batched", AT_LEAST, 0.15},
    {"remote_cast", NULL, AT_LEAST, 1.5e6},
    {"remote_cast", "genserver", AT_LEAST, 3},
    {"remote_activate", NULL, AT_LEAST, 300000},
    {"remote_sequential_p50", "tcp_polling", AT_MOST, 3},
    {"remote_sequential_p50", "genserver", BELOW, 0.5},
    {"join_1m", NULL, AT_MOST, 10000},
    {"join_1m_p99", NULL, AT_MOST, 250},
    {"join_1m_failed", NULL, AT_MOST, 0},
    {"ring_1000", NULL, AT_MOST, 10},
};
const size_t plan_targets_count = sizeof plan_targets / sizeof plan_targets[0];

const char *plan_who_name(enum who who)
{
    switch (who) {
    case WHO_MESH:
        return "mesh";
    case WHO_FLOOR:
        return "floor";
    case WHO_CAF:
        return "caf";
    case WHO_GENSERVER:
        return "genserver";
    case WHO_SEMAPHORE:
        return "semaphore";
    case WHO_TCP_BATCHED:
        return "tcp_batched";
    case WHO_TCP_POLLING:
        return "tcp_polling";
    case WHO_TCP_BLOCKING:
        return "tcp_blocking";
    case WHO_COUNT:
        break;
    }
    return "?";
}

const char *plan_suite_name(enum suite suite)
{
    static const char *const names[SUITE_COUNT] = {[SUITE_LOCAL] = "local", [SUITE_CLUSTER] = "cluster"};
    return suite < SUITE_COUNT ? names[suite] : NULL;
}

static bool is_name(const char *name, const char *text, size_t text_len)
{
    return name != NULL && strlen(name) == text_len && memcmp(name, text, text_len) == 0;
}

const struct job *plan_find(const char *name, size_t name_len)
{
    for (size_t i = 0; i < plan_jobs_count; i++) {
        const struct job *job = &plan_jobs[i];
        bool found = is_name(job->name, name, name_len);
        for (size_t k = 0; k < JOB_REPORTS; k++)
            found |= is_name(job->reports[k], name, name_len);
        if (found)
            return job;
    }
    return NULL;
}

unsigned plan_programs(const struct job *job)
{
    unsigned count = 0;
    for (unsigned left = job->who; left != 0; left &= left - 1)
        count++;
    return count;
}

/* Appends one argument, made of two parts, to the command. */
static bool add_arg(struct command *command, size_t *used, size_t *args, const char *first, const char *second)
{
    size_t room = sizeof command->text - *used;
    int len = snprintf(command->text + *used, room, "%s%s", first, second);
    if (len < 0 || (size_t)len >= room || *args == MAX_ARGS)
        return false;
    command->argv[(*args)++] = command->text + *used;
    command->argv[*args] = NULL;
    *used += (size_t)len + 1;
    return true;
}

bool plan_command(const struct job *job, enum who who, const char *dir, bool quick, struct command *command)
{
    static const char *const program[WHO_COUNT] = {
        [WHO_MESH] = "/mesh_bench",       [WHO_FLOOR] = "/floor",
        [WHO_CAF] = "/contender_caf",     [WHO_GENSERVER] = "/contender_genserver.exs",
        [WHO_SEMAPHORE] = "/semaphore",   [WHO_TCP_BATCHED] = "/tcp_floor",
        [WHO_TCP_POLLING] = "/tcp_floor", [WHO_TCP_BLOCKING] = "/tcp_floor",
    };
    size_t used = 0, args = 0;
    bool can_hurry = who == WHO_MESH || who == WHO_SEMAPHORE;
    if (who == WHO_GENSERVER && !add_arg(command, &used, &args, "elixir", ""))
        return false;
    if (!add_arg(command, &used, &args, dir, program[who]))
        return false;
    if (quick && can_hurry && !add_arg(command, &used, &args, "--quick", ""))
        return false;
    /* The floors know one benchmark only; that of TCP is told who it is. */
    if (who == WHO_TCP_BATCHED || who == WHO_TCP_POLLING || who == WHO_TCP_BLOCKING)
        return add_arg(command, &used, &args, plan_who_name(who), "");
    return who == WHO_FLOOR || add_arg(command, &used, &args, job->name, "");
}
