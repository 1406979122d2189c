/* Any bytes in the place of a shared object's headers: whatever is accepted lies inside of the file. */
#include <stdlib.h>

#include "api/elf.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf_table table;
    size_t head = size < ELF_HEADER_BYTES ? size : ELF_HEADER_BYTES;
    if (elf_check_header((mesh_bytes){data, head}, size, &table) != MESH_PLUGIN_FINE)
        return 0;
    if (table.bytes == 0 || table.bytes > (size_t)ELF_SEGMENTS_MAX * ELF_SEGMENT_BYTES || table.offset > size ||
        table.bytes > size - table.offset)
        abort();
    mesh_plugin_problem problem = elf_check_segments((mesh_bytes){data + table.offset, table.bytes}, size);
    if (problem != MESH_PLUGIN_FINE && problem != MESH_PLUGIN_TRUNCATED)
        abort();
    return 0;
}
