/* The words of the text form: numbers, quoted text, bits. The grammar around them is parse.c. */
#ifndef TERM_SCAN_H
#define TERM_SCAN_H

#include <mesh/term.h>

/* A place in a text. */
struct scan {
    const char *text;
    size_t len;
    size_t at;
};

/* The character at a distance; NUL beyond the end. */
static inline char scan_peek(const struct scan *s, size_t ahead)
{
    return s->at + ahead < s->len ? s->text[s->at + ahead] : '\0';
}

/* Moves over white space. */
void scan_space(struct scan *s);

/* Moves over word, if it is what comes next. */
bool scan_word(struct scan *s, const char *word);

/* Each reads one word and appends its term. MESH_EINVAL leaves s at the fault. */
int scan_number(struct scan *s, mesh_buf *out); /* at a digit or a minus sign */
int scan_bits(struct scan *s, mesh_buf *out);   /* behind << */
int scan_characters(struct scan *s, mesh_buf *out);

/* Appends to raw what stands between quotes (s at the first quote), in UTF-8. \xHH is a byte, or, if characters is
 * set, a character. */
int scan_quoted(struct scan *s, bool characters, mesh_buf *raw);

#endif
