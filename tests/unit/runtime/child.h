/* Children that crash: how they end, and what they write before. */
#ifndef TESTS_UNIT_RUNTIME_CHILD_H
#define TESTS_UNIT_RUNTIME_CHILD_H

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/check.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static inline void skip_under_sanitizers(void)
{
    if (SANITIZED) {
        print_message("skipped: the sanitizer of this build has signal handlers of its own\n");
        skip();
    }
}

static const int crash_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
enum { CRASHES = sizeof crash_signals / sizeof crash_signals[0] };

struct end {
    int status; /* of waitpid */
    char text[16384];
};

/* Runs fn(arg) in a child without the test framework's signal handlers; how it ended, and what it wrote to stderr. */
static inline void in_child(void (*fn)(const char *arg), const char *arg, struct end *end)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit none = {0};
        setrlimit(RLIMIT_CORE, &none);
        for (size_t i = 0; i < CRASHES; i++)
            signal(crash_signals[i], SIG_DFL);
        dup2(fds[1], STDERR_FILENO);
        fn(arg);
        _exit(99);
    }
    close(fds[1]);
    size_t len = 0;
    for (ssize_t n; len < sizeof end->text - 1 && (n = read(fds[0], end->text + len, sizeof end->text - 1 - len)) > 0;)
        len += (size_t)n;
    end->text[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(child, &end->status, 0), child);
}

static inline void assert_says(const struct end *end, const char *part)
{
    if (strstr(end->text, part) == NULL)
        fail_msg("no \"%s\" in:\n%s", part, end->text);
}

static inline void assert_killed(const struct end *end, int number)
{
    assert_true(WIFSIGNALED(end->status));
    assert_int_equal(WTERMSIG(end->status), number);
}

#endif
