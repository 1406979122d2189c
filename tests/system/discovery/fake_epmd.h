/* An epmd on the test's own loop, on a port of the kernel's choosing at 127.0.0.1, that answers as it is told. */
#ifndef TESTS_SYSTEM_DISCOVERY_FAKE_EPMD_H
#define TESTS_SYSTEM_DISCOVERY_FAKE_EPMD_H

#include <stdint.h>

#include <uv.h>

enum fake_epmd_mode {
    FAKE_ANSWERS, /* with `answer`, then closes */
    FAKE_SILENT,  /* accepts, and that is all */
    FAKE_ENDLESS, /* never stops sending lines */
    FAKE_DROPS,   /* closes without a byte */
};

struct fake_epmd {
    uv_tcp_t server;
    uint16_t port;
    enum fake_epmd_mode mode;
    const char *answer; /* the lines, without the port before them */
    unsigned questions; /* sound ones that came */
    unsigned open;      /* connections not closed yet */
    uint64_t sent;      /* bytes that were taken from it */
};

/* Starts to listen; a failure ends the test. */
void fake_epmd_open(struct fake_epmd *epmd, uv_loop_t *loop, enum fake_epmd_mode mode, const char *answer);

/* Closes the server; the loop has to run once more. Connections end when their other side closes them. */
void fake_epmd_close(struct fake_epmd *epmd);

#endif
