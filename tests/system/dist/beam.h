/* A real BEAM node beside the test, on an epmd of its own, that evaluates what it is told and prints the result. */
#ifndef TESTS_SYSTEM_DIST_BEAM_H
#define TESTS_SYSTEM_DIST_BEAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BEAM_DEADLINE_MS 20000 /* for each step: a machine that is busy with other tests is slow */

struct beam {
    pid_t pid;
    int in;  /* its standard input */
    int out; /* its standard output */
};

/* Milliseconds of the monotonic clock. */
uint64_t beam_now_ms(void);

/* A port of 127.0.0.1 that nobody listens on at this moment. */
uint16_t beam_free_port(void);

/* Whether erl and epmd are installed. */
bool beam_installed(void);

/* Starts `epmd` on the port and waits until it answers. Returns its process. */
pid_t beam_start_epmd(uint16_t port);

/* Starts `erl MODE NAME` (mode: -name or -sname) and waits until it evaluates. Its distribution uses the epmd on that
 * port, and listens on loopback only. */
void beam_start(struct beam *beam, const char *mode, const char *name, const char *cookie, uint16_t epmd_port);

/* Has expressions evaluated, without waiting for the result. */
void beam_tell(const struct beam *beam, const char *expressions);

/* The next line that it prints, without its end, cut to size - 1 bytes. */
void beam_hear(const struct beam *beam, char *line, size_t size);

/* Ends a process that was started here, and waits for it. */
void beam_end(pid_t pid);
void beam_stop(struct beam *beam);

#endif
