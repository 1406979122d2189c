/* Build and match: terms that read like the terms.
 *
 *     mesh_build(&buf, "%{action: :increment, by: ~i}", n);
 *     mesh_match(term, "{:ok, %{name: ~b, tags: [~a | ~t]}}", &name, &tag, &rest);
 *
 * A pattern is the text form of a term (what mesh_parse reads) with holes, one argument each:
 *
 *     hole  build takes                                match fills
 *     ~i    any integer                                any integer type's pointer; out of its range: no match
 *     ~u    any integer that is not negative           the same; a negative integer does not match
 *     ~f    double, float                              double *
 *     ~b    mesh_bytes: a binary                       mesh_bytes *, a view
 *     ~s    const char *: a binary                     (use ~b)
 *     ~a    const char *, mesh_bytes: an atom          mesh_bytes *, a view
 *     ~o    bool, int: true or false                   bool *
 *     ~t    mesh_term: any term                        mesh_term *, a view (but see lists)
 *     ~p    const mesh_pid *                           mesh_pid *
 *     ~r    const mesh_ref *                           mesh_ref *
 *
 * In a match, `_` matches anything and takes no argument; a map matches when the keys that are listed are there (keys
 * have no holes); a list must match as a whole, or starts with what is before the `|`. A ~t behind that `|` is the
 * rest of the list, and a rest that still has elements is a new term of its own: release it with mesh_term_release
 * (which does nothing to views, so it may always be called).
 *
 * The macros tag each argument with its type, and count them: 0 to 16, more do not compile, and neither does a type
 * not listed (a compound literal needs parentheses around it: the preprocessor splits at its commas). What does not fit
 * its hole is MESH_EINVAL before anything is read or written.
 *
 * The text is compiled once per place in the program, into storage of that place (a static of the macro, filled by
 * whichever thread comes first); what is compiled is recognised by the address of the literal. Patterns that are
 * not string literals, or too long for the storage (about 190 bytes of encoded term), work too and are compiled at
 * each call, which costs a few hundred nanoseconds. */
#ifndef MESH_PATTERN_H
#define MESH_PATTERN_H

#include <mesh/term.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MESH_PATTERN_MAX_HOLES 16
#define MESH_PATTERN_BYTES 208

/* The type of an argument. The _TO ones are where a match writes. */
enum mesh_arg_type {
    MESH_ARG_NONE,
    MESH_ARG_INT,
    MESH_ARG_UINT,
    MESH_ARG_DOUBLE,
    MESH_ARG_BOOL,
    MESH_ARG_TEXT,
    MESH_ARG_BYTES,
    MESH_ARG_TERM,
    MESH_ARG_PID, /* const */
    MESH_ARG_REF, /* const */
    MESH_ARG_TO_INT8,
    MESH_ARG_TO_INT16,
    MESH_ARG_TO_INT32,
    MESH_ARG_TO_INT64,
    MESH_ARG_TO_UINT8,
    MESH_ARG_TO_UINT16,
    MESH_ARG_TO_UINT32,
    MESH_ARG_TO_UINT64,
    MESH_ARG_TO_DOUBLE,
    MESH_ARG_TO_BOOL,
    MESH_ARG_TO_BYTES,
    MESH_ARG_TO_TERM,
    MESH_ARG_TO_PID, /* build reads it as well */
    MESH_ARG_TO_REF, /* build reads it as well */
};

/* One argument with its type. Made by the macros; the mesh_arg_… functions below make them by hand. */
typedef struct mesh_arg {
    enum mesh_arg_type type;
    union {
        int64_t i;
        uint64_t u;
        double f;
        const char *text;
        mesh_bytes bytes; /* of a term too */
        const void *from;
        void *to;
    } as;
} mesh_arg;

/* ---- build and match with arguments in an array ------------------------------------------------------------------ */

/* Replaces the content of buf by the term that pattern describes, with args (NULL when count is 0) in its holes.
 *
 * MESH_EINVAL: the pattern is not well-formed, the number of arguments is not the number of holes, an argument does
 * not fit its hole, or its value can be no term (NaN, an atom of 256 characters, a key twice); *column (may be NULL)
 * is then the column of the fault in the pattern, in bytes from 1. MESH_ETOOBIG: the pattern nests more than 64 deep,
 * or the term is too long for a buffer. MESH_ENOMEM. After an error buf is empty. No argument may point into buf. */
MESH_API int mesh_build_args(mesh_buf *buf, const char *pattern, const mesh_arg *args, size_t count, size_t *column);

/* Compares term with pattern and, only if all of it matches, writes to where args point; no match is MESH_ENOMATCH.
 * MESH_EINVAL and *column as above. MESH_ENOMEM only where the rest of a list is asked for. */
MESH_API int mesh_match_args(mesh_term term, const char *pattern, const mesh_arg *args, size_t count, size_t *column);

/* ---- the macros -------------------------------------------------------------------------------------------------- */

/* int mesh_build(mesh_buf *buf, const char *pattern, …)
 * int mesh_build_at(size_t *column, mesh_buf *buf, const char *pattern, …)
 * int mesh_match(mesh_term term, const char *pattern, …)
 * int mesh_match_at(size_t *column, mesh_term term, const char *pattern, …)
 *
 * mesh_build_args and mesh_match_args with typed and counted arguments. Each argument is evaluated once. */
#define mesh_build(buf, ...) mesh_build_at(NULL, buf, __VA_ARGS__)
#define mesh_match(term, ...) mesh_match_at(NULL, term, __VA_ARGS__)
#define mesh_build_at(column, buf, ...)                                                                                \
    mesh_build_site(MESH_SITE_(MESH_FIRST_(__VA_ARGS__, 0)), column, buf, MESH_PATTERN_AND_ARGS_(__VA_ARGS__))
#define mesh_match_at(column, term, ...)                                                                               \
    mesh_match_site(MESH_SITE_(MESH_FIRST_(__VA_ARGS__, 0)), column, term, MESH_PATTERN_AND_ARGS_(__VA_ARGS__))

/* A compiled pattern: the encoded term with one byte, which is no tag, for each hole. All of it is written by the
 * one thread that moves state from 0 to 1, and read by others only after they see a later state. Internal. */
struct mesh_pattern {
    uint32_t state; /* 0 empty, 1 being filled, 2 ready, 3 too long for code */
    uint16_t len;   /* of code; the last 16 bytes stay unused, so that copies may read on a little */
    uint8_t count;  /* holes that take an argument */
    uint8_t flags;
    const char *text;     /* the literal this was compiled from */
    uint32_t flag_column; /* where in text the reason for the flags is */
    struct {
        uint32_t at;     /* in code */
        uint32_t column; /* in text, from 1 */
    } hole[MESH_PATTERN_MAX_HOLES];
    uint8_t code[MESH_PATTERN_BYTES];
};

MESH_API int mesh_build_compiled(struct mesh_pattern *site, size_t *column, mesh_buf *buf, const char *pattern,
                                 const mesh_arg *args, size_t count);
MESH_API int mesh_match_compiled(struct mesh_pattern *site, size_t *column, const mesh_term *term, const char *pattern,
                                 const mesh_arg *args, size_t count);

/* Storage for the literal of this place; other expressions have none, since what they point to may change. */
#define MESH_SITE_(pattern)                                                                                            \
    (__builtin_constant_p(pattern) ? __extension__({                                                                   \
        static struct mesh_pattern mesh_site_;                                                                         \
        &mesh_site_;                                                                                                   \
    })                                                                                                                 \
                                   : (struct mesh_pattern *)NULL)
#define MESH_FIRST_(first, ...) first

#define MESH_ARG_MAKER(name, ctype, argtype, field)                                                                    \
    static inline mesh_arg mesh_arg_##name(ctype value)                                                                \
    {                                                                                                                  \
        mesh_arg arg;                                                                                                  \
        arg.type = argtype;                                                                                            \
        arg.as.field = value;                                                                                          \
        return arg;                                                                                                    \
    }
MESH_ARG_MAKER(int, int64_t, MESH_ARG_INT, i)
MESH_ARG_MAKER(uint, uint64_t, MESH_ARG_UINT, u)
MESH_ARG_MAKER(double, double, MESH_ARG_DOUBLE, f)
MESH_ARG_MAKER(bool, bool, MESH_ARG_BOOL, i)
MESH_ARG_MAKER(text, const char *, MESH_ARG_TEXT, text)
MESH_ARG_MAKER(bytes, mesh_bytes, MESH_ARG_BYTES, bytes)
MESH_ARG_MAKER(pid, const mesh_pid *, MESH_ARG_PID, from)
MESH_ARG_MAKER(ref, const mesh_ref *, MESH_ARG_REF, from)
MESH_ARG_MAKER(to_schar, signed char *, MESH_ARG_TO_INT8, to)
MESH_ARG_MAKER(to_short, short *, MESH_ARG_TO_INT16, to)
MESH_ARG_MAKER(to_int, int *, MESH_ARG_TO_INT32, to)
MESH_ARG_MAKER(to_long, long *, sizeof(long) == 8 ? MESH_ARG_TO_INT64 : MESH_ARG_TO_INT32, to)
MESH_ARG_MAKER(to_llong, long long *, MESH_ARG_TO_INT64, to)
MESH_ARG_MAKER(to_uchar, unsigned char *, MESH_ARG_TO_UINT8, to)
MESH_ARG_MAKER(to_ushort, unsigned short *, MESH_ARG_TO_UINT16, to)
MESH_ARG_MAKER(to_uint, unsigned *, MESH_ARG_TO_UINT32, to)
MESH_ARG_MAKER(to_ulong, unsigned long *, sizeof(long) == 8 ? MESH_ARG_TO_UINT64 : MESH_ARG_TO_UINT32, to)
MESH_ARG_MAKER(to_ullong, unsigned long long *, MESH_ARG_TO_UINT64, to)
MESH_ARG_MAKER(to_double, double *, MESH_ARG_TO_DOUBLE, to)
MESH_ARG_MAKER(to_bool, bool *, MESH_ARG_TO_BOOL, to)
MESH_ARG_MAKER(to_bytes, mesh_bytes *, MESH_ARG_TO_BYTES, to)
MESH_ARG_MAKER(to_term, mesh_term *, MESH_ARG_TO_TERM, to)
MESH_ARG_MAKER(to_pid, mesh_pid *, MESH_ARG_TO_PID, to)
MESH_ARG_MAKER(to_ref, mesh_ref *, MESH_ARG_TO_REF, to)
#undef MESH_ARG_MAKER

static inline mesh_arg mesh_arg_term(mesh_term value)
{
    mesh_arg arg;
    arg.type = MESH_ARG_TERM;
    arg.as.bytes.data = value.data;
    arg.as.bytes.len = value.len;
    return arg;
}

#ifdef __cplusplus
}

/* C++ tells the types apart by overloads. */
#define MESH_ARG_OVERLOAD(ctype, name)                                                                                 \
    inline mesh_arg mesh_arg_of(ctype value)                                                                           \
    {                                                                                                                  \
        return mesh_arg_##name(value);                                                                                 \
    }
MESH_ARG_OVERLOAD(int, int)
MESH_ARG_OVERLOAD(long, int)
MESH_ARG_OVERLOAD(long long, int)
MESH_ARG_OVERLOAD(unsigned, uint)
MESH_ARG_OVERLOAD(unsigned long, uint)
MESH_ARG_OVERLOAD(unsigned long long, uint)
MESH_ARG_OVERLOAD(double, double)
MESH_ARG_OVERLOAD(bool, bool)
MESH_ARG_OVERLOAD(const char *, text)
MESH_ARG_OVERLOAD(mesh_bytes, bytes)
MESH_ARG_OVERLOAD(mesh_term, term)
MESH_ARG_OVERLOAD(const mesh_pid *, pid)
MESH_ARG_OVERLOAD(const mesh_ref *, ref)
MESH_ARG_OVERLOAD(signed char *, to_schar)
MESH_ARG_OVERLOAD(short *, to_short)
MESH_ARG_OVERLOAD(int *, to_int)
MESH_ARG_OVERLOAD(long *, to_long)
MESH_ARG_OVERLOAD(long long *, to_llong)
MESH_ARG_OVERLOAD(unsigned char *, to_uchar)
MESH_ARG_OVERLOAD(unsigned short *, to_ushort)
MESH_ARG_OVERLOAD(unsigned *, to_uint)
MESH_ARG_OVERLOAD(unsigned long *, to_ulong)
MESH_ARG_OVERLOAD(unsigned long long *, to_ullong)
MESH_ARG_OVERLOAD(double *, to_double)
MESH_ARG_OVERLOAD(bool *, to_bool)
MESH_ARG_OVERLOAD(mesh_bytes *, to_bytes)
MESH_ARG_OVERLOAD(mesh_term *, to_term)
MESH_ARG_OVERLOAD(mesh_pid *, to_pid)
MESH_ARG_OVERLOAD(mesh_ref *, to_ref)
#undef MESH_ARG_OVERLOAD
template <class T> mesh_arg mesh_arg_of(const T *) = delete; /* a pointer of another type is not a bool */

#define MESH_PATTERN_AND_ARGS_(...) __VA_ARGS__

template <class... Args>
inline int mesh_build_site(mesh_pattern *site, size_t *column, mesh_buf *buf, const char *pattern, Args... args)
{
    static_assert(sizeof...(args) <= MESH_PATTERN_MAX_HOLES, "mesh_build takes at most 16 arguments");
    const mesh_arg list[] = {mesh_arg_of(args)..., mesh_arg()};
    return mesh_build_compiled(site, column, buf, pattern, list, sizeof...(args));
}

template <class... Args>
inline int mesh_match_site(mesh_pattern *site, size_t *column, mesh_term term, const char *pattern, Args... args)
{
    static_assert(sizeof...(args) <= MESH_PATTERN_MAX_HOLES, "mesh_match takes at most 16 arguments");
    const mesh_arg list[] = {mesh_arg_of(args)..., mesh_arg()};
    return mesh_match_compiled(site, column, &term, pattern, list, sizeof...(args));
}

#else

/* C tells them apart by _Generic. */
#define MESH_ARG_(value)                                                                                               \
    _Generic((value),                                                                                                  \
        char: mesh_arg_int, signed char: mesh_arg_int, short: mesh_arg_int, int: mesh_arg_int,                         \
        long: mesh_arg_int, long long: mesh_arg_int,                                                                   \
        unsigned char: mesh_arg_uint, unsigned short: mesh_arg_uint, unsigned: mesh_arg_uint,                          \
        unsigned long: mesh_arg_uint, unsigned long long: mesh_arg_uint,                                               \
        float: mesh_arg_double, double: mesh_arg_double, bool: mesh_arg_bool,                                          \
        char *: mesh_arg_text, const char *: mesh_arg_text, mesh_bytes: mesh_arg_bytes, mesh_term: mesh_arg_term,      \
        const mesh_pid *: mesh_arg_pid, const mesh_ref *: mesh_arg_ref,                                                \
        signed char *: mesh_arg_to_schar, short *: mesh_arg_to_short, int *: mesh_arg_to_int,                          \
        long *: mesh_arg_to_long, long long *: mesh_arg_to_llong,                                                      \
        unsigned char *: mesh_arg_to_uchar, unsigned short *: mesh_arg_to_ushort, unsigned *: mesh_arg_to_uint,        \
        unsigned long *: mesh_arg_to_ulong, unsigned long long *: mesh_arg_to_ullong,                                  \
        double *: mesh_arg_to_double, bool *: mesh_arg_to_bool, mesh_bytes *: mesh_arg_to_bytes,                       \
        mesh_term *: mesh_arg_to_term, mesh_pid *: mesh_arg_to_pid, mesh_ref *: mesh_arg_to_ref)(value)

/* `pattern, arguments or NULL, their number`, chosen by counting. */
#define MESH_PATTERN_AND_ARGS_(...)                                                                                    \
    MESH_PICK_(__VA_ARGS__, MESH_ARGS_16_, MESH_ARGS_15_, MESH_ARGS_14_, MESH_ARGS_13_, MESH_ARGS_12_, MESH_ARGS_11_,  \
               MESH_ARGS_10_, MESH_ARGS_9_, MESH_ARGS_8_, MESH_ARGS_7_, MESH_ARGS_6_, MESH_ARGS_5_, MESH_ARGS_4_,      \
               MESH_ARGS_3_, MESH_ARGS_2_, MESH_ARGS_1_, MESH_ARGS_0_, 0)                                              \
    (__VA_ARGS__)
#define MESH_PICK_(p, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, q, picked, ...) picked
#define MESH_ARGS_0_(pattern) pattern, (const mesh_arg *)NULL, 0
#define MESH_ARGS_1_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_1_(__VA_ARGS__)}, 1
#define MESH_ARGS_2_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_2_(__VA_ARGS__)}, 2
#define MESH_ARGS_3_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_3_(__VA_ARGS__)}, 3
#define MESH_ARGS_4_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_4_(__VA_ARGS__)}, 4
#define MESH_ARGS_5_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_5_(__VA_ARGS__)}, 5
#define MESH_ARGS_6_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_6_(__VA_ARGS__)}, 6
#define MESH_ARGS_7_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_7_(__VA_ARGS__)}, 7
#define MESH_ARGS_8_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_8_(__VA_ARGS__)}, 8
#define MESH_ARGS_9_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_9_(__VA_ARGS__)}, 9
#define MESH_ARGS_10_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_10_(__VA_ARGS__)}, 10
#define MESH_ARGS_11_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_11_(__VA_ARGS__)}, 11
#define MESH_ARGS_12_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_12_(__VA_ARGS__)}, 12
#define MESH_ARGS_13_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_13_(__VA_ARGS__)}, 13
#define MESH_ARGS_14_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_14_(__VA_ARGS__)}, 14
#define MESH_ARGS_15_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_15_(__VA_ARGS__)}, 15
#define MESH_ARGS_16_(pattern, ...) pattern, (const mesh_arg[]){MESH_EACH_16_(__VA_ARGS__)}, 16
#define MESH_EACH_1_(a) MESH_ARG_(a)
#define MESH_EACH_2_(a, ...) MESH_ARG_(a), MESH_EACH_1_(__VA_ARGS__)
#define MESH_EACH_3_(a, ...) MESH_ARG_(a), MESH_EACH_2_(__VA_ARGS__)
#define MESH_EACH_4_(a, ...) MESH_ARG_(a), MESH_EACH_3_(__VA_ARGS__)
#define MESH_EACH_5_(a, ...) MESH_ARG_(a), MESH_EACH_4_(__VA_ARGS__)
#define MESH_EACH_6_(a, ...) MESH_ARG_(a), MESH_EACH_5_(__VA_ARGS__)
#define MESH_EACH_7_(a, ...) MESH_ARG_(a), MESH_EACH_6_(__VA_ARGS__)
#define MESH_EACH_8_(a, ...) MESH_ARG_(a), MESH_EACH_7_(__VA_ARGS__)
#define MESH_EACH_9_(a, ...) MESH_ARG_(a), MESH_EACH_8_(__VA_ARGS__)
#define MESH_EACH_10_(a, ...) MESH_ARG_(a), MESH_EACH_9_(__VA_ARGS__)
#define MESH_EACH_11_(a, ...) MESH_ARG_(a), MESH_EACH_10_(__VA_ARGS__)
#define MESH_EACH_12_(a, ...) MESH_ARG_(a), MESH_EACH_11_(__VA_ARGS__)
#define MESH_EACH_13_(a, ...) MESH_ARG_(a), MESH_EACH_12_(__VA_ARGS__)
#define MESH_EACH_14_(a, ...) MESH_ARG_(a), MESH_EACH_13_(__VA_ARGS__)
#define MESH_EACH_15_(a, ...) MESH_ARG_(a), MESH_EACH_14_(__VA_ARGS__)
#define MESH_EACH_16_(a, ...) MESH_ARG_(a), MESH_EACH_15_(__VA_ARGS__)

static inline int mesh_build_site(struct mesh_pattern *site, size_t *column, mesh_buf *buf, const char *pattern,
                                  const mesh_arg *args, size_t count)
{
    return mesh_build_compiled(site, column, buf, pattern, args, count);
}

static inline int mesh_match_site(struct mesh_pattern *site, size_t *column, mesh_term term, const char *pattern,
                                  const mesh_arg *args, size_t count)
{
    return mesh_match_compiled(site, column, &term, pattern, args, count);
}

#endif

#endif
