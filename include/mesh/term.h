/* Terms: values in Erlang's external term format (ETF), the language of the cluster.
 *
 * A term here is the bytes of ETF without the leading version byte 131. Bytes that come from outside are checked
 * once, when they enter (mesh_decode, mesh_term_check); every function that takes a mesh_term expects checked bytes,
 * or bytes made by this library.
 *
 * What a program uses most is in mesh/pattern.h, which this header includes: mesh_build and mesh_match. The writer
 * (mesh_put_…) and the reader (mesh_read_…) below do the same by hand, piece by piece.
 *
 * Nothing here keeps state between calls: all functions may be called from any thread, on different objects at once.
 * Pointers may not be NULL unless a function says so. Functions return MESH_OK or an error of mesh/error.h, and change
 * their results only on success. */
#ifndef MESH_TERM_H
#define MESH_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh/bytes.h>
#include <mesh/error.h>
#include <mesh/export.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MESH_TERM_MAX_BYTES (16u << 20)      /* default limit for a term from outside */
#define MESH_TERM_MAX_DEPTH 512u             /* containers inside each other; also the most that can be asked for */
#define MESH_TERM_MAX_ELEMENTS (1u << 20)    /* default limit: terms inside a term, itself included */
#define MESH_TERM_MAX_KEY_MAPS 8u            /* maps inside each other inside the key of a map */
#define MESH_BUF_MAX_BYTES ((size_t)1 << 30) /* what a mesh_buf may hold */
#define MESH_ATOM_MAX_CHARS 255u

/* A term. A view (owner NULL) is valid as long as the bytes it points into; whoever gave it says how long that is.
 * With an owner it is a counted block of its own, to be released with mesh_term_release. Copying the struct does not
 * count: of two copies of an owned term only one may be released. */
typedef struct mesh_term {
    const uint8_t *data;
    size_t len;
    void *owner; /* internal */
} mesh_term;

/* The owner of a view whose bytes this library made or has checked, so that they need not be checked again. Internal.
 */
#define MESH_TERM_SOUND ((void *)1)

/* ---- buffers ---------------------------------------------------------------------------------------------------- */

/* Bytes that grow. The first ones live in the struct itself, so a small term needs no allocation; for that reason
 * a mesh_buf must not be copied or moved by value once it has been initialised. */
typedef struct mesh_buf {
    uint8_t *data; /* local, or from the heap */
    size_t len;
    size_t cap;
    size_t sound; /* internal: with this len the content is one term that mesh_build made; 0: unknown */
    uint8_t local[128];
} mesh_buf;

/* Makes an empty buffer; nothing is allocated. */
static inline void mesh_buf_init(mesh_buf *buf)
{
    buf->data = buf->local;
    buf->len = 0;
    buf->cap = sizeof buf->local;
    buf->sound = 0;
}

/* Empties the buffer and keeps its memory. */
static inline void mesh_buf_clear(mesh_buf *buf)
{
    buf->len = 0;
    buf->sound = 0;
}

/* The content as a term: a view, valid until the buffer changes. */
static inline mesh_term mesh_buf_term(const mesh_buf *buf)
{
    mesh_term t = {buf->data, buf->len, buf->len == buf->sound && buf->len > 0 ? MESH_TERM_SOUND : NULL};
    return t;
}

/* The content as bytes: a view, valid until the buffer changes. */
static inline mesh_bytes mesh_buf_bytes(const mesh_buf *buf)
{
    mesh_bytes b = {buf->data, buf->len};
    return b;
}

/* Frees the memory and leaves an empty buffer that can be used again. */
MESH_API void mesh_buf_fini(mesh_buf *buf);

/* Makes room for `more` bytes behind the content, so that appending them cannot fail.
 * MESH_ETOOBIG beyond MESH_BUF_MAX_BYTES, MESH_ENOMEM when memory is refused; the buffer is then unchanged. */
MESH_API int mesh_buf_reserve(mesh_buf *buf, size_t more);

/* Adds len bytes (data may be NULL when len is 0); data must not point into the buffer. Errors of mesh_buf_reserve. */
MESH_API int mesh_buf_append(mesh_buf *buf, const void *data, size_t len);

/* ---- owning terms ----------------------------------------------------------------------------------------------- */

/* Gives in *out a term that stays valid until it is released, whatever happens to `term`: another count on the same
 * block if it has an owner, else a copy. MESH_ENOMEM. */
MESH_API int mesh_term_keep(mesh_term term, mesh_term *out);

/* Gives up what mesh_term_keep, a reply or a match of a list's tail gave, and empties *term. Does nothing to a view
 * but empty it; NULL is allowed. */
MESH_API void mesh_term_release(mesh_term *term);

/* Whether two terms are the same value (Erlang's =:=), however each is encoded: maps in any order, old forms.
 * 1 and 1.0 differ, and so do 0.0 and -0.0 (as from OTP 27 on). An empty mesh_term equals only another.
 * Large maps and deep terms need some memory to be compared; where it is refused, they count as different. */
MESH_API bool mesh_term_equal(mesh_term a, mesh_term b);

/* Negative, 0 or positive as a comes before, equals, or comes after b in the order of the keys of Erlang's maps:
 * integer < float < atom < reference < fun < port < pid < tuple < map < [] < list < bits. For terms without
 * numbers of both kinds this is the order of Erlang's < as well. 0 also where memory is refused. */
MESH_API int mesh_term_compare(mesh_term a, mesh_term b);

/* ---- terms from outside ----------------------------------------------------------------------------------------- */

/* What a term from outside may cost. Fields that are 0 stand for the defaults above. */
typedef struct mesh_limits {
    size_t bytes;      /* MESH_TERM_MAX_BYTES */
    uint32_t depth;    /* MESH_TERM_MAX_DEPTH, which is also the maximum */
    uint32_t elements; /* MESH_TERM_MAX_ELEMENTS */
} mesh_limits;

/* Checks bytes from outside: exactly one term (without 131), nothing behind it, within the limits (NULL: defaults).
 *
 * Accepted: what a BEAM sends, and the older forms it still reads (STRING_EXT, Latin-1 atoms, FLOAT_EXT, the old pids,
 * ports and references). Refused: trailing bytes, bit strings of 0 or 9 bits, atoms over 255 characters or not UTF-8,
 * NaN and infinities, a key twice in one map, improper ends, compressed terms (80: unpacking is where bombs live, and
 * no BEAM sends them unless a program asks for it) and atom cache references.
 *
 * Nothing is allocated that the bytes themselves do not pay for; the time is bounded by len × log len, and keys that
 * are made to be slow to compare (maps inside keys) are MESH_ETOOBIG.
 * MESH_EBADTERM for malformed bytes, MESH_ETOOBIG over a limit, MESH_ENOMEM; *offset (may be NULL) is then where
 * in data the fault is, and unchanged otherwise. data may be NULL when len is 0 (which is MESH_EBADTERM). */
MESH_API int mesh_term_check(const void *data, size_t len, const mesh_limits *limits, size_t *offset);

/* Checks a complete external term, version byte 131 first, and gives a view of what follows it in *out. Errors and
 * limits of mesh_term_check; *offset counts from the version byte. */
MESH_API int mesh_decode(mesh_bytes bytes, const mesh_limits *limits, mesh_term *out, size_t *offset);

/* Replaces the content of buf by 131 and the term. Errors of mesh_buf_reserve; MESH_EINVAL for an empty term.
 * term must not be a view of buf. */
MESH_API int mesh_encode(mesh_term term, mesh_buf *buf);

/* ---- pids and references ---------------------------------------------------------------------------------------- */

/* A process of any node. node is a C string; two pids are the same if all three fields are. */
typedef struct mesh_pid {
    uint64_t number; /* serial << 32 | id, as the wire has them */
    uint32_t creation;
    char node[256];
} mesh_pid;

/* A reference of any node: 1 to 5 words, in the order of the wire. */
typedef struct mesh_ref {
    uint32_t creation;
    uint32_t count;
    uint32_t words[5];
    char node[256];
} mesh_ref;

MESH_API bool mesh_pid_equal(const mesh_pid *a, const mesh_pid *b);
MESH_API bool mesh_ref_equal(const mesh_ref *a, const mesh_ref *b);

/* ---- the writer ------------------------------------------------------------------------------------------------- */

/* Each appends one piece in the form a BEAM would choose. Errors of mesh_buf_reserve, and MESH_EINVAL for a value that
 * no term can have; the buffer is unchanged on failure. Complete terms: */
MESH_API int mesh_put_int(mesh_buf *buf, int64_t value);
MESH_API int mesh_put_uint(mesh_buf *buf, uint64_t value);
MESH_API int mesh_put_float(mesh_buf *buf, double value);   /* MESH_EINVAL: NaN, infinity */
MESH_API int mesh_put_bool(mesh_buf *buf, bool value);      /* the atoms true and false */
MESH_API int mesh_put_nil(mesh_buf *buf);                   /* the atom nil; for [] see mesh_put_empty */
MESH_API int mesh_put_empty(mesh_buf *buf);                 /* [], also the end of every proper list */
MESH_API int mesh_put_atom(mesh_buf *buf, mesh_bytes name); /* MESH_EINVAL: over 255 characters, not UTF-8 */
MESH_API int mesh_put_binary(mesh_buf *buf, mesh_bytes bytes);
MESH_API int mesh_put_pid(mesh_buf *buf, const mesh_pid *pid);
MESH_API int mesh_put_ref(mesh_buf *buf, const mesh_ref *ref); /* MESH_EINVAL: no words, or more than 5 */
MESH_API int mesh_put_term(mesh_buf *buf, mesh_term term);     /* must not be a view of buf; MESH_EINVAL: empty */

/* Bits: `bytes` whole bytes, of which the last counts only its last_bits (1 to 8) highest bits; the others are
 * written as 0. MESH_EINVAL: last_bits out of range, or no bytes. */
MESH_API int mesh_put_bits(mesh_buf *buf, mesh_bytes bytes, unsigned last_bits);

/* An integer of any size: its magnitude, lowest byte first. */
MESH_API int mesh_put_bigint(mesh_buf *buf, bool negative, mesh_bytes magnitude);

/* Headers: the caller then appends arity elements; count elements and a tail (mesh_put_empty for a proper list; with
 * a count of 0 nothing is appended and the tail alone is the list); pairs times a key and a value, no key twice. */
MESH_API int mesh_put_tuple(mesh_buf *buf, uint32_t arity);
MESH_API int mesh_put_list(mesh_buf *buf, uint32_t count);
MESH_API int mesh_put_map(mesh_buf *buf, uint32_t pairs);

/* ---- the reader ------------------------------------------------------------------------------------------------- */

enum mesh_type {
    MESH_TYPE_END, /* nothing left to read, or bytes that are no term */
    MESH_TYPE_INT, /* of any size */
    MESH_TYPE_FLOAT,
    MESH_TYPE_ATOM,
    MESH_TYPE_REF,
    MESH_TYPE_FUN,
    MESH_TYPE_PORT,
    MESH_TYPE_PID,
    MESH_TYPE_TUPLE,
    MESH_TYPE_MAP,
    MESH_TYPE_EMPTY, /* [] */
    MESH_TYPE_LIST,  /* not empty */
    MESH_TYPE_BINARY,
    MESH_TYPE_BITS, /* not a whole number of bytes */
};

/* A place in a term. Reading moves it forward, one scalar or one header at a time; what does not succeed leaves it
 * where it was. Never reads beyond its end, even on bytes that nobody checked. The fields are internal. */
typedef struct mesh_reader {
    const uint8_t *at;
    const uint8_t *end;
    uint32_t chars; /* integers of an old-style string not yet read, plus 1 for its [] */
} mesh_reader;

static inline mesh_reader mesh_reader_of(mesh_term term)
{
    mesh_reader r = {term.data, term.len ? term.data + term.len : term.data, 0};
    return r;
}

/* The type of what comes next. */
MESH_API enum mesh_type mesh_read_type(const mesh_reader *r);

/* Scalars. MESH_ENOMATCH: what comes next is of another type, or a number out of the range of *out, or nothing comes;
 * MESH_EBADTERM: bytes that are no term. Views point into the term. */
MESH_API int mesh_read_int(mesh_reader *r, int64_t *out);
MESH_API int mesh_read_uint(mesh_reader *r, uint64_t *out);
MESH_API int mesh_read_float(mesh_reader *r, double *out);
MESH_API int mesh_read_bool(mesh_reader *r, bool *out);
MESH_API int mesh_read_empty(mesh_reader *r); /* [] */

/* The name of an atom, in UTF-8: a view. An atom that an old node sent in Latin-1 with characters beyond ASCII has no
 * such bytes to point at and is MESH_ENOMATCH. */
MESH_API int mesh_read_atom(mesh_reader *r, mesh_bytes *out);

/* Moves over the atom with this name, and no other (MESH_ENOMATCH). */
MESH_API int mesh_read_atom_named(mesh_reader *r, const char *name);

MESH_API int mesh_read_binary(mesh_reader *r, mesh_bytes *out);

/* Binaries too, with 8 in *last_bits (0 for an empty one). */
MESH_API int mesh_read_bits(mesh_reader *r, mesh_bytes *out, unsigned *last_bits);

/* An integer of any size, small ones included: a view of its magnitude, lowest byte first, or for integers up to
 * 32 bits a pointer into scratch (4 bytes), which the caller provides. */
MESH_API int mesh_read_bigint(mesh_reader *r, bool *negative, mesh_bytes *magnitude, uint8_t scratch[4]);

/* MESH_ETOOBIG: a node name of more than 255 bytes. */
MESH_API int mesh_read_pid(mesh_reader *r, mesh_pid *out);
MESH_API int mesh_read_ref(mesh_reader *r, mesh_ref *out);

/* Headers: the elements follow. A list is count elements and then its tail, [] when it is proper; the empty list gives
 * a count of 0, and its tail is still to be read. */
MESH_API int mesh_read_tuple(mesh_reader *r, uint32_t *arity);
MESH_API int mesh_read_list(mesh_reader *r, uint32_t *count);
MESH_API int mesh_read_map(mesh_reader *r, uint32_t *pairs);

/* Moves over one whole term, whatever it is; mesh_read_term gives it as a view. An integer inside an old-style string
 * cannot be viewed (it has no tag): mesh_read_term gives MESH_ENOMATCH there, mesh_read_int works. */
MESH_API int mesh_read_skip(mesh_reader *r);
MESH_API int mesh_read_term(mesh_reader *r, mesh_term *out);

/* ---- text ------------------------------------------------------------------------------------------------------- */

/* Replaces the content of out by the term as Elixir's inspect prints it, in UTF-8, complete, on one line. A NUL stands
 * behind the text and is not counted. Maps are printed in the order of mesh_term_compare. docs/terms.md has the
 * differences: pids, ports and references print their node's name; structs print as %Name{…}.
 * The time is bounded by len × log len: where a term is built so that looking ahead would cost more (large ones below
 * dozens of levels), its inner maps print as %{key => value} in the order of the wire, and its inner keyword lists as
 * lists of tuples.
 * MESH_EINVAL for an empty term, MESH_ETOOBIG for one deeper than MESH_TERM_MAX_DEPTH; errors of mesh_buf_reserve.
 * After an error out is empty. */
MESH_API int mesh_inspect(mesh_term term, mesh_buf *out);

/* The same, as a C string: what is longer than size - 1 bytes is cut at a whole character, and a term that cannot be
 * printed becomes the text of the error. Returns text. size must be at least 1. For logs and messages. */
MESH_API const char *mesh_inspect_text(mesh_term term, char *text, size_t size);

/* Reads a term in the same text form (len bytes of UTF-8) and replaces the content of out by it. Pids, ports,
 * references and funs have no text form. MESH_EINVAL with the column of the fault in bytes, from 1, in *column
 * (may be NULL; unchanged otherwise); MESH_ETOOBIG for more than MESH_TERM_MAX_DEPTH levels or MESH_TERM_MAX_BYTES
 * of text; errors of mesh_buf_reserve. After an error out is empty. */
MESH_API int mesh_parse(const char *text, size_t len, mesh_buf *out, size_t *column);

#ifdef __cplusplus
}
#endif

#include <mesh/pattern.h>

#endif
