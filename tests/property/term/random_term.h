/* Random terms from a seed. */
#ifndef TESTS_PROPERTY_TERM_RANDOM_TERM_H
#define TESTS_PROPERTY_TERM_RANDOM_TERM_H

#include <mesh.h>

struct random {
    uint64_t state;
    bool text_only; /* only what has a text form */
    bool canonical; /* only what a BEAM gives back byte for byte: sorted maps, no lists of bytes */
};

uint64_t random_next(struct random *r);

/* A number below n. */
uint32_t random_below(struct random *r, uint32_t n);

/* Appends a term with at most `depth` containers inside each other. */
void random_term(struct random *r, unsigned depth, mesh_buf *out);

#endif
