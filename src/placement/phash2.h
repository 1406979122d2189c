/* erlang:phash2 of binaries, bit for bit: what shard an id is in.
 *
 * BEAM nodes running Mesh 0.1.4 compute `:erlang.phash2(id, 4096)`; equal shards need an equal hash. The algorithm
 * is Bob Jenkins' hash of 1996 as the runtime system of OTP has it (make_hash2 in erts/emulator/beam, unchanged from
 * OTP 25 to 29 for binaries). It is not keyed: who wants to can choose ids of one shard. Pure functions: any thread. */
#ifndef PLACEMENT_PHASH2_H
#define PLACEMENT_PHASH2_H

#include <stdint.h>

#include <mesh/bytes.h>

/* All 32 bits of the hash of a binary. erlang:phash2(Bin) is the low 27 of them. */
uint32_t phash2_binary(mesh_bytes binary);

/* erlang:phash2(Bin, Range): a number from 0 to range - 1; range 0 stands for 2^32, which Erlang also allows. */
uint32_t phash2_range(mesh_bytes binary, uint32_t range);

#endif
