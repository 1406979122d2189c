/* The narrated run: counts the words of files and then shows what became of the processes. */
#ifndef WORDCOUNT_DEMO_H
#define WORDCOUNT_DEMO_H

#include <stdbool.h>

#include "feed.h"

/* Runs it over count files on a node that knows WordCounter, and tells it on stdout as text or JSON.
 * complete: whether every file was read and every promise kept; what was not is told on stderr.
 * Errors: MESH_ENOMEM, and what a call gave; then nothing is told. */
int demo_run(mesh_node *node, struct feed *f, char *const *files, size_t count, bool json, bool *complete);

#endif
