/* The handshake: one function for each message, by the state that awaits it. */
#include "dist/handshake.h"

#include <assert.h>
#include <stdio.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "dist/cursor.h"
#include "dist/flags.h"

static const char *const statuses[] = {
    [HANDSHAKE_OK] = "ok",       [HANDSHAKE_OK_SIMULTANEOUS] = "ok_simultaneous", [HANDSHAKE_NOK] = "nok",
    [HANDSHAKE_ALIVE] = "alive", [HANDSHAKE_NOT_ALLOWED] = "not_allowed",
};

static enum handshake_event fail(struct handshake *h, enum refusal why)
{
    h->state = HANDSHAKE_BROKEN;
    h->why = why;
    return HANDSHAKE_FAILED;
}

static enum handshake_event await(struct handshake *h, enum handshake_state state, enum handshake_event event)
{
    h->state = state;
    return event;
}

/* MD5 of the cookie and the challenge's decimal digits. False when the library has no MD5, as in FIPS mode. */
static bool make_digest(const struct handshake *h, uint32_t challenge, uint8_t digest[HANDSHAKE_DIGEST_BYTES])
{
    char text[16];
    unsigned len = 0;
    int digits = snprintf(text, sizeof text, "%lu", (unsigned long)challenge);
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool made = md && EVP_DigestInit_ex(md, EVP_md5(), NULL) == 1 &&
                EVP_DigestUpdate(md, h->config->cookie.data, h->config->cookie.len) == 1 &&
                EVP_DigestUpdate(md, text, (size_t)digits) == 1 && EVP_DigestFinal_ex(md, digest, &len) == 1;
    EVP_MD_CTX_free(md);
    return made && len == HANDSHAKE_DIGEST_BYTES;
}

/* Judges the peer's digest of this side's challenge; the time it takes does not tell how much of it is right. */
static enum refusal judge_digest(const struct handshake *h, const uint8_t *theirs)
{
    uint8_t ours[HANDSHAKE_DIGEST_BYTES];
    if (!make_digest(h, h->challenge, ours))
        return REFUSAL_NO_MD5;
    return CRYPTO_memcmp(ours, theirs, sizeof ours) == 0 ? REFUSAL_NONE : REFUSAL_DIGEST;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

/* Room for a message of len bytes behind its length. */
static uint8_t *put_message(struct handshake *h, size_t len)
{
    assert(h->out_len + 2 + len <= sizeof h->out);
    uint8_t *p = h->out + h->out_len;
    wire_put_u16(p, (uint16_t)len);
    h->out_len += 2 + len;
    return p + 2;
}

static void put_status(struct handshake *h, const char *status)
{
    mesh_bytes text = mesh_str(status);
    uint8_t *p = put_message(h, 1 + text.len);
    p[0] = 's';
    memcpy(p + 1, text.data, text.len);
}

/* 'N': flags, the challenge when accepting, creation, name. */
static void put_name(struct handshake *h)
{
    mesh_bytes name = h->config->name;
    size_t extra = h->dialling ? 0 : 4;
    uint8_t *p = put_message(h, 15 + extra + name.len);
    p[0] = 'N';
    wire_put_u64(p + 1, h->config->flags);
    wire_put_u32(p + 9, h->challenge); /* dialling: written over by the creation */
    wire_put_u32(p + 9 + extra, h->config->creation);
    wire_put_u16(p + 13 + extra, (uint16_t)name.len);
    memcpy(p + 15 + extra, name.data, name.len);
}

mesh_bytes handshake_output(struct handshake *h)
{
    mesh_bytes b = {h->out, h->out_len};
    h->out_len = 0;
    return b;
}

/* ---- what both roles do ------------------------------------------------------------------------------------------ */

static void start(struct handshake *h, const struct handshake_config *config, uint32_t challenge, uint64_t now_ms)
{
    assert(names_full(config->name));
    h->config = config;
    h->why = REFUSAL_NONE;
    h->challenge = challenge;
    h->deadline_ms = now_ms + HANDSHAKE_TIMEOUT_MS;
    h->peer[0] = '\0';
    h->peer_flags = h->flags = 0;
    h->peer_creation = 0;
    h->in_len = h->out_len = 0;
}

static bool is_peer(const struct handshake *h, mesh_bytes name)
{
    return name.len == strlen(h->peer) && memcmp(h->peer, name.data, name.len) == 0;
}

static void set_peer(struct handshake *h, mesh_bytes name)
{
    memcpy(h->peer, name.data, name.len);
    h->peer[name.len] = '\0';
}

static void set_flags(struct handshake *h, uint64_t flags)
{
    h->peer_flags = flags;
    h->flags = flags_negotiate(h->config->flags, flags);
}

/* Whether the answer to the peer's challenge may be given at all. */
static bool reflected(const struct handshake *h, uint32_t challenge)
{
    return challenge == h->challenge || h->config->outstanding(h->config->context, challenge);
}

/* ---- accepting --------------------------------------------------------------------------------------------------- */

void handshake_accept(struct handshake *h, const struct handshake_config *config, uint32_t challenge, uint64_t now_ms)
{
    start(h, config, challenge, now_ms);
    h->dialling = false;
    h->state = HANDSHAKE_AWAITS_NAME;
}

static enum handshake_event not_allowed(struct handshake *h, enum refusal why)
{
    put_status(h, statuses[HANDSHAKE_NOT_ALLOWED]);
    return fail(h, why);
}

static enum handshake_event take_name(struct handshake *h, struct cursor c)
{
    uint8_t tag = cursor_u8(&c);
    if (tag != 'N')
        return fail(h, tag == 'n' ? REFUSAL_OLD_HANDSHAKE : REFUSAL_UNEXPECTED);
    uint64_t flags = cursor_u64(&c);
    uint32_t creation = cursor_u32(&c);
    mesh_bytes name = cursor_bytes(&c, cursor_u16(&c)); /* what stands behind it is for later versions */
    if (c.failed)
        return fail(h, REFUSAL_MALFORMED);
    if (!names_full(name))
        return fail(h, REFUSAL_NAME);
    if (!h->config->allowed(h->config->context, name))
        return not_allowed(h, REFUSAL_FORBIDDEN);
    if (!flags_suffice(flags))
        return not_allowed(h, REFUSAL_FLAGS);
    set_peer(h, name);
    set_flags(h, flags);
    h->peer_creation = creation;
    return await(h, HANDSHAKE_AWAITS_ANSWER, HANDSHAKE_NAMED);
}

enum handshake_event handshake_answer(struct handshake *h, enum handshake_status status)
{
    assert(h->state == HANDSHAKE_AWAITS_ANSWER);
    put_status(h, statuses[status]);
    switch (status) {
    case HANDSHAKE_OK:
    case HANDSHAKE_OK_SIMULTANEOUS:
        put_name(h);
        return await(h, HANDSHAKE_AWAITS_REPLY, HANDSHAKE_MORE);
    case HANDSHAKE_ALIVE:
        return await(h, HANDSHAKE_AWAITS_INSISTENCE, HANDSHAKE_MORE);
    case HANDSHAKE_NOK:
        return fail(h, REFUSAL_SUPERSEDED);
    default:
        return fail(h, REFUSAL_FORBIDDEN);
    }
}

/* The text of a status message; NULL data when it is none. */
static mesh_bytes status_text(struct cursor c)
{
    mesh_bytes none = {NULL, 0};
    return cursor_u8(&c) == 's' ? cursor_rest(&c) : none;
}

static bool is_text(mesh_bytes bytes, const char *text)
{
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

static enum handshake_event take_insistence(struct handshake *h, struct cursor c)
{
    mesh_bytes text = status_text(c);
    if (!text.data)
        return fail(h, REFUSAL_UNEXPECTED);
    if (is_text(text, "false"))
        return fail(h, REFUSAL_PEER_GAVE_UP);
    if (!is_text(text, "true"))
        return fail(h, REFUSAL_STATUS);
    put_name(h);
    return await(h, HANDSHAKE_AWAITS_REPLY, HANDSHAKE_MORE);
}

static enum handshake_event take_reply(struct handshake *h, struct cursor c)
{
    if (cursor_u8(&c) != 'r')
        return fail(h, REFUSAL_UNEXPECTED);
    uint32_t challenge = cursor_u32(&c);
    const uint8_t *digest = cursor_take(&c, HANDSHAKE_DIGEST_BYTES);
    if (!digest || cursor_left(&c) > 0)
        return fail(h, REFUSAL_MALFORMED);
    if (reflected(h, challenge))
        return fail(h, REFUSAL_REFLECTED);
    enum refusal why = judge_digest(h, digest);
    if (!why && !make_digest(h, challenge, h->ack))
        why = REFUSAL_NO_MD5;
    if (why)
        return fail(h, why);
    return await(h, HANDSHAKE_AWAITS_FINISH, HANDSHAKE_PROVEN);
}

/* ---- dialling ---------------------------------------------------------------------------------------------------- */

enum handshake_event handshake_dial(struct handshake *h, const struct handshake_config *config, mesh_bytes peer,
                                    uint32_t challenge, uint64_t now_ms)
{
    start(h, config, challenge, now_ms);
    h->dialling = true;
    if (!names_full(peer))
        return fail(h, REFUSAL_NAME);
    if (!config->allowed(config->context, peer))
        return fail(h, REFUSAL_FORBIDDEN);
    set_peer(h, peer);
    put_name(h);
    return await(h, HANDSHAKE_AWAITS_STATUS, HANDSHAKE_MORE);
}

static enum handshake_event take_status(struct handshake *h, struct cursor c)
{
    mesh_bytes text = status_text(c);
    if (!text.data)
        return fail(h, REFUSAL_UNEXPECTED);
    if (is_text(text, statuses[HANDSHAKE_OK]) || is_text(text, statuses[HANDSHAKE_OK_SIMULTANEOUS]))
        return await(h, HANDSHAKE_AWAITS_CHALLENGE, HANDSHAKE_MORE);
    if (is_text(text, statuses[HANDSHAKE_ALIVE]))
        return await(h, HANDSHAKE_AWAITS_DECISION, HANDSHAKE_ASKED);
    if (is_text(text, statuses[HANDSHAKE_NOK]))
        return fail(h, REFUSAL_PEER_NOK);
    return fail(h, is_text(text, statuses[HANDSHAKE_NOT_ALLOWED]) ? REFUSAL_PEER_NOT_ALLOWED : REFUSAL_STATUS);
}

enum handshake_event handshake_insist(struct handshake *h, bool still)
{
    assert(h->state == HANDSHAKE_AWAITS_DECISION);
    put_status(h, still ? "true" : "false");
    return still ? await(h, HANDSHAKE_AWAITS_CHALLENGE, HANDSHAKE_MORE) : fail(h, REFUSAL_SUPERSEDED);
}

static enum handshake_event take_challenge(struct handshake *h, struct cursor c)
{
    if (cursor_u8(&c) != 'N')
        return fail(h, REFUSAL_UNEXPECTED);
    uint64_t flags = cursor_u64(&c);
    uint32_t challenge = cursor_u32(&c);
    uint32_t creation = cursor_u32(&c);
    mesh_bytes name = cursor_bytes(&c, cursor_u16(&c));
    if (c.failed)
        return fail(h, REFUSAL_MALFORMED);
    if (!is_peer(h, name))
        return fail(h, REFUSAL_OTHER_NAME);
    if (!flags_suffice(flags))
        return fail(h, REFUSAL_FLAGS);
    if (reflected(h, challenge))
        return fail(h, REFUSAL_REFLECTED);
    set_flags(h, flags);
    h->peer_creation = creation;
    uint8_t digest[HANDSHAKE_DIGEST_BYTES];
    if (!make_digest(h, challenge, digest))
        return fail(h, REFUSAL_NO_MD5);
    uint8_t *p = put_message(h, 5 + sizeof digest);
    p[0] = 'r';
    wire_put_u32(p + 1, h->challenge);
    memcpy(p + 5, digest, sizeof digest);
    return await(h, HANDSHAKE_AWAITS_ACK, HANDSHAKE_MORE);
}

static enum handshake_event take_ack(struct handshake *h, struct cursor c)
{
    if (cursor_u8(&c) != 'a')
        return fail(h, REFUSAL_UNEXPECTED);
    const uint8_t *digest = cursor_take(&c, HANDSHAKE_DIGEST_BYTES);
    if (!digest || cursor_left(&c) > 0)
        return fail(h, REFUSAL_MALFORMED);
    enum refusal why = judge_digest(h, digest);
    return why ? fail(h, why) : await(h, HANDSHAKE_AWAITS_FINISH, HANDSHAKE_PROVEN);
}

/* ---- the machine ------------------------------------------------------------------------------------------------- */

enum handshake_event handshake_finish(struct handshake *h)
{
    assert(h->state == HANDSHAKE_AWAITS_FINISH);
    if (!h->dialling) {
        uint8_t *p = put_message(h, 1 + sizeof h->ack);
        p[0] = 'a';
        memcpy(p + 1, h->ack, sizeof h->ack);
    }
    return await(h, HANDSHAKE_ENDED, HANDSHAKE_DONE);
}

static enum handshake_event take_message(struct handshake *h, mesh_bytes message)
{
    struct cursor c = cursor_of(message);
    switch (h->state) {
    case HANDSHAKE_AWAITS_NAME:
        return take_name(h, c);
    case HANDSHAKE_AWAITS_INSISTENCE:
        return take_insistence(h, c);
    case HANDSHAKE_AWAITS_REPLY:
        return take_reply(h, c);
    case HANDSHAKE_AWAITS_STATUS:
        return take_status(h, c);
    case HANDSHAKE_AWAITS_CHALLENGE:
        return take_challenge(h, c);
    default:
        return take_ack(h, c);
    }
}

/* The event that a state repeats while no bytes are taken in it; HANDSHAKE_MORE where they are. */
static enum handshake_event standing(const struct handshake *h)
{
    switch (h->state) {
    case HANDSHAKE_AWAITS_ANSWER:
        return HANDSHAKE_NAMED;
    case HANDSHAKE_AWAITS_DECISION:
        return HANDSHAKE_ASKED;
    case HANDSHAKE_AWAITS_FINISH:
        return HANDSHAKE_PROVEN;
    case HANDSHAKE_ENDED:
        return HANDSHAKE_DONE;
    case HANDSHAKE_BROKEN:
        return HANDSHAKE_FAILED;
    default:
        return HANDSHAKE_MORE;
    }
}

enum handshake_event handshake_tick(struct handshake *h, uint64_t now_ms)
{
    if (h->state == HANDSHAKE_BROKEN)
        return HANDSHAKE_FAILED;
    if (h->state == HANDSHAKE_ENDED || now_ms < h->deadline_ms)
        return HANDSHAKE_MORE;
    h->out_len = 0;
    return fail(h, REFUSAL_TIMEOUT);
}

/* Copies up to `until` bytes of a message; whether it has so many now. */
static bool fill(struct handshake *h, mesh_bytes *in, size_t until)
{
    size_t missing = until - h->in_len;
    size_t n = in->len < missing ? in->len : missing;
    if (n > 0)
        memcpy(h->in + h->in_len, in->data, n);
    h->in_len += n;
    in->data = (const uint8_t *)in->data + n;
    in->len -= n;
    return h->in_len == until;
}

enum handshake_event handshake_feed(struct handshake *h, mesh_bytes *in, uint64_t now_ms)
{
    if (handshake_tick(h, now_ms) == HANDSHAKE_FAILED)
        return HANDSHAKE_FAILED;
    enum handshake_event event = standing(h);
    if (event != HANDSHAKE_MORE || in->len == 0)
        return event;
    if (h->in_len < 2 && !fill(h, in, 2))
        return HANDSHAKE_MORE;
    size_t len = wire_u16(h->in);
    if (len == 0 || len > HANDSHAKE_MESSAGE_MAX_BYTES)
        return fail(h, REFUSAL_LENGTH);
    if (!fill(h, in, 2 + len))
        return HANDSHAKE_MORE;
    h->in_len = 0;
    return take_message(h, (mesh_bytes){h->in + 2, len});
}
