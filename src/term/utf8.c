/* Strict UTF-8. */
#include "term/utf8.h"

size_t utf8_read(const uint8_t *text, size_t len, uint32_t *character)
{
    if (len == 0)
        return 0;
    uint8_t first = text[0];
    if (first < 0x80) {
        *character = first;
        return 1;
    }
    size_t n = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || len < n)
        return 0;
    uint32_t c = first & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (text[i] & 0x3F);
    }
    bool overlong = (n == 3 && c < 0x800) || (n == 4 && c < 0x10000);
    if (overlong || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *character = c;
    return n;
}

size_t utf8_write(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3F));
    out[0] = (uint8_t)((0xF00u >> n) | c);
    return n;
}

bool utf8_count(const uint8_t *text, size_t len, size_t *characters)
{
    size_t i = 0;
    while (i < len && text[i] < 0x80)
        i++;
    size_t count = i;
    for (; i < len; count++) {
        uint32_t c;
        size_t n = utf8_read(text + i, len - i, &c);
        if (n == 0)
            return false;
        i += n;
    }
    *characters = count;
    return true;
}
