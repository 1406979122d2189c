/* Arguments of the functions that other nodes may call: any term is one of their forms, or is refused. */
#include "fuzz.h"

#include <stdlib.h>

#include "join/arguments.h"

static void must(bool ok)
{
    if (!ok)
        abort();
}

static void check_name(const struct name_argument *name)
{
    size_t len = strnlen(name->text, sizeof name->text);
    must(len > 0 && len < sizeof name->text);
}

static void check_view(mesh_term args, const void *data, size_t len)
{
    const uint8_t *at = data;
    must(len > 0 && at >= args.data && len <= args.len && at <= args.data + (args.len - len));
}

static void check_request(mesh_term args, bool timed)
{
    struct request_arguments r;
    if (!arguments_request(args, timed, &r))
        return;
    check_name(&r.capability);
    check_name(&r.module);
    must(r.id.len <= MESH_ID_MAX);
    check_view(args, r.id.data, r.id.len);
    check_view(args, r.payload.data, r.payload.len);
    check_view(args, r.init_arg.data, r.init_arg.len);
    must(mesh_term_check(r.payload.data, r.payload.len, NULL, NULL) == MESH_OK);
    must(mesh_term_check(r.init_arg.data, r.init_arg.len, NULL, NULL) == MESH_OK);
    must(timed ? r.timeout_ms >= 1 && r.timeout_ms <= ARGUMENTS_TIMEOUT_MAX_MS : r.timeout_ms == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const mesh_term args = {.data = data, .len = size};
    struct name_argument name, node;
    uint32_t timeout_ms;
    if (mesh_term_check(data, size, NULL, NULL) != MESH_OK)
        return 0;
    check_request(args, true);
    check_request(args, false);
    if (arguments_name(args, &name))
        check_name(&name);
    if (arguments_name_node(args, &name, &node)) {
        check_name(&name);
        check_name(&node);
    }
    if (arguments_timeout(args, &timeout_ms))
        must(timeout_ms >= 1 && timeout_ms <= ARGUMENTS_TIMEOUT_MAX_MS);
    return 0;
}
