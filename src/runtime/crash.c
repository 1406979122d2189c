/* Reports of crashes, and stacks of late threads: see crash.h.
 *
 * Everything that a handler here calls is async-signal-safe: write, sigaction, tgkill, futex and, after a first call
 * has loaded its library, backtrace. What it reads of the runtime was written by its own thread. The seat is found by a
 * thread-local variable: the first look of a thread that is not the node's may allocate where the library was loaded by
 * dlopen, which a crash in malloc would turn into a deadlock; a library that is linked has no such case. */
#include "runtime/crash.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "runtime/runtime.h"

enum { TRACE_IDLE, TRACE_WANTED, TRACE_WRITING, TRACE_DONE };
enum { CRASH_SIGNALS = 5, HANDLER_FRAMES = 2 }; /* our handler, and what the kernel returns through */

static const struct {
    int number;
    const char *name;
} signals[CRASH_SIGNALS] = {
    {SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"}, {SIGABRT, "SIGABRT"},
};

/* The state of the process: see crash.h. before is constant while users > 0, so that handlers read it freely. */
static struct {
    pthread_mutex_t lock;
    uint32_t users;
    struct sigaction before[CRASH_SIGNALS];
    bool traces; /* the trace signal is ours */
    _Atomic bool crashed;
} installed = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- Writing without stdio ---- */

struct line {
    size_t len;
    char text[1024];
};

static void put(struct line *line, const char *text)
{
    while (*text != '\0' && line->len < sizeof line->text)
        line->text[line->len++] = *text++;
}

static void put_hex(struct line *line, uint64_t number)
{
    char digits[17] = {0};
    size_t at = sizeof digits - 1;
    do {
        digits[--at] = "0123456789abcdef"[number % 16];
        number /= 16;
    } while (number != 0);
    put(line, digits + at);
}

/* In quotes; what is not printable ASCII is \xHH, so that an id cannot write to the terminal. */
static void put_quoted(struct line *line, const char *bytes, size_t len)
{
    put(line, "\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        char plain[3] = {(char)c, '\0', '\0'};
        if (c == '"' || c == '\\') {
            plain[0] = '\\';
            plain[1] = (char)c;
        }
        if (c >= ' ' && c < 0x7f) {
            put(line, plain);
        } else {
            put(line, c < 16 ? "\\x0" : "\\x");
            put_hex(line, c);
        }
    }
    put(line, "\"");
}

static void write_line(struct line *line)
{
    if (line->len == sizeof line->text)
        line->len--;
    line->text[line->len++] = '\n';
    for (size_t done = 0; done < line->len;) {
        ssize_t n = write(STDERR_FILENO, line->text + done, line->len - done);
        if (n <= 0 && errno != EINTR)
            return;
        done += n > 0 ? (size_t)n : 0;
    }
}

/* ---- The report of a crash ---- */

static void put_actor(struct line *line, struct actor *a)
{
    enum { ID_SHOWN = 64 };
    put(line, " in process module=");
    put_quoted(line, a->class->module->ops.name, strlen(a->class->module->ops.name));
    put(line, " capability=");
    put_quoted(line, a->class->capability->name, strlen(a->class->capability->name));
    put(line, " id=");
    put_quoted(line, actor_id(a), a->id_len < ID_SHOWN ? a->id_len : ID_SHOWN);
    if (a->id_len > ID_SHOWN)
        put(line, "...");
}

/* What this thread was running, and whether address is the guard of a coroutine's stack. */
static void put_thread(struct line *line, const void *address)
{
    struct seat *seat = seat_current();
    if (seat == NULL) {
        put(line, " in a thread that is not the node's");
        return;
    }
    struct runtime *rt = seat->worker->runtime;
    struct coroutine *c = seat->running;
    if (c != NULL && c->self.actor != NULL)
        put_actor(line, c->self.actor);
    else if (c != NULL)
        put(line, c->callback ? " in a completion function" : " in a task");
    else
        put(line, " in the runtime");
    put(line, " node=");
    put_quoted(line, rt->name, rt->name_size - 1);
    const struct stack *stack = address != NULL ? stack_guard_owner(&rt->stacks, address) : NULL;
    if (stack != NULL)
        put(line, c != NULL && c->stack == stack ? ": stack overflow" : ": in the guard of another stack");
}

static void report(int number, size_t index, const siginfo_t *info)
{
    struct line line = {0};
    bool has_address = number != SIGABRT && info->si_code > 0;
    put(&line, "mesh: crashed by ");
    put(&line, signals[index].name);
    if (has_address) {
        put(&line, " at 0x");
        put_hex(&line, (uint64_t)(uintptr_t)info->si_addr);
    }
    put_thread(&line, has_address ? info->si_addr : NULL);
    write_line(&line);
    void *frames[CRASH_FRAMES + HANDLER_FRAMES];
    int count = backtrace(frames, CRASH_FRAMES + HANDLER_FRAMES);
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
}

static void on_crash(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    size_t index = 0;
    while (index + 1 < CRASH_SIGNALS && signals[index].number != number)
        index++;
    report(number, index, info);
    /* A handler's own code holds nothing of the runtime: the others can go on without it for a while. Once, whatever
     * crashes meanwhile: the second ends the program at once. */
    struct seat *seat = seat_current();
    if (!atomic_exchange_explicit(&installed.crashed, true, memory_order_relaxed) && seat != NULL &&
        seat->running != NULL && atomic_load_explicit(&seat->inside, memory_order_relaxed) == SEAT_HANDLER)
        crash_leave_to_others(seat, signals[index].name);
    sigaction(number, &installed.before[index], NULL);
    /* A fault happens again when its instruction is tried again, with the address where the next handler or the core
     * dump wants it. What somebody sent has to be sent again; it is blocked until we return. */
    if (info->si_code <= 0)
        syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
    errno = saved;
}

/* ---- Stacks of late threads ---- */

static void on_trace(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
    int saved = errno;
    struct seat *seat = seat_current();
    struct crash_trace *trace = seat != NULL ? &seat->trace : NULL;
    uint32_t wanted = TRACE_WANTED;
    /* A late handler that is handed back clears running before its thread changes stacks: between two there is nothing
     * to walk. Acquire and release: the frames belong to whoever moved the state last. */
    if (trace != NULL && seat->running != NULL &&
        atomic_load_explicit(&seat->taken, memory_order_relaxed) == SEAT_TAKEN &&
        atomic_compare_exchange_strong_explicit(&trace->state, &wanted, TRACE_WRITING, memory_order_acquire,
                                                memory_order_relaxed)) {
        trace->turn = atomic_load_explicit(&seat->turn, memory_order_relaxed);
        trace->count = backtrace(trace->frame, CRASH_FRAMES);
        atomic_store_explicit(&trace->state, TRACE_DONE, memory_order_release);
        syscall(SYS_futex, &trace->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    }
    errno = saved;
}

/* Asks for a trace and waits for it. False: there is none. While a thread still writes one that came too late, nobody
 * gets another from its seat. */
static bool get_trace(struct seat *seat)
{
    struct crash_trace *trace = &seat->trace;
    uint32_t state = atomic_load_explicit(&trace->state, memory_order_acquire);
    if (state == TRACE_WRITING || !installed.traces)
        return false;
    atomic_store_explicit(&trace->state, TRACE_WANTED, memory_order_release);
    /* The thread may have left, and another have its number: it then finds no seat, or one that nobody asked. */
    long tid = atomic_load_explicit(&seat->tid, memory_order_relaxed);
    uint64_t until = clock_now_ns() + (uint64_t)CRASH_TRACE_MS * 1000000;
    bool sent = tid != 0 && syscall(SYS_tgkill, getpid(), tid, CRASH_TRACE_SIGNAL) == 0;
    while (sent && clock_now_ns() < until) {
        state = atomic_load_explicit(&trace->state, memory_order_acquire);
        if (state == TRACE_DONE)
            return true;
        const struct timespec turn = {.tv_nsec = 10000000};
        syscall(SYS_futex, &trace->state, FUTEX_WAIT_PRIVATE, state, &turn, NULL, 0);
    }
    state = TRACE_WANTED;
    atomic_compare_exchange_strong_explicit(&trace->state, &state, TRACE_IDLE, memory_order_acquire,
                                            memory_order_acquire);
    return state == TRACE_DONE;
}

/* One function as "name+0x12", or "file+0x1234" without a name. */
static size_t frame_text(const void *frame, char *text, size_t size)
{
    Dl_info info;
    int n;
    if (dladdr(frame, &info) == 0) {
        n = snprintf(text, size, "0x%zx", (size_t)(uintptr_t)frame);
    } else if (info.dli_sname != NULL) {
        n = snprintf(text, size, "%s+0x%zx", info.dli_sname, (size_t)((uintptr_t)frame - (uintptr_t)info.dli_saddr));
    } else {
        const char *slash = strrchr(info.dli_fname, '/');
        n = snprintf(text, size, "%s+0x%zx", slash != NULL ? slash + 1 : info.dli_fname,
                     (size_t)((uintptr_t)frame - (uintptr_t)info.dli_fbase));
    }
    return n > 0 ? (size_t)n : 0;
}

size_t crash_trace_text(struct seat *seat, uint32_t turn, char *text, size_t size)
{
    size_t len = 0;
    if (!get_trace(seat) || seat->trace.turn != turn)
        return 0;
    for (int i = HANDLER_FRAMES; i < seat->trace.count; i++) {
        char frame[256];
        size_t n = frame_text(seat->trace.frame[i], frame, sizeof frame);
        size_t between = len > 0 ? 3 : 0;
        if (n >= sizeof frame || len + between + n > size)
            break;
        memcpy(text + len, " < ", between);
        memcpy(text + len + between, frame, n);
        len += between + n;
    }
    return len;
}

/* ---- Installing ---- */

static void install_traces(void)
{
    struct sigaction now;
    struct sigaction ours = {.sa_sigaction = on_trace, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigfillset(&ours.sa_mask);
    for (size_t i = 0; i < CRASH_SIGNALS; i++) /* a crash of the handler is reported too */
        sigdelset(&ours.sa_mask, signals[i].number);
    sigaction(CRASH_TRACE_SIGNAL, NULL, &now);
    installed.traces = (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL &&
                       sigaction(CRASH_TRACE_SIGNAL, &ours, NULL) == 0;
}

void crash_install(void)
{
    void *frame[1];
    pthread_mutex_lock(&installed.lock);
    if (installed.users++ == 0) {
        backtrace(frame, 1); /* loads libgcc_s, which a handler may not */
        struct sigaction ours = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
        sigemptyset(&ours.sa_mask);
        for (size_t i = 0; i < CRASH_SIGNALS; i++)
            sigaction(signals[i].number, NULL, &installed.before[i]);
        for (size_t i = 0; i < CRASH_SIGNALS; i++)
            sigaction(signals[i].number, &ours, NULL);
        install_traces();
    }
    pthread_mutex_unlock(&installed.lock);
}

static bool is_ours(int number, void (*ours)(int, siginfo_t *, void *))
{
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == ours;
}

void crash_uninstall(void)
{
    pthread_mutex_lock(&installed.lock);
    if (--installed.users == 0) {
        for (size_t i = 0; i < CRASH_SIGNALS; i++)
            if (is_ours(signals[i].number, on_crash))
                sigaction(signals[i].number, &installed.before[i], NULL);
        if (installed.traces && is_ours(CRASH_TRACE_SIGNAL, on_trace)) {
            /* One that was sent in vain may be pending somewhere: ignoring drops it, the default would kill. */
            signal(CRASH_TRACE_SIGNAL, SIG_IGN);
            signal(CRASH_TRACE_SIGNAL, SIG_DFL);
        }
    }
    pthread_mutex_unlock(&installed.lock);
}

/* ---- Threads ---- */

void crash_enter(struct seat *seat)
{
    struct crash_stack *stack = &seat->crash;
    if (stack->memory == NULL) {
        void *memory = mmap(NULL, CRASH_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            return;
        stack->memory = memory;
    }
    const stack_t ours = {.ss_sp = stack->memory, .ss_size = CRASH_STACK_BYTES};
    sigaltstack(&ours, &stack->before);
    sigset_t trace;
    sigemptyset(&trace);
    sigaddset(&trace, CRASH_TRACE_SIGNAL);
    pthread_sigmask(SIG_UNBLOCK, &trace, &stack->masked);
}

void crash_leave(struct seat *seat)
{
    struct crash_stack *stack = &seat->crash;
    if (stack->memory == NULL)
        return;
    pthread_sigmask(SIG_SETMASK, &stack->masked, NULL);
    sigaltstack(&stack->before, NULL);
}

void crash_seat_fini(struct seat *seat)
{
    if (seat->crash.memory != NULL)
        munmap(seat->crash.memory, CRASH_STACK_BYTES);
}
