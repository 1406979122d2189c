/* ELF, "Object File Format", for 64 bits, lowest byte first; the structs are those of the system's <elf.h>. */
#include "api/elf.h"

#include <assert.h>
#include <elf.h>
#include <stdbool.h>
#include <string.h>

static_assert(sizeof(Elf64_Ehdr) == ELF_HEADER_BYTES && sizeof(Elf64_Phdr) == ELF_SEGMENT_BYTES, "sizes of ELF");

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64 };
#elif defined(__aarch64__)
enum { MACHINE = EM_AARCH64 };
#endif

static bool is_within(uint64_t offset, uint64_t bytes, uint64_t file_bytes)
{
    return offset <= file_bytes && bytes <= file_bytes - offset;
}

mesh_plugin_problem elf_check_header(mesh_bytes header, uint64_t file_bytes, struct elf_table *table)
{
    Elf64_Ehdr h;
    if (header.len < SELFMAG || memcmp(header.data, ELFMAG, SELFMAG) != 0)
        return MESH_PLUGIN_NOT_ELF;
    if (header.len < sizeof h || file_bytes < sizeof h)
        return MESH_PLUGIN_TRUNCATED;
    memcpy(&h, header.data, sizeof h);
    if (h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_ident[EI_DATA] != ELFDATA2LSB || h.e_machine != MACHINE ||
        h.e_type != ET_DYN || h.e_phentsize != ELF_SEGMENT_BYTES || h.e_phnum == 0 || h.e_phnum > ELF_SEGMENTS_MAX)
        return MESH_PLUGIN_NOT_SHARED;
    size_t bytes = (size_t)h.e_phnum * ELF_SEGMENT_BYTES;
    uint64_t sections = h.e_shoff != 0 ? (uint64_t)h.e_shnum * h.e_shentsize : 0;
    if (!is_within(h.e_phoff, bytes, file_bytes) || !is_within(h.e_shoff, sections, file_bytes))
        return MESH_PLUGIN_TRUNCATED;
    *table = (struct elf_table){h.e_phoff, bytes};
    return MESH_PLUGIN_FINE;
}

mesh_plugin_problem elf_check_segments(mesh_bytes segments, uint64_t file_bytes)
{
    const uint8_t *bytes = segments.data;
    for (size_t at = 0; segments.len - at >= ELF_SEGMENT_BYTES; at += ELF_SEGMENT_BYTES) {
        Elf64_Phdr segment;
        memcpy(&segment, bytes + at, sizeof segment);
        if (segment.p_type == PT_LOAD && !is_within(segment.p_offset, segment.p_filesz, file_bytes))
            return MESH_PLUGIN_TRUNCATED;
    }
    return MESH_PLUGIN_FINE;
}
