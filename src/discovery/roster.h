/* The names that a source lists, and when each is to be reported: pure, driven by whoever has the clock.
 *
 * A new name is due at once. When it is due and connected, nothing is said, and it is looked at again within `most_ms`.
 * When it is due and not connected, it is reported, and is due again after a time that doubles from `first_ms` to
 * `most_ms` and of which a random half is taken off: nodes that lost each other do not dial in step. When it is due,
 * not connected, and its listing has run out, it is gone.
 *
 * Anybody can send a name to some sources, so the number of names is bounded, and so are the reports in a second. Names
 * that have been connected once, or that the configuration gives, come first and are never displaced: a flood of
 * invented names delays newcomers, but keeps no node away that was there before. */
#ifndef DISCOVERY_ROSTER_H
#define DISCOVERY_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh/bytes.h>

#define ROSTER_MAX 4096u
#define ROSTER_FOREVER UINT64_MAX

struct peer;

struct roster_options {
    const char *own; /* our own name, which is never reported; must live as long as the roster */
    uint32_t first_ms, most_ms;
    uint32_t per_second;
    bool (*connected)(void *context, const char *name);
    uint64_t (*random)(void *context);
    void *context;
};

struct roster {
    struct roster_options options;
    uint32_t *hashes; /* of the names, apart, so that a search reads little; hashes[i] belongs to peer[i] */
    struct peer *peer;
    size_t count, cap;
    size_t hand;        /* where the next sample for a displacement starts */
    size_t cursor;      /* where the next look starts, so that all have their turn */
    uint64_t window_ms; /* when the current second began */
    uint32_t reported;  /* in it */
    char *removed;      /* the name that was last said to be gone */
};

void roster_init(struct roster *r, const struct roster_options *options);
void roster_fini(struct roster *r);

enum roster_outcome {
    ROSTER_LISTED,    /* known already, or new */
    ROSTER_OWN,       /* our own name: ignored */
    ROSTER_DISPLACED, /* listed, in the place of a name that was listed long ago */
    ROSTER_FULL,      /* not listed: the table is full of names that may not be displaced, or memory is refused */
};

/* The source lists name (checked by node_name_valid; copied) until until_ms. group is of the source's choosing, for
 * roster_unlist. A name that is not backing off is due now. One that was known is asked about: a connected node is
 * known as such by its next packet, also while a flood keeps its turn from coming. */
enum roster_outcome roster_list(struct roster *r, mesh_bytes name, uint16_t group, uint64_t now_ms, uint64_t until_ms);

/* The same for a name that the configuration gives: listed for ever, first in the order, never displaced. */
enum roster_outcome roster_list_fixed(struct roster *r, mesh_bytes name, uint64_t now_ms);

/* Ends the listing of all names of a group; those listed again before they are due do not notice. */
void roster_unlist(struct roster *r, uint16_t group);

enum roster_news { ROSTER_NOTHING, ROSTER_SEEN, ROSTER_GONE };

/* What is to be said now, one name at a time, in *name, which lives until the next call of any function here. Call it
 * until it is ROSTER_NOTHING. At most per_second names are seen in one second; after them nothing is said, nor is any
 * name looked at, until it ends. */
enum roster_news roster_next(struct roster *r, uint64_t now_ms, const char **name);

/* When roster_next will have to look again; ROSTER_FOREVER when no name is listed. */
uint64_t roster_next_ms(const struct roster *r);

#endif
