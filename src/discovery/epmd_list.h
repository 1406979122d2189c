/* The source of libcluster's Epmd strategy: a fixed list of nodes. Pure; see source.h. */
#ifndef DISCOVERY_EPMD_LIST_H
#define DISCOVERY_EPMD_LIST_H

#include "discovery/options.h"
#include "discovery/source.h"

/* What is wrong with the options; see check in strategy.h. */
int epmd_list_check(const mesh_epmd_list_options *options, struct discovery_reason *reason);

/* A source in *out of checked options, whose names are all due at once; to be freed by source_destroy. A name that
 * stands there twice counts once, and our own is left out. MESH_EBADNAME; MESH_ENOMEM. */
int epmd_list_create(const struct discovery_env *env, const mesh_epmd_list_options *options, struct source **out);

#endif
