/* mesh/admin.h: one question to an epmd, in the calling thread. */
#include <mesh/admin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dist/epmd_query_io.h"
#include "dist/names.h"
#include "node/capabilities.h"

struct question {
    int error; /* libuv's */
    mesh_buf reply;
};

static void answered(void *context, int error, mesh_bytes reply, const union socket_address *address)
{
    struct question *q = context;
    (void)address;
    q->error = error;
    if (error == 0 && mesh_buf_append(&q->reply, reply.data, reply.len) != MESH_OK)
        q->error = UV_ENOMEM;
}

static void closed(void *context)
{
    (void)context;
}

static const struct epmd_query_fns fns = {.answered = answered, .closed = closed};

static int say(mesh_reason *reason, int error, const char *why)
{
    if (reason != NULL)
        snprintf(reason->text, sizeof reason->text, "%s", why);
    return error;
}

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* epmd takes nearly any bytes. */
static bool is_name(mesh_bytes alive)
{
    char full[NAME_MAX_BYTES];
    if (alive.len + 2 > sizeof full)
        return false;
    memcpy(full, alive.data, alive.len);
    full[alive.len] = '@';
    full[alive.len + 1] = 'h';
    return names_full((mesh_bytes){full, alive.len + 2});
}

/* text: the lines of a reply, of which each that is used is at least 16 bytes long. */
static int collect(mesh_bytes text, mesh_names **names)
{
    size_t room = text.len / 8 + 1, count = 0;
    mesh_bytes name;
    uint16_t port;
    char **list = calloc(room, sizeof *list);
    if (list == NULL)
        return MESH_ENOMEM;
    while (count < room && epmd_next_name(&text, &name, &port, NULL))
        if (is_name(name))
            list[count++] = must_copy(name.data, name.len);
    qsort(list, count, sizeof *list, compare_texts);
    int rc = names_create((const char *const *)list, count, names);
    while (count > 0)
        free(list[--count]);
    free(list);
    return rc;
}

int mesh_epmd_names(const char *host, uint16_t port, mesh_names **names, mesh_reason *reason)
{
    struct question q = {.error = 0};
    const char *wrong;
    uv_loop_t loop;
    mesh_bytes text;
    enum refusal why;
    if (names == NULL || !epmd_port(port, &port, &wrong))
        return say(reason, MESH_EINVAL, "ERL_EPMD_PORT: expected 1 to 65535");
    int error = uv_loop_init(&loop);
    if (error != 0)
        return say(reason, MESH_ESYSTEM, uv_strerror(error));
    mesh_buf_init(&q.reply);
    epmd_query_start(&loop, host != NULL ? host : "127.0.0.1", port, (mesh_bytes){NULL, 0}, &fns, &q);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    int rc = MESH_OK;
    if (q.error != 0)
        rc = say(reason, MESH_ESYSTEM, uv_strerror(q.error));
    else if (epmd_read_names(mesh_buf_bytes(&q.reply), &text, &why) != EPMD_COMPLETE)
        rc = say(reason, MESH_ESYSTEM, refusal_text(why));
    else if (collect(text, names) != MESH_OK)
        rc = say(reason, MESH_ESYSTEM, mesh_strerror(MESH_ENOMEM));
    mesh_buf_fini(&q.reply);
    return rc;
}
