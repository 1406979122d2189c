/* Any epmd: what it answers, read as each of the replies. A name that is found, written as a line again, is read as the
 * same. */
#include <stdlib.h>

#include "dist/epmd.h"
#include "dist/names.h"
#include "fuzz/fuzz.h"

static void check_again(mesh_bytes name, uint16_t port)
{
    mesh_buf line;
    mesh_bytes text, again;
    enum refusal why;
    uint16_t port_again;
    const struct epmd_node node = {.name = name, .port = port};
    mesh_buf_init(&line);
    if (mesh_buf_append(&line, "port", 4) != MESH_OK || epmd_put_name_line(&line, &node) != MESH_OK ||
        epmd_read_names(mesh_buf_bytes(&line), &text, &why) != EPMD_COMPLETE ||
        !epmd_next_name(&text, &again, &port_again, NULL) || again.len != name.len ||
        memcmp(again.data, name.data, name.len) != 0 || port_again != port)
        abort();
    mesh_buf_fini(&line);
}

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
    size_t lines = 0, found = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += ((const uint8_t *)text.data)[i] == '\n';
    uint32_t bad = 0;
    while (epmd_next_name(&text, &name, &port, &bad)) {
        const uint8_t *at = name.data;
        found++;
        if (!names_alive(name) || port == 0 || at < data + 4 || at + name.len >= data + size)
            abort();
        check_again(name, port);
    }
    if (found + bad != lines)
        abort();
    return 0;
}
