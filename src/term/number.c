/* Numbers as text.
 *
 * strtod and snprintf follow the locale's decimal point. So strtod is given digits and an exponent without a point
 * ("125e-2"), and of snprintf's answer only digits and exponent are used. */
#include "term/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The digits and exponent of value, with the fewest digits that still give it back: 0.d1d2d3… × 10^place. */
static size_t shortest_digits(double value, char digits[24], int *place)
{
    for (int precision = 0; precision < 17; precision++) {
        char text[48];
        snprintf(text, sizeof text, "%.*e", precision, value);
        size_t n = 0;
        const char *p = text;
        for (; *p && *p != 'e'; p++)
            if (*p >= '0' && *p <= '9')
                digits[n++] = *p;
        int exponent = (int)strtol(p + 1, NULL, 10);
        digits[n] = '\0';
        snprintf(text, sizeof text, "%se%d", digits, exponent - precision);
        if (precision < 16 && strtod(text, NULL) != value)
            continue;
        while (n > 1 && digits[n - 1] == '0')
            n--;
        *place = exponent + 1;
        return n;
    }
    return 0;
}

static size_t scientific(char *out, const char *digits, size_t n, int place)
{
    return (size_t)snprintf(out, NUMBER_FLOAT_MAX - 1, "%c.%.*se%d", digits[0], n > 1 ? (int)n - 1 : 1,
                            n > 1 ? digits + 1 : "0", place - 1);
}

/* Erlang's rule (float_to_binary with `short`): plain below 10^16, and for small numbers unless the exponent form is
 * shorter. */
size_t number_float_text(double value, char text[NUMBER_FLOAT_MAX])
{
    char digits[24];
    int place;
    char *out = text;
    if (signbit(value))
        *out++ = '-';
    if (value == 0) {
        memcpy(out, "0.0", 4);
        return (size_t)(out - text) + 3;
    }
    value = fabs(value);
    size_t n = shortest_digits(value, digits, &place);
    char exponent[12];
    int cost = snprintf(exponent, sizeof exponent, "%d", place - 1) + 1 + (n == 1 ? 2 : 1);
    if (place > 16 || (place < 0 && 2 - place > cost))
        return (size_t)(out - text) + scientific(out, digits, n, place);
    size_t room = NUMBER_FLOAT_MAX - 1;
    int len;
    if (place <= 0)
        len = snprintf(out, room, "0.%.*s%.*s", -place, "00000000", (int)n, digits);
    else if (place >= (int)n)
        len = snprintf(out, room, "%.*s%.*s.0", (int)n, digits, place - (int)n, "0000000000000000");
    else
        len = snprintf(out, room, "%.*s.%.*s", place, digits, (int)n - place, digits + place);
    return (size_t)(out - text) + (size_t)len;
}

bool number_float(const char *text, size_t len, double *out)
{
    char plain[400];
    size_t n = 0;
    size_t i = 0;
    long behind_point = 0;
    bool point = false;
    if (i < len && (text[i] == '-' || text[i] == '+'))
        plain[n++] = text[i++];
    size_t first = n;
    for (; i < len && n < sizeof plain - 32 && ((text[i] >= '0' && text[i] <= '9') || (text[i] == '.' && !point));
         i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        plain[n++] = text[i];
        behind_point += point;
    }
    if (n == first || !point || behind_point == 0)
        return false;
    long exponent = 0;
    if (i < len && (text[i] == 'e' || text[i] == 'E')) {
        bool negative = ++i < len && text[i] == '-';
        if (i < len && (text[i] == '-' || text[i] == '+'))
            i++;
        size_t start = i;
        for (; i < len && text[i] >= '0' && text[i] <= '9' && exponent < 100000; i++)
            exponent = exponent * 10 + (text[i] - '0');
        if (i == start)
            return false;
        exponent = negative ? -exponent : exponent;
    }
    if (i != len)
        return false;
    snprintf(plain + n, sizeof plain - n, "e%ld", exponent - behind_point);
    double value = strtod(plain, NULL);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

bool number_old_float(const char text[31], double *out)
{
    size_t len = 0;
    while (len < 31 && text[len] != '\0')
        len++;
    return number_float(text, len, out);
}

static int hex_text(mesh_bytes magnitude, mesh_buf *out)
{
    const uint8_t *bytes = (const uint8_t *)magnitude.data;
    int error = mesh_buf_reserve(out, 2 + 2 * magnitude.len);
    if (error)
        return error;
    uint8_t *p = out->data + out->len;
    *p++ = '0';
    *p++ = 'x';
    for (size_t i = magnitude.len; i-- > 0;) {
        if (i + 1 < magnitude.len || bytes[i] > 15)
            *p++ = (uint8_t) "0123456789ABCDEF"[bytes[i] >> 4];
        *p++ = (uint8_t) "0123456789ABCDEF"[bytes[i] & 15];
    }
    out->len = (size_t)(p - out->data);
    return MESH_OK;
}

int number_integer_text(bool negative, mesh_bytes magnitude, mesh_buf *out)
{
    const uint8_t *bytes = (const uint8_t *)magnitude.data;
    uint32_t words[NUMBER_DECIMAL_BYTES / 4] = {0};
    char digits[NUMBER_DECIMAL_BYTES * 5 / 2];
    while (magnitude.len > 0 && bytes[magnitude.len - 1] == 0)
        magnitude.len--;
    int error = negative ? mesh_buf_append(out, "-", 1) : MESH_OK;
    if (error)
        return error;
    if (magnitude.len > NUMBER_DECIMAL_BYTES)
        return hex_text(magnitude, out);
    for (size_t i = 0; i < magnitude.len; i++)
        words[i / 4] |= (uint32_t)bytes[i] << (8 * (i % 4));
    size_t n = (magnitude.len + 3) / 4;
    size_t at = sizeof digits;
    do {
        uint64_t rest = 0;
        for (size_t i = n; i-- > 0;) {
            uint64_t v = rest << 32 | words[i];
            words[i] = (uint32_t)(v / 1000000000);
            rest = v % 1000000000;
        }
        while (n > 0 && words[n - 1] == 0)
            n--;
        for (int i = 0; n > 0 ? i < 9 : rest > 0 || at == sizeof digits; i++, rest /= 10)
            digits[--at] = (char)('0' + rest % 10);
    } while (n > 0);
    return mesh_buf_append(out, digits + at, sizeof digits - at);
}

static unsigned digit_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a') + 10;
}

/* Hexadecimal digits are bytes already; only their order is turned. */
static int hex_integer(bool negative, const char *digits, size_t len, mesh_buf *out)
{
    mesh_buf magnitude;
    mesh_buf_init(&magnitude);
    int error = mesh_buf_reserve(&magnitude, len / 2 + 1);
    for (size_t i = 0; !error && i < len; i += 2) {
        unsigned low = digit_value(digits[len - 1 - i]);
        unsigned high = i + 1 < len ? digit_value(digits[len - 2 - i]) : 0;
        magnitude.data[magnitude.len++] = (uint8_t)(high << 4 | low);
    }
    if (!error)
        error = mesh_put_bigint(out, negative, mesh_buf_bytes(&magnitude));
    mesh_buf_fini(&magnitude);
    return error;
}

int number_integer(bool negative, const char *digits, size_t len, unsigned base, mesh_buf *out)
{
    uint32_t words[NUMBER_DECIMAL_BYTES / 4 + 1] = {0};
    uint8_t bytes[sizeof words];
    size_t n = 0;
    if (base == 16)
        return hex_integer(negative, digits, len, out);
    while (len > 1 && digits[0] == '0') {
        digits++;
        len--;
    }
    if (len > NUMBER_DECIMAL_DIGITS)
        return MESH_EINVAL;
    for (size_t i = 0; i < len; i++) {
        uint64_t carry = digit_value(digits[i]);
        for (size_t w = 0; w < n; w++) {
            carry += (uint64_t)words[w] * 10;
            words[w] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry)
            words[n++] = (uint32_t)carry;
    }
    for (size_t i = 0; i < 4 * n; i++)
        bytes[i] = (uint8_t)(words[i / 4] >> (8 * (i % 4)));
    mesh_bytes magnitude = {bytes, 4 * n};
    return mesh_put_bigint(out, negative, magnitude);
}
