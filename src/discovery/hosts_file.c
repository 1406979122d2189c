/* A cursor over the text that counts lines. Three words follow each other until the end: space, a host, a dot. */
#include <string.h>

#include <mesh/error.h>

#include "discovery/hosts_file.h"

struct cursor {
    const char *at, *end;
    size_t line;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool hosts_file_valid(mesh_bytes text)
{
    const char *p = text.data;
    for (size_t i = 0; i < text.len; i++)
        if (!is_letter_or_digit(p[i]) && p[i] != '-' && p[i] != '.' && p[i] != '_' && p[i] != ':')
            return false;
    return text.len > 0 && text.len <= HOST_MAX_BYTES;
}

/* Moves over space and comments. */
static void skip_space(struct cursor *c)
{
    bool comment = false;
    for (; c->at < c->end && (comment || *c->at == '%' || is_space(*c->at)); c->at++) {
        comment = (comment || *c->at == '%') && *c->at != '\n';
        c->line += *c->at == '\n';
    }
}

/* Moves over a host, bare or in quotes. False at anything else. */
static bool take_host(struct cursor *c, mesh_bytes *host)
{
    const char quote = *c->at;
    const char *p = c->at;
    if (quote == '\'' || quote == '"') {
        const char *close = memchr(p + 1, quote, (size_t)(c->end - p - 1));
        if (close == NULL)
            return false;
        *host = (mesh_bytes){p + 1, (size_t)(close - p - 1)};
        c->at = close + 1;
        return hosts_file_valid(*host);
    }
    if (*p < 'a' || *p > 'z')
        return false;
    while (p < c->end && (is_letter_or_digit(*p) || *p == '_' || *p == '@'))
        p++;
    *host = (mesh_bytes){c->at, (size_t)(p - c->at)};
    c->at = p;
    return hosts_file_valid(*host);
}

/* Moves over the dot that ends a term. */
static bool take_dot(struct cursor *c)
{
    skip_space(c);
    if (c->at == c->end || *c->at != '.')
        return false;
    c->at++;
    return c->at == c->end || is_space(*c->at) || *c->at == '%';
}

static bool listed(const mesh_bytes *hosts, size_t count, mesh_bytes host)
{
    for (size_t i = 0; i < count; i++)
        if (hosts[i].len == host.len && memcmp(hosts[i].data, host.data, host.len) == 0)
            return true;
    return false;
}

/* Reads on until the end; what is missing, or NULL. */
static const char *parse(struct cursor *c, mesh_bytes hosts[HOSTS_MAX], size_t *count)
{
    mesh_bytes host;
    for (skip_space(c); c->at < c->end; skip_space(c)) {
        if (!take_host(c, &host))
            return "a host in single quotes, such as 'db1.example.com'.";
        if (!take_dot(c))
            return "a dot behind the host, and a new line behind the dot";
        if (listed(hosts, *count, host))
            continue;
        if (*count == HOSTS_MAX)
            return "at most 128 hosts";
        hosts[(*count)++] = host;
    }
    return *count == 0 ? "one host or more" : NULL;
}

int hosts_file_parse(mesh_bytes text, mesh_bytes hosts[HOSTS_MAX], size_t *count, size_t *line, const char **expected)
{
    const char *start = text.len > 0 ? text.data : "";
    struct cursor c = {start, start + text.len, 1};
    size_t found = 0;
    const char *missing = text.len > HOSTS_FILE_MAX_BYTES ? "at most 65536 bytes" : parse(&c, hosts, &found);
    if (missing != NULL) {
        *line = c.line;
        *expected = missing;
        return MESH_EINVAL;
    }
    *count = found;
    return MESH_OK;
}
