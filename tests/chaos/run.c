/* A scenario while it is played. See run.h. */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOOK_NS = 100000000 };

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

/* Without what an earlier run has left for the nodes. */
bool run_folder(struct run *r)
{
    static const char *const kinds[] = {"log", "lives"};
    if (mkdir(r->folder, 0755) != 0 && errno != EEXIST) {
        fprintf(stderr, "chaos: %s: %s\n", r->folder, strerror(errno));
        return false;
    }
    for (size_t i = 0; i < r->fleet.count; i++) {
        for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
            char path[RUN_FOLDER_SIZE + 32];
            snprintf(path, sizeof path, "%s/%s.%s", r->folder, r->fleet.nodes[i].alias, kinds[k]);
            unlink(path);
        }
    }
    return true;
}

bool run_init(struct run *r, const struct run_options *options, const char *title, bool apart, size_t machines)
{
    *r = (struct run){.options = options, .title = title};
    snprintf(r->folder, sizeof r->folder, "%s/%s", options->folder, title);
    progress_init(&r->progress, stderr);
    fleet_init(&r->fleet, &r->stage, options->program, options->module, r->folder);
    return stage_init(&r->stage, apart, machines);
}

bool run_load(struct run *r, const struct load_options *load)
{
    load_init(&r->load, load, &r->fleet);
    for (size_t i = 0; i < r->fleet.count; i++)
        if (r->fleet.nodes[i].here && !load_join(&r->load, i))
            return false;
    return true;
}

void run_fini(struct run *r)
{
    progress_clear(&r->progress);
    load_fini(&r->load);
    fleet_fini(&r->fleet);
    stage_fini(&r->stage);
}

/* ---- time -------------------------------------------------------------------------------------------------------- */

static void show(struct run *r)
{
    progress_show(&r->progress, r->step, r->steps, "%s %" PRIu32 "/%" PRIu32 ": %" PRIu64 " calls, %" PRIu64 " failed",
                  r->title, r->step, r->steps, atomic_load(&r->load.answered) + atomic_load(&r->load.failed),
                  atomic_load(&r->load.failed));
}

void run_pass(struct run *r, uint32_t ms)
{
    const uint64_t until_ns = clock_now_ns() + (uint64_t)ms * 1000000;
    for (uint64_t now = clock_now_ns(); now < until_ns; now = clock_now_ns()) {
        const uint64_t left_ns = until_ns - now;
        const long turn_ns = left_ns < LOOK_NS ? (long)left_ns : LOOK_NS;
        const struct timespec t = {0, turn_ns};
        nanosleep(&t, NULL);
        fleet_look(&r->fleet);
        show(r);
    }
}

void run_change_from(struct run *r, enum change_kind kind, size_t node, uint64_t from_ns)
{
    if (r->changing)
        r->changes[r->change_count - 1].until_ns = from_ns;
    if (r->change_count == RUN_CHANGES_MAX)
        abort(); /* a scenario that is written wrongly */
    r->changes[r->change_count++] = (struct change){from_ns, UINT64_MAX, kind, (uint8_t)node};
    r->changing = true;
}

void run_change(struct run *r, enum change_kind kind, size_t node)
{
    run_change_from(r, kind, node, clock_now_ns());
}

void run_settled(struct run *r)
{
    if (r->changing)
        r->changes[r->change_count - 1].until_ns = clock_now_ns();
    r->changing = false;
}

void run_calm_begins(struct run *r, uint32_t after_ms)
{
    if (r->calm_count == RUN_CHANGES_MAX)
        abort();
    const uint64_t now = clock_now_ns();
    r->calms[r->calm_count++] = (struct calm){now, now + (uint64_t)after_ms * 1000000, UINT64_MAX};
}

void run_calm_ends(struct run *r)
{
    r->calms[r->calm_count - 1].until_ns = clock_now_ns();
}
