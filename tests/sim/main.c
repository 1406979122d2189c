/* mesh-sim: one run of the simulator, by its seed. Exit status: 0 all promises kept, 1 one was broken, 2 usage. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim.h"

static const char usage[] =
    "usage: mesh-sim [OPTION]...\n"
    "Simulates a cluster on a logical clock and checks what it promises. The same options give the same run.\n"
    "\n"
    "  --seed N          where all chance comes from (default 1)\n"
    "  --nodes N         nodes at the start, 2 to 1000 (default 5)\n"
    "  --seconds N       simulated time, 8 to 3600 (default 60)\n"
    "  --shards N        shards of each capability, 1 to 4096 (default 64)\n"
    "  --faults LIST     of blink, partition, crash, pause, join, drain, register, busy; or all (default), none\n"
    "  --majority N      policy `majority` of N nodes (default: `available`)\n"
    "  --varied          nodes, shards, time and faults by the seed, as in the tests\n"
    "  --rules-off LIST  rules of docs/wire.md not to keep: 3, 5, 6. Shows that the checks see it\n"
    "  --changes N       a large cluster instead: it starts converged, and one node a second changes, N times\n"
    "  --json            one line for machines\n"
    "  --trace           every step, one line each\n"
    "  --help\n";

static const struct {
    const char *name;
    uint32_t bits;
} fault_names[] = {
    {"blink", SIM_BLINK}, {"partition", SIM_PARTITION}, {"crash", SIM_CRASH}, {"pause", SIM_PAUSE}, {"join", SIM_JOIN},
    {"drain", SIM_DRAIN}, {"register", SIM_REGISTER},   {"busy", SIM_BUSY},   {"all", SIM_ALL},     {"none", 0}};

static bool read_number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || n < least || n > most)
        return false;
    *out = n;
    return true;
}

static bool read_faults(char *text, uint32_t *out)
{
    *out = 0;
    for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
        size_t i = 0, count = sizeof fault_names / sizeof *fault_names;
        while (i < count && strcmp(fault_names[i].name, word) != 0)
            i++;
        if (i == count)
            return false;
        *out |= fault_names[i].bits;
    }
    return true;
}

static bool read_rules(char *text, uint32_t *out)
{
    *out = 0;
    for (char *word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
        if (strcmp(word, "3") != 0 && strcmp(word, "5") != 0 && strcmp(word, "6") != 0)
            return false;
        *out |= 1U << (word[0] - '0');
    }
    return *out != 0;
}

/* An option with a value. */
static bool read_option(struct sim_options *o, const char *name, char *value)
{
    uint64_t n = 0;
    bool ok;
    if (strcmp(name, "--faults") == 0)
        return read_faults(value, &o->faults);
    if (strcmp(name, "--rules-off") == 0)
        return read_rules(value, &o->rules_off);
    if (strcmp(name, "--seed") == 0) {
        ok = read_number(value, 0, UINT64_MAX, &n);
        o->seed = n;
    } else if (strcmp(name, "--nodes") == 0) {
        ok = read_number(value, 2, SIM_NODES_MAX, &n);
        o->nodes = (uint16_t)n;
    } else if (strcmp(name, "--seconds") == 0) {
        ok = read_number(value, 8, 3600, &n);
        o->seconds = (uint32_t)n;
    } else if (strcmp(name, "--shards") == 0) {
        ok = read_number(value, 1, 4096, &n);
        o->shards = (uint32_t)n;
    } else if (strcmp(name, "--changes") == 0) {
        ok = read_number(value, 1, 1000, &n);
        o->changes = (uint32_t)n;
    } else if (strcmp(name, "--majority") == 0) {
        ok = read_number(value, 1, SIM_NODES_MAX, &n);
        o->majority_of = (uint32_t)n;
    } else {
        return false;
    }
    return ok;
}

static int wrong(const char *what)
{
    fprintf(stderr, "mesh-sim: %s\nTry mesh-sim --help.\n", what);
    return 2;
}

int main(int argc, char **argv)
{
    struct sim_options options = sim_defaults(1);
    bool json = false, varied = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--trace") == 0)
            options.trace = true;
        else if (strcmp(argv[i], "--varied") == 0)
            varied = true;
        else if (i + 1 == argc || !read_option(&options, argv[i], argv[i + 1]))
            return wrong(argv[i]);
        else
            i++;
    }
    if (varied) {
        struct sim_options o = sim_varied(options.seed);
        o.rules_off = options.rules_off;
        o.trace = options.trace;
        options = o;
    }
    struct sim *sim = sim_create(&options);
    sim_run(sim);
    sim_print(&options, &sim->result, json);
    int status = sim_broken(&sim->result);
    sim_destroy(sim);
    return status;
}
