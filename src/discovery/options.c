/* What the options of several strategies have in common. */
#include <mesh/error.h>

#include "discovery/options.h"

int discovery_check_timing(const char *strategy, uint32_t timeout_ms, uint32_t per_second,
                           struct discovery_reason *reason)
{
    if (timeout_ms != 0 && (timeout_ms < DISCOVERY_INTERVAL_MIN_MS || timeout_ms > DISCOVERY_INTERVAL_MAX_MS)) {
        reason_say(reason, "%s: timeout: expected %d to %d ms, got %u", strategy, DISCOVERY_INTERVAL_MIN_MS,
                   DISCOVERY_INTERVAL_MAX_MS, timeout_ms);
        return MESH_EINVAL;
    }
    if (per_second > DISCOVERY_PER_SECOND_MAX) {
        reason_say(reason, "%s: per_second: expected 1 to %d, got %u", strategy, DISCOVERY_PER_SECOND_MAX, per_second);
        return MESH_EINVAL;
    }
    return MESH_OK;
}

int discovery_check_port(const char *strategy, const char *option, uint32_t port, struct discovery_reason *reason)
{
    if (port <= 65535)
        return MESH_OK;
    reason_say(reason, "%s: %s: expected 1 to 65535, got %u", strategy, option, port);
    return MESH_EINVAL;
}
