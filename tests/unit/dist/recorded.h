/* tests/vectors/dist_otp25.txt: what a BEAM sent and what it accepted. */
#ifndef TESTS_UNIT_DIST_RECORDED_H
#define TESTS_UNIT_DIST_RECORDED_H

#include "vectors.h"

#include <mesh.h>

#include "unit/check.h"

enum { RECORDED_MAX = 200 };

struct recorded {
    char section[64];
    char who[8]; /* epmd>, epmd<, hs>, hs<, > or < */
    mesh_buf bytes;
};

struct recording {
    struct recorded *list; /* RECORDED_MAX of them */
    size_t count;
};

static inline unsigned recorded_digit(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Hex, in which (HH*N) is N times the byte HH. */
static inline void recorded_bytes(const char *text, mesh_buf *out)
{
    while (*text) {
        unsigned long times = 1;
        bool run = *text == '(';
        text += run;
        uint8_t byte = (uint8_t)(recorded_digit(text[0]) << 4 | recorded_digit(text[1]));
        text += 2;
        if (run) {
            char *end;
            times = strtoul(text + 1, &end, 10);
            text = end + 1;
        }
        assert_int_equal(mesh_buf_reserve(out, times), MESH_OK);
        memset(out->data + out->len, byte, times);
        out->len += times;
    }
}

static inline struct recording recorded_all(void)
{
    char line[4096], section[64] = "";
    struct recording r = {calloc(RECORDED_MAX, sizeof *r.list), 0};
    FILE *file = vectors_open("dist_otp25.txt");
    assert_non_null(r.list);
    while (vectors_line(file, line, sizeof line)) {
        char *space = strchr(line, ' ');
        assert_non_null(space);
        if (strncmp(line, "== ", 3) == 0) {
            snprintf(section, sizeof section, "%.63s", line + 3);
            continue;
        }
        assert_true(r.count < RECORDED_MAX);
        struct recorded *e = &r.list[r.count++];
        snprintf(e->section, sizeof e->section, "%s", section);
        snprintf(e->who, sizeof e->who, "%.*s", (int)(space - line), line);
        mesh_buf_init(&e->bytes);
        recorded_bytes(space + 1, &e->bytes);
    }
    fclose(file);
    assert_true(r.count > 50);
    return r;
}

static inline void recorded_free(struct recording *r)
{
    for (size_t i = 0; i < r->count; i++)
        mesh_buf_fini(&r->list[i].bytes);
    free(r->list);
}

/* The next entry from *at on of that section (NULL: any) and kind; NULL when there is none. Moves *at behind it. */
static inline const struct recorded *recorded_next(const struct recording *r, size_t *at, const char *section,
                                                   const char *who)
{
    while (*at < r->count) {
        const struct recorded *e = &r->list[(*at)++];
        if ((!section || strcmp(e->section, section) == 0) && strcmp(e->who, who) == 0)
            return e;
    }
    return NULL;
}

/* A copy whose end is the end of an allocation, so that a sanitizer sees every read beyond it. To be freed. */
static inline uint8_t *exact_copy(const void *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    assert_non_null(copy);
    if (len)
        memcpy(copy, data, len);
    return copy;
}

#endif
