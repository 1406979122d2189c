/* Lists of monitors and links: see bonds.h. */
#include "runtime/bonds.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "runtime/actor.h"

struct bonds *bonds_of(struct actor *a)
{
    if (a->bonds == NULL)
        a->bonds = must_calloc(1, sizeof *a->bonds);
    return a->bonds;
}

void bonds_free(struct bonds *bonds)
{
    if (bonds == NULL)
        return;
    free(bonds->watchers.bond);
    free(bonds->watching.bond);
    free(bonds->links.bond);
    free(bonds);
}

void bond_add(struct bond_list *list, uint64_t pid, uint64_t ref)
{
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity == 0 ? 4 : list->capacity * 2;
        struct bond *grown = must_calloc(capacity, sizeof *grown);
        if (list->count > 0)
            memcpy(grown, list->bond, list->count * sizeof *grown);
        free(list->bond);
        list->bond = grown;
        list->capacity = capacity;
    }
    list->bond[list->count++] = (struct bond){.pid = pid, .ref = ref};
}

static uint32_t find(const struct bond_list *list, uint64_t pid, uint64_t ref)
{
    uint32_t i = 0;
    while (i < list->count && ((pid != 0 && list->bond[i].pid != pid) || list->bond[i].ref != ref))
        i++;
    return i;
}

bool bond_has(const struct bond_list *list, uint64_t pid, uint64_t ref)
{
    return find(list, pid, ref) < list->count;
}

bool bond_remove(struct bond_list *list, uint64_t pid, uint64_t ref)
{
    uint32_t i = find(list, pid, ref);
    if (i == list->count)
        return false;
    list->bond[i] = list->bond[--list->count];
    return true;
}
