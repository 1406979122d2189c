/* Who a node is: its full name, as erl would make it of --name or --sname, and its cookie, as erl would read it. */
#ifndef CLI_IDENTITY_H
#define CLI_IDENTITY_H

#include <mesh/node.h>

#include "cli/settings.h"

#define COOKIE_SIZE 256 /* of any cookie and its NUL */

/* What the machine calls itself. */
struct host {
    char full[MESH_NAME_SIZE];  /* with its domain; "" when there is none */
    char brief[MESH_NAME_SIZE]; /* up to the first dot; "" when it has no name */
};

/* Asks the system; where its name has no domain, and look_up says so, also the resolver, which may take seconds. */
void host_read(struct host *host, bool look_up);

/* The full name: of --name or --sname, with the host where none is given. A short name's host has no dot; a long one's
 * is not looked at. Settings without either give "". False, with the reason and the setting that it is about. */
bool identity_name(const struct settings *s, const struct host *host, char name[MESH_NAME_SIZE], enum setting *which,
                   mesh_reason *reason);

/* Which file has the cookie, "" when it is in the settings: cookie-file, else .erlang.cookie in home (NULL: there is
 * none). False when there is no file to read, or its name is too long. */
bool identity_cookie_file(const struct settings *s, const char *home, char *path, size_t size, mesh_reason *reason);

/* Reads a cookie: printable ASCII up to the end of the line, which is not part of it; behind that only spaces and line
 * ends, as erl has it. Refused unless the file is a file that nobody but its owner can read or write. The reason begins
 * with the path. */
bool cookie_read(const char *path, char cookie[COOKIE_SIZE], mesh_reason *reason);

/* What a cookie file holds, without its modes; likewise, without the path. */
bool cookie_parse(const char *text, size_t len, char cookie[COOKIE_SIZE], mesh_reason *reason);

#endif
