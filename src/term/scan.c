/* Words of the text form. */
#include "term/scan.h"

#include "term/number.h"
#include "term/utf8.h"

void scan_space(struct scan *s)
{
    while (s->at < s->len && strchr(" \t\r\n", s->text[s->at]) && s->text[s->at] != '\0')
        s->at++;
}

bool scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);
    if (s->len - s->at < n || memcmp(s->text + s->at, word, n) != 0)
        return false;
    s->at += n;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(char c)
{
    if (is_digit(c))
        return c - '0';
    char lower = (char)(c | 32);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Appends the digits that come next to raw, without the underscores between them. MESH_EINVAL if there are none. */
static int digits(struct scan *s, unsigned base, mesh_buf *raw)
{
    size_t start = raw->len;
    for (;; s->at++) {
        char c = scan_peek(s, 0);
        if (c == '_' && raw->len > start && hex_value(scan_peek(s, 1)) >= 0)
            continue;
        if (base == 16 ? hex_value(c) < 0 : !is_digit(c))
            return raw->len > start ? MESH_OK : MESH_EINVAL;
        int error = mesh_buf_append(raw, &c, 1);
        if (error)
            return error;
    }
}

/* The point, the digits behind it and the exponent of a float; its first digits are in raw. */
static int fraction(struct scan *s, mesh_buf *raw)
{
    s->at++;
    int error = mesh_buf_append(raw, ".", 1);
    if (!error)
        error = digits(s, 10, raw);
    if (error || (scan_peek(s, 0) | 32) != 'e')
        return error;
    s->at++;
    error = mesh_buf_append(raw, "e", 1);
    char sign = scan_peek(s, 0);
    if (!error && (sign == '-' || sign == '+')) {
        s->at++;
        error = mesh_buf_append(raw, &sign, 1);
    }
    return error ? error : digits(s, 10, raw);
}

static int number_into(struct scan *s, mesh_buf *raw, mesh_buf *out)
{
    size_t start = s->at;
    bool negative = scan_peek(s, 0) == '-';
    s->at += negative;
    unsigned base = scan_word(s, "0x") ? 16 : 10;
    int error = digits(s, base, raw);
    if (error)
        return error;
    if (base == 10 && scan_peek(s, 0) == '.' && is_digit(scan_peek(s, 1))) {
        double value;
        error = fraction(s, raw);
        if (error)
            return error;
        if (number_float((const char *)raw->data, raw->len, &value))
            return mesh_put_float(out, negative ? -value : value);
        error = MESH_EINVAL;
    } else {
        error = number_integer(negative, (const char *)raw->data, raw->len, base, out);
    }
    if (error == MESH_EINVAL)
        s->at = start;
    return error;
}

int scan_number(struct scan *s, mesh_buf *out)
{
    mesh_buf raw;
    mesh_buf_init(&raw);
    int error = number_into(s, &raw, out);
    mesh_buf_fini(&raw);
    return error;
}

/* The number behind \x or \u: {1 to 6 digits}, or exactly `width` digits (0: 1 or 2). */
static bool escape_number(struct scan *s, unsigned width, uint32_t *value)
{
    bool braces = scan_word(s, "{");
    unsigned most = braces ? 6 : width ? width : 2;
    unsigned n = 0;
    *value = 0;
    for (; n < most && hex_value(scan_peek(s, 0)) >= 0; n++, s->at++)
        *value = *value << 4 | (uint32_t)hex_value(scan_peek(s, 0));
    if (braces)
        return n > 0 && scan_word(s, "}");
    return width ? n == width : n > 0;
}

/* What stands behind a backslash. */
static int escape(struct scan *s, bool characters, mesh_buf *raw)
{
    static const char letters[] = "abtnvfr";
    uint8_t bytes[4];
    uint32_t c;
    char letter = scan_peek(s, 0);
    const char *known = letter ? strchr(letters, letter) : NULL;
    bool is_byte = letter == 'x' && scan_peek(s, 1) != '{' && !characters;
    s->at++;
    if (known)
        c = (uint32_t)(known - letters) + 7;
    else if (letter == 'e')
        c = 27;
    else if (letter == 'd')
        c = 127;
    else if (letter == 's')
        c = ' ';
    else if (letter == '0')
        c = 0;
    else if (letter == '"' || letter == '\'' || letter == '\\' || letter == '#')
        c = (uint8_t)letter;
    else if ((letter != 'x' && letter != 'u') || !escape_number(s, letter == 'u' ? 4 : 0, &c))
        return MESH_EINVAL;
    if (is_byte) {
        bytes[0] = (uint8_t)c;
        return mesh_buf_append(raw, bytes, 1);
    }
    size_t n = utf8_write(c, bytes);
    return n ? mesh_buf_append(raw, bytes, n) : MESH_EINVAL;
}

int scan_quoted(struct scan *s, bool characters, mesh_buf *raw)
{
    char quote = s->text[s->at++];
    while (s->at < s->len && s->text[s->at] != quote) {
        const char *p = s->text + s->at;
        int error;
        uint32_t c;
        if (*p == '\\') {
            s->at++;
            error = escape(s, characters, raw);
        } else if (*p == '#' && scan_peek(s, 1) == '{') {
            error = MESH_EINVAL;
        } else {
            size_t n = utf8_read((const uint8_t *)p, s->len - s->at, &c);
            error = n ? mesh_buf_append(raw, p, n) : MESH_EINVAL;
            s->at += n;
        }
        if (error)
            return error;
    }
    if (s->at >= s->len)
        return MESH_EINVAL;
    s->at++;
    return MESH_OK;
}

static int put_characters(mesh_bytes text, mesh_buf *out)
{
    size_t count;
    const uint8_t *bytes = text.data;
    if (!utf8_count(bytes, text.len, &count))
        return MESH_EINVAL;
    int error = mesh_put_list(out, (uint32_t)count);
    for (size_t i = 0; i < text.len && !error;) {
        uint32_t c = 0;
        i += utf8_read(bytes + i, text.len - i, &c);
        error = mesh_put_uint(out, c);
    }
    return error ? error : mesh_put_empty(out);
}

int scan_characters(struct scan *s, mesh_buf *out)
{
    mesh_buf raw;
    mesh_buf_init(&raw);
    int error = scan_quoted(s, true, &raw);
    if (!error)
        error = put_characters(mesh_buf_bytes(&raw), out);
    mesh_buf_fini(&raw);
    return error;
}

/* A small decimal number up to `most`. */
static int small_number(struct scan *s, unsigned most, unsigned *out)
{
    unsigned value = 0;
    size_t start = s->at;
    for (; is_digit(scan_peek(s, 0)) && value <= most; s->at++)
        value = value * 10 + (unsigned)(scan_peek(s, 0) - '0');
    if (s->at == start || value > most)
        return MESH_EINVAL;
    *out = value;
    return MESH_OK;
}

/* One element between << and >>; *last_bits is 8 unless it was the odd last one. */
static int bits_element(struct scan *s, mesh_buf *raw, unsigned *last_bits)
{
    unsigned value = 0;
    if (scan_peek(s, 0) == '"')
        return scan_quoted(s, false, raw);
    int error = small_number(s, 255, &value);
    if (!error && scan_word(s, "::size(")) {
        error = small_number(s, 8, last_bits);
        if (!error && (*last_bits == 0 || value >> *last_bits || !scan_word(s, ")")))
            error = MESH_EINVAL;
    }
    uint8_t byte = (uint8_t)(value << (8 - *last_bits));
    return error ? error : mesh_buf_append(raw, &byte, 1);
}

static int bits_into(struct scan *s, mesh_buf *raw, mesh_buf *out)
{
    unsigned last_bits = 8;
    scan_space(s);
    if (scan_word(s, ">>"))
        return mesh_put_binary(out, mesh_buf_bytes(raw));
    do {
        scan_space(s);
        if (last_bits != 8)
            return MESH_EINVAL;
        int error = bits_element(s, raw, &last_bits);
        if (error)
            return error;
        scan_space(s);
    } while (scan_word(s, ","));
    if (!scan_word(s, ">>"))
        return MESH_EINVAL;
    return last_bits == 8 ? mesh_put_binary(out, mesh_buf_bytes(raw))
                          : mesh_put_bits(out, mesh_buf_bytes(raw), last_bits);
}

int scan_bits(struct scan *s, mesh_buf *out)
{
    mesh_buf raw;
    mesh_buf_init(&raw);
    int error = bits_into(s, &raw, out);
    mesh_buf_fini(&raw);
    return error;
}
