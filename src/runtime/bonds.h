/* What ties a process to others: monitors, links, and calls it owes an answer. Most have none, and no bonds struct.
 *
 * The lists are plain arrays, searched in order: they are short, or built once. Owned by whoever has the run right,
 * but for debts (see call.c). */
#ifndef RUNTIME_BONDS_H
#define RUNTIME_BONDS_H

#include <stdbool.h>
#include <stdint.h>

struct actor;
struct message;

struct bond {
    uint64_t pid; /* the other process; 0: none that lives */
    uint64_t ref; /* of a monitor; 0 for a link */
};

struct bond_list {
    struct bond *bond;
    uint32_t count, capacity;
};

struct bonds {
    struct bond_list watchers; /* who watches this process */
    struct bond_list watching; /* whom it watches */
    struct bond_list links;
    struct message *debts;   /* calls it returned from without answering */
    struct message *leaving; /* the request of a release, until all debts are paid; guarded like them */
};

/* The bonds of an actor, made on first use. */
struct bonds *bonds_of(struct actor *a);
void bonds_free(struct bonds *bonds);

void bond_add(struct bond_list *list, uint64_t pid, uint64_t ref);
/* Removes the bond with this pid (0: any) and ref; whether it was there. Order is not kept. */
bool bond_remove(struct bond_list *list, uint64_t pid, uint64_t ref);
bool bond_has(const struct bond_list *list, uint64_t pid, uint64_t ref);

#endif
