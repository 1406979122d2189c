/* The names in a message, as its two readers and its writer share them: see envelope.h. */
#ifndef NODE_ENVELOPE_LAYOUT_H
#define NODE_ENVELOPE_LAYOUT_H

#include <stdint.h>

#include "node/envelope.h"
#include "term/wire.h"

/* An atom as it is written; 16 bytes, so that it is copied and compared without a call. */
struct envelope_name {
    uint8_t tag, len;
    char text[14];
};

#define ENVELOPE_NAME(name)                                                                                            \
    {                                                                                                                  \
        TAG_SMALL_ATOM_UTF8, sizeof(name) - 1, name                                                                    \
    }

/* By enum envelope_op. */
static const struct envelope_name envelope_ops[ENVELOPE_OTHER] = {
    ENVELOPE_NAME("call"),  ENVELOPE_NAME("cast"), ENVELOPE_NAME("reply"),
    ENVELOPE_NAME("moved"), ENVELOPE_NAME("sync"), ENVELOPE_NAME("synced"),
};

/* The keys, in the order in which they are written. */
enum envelope_key {
    KEY_NUMBER,
    KEY_CLOCK,
    KEY_TRACE,
    KEY_LEFT,
    KEY_HOPS,
    KEY_FOLLOWED,
    KEY_CAPABILITY,
    KEY_MODULE,
    KEY_ID,
    KEY_PAYLOAD,
    KEY_INIT,
    KEY_CHAIN,
    KEY_ERROR,
    KEY_VALUE,
    KEY_PID,
    KEY_NODE,
    KEYS,
};

static const struct envelope_name envelope_keys[KEYS] = {
    ENVELOPE_NAME("number"), ENVELOPE_NAME("clock"),    ENVELOPE_NAME("trace"),      ENVELOPE_NAME("left"),
    ENVELOPE_NAME("hops"),   ENVELOPE_NAME("followed"), ENVELOPE_NAME("capability"), ENVELOPE_NAME("module"),
    ENVELOPE_NAME("id"),     ENVELOPE_NAME("payload"),  ENVELOPE_NAME("init"),       ENVELOPE_NAME("chain"),
    ENVELOPE_NAME("error"),  ENVELOPE_NAME("value"),    ENVELOPE_NAME("pid"),        ENVELOPE_NAME("node"),
};

/* Whether a message has what it cannot be without; have: a bit for each key. */
static inline bool envelope_is_whole(const struct envelope *e, uint32_t have)
{
#define BIT(key) (1U << KEY_##key)
    static const uint32_t needed[ENVELOPE_OTHER] = {
        [ENVELOPE_CALL] = BIT(NUMBER) | BIT(CLOCK) | BIT(HOPS) | BIT(CAPABILITY) | BIT(MODULE) | BIT(ID),
        [ENVELOPE_CAST] = BIT(CLOCK) | BIT(HOPS) | BIT(CAPABILITY) | BIT(MODULE) | BIT(ID),
        [ENVELOPE_REPLY] = BIT(NUMBER) | BIT(CLOCK),
        [ENVELOPE_MOVED] = BIT(NUMBER) | BIT(CLOCK) | BIT(NODE),
        [ENVELOPE_SYNC] = BIT(NUMBER) | BIT(CLOCK),
        [ENVELOPE_SYNCED] = BIT(NUMBER) | BIT(CLOCK),
    };
#undef BIT
    return (have & needed[e->op]) == needed[e->op] && (e->number != 0 || e->op == ENVELOPE_CAST);
}

/* Reads a message in whatever way it is written; the same as envelope_read, which looks for the usual way first. */
int envelope_read_any(mesh_bytes bytes, size_t max_bytes, struct envelope *e);

#endif
