/* The file .hosts.erlang: hosts as Erlang terms, each ended by a dot; pure.
 *
 *   'db1.example.com'.      % a host in quotes, single or double
 *   localhost.              % or bare, if it is an atom of Erlang: a small letter, then letters, digits, _ and @
 *
 * Space, new lines and comments from % to the end of a line stand between words; behind a dot there is one of them, or
 * the end. Hosts are names or addresses of machines: letters, digits and - . _ : only, so escapes inside quotes, which
 * Erlang allows, are refused. */
#ifndef DISCOVERY_HOSTS_FILE_H
#define DISCOVERY_HOSTS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include <mesh/bytes.h>

#define HOSTS_FILE_MAX_BYTES 65536u
#define HOSTS_MAX 128u
#define HOST_MAX_BYTES 250u /* with a name and an @ before it, it still is a node's name */

/* Finds the hosts in a text: *count of them, each as a view of the text, none twice, in order. MESH_OK, or MESH_EINVAL
 * for a text that is not as above, or has no host, more than HOSTS_MAX, or more than HOSTS_FILE_MAX_BYTES: then *line
 * is where, counted from 1, and *expected a constant that says what should have stood there. */
int hosts_file_parse(mesh_bytes text, mesh_bytes hosts[HOSTS_MAX], size_t *count, size_t *line, const char **expected);

/* Whether text is a host as above, 1 to HOST_MAX_BYTES bytes. */
bool hosts_file_valid(mesh_bytes text);

#endif
