/* The table of strategies, by name. */
#include <string.h>

#include "discovery/strategy.h"

const struct discovery_strategy *const discovery_strategies[] = {&discovery_gossip, &discovery_epmd,
                                                                 &discovery_local_epmd, &discovery_erlang_hosts, NULL};

const struct discovery_strategy *discovery_strategy(const char *name)
{
    for (const struct discovery_strategy *const *s = discovery_strategies; *s != NULL; s++)
        if (strcmp((*s)->name, name) == 0)
            return *s;
    return NULL;
}
