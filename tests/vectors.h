/* Reading the files of tests/vectors/: lines of words; blank lines and those that start with '#' are not for us. */
#ifndef TESTS_VECTORS_H
#define TESTS_VECTORS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Opens tests/vectors/NAME; a missing file ends the test program. */
static inline FILE *vectors_open(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", MESH_VECTORS, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    return file;
}

/* The next line that carries something, without its end, in line; false at the end of the file. */
static inline bool vectors_line(FILE *file, char *line, size_t size)
{
    while (fgets(line, (int)size, file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] != 0 && line[0] != '#')
            return true;
    }
    return false;
}

#endif
