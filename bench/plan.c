/* The benchmarks, who takes part in each, and what Mesh shall reach. */
#include <string.h>

#include "runner.h"

enum {
    MESH = 1 << WHO_MESH,
    FLOOR = 1 << WHO_FLOOR,
    CAF = 1 << WHO_CAF,
    GENSERVER = 1 << WHO_GENSERVER,
    SEMAPHORE = 1 << WHO_SEMAPHORE,
};

const struct job plan_jobs[] = {
    {"call_spread", {"call_spread"}, MESH | FLOOR | CAF | GENSERVER, false, 60},
    {"call_hot", {"call_hot"}, MESH | CAF | GENSERVER, false, 60},
    {"activate", {"activate"}, MESH | CAF | GENSERVER, false, 60},
    {"thread_call", {"thread_call"}, MESH | SEMAPHORE, false, 30},
    {"thread_call_busy", {"thread_call_busy"}, MESH | SEMAPHORE, false, 60},
    {"neighbour", {"neighbour_p99", "neighbour_max"}, MESH, false, 30},
    {"neighbour_spin", {"neighbour_p99_spin", "neighbour_max_spin"}, MESH, false, 30},
    {"crash_survivors", {"crash_survivors"}, MESH, true, 60},
    {"idle_cpu", {"idle_cpu"}, MESH, false, 40},
    {"idle_bytes", {"idle_bytes"}, MESH | CAF | GENSERVER, true, 150},
    {"idle_10m", {"idle_10m", "idle_10m_answered"}, MESH, true, 180},
};
const size_t plan_jobs_count = sizeof plan_jobs / sizeof plan_jobs[0];

const struct target plan_targets[] = {
    {"call_spread", "floor", false, 0.3},
    {"call_spread", "caf", false, 8},
    {"call_spread", "genserver", false, 12},
    {"call_hot", "caf", false, 4},
    {"activate", NULL, false, 2e6},
    {"activate", "caf", false, 3},
    {"activate", "genserver", false, 10},
    {"thread_call", "semaphore", true, 1.3},
    {"thread_call_busy", NULL, true, 3},
    {"neighbour_p99", NULL, true, 10000},
    {"neighbour_max", NULL, true, 50000},
    {"neighbour_p99_spin", NULL, true, 10000},
    {"neighbour_max_spin", NULL, true, 50000},
    {"crash_survivors", NULL, false, 20000},
    {"idle_cpu", NULL, true, 0.1},
    {"idle_bytes", NULL, true, 200},
    {"idle_10m", NULL, true, 2.5e9},
    {"idle_10m_answered", NULL, false, 1000},
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
    case WHO_COUNT:
        break;
    }
    return "?";
}

static bool is_name(const char *name, const char *text, size_t text_len)
{
    return name != NULL && strlen(name) == text_len && memcmp(name, text, text_len) == 0;
}

const struct job *plan_find(const char *name, size_t name_len)
{
    for (size_t i = 0; i < plan_jobs_count; i++) {
        const struct job *job = &plan_jobs[i];
        if (is_name(job->name, name, name_len) || is_name(job->reports[0], name, name_len) ||
            is_name(job->reports[1], name, name_len))
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
        [WHO_MESH] = "/mesh_bench",     [WHO_FLOOR] = "/floor",
        [WHO_CAF] = "/contender_caf",   [WHO_GENSERVER] = "/contender_genserver.exs",
        [WHO_SEMAPHORE] = "/semaphore",
    };
    size_t used = 0, args = 0;
    bool can_hurry = who == WHO_MESH || who == WHO_SEMAPHORE;
    if (who == WHO_GENSERVER && !add_arg(command, &used, &args, "elixir", ""))
        return false;
    if (!add_arg(command, &used, &args, dir, program[who]))
        return false;
    if (quick && can_hurry && !add_arg(command, &used, &args, "--quick", ""))
        return false;
    /* The floor knows one benchmark only. */
    return who == WHO_FLOOR || add_arg(command, &used, &args, job->name, "");
}
