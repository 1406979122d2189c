/* Whether a file is a whole shared object for this machine, told from its headers.
 *
 * The system's loader maps segments without looking whether the file is long enough for them, and a program that
 * touches what is missing ends by SIGBUS: a file that was copied halfway is common, and is refused here first. Pure
 * functions, for any bytes; whatever else can be wrong with an ELF file is left to the loader, which runs the file's
 * code in any case. */
#ifndef API_ELF_H
#define API_ELF_H

#include <stddef.h>
#include <stdint.h>

#include <mesh/plugin.h>

#define ELF_HEADER_BYTES 64u
#define ELF_SEGMENT_BYTES 56u
#define ELF_SEGMENTS_MAX 256u

/* Where the table of segments is. */
struct elf_table {
    uint64_t offset;
    size_t bytes; /* at most ELF_SEGMENTS_MAX * ELF_SEGMENT_BYTES, and all of it inside of the file */
};

/* The beginning of a file of file_bytes: ELF_HEADER_BYTES of it, or all if it is shorter. MESH_PLUGIN_FINE and *table,
 * or MESH_PLUGIN_NOT_ELF, _NOT_SHARED, _TRUNCATED. */
mesh_plugin_problem elf_check_header(mesh_bytes header, uint64_t file_bytes, struct elf_table *table);

/* The table of segments itself. MESH_PLUGIN_FINE, or MESH_PLUGIN_TRUNCATED. */
mesh_plugin_problem elf_check_segments(mesh_bytes segments, uint64_t file_bytes);

#endif
