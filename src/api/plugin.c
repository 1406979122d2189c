/* mesh/plugin.h: from a path to registered modules, and the words for what is in the way. */
#include <mesh/plugin.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/check.h"
#include "api/elf.h"
#include "node/node.h"

/* Where problem and reason go; both may be NULL. */
struct verdict {
    mesh_plugin_problem *problem;
    mesh_reason *reason;
};

static int refuse(const struct verdict *v, mesh_plugin_problem problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(const struct verdict *v, mesh_plugin_problem problem, const char *format, ...)
{
    if (v->problem != NULL)
        *v->problem = problem;
    if (v->reason != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(v->reason->text, sizeof v->reason->text, format, args);
        va_end(args);
    }
    return MESH_EPLUGIN;
}

/* ---- The file ---------------------------------------------------------------------------------------------------- */

/* As many bytes as there are at offset, up to size; -1 for an error in errno. */
static ssize_t read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
    size_t got = 0;
    while (got < size) {
        ssize_t n = pread(fd, (char *)buffer + got, size - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static mesh_plugin_problem check_bytes(int fd, uint64_t file_bytes)
{
    unsigned char header[ELF_HEADER_BYTES], segments[ELF_SEGMENTS_MAX * ELF_SEGMENT_BYTES];
    struct elf_table table;
    ssize_t got = read_at(fd, header, sizeof header, 0);
    if (got < 0)
        return MESH_PLUGIN_NOT_FOUND;
    mesh_plugin_problem problem = elf_check_header((mesh_bytes){header, (size_t)got}, file_bytes, &table);
    if (problem != MESH_PLUGIN_FINE)
        return problem;
    got = read_at(fd, segments, table.bytes, table.offset);
    if (got < 0)
        return MESH_PLUGIN_NOT_FOUND;
    return (size_t)got == table.bytes ? elf_check_segments((mesh_bytes){segments, table.bytes}, file_bytes)
                                      : MESH_PLUGIN_TRUNCATED;
}

static int check_file(const char *path, const struct verdict *v)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused below, not waited for */
    if (fd < 0)
        return refuse(v, MESH_PLUGIN_NOT_FOUND, "%s", strerror(errno));
    mesh_plugin_problem problem = MESH_PLUGIN_NOT_FOUND;
    if (fstat(fd, &s) == 0) {
        if (!S_ISREG(s.st_mode))
            errno = S_ISDIR(s.st_mode) ? EISDIR : ENOEXEC;
        else
            problem = check_bytes(fd, (uint64_t)s.st_size);
    }
    int error = errno;
    close(fd);
    switch (problem) {
    case MESH_PLUGIN_FINE:
        return MESH_OK;
    case MESH_PLUGIN_NOT_FOUND:
        return refuse(v, problem, "%s", strerror(error));
    case MESH_PLUGIN_NOT_ELF:
        return refuse(v, problem, "not an ELF file: expected a shared object, built with -shared");
    case MESH_PLUGIN_TRUNCATED:
        return refuse(v, problem, "the file is truncated: it has %" PRIu64 " bytes, its headers speak of more",
                      (uint64_t)s.st_size);
    default:
        return refuse(v, problem, "not a shared object for this kind of machine");
    }
}

/* ---- What it exports --------------------------------------------------------------------------------------------- */

static int check_entry(const mesh_plugin *p, const struct verdict *v)
{
    if (p->magic != MESH_PLUGIN_MAGIC)
        return refuse(v, MESH_PLUGIN_OTHER_SIZE, "its " MESH_PLUGIN_SYMBOL " does not begin with MESH_PLUGIN_MAGIC");
    if (p->version != MESH_PLUGIN_VERSION)
        return refuse(v, MESH_PLUGIN_OTHER_VERSION,
                      "built for version %" PRIu32 " of mesh/plugin.h, this program has version %u", p->version,
                      MESH_PLUGIN_VERSION);
    if (p->size != sizeof *p)
        return refuse(v, MESH_PLUGIN_OTHER_SIZE, "its mesh_plugin has %" PRIu32 " bytes, this program's has %zu",
                      p->size, sizeof *p);
    if (p->modules == NULL || p->count == 0 || p->count > MESH_PLUGIN_MODULES_MAX)
        return refuse(v, MESH_PLUGIN_BAD_MODULE, "it names %" PRIu64 " modules, expected 1 to %u", p->count,
                      MESH_PLUGIN_MODULES_MAX);
    return MESH_OK;
}

static int refuse_module(const mesh_plugin *p, size_t at, int error, const struct verdict *v)
{
    const mesh_module *m = p->modules[at];
    if (m == NULL)
        refuse(v, MESH_PLUGIN_BAD_MODULE, "module %zu of %" PRIu64 " is NULL", at + 1, p->count);
    else if (m->size != sizeof *m)
        refuse(v, MESH_PLUGIN_BAD_MODULE,
               "module %zu of %" PRIu64 " has a mesh_module of %zu bytes, this program's has %zu", at + 1, p->count,
               m->size, sizeof *m);
    else if (error == MESH_EBADNAME)
        refuse(v, MESH_PLUGIN_BAD_MODULE, "module %zu of %" PRIu64 ": %s", at + 1, p->count, mesh_strerror(error));
    else
        refuse(v, MESH_PLUGIN_BAD_MODULE, "module %s: %s", m->name, mesh_strerror(error));
    return error;
}

static int add(mesh_node *node, const mesh_plugin *p, const struct verdict *v)
{
    int error = check_entry(p, v);
    if (error != MESH_OK)
        return error;
    for (size_t i = 0; i < p->count; i++) {
        error = check_module(p->modules[i]);
        if (error != MESH_OK)
            return refuse_module(p, i, error, v);
    }
    size_t clash = 0;
    error = runtime_add_modules(&node->runtime, p->modules, p->count, &clash);
    return error != MESH_OK ? refuse_module(p, clash, error, v) : MESH_OK;
}

int mesh_load_modules(mesh_node *node, const char *path, mesh_plugin_problem *problem, mesh_reason *reason)
{
    struct verdict v = {NULL, reason};
    v.problem = problem;
    char here[PATH_MAX];
    if (node == NULL || path == NULL || path[0] == '\0')
        return MESH_EINVAL;
    refuse(&v, MESH_PLUGIN_FINE, "%s", "");
    /* dlopen looks for a name without a slash in the library path: not meant here. */
    int len = snprintf(here, sizeof here, "%s%s", strchr(path, '/') != NULL ? "" : "./", path);
    if (len < 0 || (size_t)len >= sizeof here)
        return refuse(&v, MESH_PLUGIN_NOT_FOUND, "%s", strerror(ENAMETOOLONG));
    int error = check_file(here, &v);
    if (error != MESH_OK)
        return error;
    void *object = dlopen(here, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL)
        return refuse(&v, MESH_PLUGIN_NOT_LOADABLE, "%s", dlerror());
    const mesh_plugin *p = dlsym(object, MESH_PLUGIN_SYMBOL);
    error = p != NULL ? add(node, p, &v)
                      : refuse(&v, MESH_PLUGIN_NO_SYMBOL,
                               "it exports no " MESH_PLUGIN_SYMBOL ": expected MESH_PLUGIN(...) in its source");
    if (error != MESH_OK)
        dlclose(object); /* nothing of it was kept; what was accepted stays for good */
    return error;
}
