/* A node's logger: its level, where its messages go, and limits for those that could come in floods.
 *
 *   log_write(logger, MESH_LOG_WARN, "the process crashed", log_name("module", module), log_bytes("id", id));
 *
 * A logger hangs from its node; there is none for the whole program. All functions may be called by any thread once
 * log_init has returned. Writing allocates nothing and takes no lock. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mesh/log.h>

/* What the default sink writes is at most so long, its newline included; longer lines end in "...". */
#define LOG_LINE_MAX_BYTES 1024

struct logger {
    atomic_int level; /* a mesh_log_level. Any thread reads and writes: relaxed, nothing else depends on it. */
    mesh_log_fn sink; /* this and the rest: set by log_init, then only read */
    void *context;
    int fd; /* of the default sink */
    bool colour;
};

/* Sets a logger up: messages up to level go to sink, with context; sink NULL is the default sink, one line each to
 * standard error. The logger needs no teardown. It must not move afterwards. */
void log_init(struct logger *logger, mesh_log_level level, mesh_log_fn sink, void *context);

/* The default sink on another descriptor, which stays the caller's. Colours are used if it is a terminal. */
void log_init_fd(struct logger *logger, mesh_log_level level, int fd);

void log_set_level(struct logger *logger, mesh_log_level level);

static inline bool log_enabled(struct logger *logger, mesh_log_level level)
{
    return (int)level <= atomic_load_explicit(&logger->level, memory_order_relaxed);
}

/* Passes a message on, stamped with the wall clock, whatever the level: the macros below ask for it first. */
void log_emit(struct logger *logger, mesh_log_level level, const char *message, const mesh_log_field *fields,
              size_t count);

#define LOG_FIELDS(...)                                                                                                \
    (const mesh_log_field[])                                                                                           \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }
#define LOG_COUNT(...) (sizeof LOG_FIELDS(__VA_ARGS__) / sizeof(mesh_log_field))

/* log_write(logger, level, message, field...): a message with one field or more. The fields are only evaluated when
 * the level is enabled. */
#define log_write(logger, level, message, ...)                                                                         \
    (log_enabled((logger), (level))                                                                                    \
         ? log_emit((logger), (level), (message), LOG_FIELDS(__VA_ARGS__), LOG_COUNT(__VA_ARGS__))                     \
         : (void)0)

/* A message without fields. */
static inline void log_text(struct logger *logger, mesh_log_level level, const char *message)
{
    if (log_enabled(logger, level))
        log_emit(logger, level, message, NULL, 0);
}

static inline mesh_log_field log_name(const char *key, mesh_bytes name)
{
    return (mesh_log_field){key, MESH_LOG_NAME, name, 0};
}

static inline mesh_log_field log_bytes(const char *key, mesh_bytes bytes)
{
    return (mesh_log_field){key, MESH_LOG_BYTES, bytes, 0};
}

static inline mesh_log_field log_number(const char *key, int64_t number)
{
    return (mesh_log_field){key, MESH_LOG_NUMBER, {NULL, 0}, number};
}

/* A limit on one kind of message: at most per_second of them in any second of the clock. Initialised with
 * LOG_LIMIT(per_second); no teardown. */
struct log_limit {
    uint32_t per_second;
    _Atomic uint64_t window; /* the second in the high half, messages seen in it in the low; only by log_limit_pass */
};

#define LOG_LIMIT(n)                                                                                                   \
    {                                                                                                                  \
        (n), 0                                                                                                         \
    }

/* Whether one more message may be written at now_ns, which is clock_now_ns's. *dropped becomes the number that were
 * held back in the last second with messages, told once, with the first that passes in a later one; else 0. */
bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint32_t *dropped);

/* Says that so many messages like this were held back; nothing when it is none. */
void log_dropped(struct logger *logger, mesh_log_level level, const char *message, uint32_t dropped);

/* log_write under a limit: writes the message if it may, after a line that says how many were dropped before it. */
#define log_limited(logger, limit, now_ns, level, message, ...)                                                        \
    do {                                                                                                               \
        uint32_t log_dropped_before = 0;                                                                               \
        if (log_enabled((logger), (level)) && log_limit_pass((limit), (now_ns), &log_dropped_before)) {                \
            log_dropped((logger), (level), (message), log_dropped_before);                                             \
            log_emit((logger), (level), (message), LOG_FIELDS(__VA_ARGS__), LOG_COUNT(__VA_ARGS__));                   \
        }                                                                                                              \
    } while (0)

/* The line of a message, as the default sink writes it, in line[0..size-1]; its length, at most size, ending in a
 * newline and not in a NUL. size must be at least 80.
 *
 *   2026-11-23T21:41:52.123Z WARN the process crashed module=Counter id="c1"
 *
 * Names are bare if they have only letters, digits and ._-@:/+ and are not empty; else, like bytes, they are quoted. In
 * quotes " and \ stand behind a \, and what is not printable ASCII is \n, \r, \t or \xHH. So a line is always one line,
 * and no peer can write to the terminal. */
size_t log_line(const mesh_log_event *event, bool colour, char *line, size_t size);

#endif
