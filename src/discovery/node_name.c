/* One walk over the characters. C0, DEL and C1 are control characters; U+2028, U+2029 and U+0085 end lines for some
 * readers, so they have no place in a name that goes to logs. */
#include <string.h>

#include "discovery/node_name.h"
#include "term/utf8.h"

static bool allowed(uint32_t c)
{
    return c > 0x20 && !(c >= 0x7F && c <= 0xA0) && c != 0x2028 && c != 0x2029;
}

bool node_name_valid(mesh_bytes name)
{
    const uint8_t *text = name.data;
    size_t ats = 0;
    if (name.len < 3 || name.len > NODE_NAME_MAX_BYTES || text[0] == '@' || text[name.len - 1] == '@')
        return false;
    for (size_t i = 0; i < name.len;) {
        uint32_t c = 0;
        size_t n = utf8_read(text + i, name.len - i, &c);
        if (n == 0 || !allowed(c))
            return false;
        ats += c == '@';
        i += n;
    }
    return ats == 1;
}

const char *node_name_host(const char *name)
{
    return strchr(name, '@') + 1;
}
