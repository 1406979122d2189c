/* Matching by structure: maps by their keys, lists with a rest, `_`, and the old forms of ETF.
 *
 * Pattern and term are walked together. The walk recurses over the pattern, which nests at most PATTERN_MAX_DEPTH deep,
 * never over the term. */
#include "term/match.h"
#include "term/order.h"
#include "term/wire.h"

/* A character of an old-style string, as a term that stays. */
static const uint8_t *character_term(uint8_t c)
{
#define ONE(n) TAG_SMALL_INTEGER, (n)
#define FOUR(n) ONE(n), ONE((n) + 1), ONE((n) + 2), ONE((n) + 3)
#define SIXTEEN(n) FOUR(n), FOUR((n) + 4), FOUR((n) + 8), FOUR((n) + 12)
#define SIXTY_FOUR(n) SIXTEEN(n), SIXTEEN((n) + 16), SIXTEEN((n) + 32), SIXTEEN((n) + 48)
    static const uint8_t terms[512] = {SIXTY_FOUR(0), SIXTY_FOUR(64), SIXTY_FOUR(128), SIXTY_FOUR(192)};
#undef ONE
#undef FOUR
#undef SIXTEEN
#undef SIXTY_FOUR
    return terms + (size_t)2 * c;
}

/* Moves l over all that is left of its list. */
static bool skip_list(struct list_at *l)
{
    uint8_t c;
    for (;;) {
        switch (list_next(l, &c)) {
        case LIST_END:
            return true;
        case LIST_TAIL:
            return head_skip(&l->at, l->end) == MESH_OK;
        case LIST_ELEMENT:
            if (head_skip(&l->at, l->end) != MESH_OK)
                return false;
            break;
        case LIST_CHAR:
            break;
        }
    }
}

/* The pattern's tail, at *p, against what is left of a list that still has elements. */
static bool match_rest(struct match *m, const uint8_t **p, struct list_at *l)
{
    uint8_t hole = *(*p)++;
    const struct list_at start = *l;
    if ((hole != HOLE_ANY && hole != HOLE_TERM) || !skip_list(l))
        return false;
    if (hole == HOLE_TERM) {
        struct found *f = &m->found[m->next++];
        f->rest = true;
        f->as.at = start.at;
        f->end = l->at;
        f->string = start.string;
        f->left = start.left;
    }
    return true;
}

/* One element of the pattern, at *p, against the next one of the list. */
static bool match_element(struct match *m, const uint8_t **p, struct list_at *l)
{
    uint8_t c = 0;
    switch (list_next(l, &c)) {
    case LIST_ELEMENT:
        return match_structure(m, p, &l->at, l->end);
    case LIST_CHAR: {
        const uint8_t *term = character_term(c);
        return match_structure(m, p, &term, term + 2);
    }
    default:
        return false;
    }
}

static bool match_list(struct match *m, struct head *pattern, const uint8_t **p, const struct head *h,
                       const uint8_t **t, const uint8_t *end)
{
    static const uint8_t empty[] = {TAG_NIL};
    struct list_at l;
    uint8_t c;
    list_start(&l, h, end);
    for (;;) {
        for (uint32_t i = 0; i < pattern->count; i++)
            if (!match_element(m, p, &l))
                return false;
        struct list_at after = l;
        const uint8_t *nothing = empty;
        bool matches;
        switch (list_next(&after, &c)) {
        case LIST_END:
            matches = match_structure(m, p, &nothing, empty + 1);
            break;
        case LIST_TAIL:
            matches = match_structure(m, p, &after.at, end);
            break;
        default:
            after.left++; /* the element that was only looked at */
            after.at -= after.string;
            if (**p == TAG_LIST && head_read(*p, m->code_end, pattern) == MESH_OK) {
                *p = pattern->next;
                l = after;
                continue;
            }
            matches = **p < HOLE_END && match_rest(m, p, &after);
        }
        *t = after.at;
        return matches;
    }
}

static bool is_same(struct match *m, const uint8_t *a, const uint8_t *a_end, const uint8_t *b, const uint8_t *b_end)
{
    struct order o = {UINT64_MAX, MESH_OK};
    int c = order_compare(&o, a, a_end, b, b_end);
    m->error = o.error == MESH_ENOMEM ? o.error : m->error;
    return c == 0 && !o.error;
}

/* Whether the term at a, len bytes, is the one at b. Most are atoms in the same form, and differ at once. */
static bool is_term(struct match *m, const uint8_t *a, size_t len, const uint8_t *b, const uint8_t *end)
{
    if ((size_t)(end - b) >= len && memcmp(a, b, len) == 0)
        return true;
    return (a[0] != TAG_SMALL_ATOM_UTF8 || b[0] != TAG_SMALL_ATOM_UTF8) && is_same(m, a, a + len, b, end);
}

/* A map being searched, starting behind the entry that was found last. */
struct search {
    const uint8_t *first;
    const uint8_t *at;
    uint32_t count;
    uint32_t index;
};

static bool find_key(struct match *m, struct search *s, const uint8_t *key, size_t len, const uint8_t *end)
{
    for (uint32_t tried = 0; tried < s->count && !m->error; tried++) {
        if (s->index == s->count) {
            s->index = 0;
            s->at = s->first;
        }
        bool same = is_term(m, key, len, s->at, end);
        if (head_skip_short(&s->at, end) != MESH_OK)
            return false;
        if (same)
            return true;
        if (head_skip_short(&s->at, end) != MESH_OK)
            return false;
        s->index++;
    }
    return false;
}

static bool match_map(struct match *m, const struct head *pattern, const uint8_t **p, const struct head *h,
                      const uint8_t **t, const uint8_t *end)
{
    struct search s = {h->next, h->next, h->count, 0};
    if (pattern->count > h->count)
        return false;
    for (uint32_t i = 0; i < pattern->count; i++) {
        const uint8_t *key = *p;
        if (head_skip_short(p, m->code_end) != MESH_OK || !find_key(m, &s, key, (size_t)(*p - key), end) ||
            !match_structure(m, p, &s.at, end))
            return false;
        s.index++;
    }
    for (; s.index < s.count; s.index++) {
        bool key = head_skip_short(&s.at, end) == MESH_OK;
        bool value = key && head_skip_short(&s.at, end) == MESH_OK;
        if (!value)
            return false;
    }
    *t = s.at;
    return true;
}

bool match_structure(struct match *m, const uint8_t **p, const uint8_t **t, const uint8_t *end)
{
    struct head pattern, h;
    uint8_t hole = **p;
    if (hole < HOLE_END) {
        ++*p;
        return hole == HOLE_ANY ? head_skip(t, end) == MESH_OK : match_find(m, m->next++, hole, t, end);
    }
    if (hole == TAG_SMALL_ATOM_UTF8 && *t < end && **t == TAG_SMALL_ATOM_UTF8) {
        size_t len = 2 + (size_t)(*p)[1];
        if ((size_t)(end - *t) < len || memcmp(*p, *t, len) != 0)
            return false;
        *p += len;
        *t += len;
        return true;
    }
    if (head_read(*p, m->code_end, &pattern) != MESH_OK || head_read(*t, end, &h) != MESH_OK || pattern.type != h.type)
        return false;
    const uint8_t *scalar = *p;
    *p = pattern.next;
    switch (pattern.type) {
    case MESH_TYPE_LIST:
        return match_list(m, &pattern, p, &h, t, end);
    case MESH_TYPE_MAP:
        return match_map(m, &pattern, p, &h, t, end);
    case MESH_TYPE_TUPLE:
        *t = h.next;
        for (uint32_t i = 0; i < pattern.count; i++)
            if (pattern.count != h.count || !match_structure(m, p, t, end))
                return false;
        return pattern.count == h.count;
    default: {
        bool same = is_term(m, scalar, (size_t)(pattern.next - scalar), *t, h.next);
        *t = h.next;
        return same;
    }
    }
}
