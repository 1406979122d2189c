/* Plain packets go through one step over a map (head_read, which checks every bound) and two over atoms; those with a
 * secret through OpenSSL first, whose error queue, which belongs to the thread, is left as it was. */
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include <mesh/error.h>

#include "discovery/gossip_codec.h"
#include "term/head.h"

static const char prefix[] = "heartbeat::";
static const char key[] = "node";

enum { PREFIX_BYTES = sizeof prefix - 1, KEY_BYTES = sizeof key - 1, CIPHER_KEY_BYTES = 32, BLOCK_BYTES = 16 };

static int make_contexts(struct gossip_codec *c, const char *secret)
{
    uint8_t hash[EVP_MAX_MD_SIZE];
    EVP_CIPHER_CTX *seal = EVP_CIPHER_CTX_new(), *open = EVP_CIPHER_CTX_new();
    int error = seal == NULL || open == NULL ? MESH_ENOMEM : MESH_OK;
    if (error == MESH_OK && (EVP_Digest(secret, strlen(secret), hash, NULL, EVP_sha256(), NULL) != 1 ||
                             EVP_EncryptInit_ex(seal, EVP_aes_256_cbc(), NULL, hash, NULL) != 1 ||
                             EVP_DecryptInit_ex(open, EVP_aes_256_cbc(), NULL, hash, NULL) != 1))
        error = MESH_ESYSTEM;
    OPENSSL_cleanse(hash, sizeof hash);
    if (error != MESH_OK) {
        EVP_CIPHER_CTX_free(seal);
        EVP_CIPHER_CTX_free(open);
        return error;
    }
    *c = (struct gossip_codec){seal, open};
    return MESH_OK;
}

int gossip_codec_init(struct gossip_codec *c, const char *secret)
{
    *c = (struct gossip_codec){NULL, NULL};
    if (secret == NULL)
        return MESH_OK;
    ERR_set_mark();
    int error = make_contexts(c, secret);
    ERR_pop_to_mark();
    return error;
}

void gossip_codec_fini(struct gossip_codec *c)
{
    EVP_CIPHER_CTX_free(c->seal);
    EVP_CIPHER_CTX_free(c->open);
    *c = (struct gossip_codec){NULL, NULL};
}

static uint8_t *put_atom(uint8_t *p, const char *text, size_t len)
{
    *p++ = TAG_SMALL_ATOM_UTF8;
    *p++ = (uint8_t)len;
    memcpy(p, text, len);
    return p + len;
}

static size_t encode_plain(const char *name, uint8_t out[GOSSIP_PLAIN_MAX_BYTES])
{
    uint8_t *p = out;
    memcpy(p, prefix, PREFIX_BYTES);
    p += PREFIX_BYTES;
    *p++ = TAG_VERSION;
    *p++ = TAG_MAP;
    wire_put_u32(p, 1);
    p = put_atom(p + 4, key, KEY_BYTES);
    p = put_atom(p, name, strlen(name));
    return (size_t)(p - out);
}

size_t gossip_encode(struct gossip_codec *c, const char *name, const uint8_t iv[GOSSIP_IV_BYTES],
                     uint8_t out[GOSSIP_PACKET_MAX_BYTES])
{
    uint8_t plain[GOSSIP_PLAIN_MAX_BYTES];
    int len = 0, last = 0;
    if (c->seal == NULL)
        return encode_plain(name, out);
    size_t plain_len = encode_plain(name, plain);
    memcpy(out, iv, GOSSIP_IV_BYTES);
    uint8_t *sealed = out + GOSSIP_IV_BYTES;
    ERR_set_mark();
    bool done = EVP_EncryptInit_ex(c->seal, NULL, NULL, NULL, iv) == 1 &&
                EVP_EncryptUpdate(c->seal, sealed, &len, plain, (int)plain_len) == 1 &&
                EVP_EncryptFinal_ex(c->seal, sealed + len, &last) == 1;
    ERR_pop_to_mark();
    return done ? GOSSIP_IV_BYTES + (size_t)len + (size_t)last : 0;
}

/* The plain bytes of a sealed packet, at most as long as it is; false when there are none. */
static bool unseal(struct gossip_codec *c, mesh_bytes packet, uint8_t out[GOSSIP_PACKET_MAX_BYTES], size_t *out_len)
{
    const uint8_t *iv = packet.data;
    int len = 0, last = 0;
    if (packet.len < GOSSIP_IV_BYTES + BLOCK_BYTES || packet.len % BLOCK_BYTES != 0)
        return false;
    ERR_set_mark();
    bool done = EVP_DecryptInit_ex(c->open, NULL, NULL, NULL, iv) == 1 &&
                EVP_DecryptUpdate(c->open, out, &len, iv + GOSSIP_IV_BYTES, (int)(packet.len - GOSSIP_IV_BYTES)) == 1 &&
                EVP_DecryptFinal_ex(c->open, out + len, &last) == 1;
    ERR_pop_to_mark();
    *out_len = (size_t)len + (size_t)last;
    return done;
}

/* Reads the atom at *at, in UTF-8: a view of the packet, or of scratch. */
static bool read_atom(const uint8_t **at, const uint8_t *end, char scratch[HEAD_ATOM_SCRATCH], mesh_bytes *out)
{
    struct head h;
    if (head_read(*at, end, &h) != MESH_OK || h.type != MESH_TYPE_ATOM)
        return false;
    *out = head_atom(&h, scratch);
    *at = h.next;
    return true;
}

static enum gossip_verdict decode_plain(const uint8_t *at, size_t len, char name[NODE_NAME_MAX_BYTES + 1])
{
    const uint8_t *end = at + len;
    struct head map;
    mesh_bytes atom;
    char scratch[HEAD_ATOM_SCRATCH];
    if (len < PREFIX_BYTES || memcmp(at, prefix, PREFIX_BYTES) != 0)
        return GOSSIP_FOREIGN;
    at += PREFIX_BYTES;
    if (at == end || *at != TAG_VERSION)
        return GOSSIP_BADTERM;
    if (head_read(at + 1, end, &map) != MESH_OK || map.type != MESH_TYPE_MAP || map.count != 1)
        return GOSSIP_BADTERM;
    at = map.next;
    if (!read_atom(&at, end, scratch, &atom) || atom.len != KEY_BYTES || memcmp(atom.data, key, KEY_BYTES) != 0)
        return GOSSIP_BADTERM;
    if (!read_atom(&at, end, scratch, &atom) || at != end)
        return GOSSIP_BADTERM;
    if (!node_name_valid(atom))
        return GOSSIP_BADNAME;
    memcpy(name, atom.data, atom.len);
    name[atom.len] = 0;
    return GOSSIP_GOOD;
}

enum gossip_verdict gossip_decode(struct gossip_codec *c, mesh_bytes packet, char name[NODE_NAME_MAX_BYTES + 1])
{
    uint8_t plain[GOSSIP_PACKET_MAX_BYTES]; /* what is inside, and the block that EVP_DecryptUpdate may add */
    size_t len = 0;
    if (packet.len > GOSSIP_PACKET_MAX_BYTES)
        return GOSSIP_LONG;
    if (packet.len == 0)
        return c->open == NULL ? GOSSIP_FOREIGN : GOSSIP_UNDECIPHERED;
    if (c->open == NULL)
        return decode_plain(packet.data, packet.len, name);
    return unseal(c, packet, plain, &len) ? decode_plain(plain, len, name) : GOSSIP_UNDECIPHERED;
}
