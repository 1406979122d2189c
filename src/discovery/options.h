/* Checks that the options of several strategies (mesh/discovery.h) have in common. Strings in options are the caller's,
 * and need to live until start returns. */
#ifndef DISCOVERY_OPTIONS_H
#define DISCOVERY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh/discovery.h>

#include "discovery/env.h"
#include "discovery/reason.h"

#define EPMD_HOSTS_MAX 1024u

/* Times and numbers that several strategies have. MESH_EINVAL names the option; strategy is the strategy's name. */
int discovery_check_timing(const char *strategy, uint32_t timeout_ms, uint32_t per_second,
                           struct discovery_reason *reason);

/* Whether a port is 0 to 65535. Likewise. */
int discovery_check_port(const char *strategy, const char *option, uint32_t port, struct discovery_reason *reason);

#endif
