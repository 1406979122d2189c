/* Compiling patterns, once for each place in the program that uses one.
 *
 * The storage of a place goes from EMPTY to FILLING to READY (or TOO_LONG) and never back, except from FILLING to
 * EMPTY when the text is malformed: then each call says so again. A thread that comes while another is filling
 * compiles for itself and goes on: nobody waits. */
#include "term/pattern.h"

int pattern_refuse(size_t *column, uint32_t at)
{
    if (column)
        *column = at;
    return MESH_EINVAL;
}

/* Compiles text into code, and what describes it into *p. */
static int compile(struct mesh_pattern *p, mesh_buf *code, const char *text, size_t *column)
{
    struct holes holes = {.count = 0};
    size_t fault = 1;
    int error = parse_text(text, strlen(text), PATTERN_MAX_DEPTH, &holes, code, &fault);
    if (!error)
        error = mesh_buf_reserve(code, 16);
    if (error == MESH_EINVAL)
        return pattern_refuse(column, (uint32_t)fault);
    if (error)
        return error;
    p->text = text;
    p->count = (uint8_t)holes.count;
    p->flags = (uint8_t)((holes.any ? PATTERN_HAS_ANY : 0) | (holes.in_key ? PATTERN_HAS_KEY_HOLE : 0));
    p->flag_column = holes.in_key ? holes.in_key : holes.any_column;
    for (uint32_t i = 0; i < holes.count; i++) {
        p->hole[i].at = holes.at[i];
        p->hole[i].column = holes.column[i];
    }
    return MESH_OK;
}

/* Whether this thread is the one to fill site. */
static bool claim(struct mesh_pattern *site)
{
    uint32_t empty = PATTERN_EMPTY;
    /* Relaxed is enough: the thread that wins reads nothing that another wrote. */
    return site && __atomic_compare_exchange_n(&site->state, &empty, PATTERN_FILLING, false, __ATOMIC_RELAXED,
                                               __ATOMIC_RELAXED);
}

static void publish(struct mesh_pattern *site, uint32_t state)
{
    /* Release: pairs with the acquire in pattern_is_ready. */
    __atomic_store_n(&site->state, state, __ATOMIC_RELEASE);
}

int pattern_open(struct program *program, struct mesh_pattern *site, const char *text, size_t *column)
{
    mesh_buf_init(&program->long_code);
    if (pattern_is_ready(site, text)) {
        program->pattern = site;
        program->code = site->code;
        program->len = site->len;
        return MESH_OK;
    }
    bool mine = claim(site);
    struct mesh_pattern *p = mine ? site : &program->local;
    int error = compile(p, &program->long_code, text, column);
    program->pattern = p;
    program->code = program->long_code.data;
    program->len = program->long_code.len;
    if (!mine)
        return error;
    if (error) {
        publish(site, PATTERN_EMPTY);
    } else if (program->len > MESH_PATTERN_BYTES - 16) {
        program->local = *site;
        program->pattern = &program->local;
        publish(site, PATTERN_TOO_LONG);
    } else {
        memcpy(site->code, program->code, program->len);
        site->len = (uint16_t)program->len;
        publish(site, PATTERN_READY);
    }
    return error;
}

void pattern_close(struct program *program)
{
    mesh_buf_fini(&program->long_code);
}
