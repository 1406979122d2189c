/* Any datagram for a node that gossips with a secret, twice: as it is, and sealed under the secret first, so that what
 * is behind the cipher is reached too. */
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include <mesh/error.h>

#include "discovery/gossip_codec.h"
#include "fuzz/fuzz.h"

static const char secret[] = "s3cret";

static size_t seal(const uint8_t *plain, size_t len, uint8_t *out)
{
    uint8_t key[EVP_MAX_MD_SIZE];
    int n = 0, last = 0;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    memset(out, 1, GOSSIP_IV_BYTES);
    if (c == NULL || EVP_Digest(secret, sizeof secret - 1, key, NULL, EVP_sha256(), NULL) != 1 ||
        EVP_EncryptInit_ex(c, EVP_aes_256_cbc(), NULL, key, out) != 1 ||
        EVP_EncryptUpdate(c, out + GOSSIP_IV_BYTES, &n, plain, (int)len) != 1 ||
        EVP_EncryptFinal_ex(c, out + GOSSIP_IV_BYTES + n, &last) != 1)
        abort();
    EVP_CIPHER_CTX_free(c);
    return GOSSIP_IV_BYTES + (size_t)n + (size_t)last;
}

static enum gossip_verdict judge(struct gossip_codec *codec, const void *data, size_t len,
                                 char name[NODE_NAME_MAX_BYTES + 1])
{
    enum gossip_verdict verdict = gossip_decode(codec, (mesh_bytes){data, len}, name);
    if (verdict == GOSSIP_OWN || verdict >= GOSSIP_VERDICT_COUNT)
        abort();
    if (verdict == GOSSIP_GOOD && !node_name_valid(mesh_str(name)))
        abort();
    if ((verdict == GOSSIP_LONG) != (len > GOSSIP_PACKET_MAX_BYTES) || ERR_peek_error() != 0)
        abort();
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gossip_codec codec, plain;
    char name[NODE_NAME_MAX_BYTES + 1], inside[NODE_NAME_MAX_BYTES + 1];
    uint8_t sealed[GOSSIP_PACKET_MAX_BYTES + 64];
    if (gossip_codec_init(&codec, secret) != MESH_OK || gossip_codec_init(&plain, NULL) != MESH_OK)
        abort();
    judge(&codec, data, size, name);
    if (size <= GOSSIP_PLAIN_MAX_BYTES) {
        enum gossip_verdict open = judge(&plain, data, size, name);
        if (judge(&codec, sealed, seal(data, size, sealed), inside) != open)
            abort();
        if (open == GOSSIP_GOOD && strcmp(name, inside) != 0)
            abort();
    }
    gossip_codec_fini(&codec);
    gossip_codec_fini(&plain);
    return 0;
}
