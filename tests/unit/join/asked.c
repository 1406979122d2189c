/* See asked.h. */
#include "unit/join/asked.h"

static void answer(void *context, uint64_t token, enum spawn_outcome outcome, mesh_term result)
{
    struct asked *a = context;
    pthread_mutex_lock(&a->lock);
    a->outcome = token == 7 && outcome != SPAWN_LATER ? outcome : SPAWN_UNDEF;
    mesh_buf_clear(&a->result);
    if (mesh_put_term(&a->result, result) != MESH_OK)
        a->outcome = SPAWN_UNDEF;
    pthread_mutex_unlock(&a->lock);
    gate_add(&a->answers);
}

void asked_init(struct asked *a, mesh_node *node)
{
    *a = (struct asked){.answers = GATE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};
    mesh_buf_init(&a->result);
    mesh_buf_init(&a->text);
    a->functions = functions_create(node, answer, a);
}

void asked_fini(struct asked *a)
{
    functions_destroy(a->functions);
    mesh_buf_fini(&a->result);
    mesh_buf_fini(&a->text);
}

static const struct spawn_function *find(struct asked *a, const char *function, uint32_t arity)
{
    size_t count;
    const struct spawn_function *table = functions_table(a->functions, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].module, "mesh_admin") == 0 && strcmp(table[i].function, function) == 0 &&
            table[i].arity == arity)
            return &table[i];
    fail_msg("there is no mesh_admin:%s/%u", function, arity);
    return NULL;
}

bool ask_begin(struct asked *a, const char *function, const char *args)
{
    mesh_buf list;
    mesh_reader r;
    uint32_t arity;
    mesh_buf_init(&list);
    assert_int_equal(mesh_parse(args, strlen(args), &list, NULL), MESH_OK);
    r = mesh_reader_of(mesh_buf_term(&list));
    assert_int_equal(mesh_read_list(&r, &arity), MESH_OK);
    const struct spawn_function *f = find(a, function, arity);
    const struct spawn_call call = {.peer = mesh_str("asker@test"),
                                    .module = mesh_str(f->module),
                                    .function = mesh_str(function),
                                    .args = mesh_buf_term(&list),
                                    .arity = arity,
                                    .token = 7};
    mesh_buf now;
    mesh_buf_init(&now);
    a->answers.count = 0;
    enum spawn_outcome outcome = f->run(f->context, &call, &now);
    if (outcome != SPAWN_LATER) {
        a->outcome = outcome;
        mesh_buf_clear(&a->result);
        assert_int_equal(mesh_put_term(&a->result, mesh_buf_term(&now)), MESH_OK);
    } else {
        assert_int_equal(now.len, 0);
    }
    mesh_buf_fini(&now);
    mesh_buf_fini(&list); /* the arguments end with the call */
    return outcome == SPAWN_LATER;
}

mesh_term ask_end(struct asked *a)
{
    gate_await(&a->answers, 1);
    assert_int_equal(mesh_term_check(a->result.data, a->result.len, NULL, NULL), MESH_OK);
    return mesh_buf_term(&a->result);
}

mesh_term ask(struct asked *a, const char *function, const char *args)
{
    if (ask_begin(a, function, args))
        return ask_end(a);
    assert_int_equal(mesh_term_check(a->result.data, a->result.len, NULL, NULL), MESH_OK);
    return mesh_buf_term(&a->result);
}

void ask_expect(struct asked *a, const char *function, const char *args, const char *reply)
{
    assert_int_equal(mesh_inspect(ask(a, function, args), &a->text), MESH_OK);
    assert_int_equal(a->outcome, SPAWN_RETURN);
    assert_string_equal((const char *)a->text.data, reply);
}

void ask_refused(struct asked *a, const char *function, const char *args, const char *error)
{
    mesh_bytes name;
    mesh_term reply = ask(a, function, args);
    if (a->outcome == SPAWN_RETURN) {
        assert_int_equal(mesh_match(reply, "{:error, %{error: ~a, text: _, reason: _}}", &name), MESH_OK);
    } else {
        assert_int_equal(a->outcome, SPAWN_ERROR);
        assert_int_equal(mesh_match(reply, "~a", &name), MESH_OK);
    }
    assert_int_equal(name.len, strlen(error));
    assert_memory_equal(name.data, error, name.len);
}
