/* Compiled patterns, inside: what build.c and match.c share. */
#ifndef TERM_PATTERN_H
#define TERM_PATTERN_H

#include <mesh/term.h>

#include "term/parse.h"

/* Patterns nest less deep than terms: matching recurses over the pattern. */
#define PATTERN_MAX_DEPTH 64

/* Why a pattern is good for a match or a build only. */
enum {
    PATTERN_HAS_ANY = 1,      /* a `_`: nothing to build from */
    PATTERN_HAS_KEY_HOLE = 2, /* a hole in a key: nothing to look up */
};

enum { PATTERN_EMPTY, PATTERN_FILLING, PATTERN_READY, PATTERN_TOO_LONG };

/* A pattern that is ready to be used, wherever its code is. */
struct program {
    const struct mesh_pattern *pattern;
    const uint8_t *code; /* 16 bytes more may be read */
    size_t len;
    struct mesh_pattern local; /* for patterns without storage, or too long for it */
    mesh_buf long_code;
};

/* Whether the storage of a call's place has been filled, for this text. */
static inline bool pattern_is_ready(const struct mesh_pattern *site, const char *text)
{
    /* Acquire: pairs with the release in pattern_open; with READY all that was compiled is visible. */
    return site && __atomic_load_n(&site->state, __ATOMIC_ACQUIRE) == PATTERN_READY && site->text == text;
}

/* Makes program ready: from site (may be NULL), which it fills if that is still empty, or by compiling text for this
 * call. Close with pattern_close, also after a failure. Errors of parse_text; *column (may be NULL) on MESH_EINVAL. */
int pattern_open(struct program *program, struct mesh_pattern *site, const char *text, size_t *column);
void pattern_close(struct program *program);

/* Reports a column, if anybody wants it. Returns MESH_EINVAL. */
int pattern_refuse(size_t *column, uint32_t at);

#endif
