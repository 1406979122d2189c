/* Judging node names. */
#include "dist/names.h"

#include "term/utf8.h"

static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0);
}

/* Counts the @ in a text without control characters; -1 when it is something else, or too long. */
static int count_at(mesh_bytes name)
{
    const uint8_t *text = name.data;
    int at = 0;
    if (name.len > NAME_MAX_BYTES)
        return -1;
    for (size_t i = 0, n; i < name.len; i += n) {
        uint32_t c = 0;
        n = utf8_read(text + i, name.len - i, &c);
        if (n == 0 || is_control(c))
            return -1;
        at += c == '@';
    }
    return at;
}

bool names_full(mesh_bytes name)
{
    const char *text = name.data;
    return name.len >= 3 && count_at(name) == 1 && text[0] != '@' && text[name.len - 1] != '@';
}

bool names_alive(mesh_bytes name)
{
    return name.len >= 1 && count_at(name) == 0;
}
