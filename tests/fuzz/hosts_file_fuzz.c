/* Any text in the place of .hosts.erlang: hosts that are sound and all different, or a line that exists. Hosts written
 * in quotes again are read as the same. */
#include <stdio.h>
#include <stdlib.h>

#include <mesh/error.h>

#include "discovery/hosts_file.h"
#include "fuzz/fuzz.h"

static void check_again(const mesh_bytes *hosts, size_t count)
{
    static char text[HOSTS_MAX * (HOST_MAX_BYTES + 8)];
    mesh_bytes again[HOSTS_MAX];
    size_t len = 0, count_again = 0, line = 0;
    const char *expected;
    for (size_t i = 0; i < count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "'%.*s'.\n", (int)hosts[i].len,
                                (const char *)hosts[i].data);
    if (hosts_file_parse((mesh_bytes){text, len}, again, &count_again, &line, &expected) != MESH_OK ||
        count_again != count)
        abort();
    for (size_t i = 0; i < count; i++)
        if (again[i].len != hosts[i].len || memcmp(again[i].data, hosts[i].data, hosts[i].len) != 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mesh_bytes hosts[HOSTS_MAX];
    size_t count = 0, line = 0, lines = 1;
    const char *expected = NULL;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    if (hosts_file_parse((mesh_bytes){data, size}, hosts, &count, &line, &expected) != MESH_OK) {
        if (line == 0 || line > lines || expected == NULL)
            abort();
        return 0;
    }
    if (count == 0 || count > HOSTS_MAX)
        abort();
    for (size_t i = 0; i < count; i++)
        if (!hosts_file_valid(hosts[i]))
            abort();
    check_again(hosts, count);
    return 0;
}
