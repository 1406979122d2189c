/* The epmd server of src/dist behind a socket, in a process of its own: what `poll` can do. */
#ifndef TESTS_SYSTEM_DIST_EPMD_LOOP_H
#define TESTS_SYSTEM_DIST_EPMD_LOOP_H

#include <stdint.h>
#include <sys/types.h>

/* Serves on that port of loopback until the process is ended (beam_end). Returns the process, which listens already. */
pid_t epmd_loop_start(uint16_t port);

#endif
