/* From what was given to what a node needs: settings of flags and a file, its name, and its cookie. */
#ifndef CLI_RESOLVE_H
#define CLI_RESOLVE_H

#include "cli/identity.h"
#include "cli/verb.h"

struct resolved {
    struct settings settings;
    const char *file;          /* the configuration; NULL: there is none */
    char node[MESH_NAME_SIZE]; /* the full name; "": it has none, and no cookie either */
    char cookie_file[4096];    /* "": the settings have the cookie */
    char cookie[COOKIE_SIZE];
};

/* Nothing given yet. resolved_fini frees what it holds, and forgets the cookie. */
void resolved_init(struct resolved *r);
void resolved_fini(struct resolved *r);

/* Reads the file, if there is one, under the settings that flags gave, and finds out name and cookie. What is wrong is
 * told on stderr in the name of the verb. Returns EXIT_DONE or EXIT_USAGE. */
int resolve(struct resolved *r, const struct verb *verb);

/* Likewise, the cookie alone: for those that have no name of their own. */
int resolve_cookie(struct resolved *r, const struct verb *verb);

#endif
