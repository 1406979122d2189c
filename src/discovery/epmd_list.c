/* A list needs nothing but the table of names: it has neither packets nor questions. */
#include <stdlib.h>

#include <mesh/error.h>

#include "base/alloc.h"
#include "discovery/epmd_list.h"
#include "discovery/node_name.h"

_Static_assert(EPMD_HOSTS_MAX <= ROSTER_MAX, "a whole list fits into the table");

int epmd_list_check(const mesh_epmd_list_options *o, struct discovery_reason *reason)
{
    if (o->hosts == NULL || o->count == 0 || o->count > EPMD_HOSTS_MAX) {
        reason_say(reason, "epmd: hosts: expected 1 to %u names of nodes, got %zu", EPMD_HOSTS_MAX,
                   o->hosts != NULL ? o->count : 0);
        return MESH_EINVAL;
    }
    for (size_t i = 0; i < o->count; i++) {
        if (o->hosts[i] != NULL && node_name_valid(mesh_str(o->hosts[i])))
            continue;
        reason_say(reason, "epmd: hosts: expected names such as game@127.0.0.1, got \"%s\" (number %zu)",
                   o->hosts[i] != NULL ? o->hosts[i] : "", i + 1);
        return MESH_EINVAL;
    }
    return discovery_check_timing("epmd", o->timeout_ms, o->per_second, reason);
}

static const struct source_ops ops = {0};

int epmd_list_create(const struct discovery_env *env, const mesh_epmd_list_options *o, struct source **out)
{
    struct source *s = must_calloc(1, sizeof *s);
    int error = source_init(s, &ops, env, o->timeout_ms, o->per_second);
    if (error != MESH_OK) {
        free(s);
        return error;
    }
    for (size_t i = 0; i < o->count && error == MESH_OK; i++)
        if (roster_list_fixed(&s->roster, mesh_str(o->hosts[i]), 0) == ROSTER_FULL)
            error = MESH_ENOMEM;
    if (error == MESH_OK)
        *out = s;
    else
        source_destroy(s);
    return error;
}
