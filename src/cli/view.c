/* All nodes of a cluster at once: tasks of our own node take one after the other. */
#include "cli/view.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/words.h"

enum { AT_A_TIME = 64 };

/* ---- who ---- */

static int compare_seen(const void *a, const void *b)
{
    return strcmp(((const struct seen *)a)->name, ((const struct seen *)b)->name);
}

static void add(struct view *view, mesh_bytes name, bool beam)
{
    struct seen *s = &view->seen[view->count++];
    size_t len = name.len < sizeof s->name ? name.len : sizeof s->name - 1;
    memcpy(s->name, name.data, len);
    s->name[len] = '\0';
    s->beam = beam;
}

bool view_read(struct view *view, mesh_term info)
{
    mesh_term links, link;
    mesh_bytes name, kind;
    uint32_t count;
    *view = (struct view){.seen = NULL};
    if (mesh_match(info, "%{name: ~b, links: ~t}", &name, &links) != MESH_OK)
        return false;
    mesh_reader r = mesh_reader_of(links);
    if (mesh_read_list(&r, &count) != MESH_OK || (view->seen = calloc((size_t)count + 1, sizeof *view->seen)) == NULL)
        return false;
    for (uint32_t i = 0; i <= count; i++)
        mesh_buf_init(&view->seen[i].value);
    add(view, name, false);
    for (uint32_t i = 0; i < count; i++) {
        if (mesh_read_term(&r, &link) != MESH_OK || mesh_match(link, "%{name: ~b, kind: ~a}", &name, &kind) != MESH_OK)
            return false;
        add(view, name, kind.len != 1 || memcmp(kind.data, "c", 1) != 0);
    }
    qsort(view->seen, view->count, sizeof *view->seen, compare_seen);
    for (size_t i = 0; i < view->count; i++)
        mesh_buf_init(&view->seen[i].value); /* they have moved */
    return true;
}

int view_begin(struct view *view, struct ask *a)
{
    mesh_buf info;
    *view = (struct view){.seen = NULL};
    int code = ask_call(a, "info", ask_nothing(), a->timeout_ms, &info);
    if (code == EXIT_DONE && !view_read(view, mesh_buf_term(&info)))
        code = ask_strange(a, "info");
    mesh_buf_fini(&info);
    return code;
}

void view_fini(struct view *view)
{
    for (size_t i = 0; i < view->count; i++)
        mesh_buf_fini(&view->seen[i].value);
    free(view->seen);
}

/* ---- what they say ---- */

struct round {
    struct view *view;
    struct ask *ask;
    const char *function;
    mesh_term args;
    atomic_size_t next; /* relaxed: who takes a node; mesh_await brings what the tasks have written */
};

static int work(mesh_node *node, void *arg)
{
    struct round *r = arg;
    (void)node;
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed);
        if (i >= r->view->count)
            return MESH_OK;
        struct seen *s = &r->view->seen[i];
        if (!s->beam)
            s->answered = ask_try(r->ask, s->name, r->function, r->args, r->ask->timeout_ms, &s->value, &s->why);
    }
}

void view_ask(struct view *view, struct ask *a, const char *function, mesh_term args)
{
    struct round round = {.view = view, .ask = a, .function = function, .args = args};
    mesh_task *tasks[AT_A_TIME];
    size_t count = 0;
    while (count < AT_A_TIME && count < view->count && mesh_spawn(a->node, work, &round, &tasks[count]) == MESH_OK)
        count++;
    if (count == 0)
        (void)work(a->node, &round);
    while (count > 0)
        (void)mesh_await(tasks[--count], 0, NULL);
}

bool seen_lacks(const struct seen *seen)
{
    return seen->value.len > 0 &&
           mesh_match(mesh_buf_term(&seen->value), "{:error, %{error: :MESH_ENOCAPABILITY}}") == MESH_OK;
}

int view_tell_missing(const struct view *view, const struct ask *a)
{
    int code = EXIT_DONE;
    for (size_t i = 0; i < view->count; i++) {
        const struct seen *s = &view->seen[i];
        if (!s->beam && !s->answered && !seen_lacks(s))
            code = ask_fail(a, s->why.text);
    }
    return code;
}
