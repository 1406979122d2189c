/* Loggers: where messages go, and how many of a kind.
 *
 * The default sink writes each line with a single write(2), so that lines of several threads and processes do not mix
 * (a pipe keeps up to 4096 bytes whole). What cannot be written is lost: a log must not stop a node.
 * Writing to a closed pipe raises SIGPIPE as ever; workers block it, and a program's own threads get what it chose. */
#include <errno.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static void write_line(void *context, const mesh_log_event *event)
{
    const struct logger *logger = context;
    char line[LOG_LINE_MAX_BYTES];
    size_t len = log_line(event, logger->colour, line, sizeof line);
    const int saved = errno;
    ssize_t n;
    do
        n = write(logger->fd, line, len);
    while (n < 0 && errno == EINTR);
    errno = saved;
}

void log_init(struct logger *logger, mesh_log_level level, mesh_log_fn sink, void *context)
{
    log_init_fd(logger, level, STDERR_FILENO);
    if (sink != NULL) {
        logger->sink = sink;
        logger->context = context;
    }
}

void log_init_fd(struct logger *logger, mesh_log_level level, int fd)
{
    const int saved = errno;
    atomic_init(&logger->level, (int)level);
    logger->sink = write_line;
    logger->context = logger;
    logger->fd = fd;
    logger->colour = isatty(fd) == 1;
    errno = saved;
}

void log_set_level(struct logger *logger, mesh_log_level level)
{
    atomic_store_explicit(&logger->level, (int)level, memory_order_relaxed);
}

void log_emit(struct logger *logger, mesh_log_level level, const char *message, const mesh_log_field *fields,
              size_t count)
{
    const mesh_log_event event = {level, clock_wall_ms(), message, fields, count};
    logger->sink(logger->context, &event);
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ns, uint32_t *dropped)
{
    const uint64_t second = now_ns / 1000000000U & UINT32_MAX;
    uint64_t old = atomic_load_explicit(&limit->window, memory_order_relaxed), next;
    /* Relaxed: all there is to know is in this one number. Whoever moves it to a later second reports the earlier. */
    do {
        /* A thread that read the clock just before another moved the second counts into the later one. */
        if ((uint32_t)(second - (old >> 32)) - 1 < UINT32_MAX / 2)
            next = second << 32 | 1;
        else
            next = (uint32_t)old == UINT32_MAX ? old : old + 1;
    } while (
        !atomic_compare_exchange_weak_explicit(&limit->window, &old, next, memory_order_relaxed, memory_order_relaxed));
    *dropped = 0;
    if (next >> 32 != old >> 32 && (uint32_t)old > limit->per_second && limit->per_second > 0)
        *dropped = (uint32_t)old - limit->per_second;
    return (uint32_t)next <= limit->per_second;
}

void log_dropped(struct logger *logger, mesh_log_level level, const char *message, uint32_t dropped)
{
    if (dropped > 0)
        log_emit(logger, level, "messages were dropped, too many in a second",
                 LOG_FIELDS(log_bytes("message", mesh_str(message)), log_number("dropped", dropped)), 2);
}
