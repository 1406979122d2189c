/* Any epmd: what it answers, read as each of the replies. */
#include <stdlib.h>

#include "dist/epmd.h"
#include "dist/names.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const mesh_bytes reply = {data, size};
    enum refusal why = REFUSAL_NONE;
    struct epmd_node node;
    uint32_t creation = 0;
    mesh_bytes text, name;
    uint16_t port = 0;
    if (epmd_read_register(reply, &creation, &why) == EPMD_COMPLETE && creation == 0)
        abort();
    if (epmd_read_lookup(reply, mesh_str("va"), &node, &why) == EPMD_COMPLETE &&
        (node.port == 0 || node.name.len != 2 || node.extra.len > size))
        abort();
    if (epmd_read_names(reply, &text, &why) != EPMD_COMPLETE)
        return 0;
    while (epmd_next_name(&text, &name, &port))
        if (!names_alive(name) || port == 0)
            abort();
    return 0;
}
