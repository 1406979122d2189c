/* The gossip source: when to send, what a received packet changes. Pure; see source.h. */
#ifndef DISCOVERY_GOSSIP_H
#define DISCOVERY_GOSSIP_H

#include "discovery/gossip_codec.h"
#include "discovery/options.h"
#include "discovery/source.h"

#define GOSSIP_PORT 45892u
#define GOSSIP_IF_ADDR "0.0.0.0"
#define GOSSIP_MULTICAST_ADDR "233.252.1.32"

/* Between two packets of a node there are 1 to so many milliseconds, evenly distributed. */
#define GOSSIP_EVERY_MS 5000u

/* A node that was not heard for so long is not listed any more. The mean gap is 2.5 s, so twelve or so in a row must
 * have been lost. */
#define GOSSIP_SILENCE_MS 30000u

/* Options with the defaults filled in, checked, and addresses as they go into a sockaddr_in. */
struct gossip_addresses {
    uint16_t port;
    uint8_t ttl;
    uint8_t if_addr[4], multicast_addr[4];
};

/* What is wrong with the options; see check in strategy.h. out may be NULL. */
int gossip_options_check(const mesh_gossip_options *options, struct gossip_addresses *out,
                         struct discovery_reason *reason);

/* A gossip source in *out, whose first packet is due at once; to be freed by source_destroy. env's loop, logger, seen
 * and gone are not looked at. Errors: MESH_EBADNAME, and those of gossip_codec_init. */
int gossip_create(const struct discovery_env *env, const mesh_gossip_options *options, struct source **out);

/* A packet has come, whatever it is. data is not NULL when len is not 0. */
void gossip_receive(struct source *s, mesh_bytes packet, uint64_t now_ms);

/* The packet of the last ACTION_SEND could not be sent: counted. The next one will be tried at its time. */
void gossip_send_failed(struct source *s);

#endif
