/* The epmd strategy: a list and a timer, no socket. (Its name is libcluster's: the nodes are dialled through epmd.) */
#include <mesh/error.h>

#include "base/alloc.h"
#include "discovery/drive_io.h"
#include "discovery/epmd_list.h"

static const struct drive_ops ops = {0};

static int check(const void *options, struct discovery_reason *reason)
{
    return epmd_list_check(options, reason);
}

static int start(const struct discovery_env *given, const void *options, struct discovery **out,
                 struct discovery_reason *reason)
{
    struct discovery_env env = drive_env(given);
    struct source *source;
    int error = epmd_list_check(options, reason);
    if (error != MESH_OK)
        return error;
    error = epmd_list_create(&env, options, &source);
    if (error != MESH_OK)
        return drive_refuse("epmd", given, error, reason);
    *out = must_calloc(1, sizeof **out);
    drive_open(*out, &ops, &env, source);
    return MESH_OK;
}

const struct discovery_strategy discovery_epmd = {
    .name = "epmd", .check = check, .start = start, .stop = drive_close, .counts = drive_counts};
