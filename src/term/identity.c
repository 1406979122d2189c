/* Pids and references as values. */
#include <mesh/term.h>

bool mesh_pid_equal(const mesh_pid *a, const mesh_pid *b)
{
    return a->number == b->number && a->creation == b->creation && strcmp(a->node, b->node) == 0;
}

bool mesh_ref_equal(const mesh_ref *a, const mesh_ref *b)
{
    return a->count == b->count && a->count <= 5 && a->creation == b->creation &&
           memcmp(a->words, b->words, a->count * sizeof *a->words) == 0 && strcmp(a->node, b->node) == 0;
}
