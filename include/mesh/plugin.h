/* Modules in shared objects: what such a file exports, and loading one.
 *
 * The file defines its modules and, once, names them:
 *
 *   MESH_PLUGIN(&room, &lobby);
 *
 * and is built as a shared object that is not linked with this library: the program that loads it has the library's
 * functions, and exports them (linked with libmesh.so, or with libmesh.a and -rdynamic).
 *
 *   cc -std=c11 -shared -fPIC -I include room.c -o room.so
 *
 * The exported struct begins with a magic number, the version of this interface and its own size, in this order in
 * every version, so that a file that was built for another version is refused and not misread.
 *
 * A file that gave modules stays loaded for the life of the program, also when the node has stopped: processes, timers
 * and threads may be inside its code, and nothing is gained by unloading it. So its static variables are shared by all
 * nodes of the program. A new version of a module comes with a new process of the system.
 *
 * Loading a file runs its code, with all the rights of the program: load only what is trusted. */
#ifndef MESH_PLUGIN_H
#define MESH_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#include <mesh/module.h>
#include <mesh/node.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MESH_PLUGIN_MAGIC 0x4e4947554c50484du /* the bytes "MHPLUGIN" where the lowest comes first */
#define MESH_PLUGIN_VERSION 1u                /* changes when this struct, mesh_module or the meaning of either does */
#define MESH_PLUGIN_SYMBOL "mesh_plugin_entry"
#define MESH_PLUGIN_MODULES_MAX 1024u /* of one file */

typedef struct mesh_plugin {
    uint64_t magic;   /* MESH_PLUGIN_MAGIC */
    uint32_t version; /* MESH_PLUGIN_VERSION of the header that the file was built with */
    uint32_t size;    /* sizeof(mesh_plugin) */
    const mesh_module *const *modules;
    uint64_t count; /* of them, 1 to MESH_PLUGIN_MODULES_MAX */
} mesh_plugin;

/* What MESH_PLUGIN defines, in a shared object; no program has it. */
extern MESH_API const mesh_plugin mesh_plugin_entry;

/* Exports modules, given as pointers: once in a shared object, outside of functions, with a semicolon behind it. */
#define MESH_PLUGIN(...)                                                                                               \
    static const mesh_module *const mesh_plugin_modules[] = {__VA_ARGS__};                                             \
    const mesh_plugin mesh_plugin_entry = {MESH_PLUGIN_MAGIC, MESH_PLUGIN_VERSION, (uint32_t)sizeof(mesh_plugin),      \
                                           mesh_plugin_modules,                                                        \
                                           sizeof mesh_plugin_modules / sizeof mesh_plugin_modules[0]}

/* Why a file was refused. The numbers are part of the ABI. */
typedef enum mesh_plugin_problem {
    MESH_PLUGIN_FINE = 0,
    MESH_PLUGIN_NOT_FOUND,     /* there is no such file, or it cannot be read */
    MESH_PLUGIN_NOT_ELF,       /* it is no ELF file */
    MESH_PLUGIN_NOT_SHARED,    /* it is one, but no shared object for this kind of machine */
    MESH_PLUGIN_TRUNCATED,     /* its end is missing */
    MESH_PLUGIN_NOT_LOADABLE,  /* the system's loader refuses it: a library or a function that it needs is missing */
    MESH_PLUGIN_NO_SYMBOL,     /* it has no MESH_PLUGIN */
    MESH_PLUGIN_OTHER_VERSION, /* it was built for another version of this interface */
    MESH_PLUGIN_OTHER_SIZE,    /* of this version, but with a struct of another size, or with another magic number */
    MESH_PLUGIN_BAD_MODULE,    /* the node refuses one of its modules */
} mesh_plugin_problem;

/* Loads a shared object and registers its modules with a node. Any number of files can be loaded, by any number of
 * nodes; the same file again is MESH_OK. Any thread, not inside handlers (it reads files).
 * path: with a '/' in it: of that file; without: of the file of this name in the working directory. The system's
 * library path is not searched.
 * problem and reason: why it was refused, as a number and in words; set in every case but MESH_EINVAL. Either may be
 * NULL.
 * All modules of the file are registered, or none.
 * Errors: MESH_EINVAL (node or path NULL, path empty), MESH_EPLUGIN (problem says more), and with
 * MESH_PLUGIN_BAD_MODULE the error of mesh_register_module. */
MESH_API int mesh_load_modules(mesh_node *node, const char *path, mesh_plugin_problem *problem, mesh_reason *reason);

#ifdef __cplusplus
}
#endif

#endif
