/* Names and cookies. What erl does is in OTP's net_kernel.erl (create_name) and auth.erl (read_cookie). */
#include "cli/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/words.h"

/* ---- Names ---- */

static bool has_dot(const char *text)
{
    return strchr(text, '.') != NULL;
}

/* The name of the machine with its domain, if the resolver knows one. */
static void look_up_domain(char full[MESH_NAME_SIZE])
{
    struct addrinfo *found = NULL;
    const struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
    if (getaddrinfo(full, NULL, &hints, &found) != 0)
        return;
    if (found->ai_canonname && has_dot(found->ai_canonname) && strlen(found->ai_canonname) < MESH_NAME_SIZE)
        snprintf(full, MESH_NAME_SIZE, "%s", found->ai_canonname);
    freeaddrinfo(found);
}

void host_read(struct host *host, bool look_up)
{
    if (gethostname(host->full, sizeof host->full) != 0)
        host->full[0] = '\0';
    host->full[sizeof host->full - 1] = '\0';
    snprintf(host->brief, sizeof host->brief, "%.*s", (int)strcspn(host->full, "."), host->full);
    if (look_up && host->full[0] && !has_dot(host->full))
        look_up_domain(host->full);
    if (!has_dot(host->full))
        host->full[0] = '\0';
}

bool identity_name(const struct settings *s, const struct host *host, char name[MESH_NAME_SIZE], enum setting *which,
                   mesh_reason *reason)
{
    const char *given = settings_text(s, SETTING_NAME);
    bool is_long = given != NULL;
    *which = is_long ? SETTING_NAME : SETTING_SNAME;
    if (!is_long)
        given = settings_text(s, SETTING_SNAME);
    name[0] = '\0';
    if (given == NULL)
        return true;
    const char *at = strchr(given, '@'), *own = is_long ? host->full : host->brief;
    if (at && !is_long && has_dot(at))
        return words_fail(reason, "expected a host without dots, got \"%s\" (name is for those with)", at + 1);
    if (!at && own[0] == '\0')
        return words_fail(reason, "expected %s@HOST, since the name of this machine has no %s", given,
                          is_long ? "domain" : "letters");
    int len = snprintf(name, MESH_NAME_SIZE, "%s%s%s", given, at ? "" : "@", at ? "" : own);
    return (len > 0 && len < MESH_NAME_SIZE) ||
           words_fail(reason, "expected at most %d bytes, host included", MESH_NAME_SIZE - 1);
}

/* ---- Cookies ---- */

bool identity_cookie_file(const struct settings *s, const char *home, char *path, size_t size, mesh_reason *reason)
{
    const char *file = settings_text(s, SETTING_COOKIE_FILE);
    int len = 0;
    path[0] = '\0';
    if (settings_text(s, SETTING_COOKIE) != NULL)
        return true;
    if (file != NULL)
        len = snprintf(path, size, "%s", file);
    else if (home != NULL && home[0] != '\0')
        len = snprintf(path, size, "%s/.erlang.cookie", home);
    else
        return words_fail(reason, "expected a cookie or a cookie-file, since HOME is not set");
    return (size_t)len < size || words_fail(reason, "expected a shorter path of the cookie");
}

bool cookie_parse(const char *text, size_t len, char cookie[COOKIE_SIZE], mesh_reason *reason)
{
    size_t n = 0;
    while (n < len && text[n] >= ' ' && text[n] <= '~')
        n++;
    for (size_t i = n; i < len; i++)
        if (text[i] != '\n' && text[i] != '\r' && text[i] != ' ')
            return words_fail(
                reason, "expected one line of printable ASCII as the cookie, got something else in byte %zu", i + 1);
    if (n == 0)
        return words_fail(reason, "expected a cookie, got an empty line");
    if (n >= COOKIE_SIZE)
        return words_fail(reason, "expected a cookie of at most %d characters, got %zu", COOKIE_SIZE - 1, n);
    memcpy(cookie, text, n);
    cookie[n] = '\0';
    return true;
}

/* Of the open file, so that what is checked is what is read. */
static bool check_mode(int fd, const char *path, mesh_reason *reason)
{
    struct stat s;
    if (fstat(fd, &s) != 0)
        return words_fail(reason, "%s: %s", path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        return words_fail(reason, "%s: expected a regular file", path);
    if ((s.st_mode & 077) != 0)
        return words_fail(reason, "%s: expected a file for its owner alone, got mode %04o: chmod 400 %s", path,
                          (unsigned)s.st_mode & 07777, path);
    return true;
}

bool cookie_read(const char *path, char cookie[COOKIE_SIZE], mesh_reason *reason)
{
    char text[4096];
    mesh_reason why;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return words_fail(reason, "%s: %s", path, strerror(errno));
    bool ok = check_mode(fd, path, reason);
    ssize_t len = ok ? read(fd, text, sizeof text) : 0;
    if (len < 0)
        ok = words_fail(reason, "%s: %s", path, strerror(errno));
    close(fd);
    if (ok && !cookie_parse(text, (size_t)len, cookie, &why))
        ok = words_fail(reason, "%.300s:1: %.200s", path, why.text);
    explicit_bzero(text, sizeof text);
    return ok;
}
