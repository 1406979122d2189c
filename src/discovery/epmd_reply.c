/* Line by line; each piece of a line moves a cursor that ends at the line's end. */
#include <string.h>

#include "discovery/epmd_reply.h"

enum { PORT_BYTES = 4 };

bool epmd_names_open(struct epmd_names *n, mesh_bytes reply)
{
    const char *text = reply.data;
    if (reply.len < PORT_BYTES || reply.len > EPMD_REPLY_MAX_BYTES ||
        (reply.len > PORT_BYTES && text[reply.len - 1] != '\n'))
        return false;
    *n = (struct epmd_names){text + PORT_BYTES, text + reply.len, 0};
    return true;
}

static bool take_word(const char **at, const char *end, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(end - *at) < len || memcmp(*at, word, len) != 0)
        return false;
    *at += len;
    return true;
}

static bool take_name(const char **at, const char *end, mesh_bytes *name)
{
    const char *p = *at;
    while (p < end && (unsigned char)*p > ' ' && *p != 0x7F)
        p++;
    *name = (mesh_bytes){*at, (size_t)(p - *at)};
    *at = p;
    return name->len > 0;
}

static bool take_port(const char **at, const char *end, uint16_t *port)
{
    uint32_t value = 0;
    while (*at < end && **at >= '0' && **at <= '9' && value <= UINT16_MAX)
        value = 10 * value + (uint32_t)(*(*at)++ - '0');
    *port = (uint16_t)value;
    return value > 0 && value <= UINT16_MAX;
}

static bool read_line(const char *at, const char *end, mesh_bytes *name, uint16_t *port)
{
    return take_word(&at, end, "name ") && take_name(&at, end, name) && take_word(&at, end, " at port ") &&
           take_port(&at, end, port) && at == end;
}

bool epmd_names_next(struct epmd_names *n, mesh_bytes *name, uint16_t *port)
{
    while (n->at < n->end) {
        const char *line = n->at;
        const char *end = memchr(line, '\n', (size_t)(n->end - line)); /* there is one: the answer ends in it */
        mesh_bytes found;
        uint16_t number;
        n->at = end + 1;
        if (read_line(line, end, &found, &number)) {
            *name = found;
            *port = number;
            return true;
        }
        n->bad++;
    }
    return false;
}
