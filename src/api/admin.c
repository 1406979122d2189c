/* mesh/admin.h: the epmd with a loop, and signals, of its own. */
#include <mesh/admin.h>

#include <signal.h>
#include <stdio.h>

#include "dist/epmd_server_io.h"

struct runner {
    uv_loop_t loop;
    uv_signal_t terminate, interrupt;
    struct epmd_io *io;
    struct logger logger;
};

static void end(struct runner *r)
{
    if (r->io == NULL)
        return;
    uv_close((uv_handle_t *)&r->terminate, NULL);
    uv_close((uv_handle_t *)&r->interrupt, NULL);
    epmd_io_stop(r->io, NULL, NULL);
    r->io = NULL;
}

static void on_killed(void *context)
{
    end(context);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    end(handle->data);
}

static void watch(struct runner *r, uv_signal_t *handle, int number)
{
    uv_signal_init(&r->loop, handle);
    handle->data = r;
    uv_signal_start(handle, on_signal, number);
}

static void say(mesh_reason *reason, const char *address, uint16_t port, int error)
{
    if (reason != NULL)
        snprintf(reason->text, sizeof reason->text, "cannot listen on %s port %u: %s",
                 address ? address : "any address,", (unsigned)port, uv_strerror(error));
}

int mesh_epmd_run(const mesh_epmd_options *options, mesh_reason *reason)
{
    mesh_epmd_options o = {.size = sizeof o};
    struct runner r = {.io = NULL};
    if (options != NULL && options->size != sizeof o)
        return MESH_EINVAL;
    if (options != NULL)
        o = *options;
    if (o.log_level > MESH_LOG_DEBUG)
        return MESH_EINVAL;
    uint16_t port = o.port ? o.port : EPMD_PORT;
    int error = uv_loop_init(&r.loop);
    if (error) {
        say(reason, o.address, port, error);
        return MESH_ESYSTEM;
    }
    log_init(&r.logger, o.log_level ? o.log_level : MESH_LOG_INFO, o.log, o.log_context);
    const struct epmd_io_options io = {o.address, port, &r.logger, on_killed, &r};
    error = epmd_io_start(&r.loop, &io, &r.io);
    if (!error) {
        watch(&r, &r.terminate, SIGTERM);
        watch(&r, &r.interrupt, SIGINT);
    } else {
        say(reason, o.address, port, error);
    }
    uv_run(&r.loop, UV_RUN_DEFAULT);
    uv_loop_close(&r.loop);
    return error == UV_EINVAL ? MESH_EINVAL : error ? MESH_ESYSTEM : MESH_OK;
}
