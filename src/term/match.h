/* A match in progress: what match.c and structure.c share. */
#ifndef TERM_MATCH_H
#define TERM_MATCH_H

#include "term/pattern.h"

/* What a hole has found; written to its argument when everything has matched. */
struct found {
    union {
        int64_t i; /* the integer, as the target's signedness has it; a bool */
        double f;
        mesh_bytes bytes;  /* what a view of bytes or of a term points at */
        const uint8_t *at; /* a pid or a reference */
    } as;
    const uint8_t *end; /* behind the term */
    bool rest;          /* the rest of a list: as.at its first element, and then */
    bool string;
    uint32_t left;
};

struct match {
    const struct mesh_pattern *pattern;
    const uint8_t *code_end;
    const mesh_arg *args;
    uint32_t next; /* hole */
    int error;     /* MESH_ENOMEM */
    struct found found[MESH_PATTERN_MAX_HOLES];
};

/* Takes the term at *t for hole number i of this kind, and moves over it. False when it does not fit. */
bool match_find(struct match *m, uint32_t i, uint8_t hole, const uint8_t **t, const uint8_t *end);

/* Matches the code at *code with the term at *t by structure, and moves over both. Recurses as deep as the pattern. */
bool match_structure(struct match *m, const uint8_t **code, const uint8_t **t, const uint8_t *end);

#endif
