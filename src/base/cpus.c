/* Usable cores. A container's quota counts: 64 cores seen and 2 allowed would mean 64 workers that are all throttled
 * together, with handlers stopped in the middle for most of each 100 ms.
 *
 * The files come from the kernel, but are read like any bytes: through bounds, with a default for what is not as
 * expected. */
#include "base/cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX_BYTES = 8192, AFFINITY_MAX_CPUS = 1 << 16 };

/* Reads digits from *at on; false when there are none or they exceed 18. */
static bool read_number(mesh_bytes text, size_t *at, uint64_t *number)
{
    const char *s = text.data;
    size_t start = *at;
    uint64_t value = 0;
    for (; *at < text.len && s[*at] >= '0' && s[*at] <= '9'; ++*at) {
        if (*at - start == 18)
            return false;
        value = value * 10 + (uint64_t)(s[*at] - '0');
    }
    *number = value;
    return *at > start;
}

/* Skips one separator or the end of the text. */
static bool read_gap(mesh_bytes text, size_t *at)
{
    const char *s = text.data;
    if (*at == text.len)
        return true;
    return s[*at] == ' ' || s[*at] == '\n' ? (++*at, true) : false;
}

static unsigned cores(uint64_t quota, uint64_t period)
{
    if (quota == 0 || period == 0)
        return 0;
    uint64_t n = quota / period + (quota % period != 0);
    return n > UINT_MAX ? 0 : (unsigned)n;
}

unsigned cpus_quota_v2(mesh_bytes cpu_max)
{
    size_t at = 0;
    uint64_t quota, period;
    if (!read_number(cpu_max, &at, &quota) || !read_gap(cpu_max, &at) || !read_number(cpu_max, &at, &period) ||
        !read_gap(cpu_max, &at))
        return 0;
    return cores(quota, period);
}

unsigned cpus_quota_v1(mesh_bytes quota_us, mesh_bytes period_us)
{
    size_t quota_at = 0, period_at = 0;
    uint64_t quota, period;
    if (!read_number(quota_us, &quota_at, &quota) || !read_gap(quota_us, &quota_at) ||
        !read_number(period_us, &period_at, &period) || !read_gap(period_us, &period_at))
        return 0;
    return cores(quota, period);
}

/* Cuts text at the first `mark`: returns what is before it and leaves what is after it. Without a mark: all of it. */
static mesh_bytes cut(mesh_bytes *text, char mark)
{
    const char *at = text->len > 0 ? memchr(text->data, mark, text->len) : NULL;
    mesh_bytes head = *text;
    if (at == NULL) {
        text->len = 0;
        return head;
    }
    head.len = (size_t)(at - (const char *)text->data);
    text->data = at + 1;
    text->len -= head.len + 1;
    return head;
}

static bool equals(mesh_bytes a, const char *b)
{
    return a.len == strlen(b) && memcmp(a.data, b, a.len) == 0;
}

mesh_bytes cpus_group_path(mesh_bytes text, bool v2)
{
    while (text.len > 0) {
        mesh_bytes path = cut(&text, '\n'); /* a line is NUMBER:CONTROLLERS:PATH, and a path may hold colons */
        mesh_bytes number = cut(&path, ':');
        mesh_bytes controllers = cut(&path, ':');
        if (v2 && equals(number, "0") && controllers.len == 0)
            return path;
        while (!v2 && controllers.len > 0)
            if (equals(cut(&controllers, ','), "cpu"))
                return path;
    }
    return (mesh_bytes){.data = NULL, .len = 0};
}

/* Reads a small file whole; no bytes when it cannot be read. */
static mesh_bytes read_file(const char *name, char buffer[FILE_MAX_BYTES])
{
    mesh_bytes content = {.data = buffer, .len = 0};
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return content;
    ssize_t n;
    do {
        n = read(fd, buffer + content.len, FILE_MAX_BYTES - content.len);
        if (n > 0)
            content.len += (size_t)n;
    } while ((n > 0 && content.len < FILE_MAX_BYTES) || (n < 0 && errno == EINTR));
    close(fd);
    return content;
}

static unsigned group_quota(const char *directory, bool v2)
{
    char name[PATH_MAX];
    char first[FILE_MAX_BYTES], second[FILE_MAX_BYTES];
    const char *file = v2 ? "cpu.max" : "cpu.cfs_quota_us";
    if (snprintf(name, sizeof name, "%s/%s", directory, file) >= (int)sizeof name)
        return 0;
    mesh_bytes quota = read_file(name, first);
    if (v2)
        return cpus_quota_v2(quota);
    if (snprintf(name, sizeof name, "%s/cpu.cfs_period_us", directory) >= (int)sizeof name)
        return 0;
    return cpus_quota_v1(quota, read_file(name, second));
}

/* The lower of two quotas, of which 0 is none. */
static unsigned lower(unsigned a, unsigned b)
{
    return b == 0 || (a != 0 && a < b) ? a : b;
}

/* The lowest quota from root/path up to root. */
static unsigned lowest_quota(const char *root, mesh_bytes path, bool v2)
{
    char directory[PATH_MAX];
    int n = snprintf(directory, sizeof directory, "%s%.*s", root, (int)path.len, (const char *)path.data);
    if (path.len == 0 || n < 0 || n >= (int)sizeof directory)
        return 0;
    unsigned lowest = 0;
    for (size_t root_len = strlen(root);;) {
        lowest = lower(lowest, group_quota(directory, v2));
        char *slash = strrchr(directory, '/');
        if (slash == NULL || slash < directory + root_len)
            return lowest;
        *slash = '\0';
    }
}

unsigned cpus_quota(const char *root, const char *self)
{
    char buffer[FILE_MAX_BYTES];
    char root_v1[PATH_MAX];
    mesh_bytes groups = read_file(self, buffer);
    unsigned quota = lowest_quota(root, cpus_group_path(groups, true), true);
    if (snprintf(root_v1, sizeof root_v1, "%s/cpu", root) < (int)sizeof root_v1)
        quota = lower(quota, lowest_quota(root_v1, cpus_group_path(groups, false), false));
    return quota;
}

/* Cores in this thread's affinity mask; the system may have more than the 1,024 of a cpu_set_t. */
static unsigned affinity(void)
{
    for (unsigned max = CPU_SETSIZE; max <= AFFINITY_MAX_CPUS; max *= 2) {
        cpu_set_t *set = CPU_ALLOC(max);
        if (set == NULL)
            return 1;
        size_t size = CPU_ALLOC_SIZE(max);
        int error = sched_getaffinity(0, size, set) == 0 ? 0 : errno;
        int count = error == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (error == 0)
            return count > 0 ? (unsigned)count : 1;
        if (error != EINVAL)
            break;
    }
    return 1;
}

unsigned cpus_usable(void)
{
    return lower(affinity(), cpus_quota("/sys/fs/cgroup", "/proc/self/cgroup"));
}
