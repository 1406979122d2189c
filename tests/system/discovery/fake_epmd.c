/* One block for each connection, freed when it has closed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "system/discovery/fake_epmd.h"
#include "unit/check.h"

struct link {
    struct fake_epmd *epmd;
    uv_tcp_t tcp;
    uv_write_t write;
    char question[16];
    char out[4096];
    size_t len;
};

static void on_closed(uv_handle_t *handle)
{
    struct link *l = handle->data;
    l->epmd->open--;
    free(l);
}

static void hang_up(struct link *l)
{
    if (!uv_is_closing((uv_handle_t *)&l->tcp))
        uv_close((uv_handle_t *)&l->tcp, on_closed);
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct link *l = handle->data;
    (void)suggested;
    *buf = uv_buf_init(l->question + l->len, (unsigned)(sizeof l->question - l->len));
}

static void send_more(struct link *l);

static void on_written(uv_write_t *write, int error)
{
    struct link *l = write->data;
    l->epmd->sent += error == 0 ? strlen(l->out + 4) + 4 : 0;
    if (error == 0 && l->epmd->mode == FAKE_ENDLESS)
        send_more(l);
    else
        hang_up(l);
}

static void send_more(struct link *l)
{
    uv_buf_t buf = uv_buf_init(l->out, (unsigned)strlen(l->out + 4) + 4);
    l->write.data = l;
    if (uv_write(&l->write, (uv_stream_t *)&l->tcp, &buf, 1, on_written) != 0)
        hang_up(l);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct link *l = stream->data;
    (void)buf;
    if (n < 0) {
        hang_up(l);
        return;
    }
    l->len += (size_t)n;
    if (l->len < 3)
        return;
    assert_int_equal(l->len, 3);
    assert_memory_equal(l->question, "\0\1n", 3);
    l->len = 0;
    l->epmd->questions++;
    if (l->epmd->mode == FAKE_DROPS)
        hang_up(l);
    else if (l->epmd->mode != FAKE_SILENT)
        send_more(l);
}

static void on_link(uv_stream_t *server, int error)
{
    struct fake_epmd *epmd = server->data;
    struct link *l = calloc(1, sizeof *l);
    assert_int_equal(error, 0);
    assert_non_null(l);
    l->epmd = epmd;
    l->tcp.data = l;
    snprintf(l->out + 4, sizeof l->out - 4, "%s", epmd->answer);
    assert_int_equal(uv_tcp_init(server->loop, &l->tcp), 0);
    assert_int_equal(uv_accept(server, (uv_stream_t *)&l->tcp), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&l->tcp, give_buffer, on_read), 0);
    epmd->open++;
}

void fake_epmd_open(struct fake_epmd *epmd, uv_loop_t *loop, enum fake_epmd_mode mode, const char *answer)
{
    struct sockaddr_in address;
    int len = sizeof address;
    signal(SIGPIPE, SIG_IGN); /* libuv's writes raise it: who has asked may close before the end */
    memset(epmd, 0, sizeof *epmd);
    epmd->mode = mode;
    epmd->answer = answer;
    epmd->server.data = epmd;
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &address), 0);
    assert_int_equal(uv_tcp_init(loop, &epmd->server), 0);
    assert_int_equal(uv_tcp_bind(&epmd->server, (const struct sockaddr *)&address, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&epmd->server, 16, on_link), 0);
    assert_int_equal(uv_tcp_getsockname(&epmd->server, (struct sockaddr *)&address, &len), 0);
    epmd->port = ntohs(address.sin_port);
}

void fake_epmd_close(struct fake_epmd *epmd)
{
    uv_close((uv_handle_t *)&epmd->server, NULL);
}
