/* The module WordCounter: one process per distinct word; its id is the word, its state how often it was seen. */
#ifndef WORDCOUNT_WORD_COUNTER_H
#define WORDCOUNT_WORD_COUNTER_H

#include <stdint.h>

#include <mesh.h>

#define WORD_COUNTER "WordCounter" /* the module's name */
#define WORDS "words"              /* the capability that runs it */

/* What such a process is told. Terms for mesh_build, which parses each only once. */
#define WORD_ADD ":add"     /* counts one more; the reply is the new count */
#define WORD_READ ":count"  /* the reply is the count */
#define WORD_CRASH ":crash" /* fails, with the reason {:told_to_crash, word} */

/* Makes the module and the capability known to a node. Errors: those of the two register functions. */
int word_counter_register(mesh_node *node);

/* Calls the process of a word (len bytes, 1 to MESH_ID_MAX) with a message and reads the count that it answers.
 * pid (may be NULL) is the process that answered. From a thread, or inside a task.
 * Errors: those of mesh_call; MESH_ENOMATCH for a reply that is no count. */
int word_counter_call(mesh_node *node, const char *word, size_t len, mesh_term message, uint64_t *count, mesh_pid *pid);

#endif
