/* Settings from a file: YAML, with the keys of setting_rows.
 *
 *   name: game@127.0.0.1
 *   modules: [./game.so]
 *   capabilities:
 *     - game
 *     - name: chat
 *       weight: 2
 *   gossip:
 *     secret: s3cret
 *
 * Read from libyaml's events, not by libcyaml, which maps a file to structs in one call: it names the line of a fault
 * only in its log (and for a doubled key that of the line before), takes "80" in quotes for a number, 0x10 for 16, and
 * cuts a text at a NUL. Here every value is judged in the line where it stands, by the same functions as flags are.
 *
 * What YAML has beyond scalars, lists and mappings is refused: tags, anchors, aliases, a second document. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include <mesh/bytes.h>

#include "cli/settings.h"

#define CONFIG_MAX_BYTES (1u << 20)

/* Reads a configuration into settings that have nothing given. name is what the reason calls the file. False, with the
 * reason "FILE:LINE: ...": then s is to be freed, nothing of it may be used. */
bool config_parse(struct settings *s, const char *name, mesh_bytes text, mesh_reason *reason);

/* Likewise, of a file; "FILE: ..." when it cannot be read. */
bool config_read(struct settings *s, const char *path, mesh_reason *reason);

#endif
