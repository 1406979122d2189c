/* See dist_system.h, which the test of refused memory uses as well. */
#include "fuzz/dist_system.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return dist_system_run(data, size);
}
