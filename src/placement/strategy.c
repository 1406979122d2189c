/* The table of strategies, by their public number. */
#include "placement/strategy.h"

const struct strategy *strategy_of(enum mesh_strategy which)
{
    switch (which) {
    case MESH_CAPPED:
        return &strategy_capped;
    case MESH_MODULO:
        return &strategy_modulo;
    case MESH_CUSTOM:
        return &strategy_custom;
    }
    return NULL;
}
