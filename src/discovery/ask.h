/* The source of LocalEpmd and ErlangHosts: asks the epmd of each host for its nodes, again and again. Pure; see
 * source.h. */
#ifndef DISCOVERY_ASK_H
#define DISCOVERY_ASK_H

#include "discovery/hosts_file.h"
#include "discovery/options.h"
#include "discovery/source.h"

/* A name stays listed for so many intervals when epmd does not answer any more; an answer without it ends that at once.
 */
#define ASK_KEPT_INTERVALS 3u

/* A source in *out that asks count hosts (1 to HOSTS_MAX, valid, copied), all at once at first; its nodes are NAME@HOST
 * with the host as it stands here. timeout_ms and per_second are those of checked options. To be freed by
 * source_destroy. MESH_EBADNAME. */
int ask_create(const struct discovery_env *env, const mesh_bytes *hosts, size_t count, uint32_t timeout_ms,
               uint32_t per_second, struct source **out);

/* A host of the source, by the index in its ACTION_ASK; lives as long as the source. */
const char *ask_host(const struct source *s, size_t host);

/* What became of an ACTION_ASK: exactly one of these follows each. reply is all that epmd sent, whatever it is. */
void ask_answer(struct source *s, size_t host, mesh_bytes reply, uint64_t now_ms);
void ask_failed(struct source *s, size_t host, uint64_t now_ms);

#endif
