/* The text of a message: bounded, one line, nothing unprintable.
 *
 * A line is composed in a fixed buffer. What does not fit is cut, never between the characters of an escape, and the
 * cut is shown; room for that end is kept from the start. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

#define CUT "..."
#define PLAIN "\033[0m"
#define END_MAX_BYTES (sizeof CUT - 1 + sizeof PLAIN - 1 + 1) /* and the newline */

struct line {
    char *text;
    size_t len, room; /* room: without the end */
    bool cut;
};

/* All n bytes or none; after the first that did not fit, nothing more. */
static void put(struct line *l, const char *bytes, size_t n)
{
    if (l->cut || n > l->room - l->len) {
        l->cut = true;
        return;
    }
    memcpy(l->text + l->len, bytes, n);
    l->len += n;
}

static void put_string(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

static void put_escaped(struct line *l, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    const char byte[] = {'\\', 'x', hex[c >> 4], hex[c & 15]}, quoted[] = {'\\', (char)c};
    if (c == '"' || c == '\\')
        put(l, quoted, sizeof quoted);
    else if (c >= 0x20 && c < 0x7f)
        put(l, (const char *)&c, 1);
    else if (c == '\n')
        put_string(l, "\\n");
    else if (c == '\r')
        put_string(l, "\\r");
    else if (c == '\t')
        put_string(l, "\\t");
    else
        put(l, byte, sizeof byte);
}

static void put_quoted(struct line *l, mesh_bytes bytes)
{
    put(l, "\"", 1);
    for (size_t i = 0; i < bytes.len && !l->cut; i++)
        put_escaped(l, ((const unsigned char *)bytes.data)[i]);
    put(l, "\"", 1);
}

static bool is_bare(mesh_bytes name)
{
    static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@:/+";
    for (size_t i = 0; i < name.len; i++) {
        if (memchr(bare, ((const char *)name.data)[i], sizeof bare - 1) == NULL)
            return false;
    }
    return name.len > 0;
}

static void put_field(struct line *l, const mesh_log_field *field)
{
    char number[24];
    put(l, " ", 1);
    put_string(l, field->key);
    put(l, "=", 1);
    switch (field->kind) {
    case MESH_LOG_NUMBER:
        snprintf(number, sizeof number, "%" PRId64, field->number);
        put_string(l, number);
        break;
    case MESH_LOG_NAME:
        if (is_bare(field->bytes)) {
            put(l, field->bytes.data, field->bytes.len);
            break;
        }
        put_quoted(l, field->bytes);
        break;
    case MESH_LOG_BYTES:
        put_quoted(l, field->bytes);
        break;
    }
}

static void put_time(struct line *l, uint64_t wall_ms)
{
    char text[40];
    struct tm tm;
    time_t seconds = (time_t)(wall_ms / 1000 % 253402300800U); /* up to the year 9999, whatever it says */
    gmtime_r(&seconds, &tm);
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, sizeof text - n, ".%03uZ ", (unsigned)(wall_ms % 1000));
    put_string(l, text);
}

static const struct {
    const char *name, *colour;
} levels[] = {
    [MESH_LOG_ERROR] = {"ERROR", "\033[1;31m"},
    [MESH_LOG_WARN] = {"WARN", "\033[33m"},
    [MESH_LOG_INFO] = {"INFO", "\033[32m"},
    [MESH_LOG_DEBUG] = {"DEBUG", "\033[2m"},
};

size_t log_line(const mesh_log_event *event, bool colour, char *line, size_t size)
{
    struct line l = {.room = size - END_MAX_BYTES};
    l.text = line;
    put_time(&l, event->wall_ms);
    if (colour)
        put_string(&l, levels[event->level].colour);
    put_string(&l, levels[event->level].name);
    if (colour)
        put_string(&l, PLAIN);
    put(&l, " ", 1);
    put_string(&l, event->message);
    for (size_t i = 0; i < event->count && !l.cut; i++)
        put_field(&l, &event->fields[i]);
    bool cut = l.cut;
    l.cut = false;
    l.room = size;
    if (cut)
        put_string(&l, CUT);
    put(&l, "\n", 1);
    return l.len;
}
