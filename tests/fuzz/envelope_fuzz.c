/* Calls, casts and answers of a peer. What is accepted is written again and must read the same. */
#include "fuzz.h"

#include <stdlib.h>

#include "node/envelope_layout.h"

enum { MAX_BYTES = 1 << 20 };

static void must(bool ok)
{
    if (!ok)
        abort();
}

static bool same(mesh_bytes a, mesh_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool same_term(mesh_term a, mesh_term b)
{
    return same((mesh_bytes){a.data, a.len}, (mesh_bytes){b.data, b.len});
}

static void must_be_same(const struct envelope *e, const struct envelope *again)
{
    must(e->op == again->op);
    if (e->op == ENVELOPE_OTHER)
        return;
    must(e->number == again->number && e->clock == again->clock && e->trace == again->trace);
    if (e->op <= ENVELOPE_CAST) {
        must(e->hops == again->hops && e->left_ms == again->left_ms && e->followed == again->followed);
        must(same(e->capability, again->capability) && same(e->module, again->module) && same(e->id, again->id));
        must(same_term(e->payload, again->payload) && same_term(e->init_arg, again->init_arg));
        must(e->chain_count == again->chain_count);
    } else if (e->op == ENVELOPE_REPLY) {
        must(e->error == again->error && same_term(e->value, again->value) && e->pid.number == again->pid.number);
    } else {
        must(same(e->node, again->node));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct envelope e, again;
    struct letter letter;
    int rc = envelope_read((mesh_bytes){data, size}, MAX_BYTES, &e);
    must(envelope_read_any((mesh_bytes){data, size}, MAX_BYTES, &again) == rc);
    if (rc != MESH_OK)
        return 0;
    must_be_same(&e, &again);
    if (e.op == ENVELOPE_OTHER)
        return 0;
    must(envelope_write(&e, &letter) == MESH_OK);
    must(envelope_read(letter.bytes, MAX_BYTES, &again) == MESH_OK);
    must_be_same(&e, &again);
    letter_fini(&letter);
    return 0;
}
