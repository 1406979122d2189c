/* The public functions of mesh/placement.h. */
#include <mesh/placement.h>

#include "placement/phash2.h"

uint32_t mesh_phash2(mesh_bytes id, uint32_t range)
{
    return phash2_range(id, range);
}
