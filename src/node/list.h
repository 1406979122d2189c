/* A list whose links live in what it lists: added at both ends, taken out anywhere, without a search. */
#ifndef NODE_LIST_H
#define NODE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *prev, *next; /* of an empty list: itself; of a link that is in none: NULL */
};

static inline void list_init(struct list *list)
{
    list->prev = list->next = list;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_append(struct list *list, struct list *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

/* Nothing for a link that is in no list. */
static inline void list_remove(struct list *link)
{
    if (link->next == NULL)
        return;
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->prev = link->next = NULL;
}

/* Moves all of `from` before the first of list. */
static inline void list_put_before(struct list *list, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->prev->next = list->next;
    list->next->prev = from->prev;
    list->next = from->next;
    from->next->prev = list;
    list_init(from);
}

#endif
