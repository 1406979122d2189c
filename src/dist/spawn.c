/* Calls from other nodes: what was asked is a struct job, how the outcome is worded depends on how it was asked. */
#include "dist/spawn_job.h"

#include "term/wire.h"

void spawn_init(struct spawn *spawn, const struct service *service, const struct spawn_function *functions,
                size_t count, uint64_t (*next_pid)(void *context), void *context)
{
    *spawn = (struct spawn){
        .service = service, .functions = functions, .count = count, .next_pid = next_pid, .context = context};
}

/* ---- the outcome in words ---------------------------------------------------------------------------------------- */

/* [{M, F, Args or Arity, []}], what a BEAM shows of the stack. */
static int put_stack(mesh_buf *out, const struct spawn_job *job, bool with_args)
{
    if (with_args)
        return mesh_build(out, "[{~a, ~a, ~t, []}]", job->module, job->function, job->args);
    return mesh_build(out, "[{~a, ~a, ~u, []}]", job->module, job->function, job->arity);
}

/* {Reason, Stack}. */
static int put_error(mesh_buf *out, mesh_term reason, mesh_term stack)
{
    return mesh_build(out, "{~t, ~t}", reason, stack);
}

static int word_erpc(mesh_buf *out, const struct spawn_job *job, enum spawn_outcome outcome, mesh_term result,
                     mesh_term stack)
{
    switch (outcome) {
    case SPAWN_RETURN:
        return mesh_build(out, "{~t, :return, ~t}", job->res, result);
    case SPAWN_THROW:
        return mesh_build(out, "{~t, :throw, ~t}", job->res, result);
    case SPAWN_EXIT:
        return mesh_build(out, "{~t, :exit, ~t}", job->res, result);
    default:
        return mesh_build(out, "{~t, :error, ~t, ~t}", job->res, result, stack);
    }
}

/* Why the process of a plain spawn ended. */
static int word_process(mesh_buf *out, enum spawn_outcome outcome, mesh_term result, mesh_term stack)
{
    mesh_buf thrown;
    int error;
    switch (outcome) {
    case SPAWN_RETURN:
        return mesh_put_atom(out, mesh_str("normal"));
    case SPAWN_EXIT:
        return mesh_put_term(out, result);
    case SPAWN_THROW:
        mesh_buf_init(&thrown);
        error = mesh_build(&thrown, "{:nocatch, ~t}", result);
        if (!error)
            error = put_error(out, mesh_buf_term(&thrown), stack);
        mesh_buf_fini(&thrown);
        return error;
    default:
        return put_error(out, result, stack);
    }
}

static int word_rex(mesh_buf *out, enum spawn_outcome outcome, mesh_term result, mesh_term stack)
{
    switch (outcome) {
    case SPAWN_RETURN:
    case SPAWN_THROW:
        return mesh_put_term(out, result);
    case SPAWN_EXIT:
        return mesh_build(out, "{:badrpc, {:EXIT, ~t}}", result);
    default:
        return mesh_build(out, "{:badrpc, {:EXIT, {~t, ~t}}}", result, stack);
    }
}

/* ---- the end of a call ------------------------------------------------------------------------------------------- */

static void tell_end(const struct spawn *spawn, const struct spawn_job *job, int built, mesh_buf *reason)
{
    const struct service *s = spawn->service;
    mesh_buf pid;
    mesh_buf_init(&pid);
    if (built == MESH_OK)
        built = service_put_pid(s, &pid, job->pid);
    struct control c = {.from = mesh_buf_term(&pid), .to = job->from, .message = mesh_buf_term(reason)};
    if (built != MESH_OK)
        s->actions->disconnect(s->context, job->peer);
    if (built == MESH_OK && job->flags & CONTROL_SPAWN_LINKED) {
        c.kind = CONTROL_EXIT;
        s->actions->send(s->context, job->peer, &c);
    }
    if (built == MESH_OK && job->flags & CONTROL_SPAWN_MONITORED) {
        c.kind = CONTROL_DOWN;
        c.ref = job->tag;
        s->actions->send(s->context, job->peer, &c);
    }
    mesh_buf_fini(&pid);
    mesh_buf_fini(reason);
}

static void job_end(const struct spawn *spawn, const struct spawn_job *job, enum spawn_outcome outcome,
                    mesh_term result)
{
    static const char undef[] = "undef";
    const struct service_call call = {.from = job->from, .tag = job->tag};
    mesh_buf words, stack, reason;
    mesh_buf_init(&words);
    mesh_buf_init(&stack);
    mesh_buf_init(&reason);
    int built = put_stack(&stack, job, outcome == SPAWN_UNDEF && job->args.len > 0);
    if (built == MESH_OK && outcome == SPAWN_UNDEF) {
        built = mesh_put_atom(&reason, mesh_str(undef));
        result = mesh_buf_term(&reason);
    }
    const mesh_term trace = mesh_buf_term(&stack);
    switch (job->form) {
    case FORM_ERPC:
        built = built ? built : word_erpc(&words, job, outcome, result, trace);
        tell_end(spawn, job, built, &words);
        break;
    case FORM_PROCESS:
        built = built ? built : word_process(&words, outcome, result, trace);
        tell_end(spawn, job, built, &words);
        break;
    case FORM_REX_CALL:
    case FORM_REX_INFO: /* its tag is the atom rex: {rex, Reply} */
        built = built ? built : word_rex(&words, outcome, result, trace);
        service_reply(spawn->service, job->peer, job->pid, &call, built, &words);
        break;
    case FORM_CAST:
        break;
    }
    mesh_buf_fini(&words);
    mesh_buf_fini(&stack);
    mesh_buf_fini(&reason);
}

bool spawn_answer(struct spawn *spawn, uint64_t token, enum spawn_outcome outcome, mesh_term result)
{
    struct spawn_job *job = job_find(spawn, token);
    if (!job)
        return false;
    job_take(spawn, job);
    job_end(spawn, job, outcome, result);
    job_free(job);
    return true;
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static const struct spawn_function *find(const struct spawn *spawn, const struct spawn_job *job)
{
    for (size_t i = 0; i < spawn->count; i++) {
        const struct spawn_function *f = &spawn->functions[i];
        if (f->arity == job->arity && service_same(mesh_str(f->function), job->function) &&
            service_same(mesh_str(f->module), job->module))
            return f;
    }
    return NULL;
}

/* Runs what the job asks for, and tells how it ended, or keeps it. */
static void job_run(struct spawn *spawn, struct spawn_job *job)
{
    const struct spawn_function *f = find(spawn, job);
    const mesh_term nothing = {NULL, 0, NULL};
    enum spawn_outcome outcome = SPAWN_UNDEF;
    mesh_buf result;
    mesh_buf_init(&result);
    job->token = job_token(spawn);
    spawn->calls++;
    if (f) {
        const struct spawn_call call = {job->peer, job->module, job->function, job->args, job->arity, job->token};
        outcome = f->run(f->context, &call, &result);
    }
    spawn->undefined += outcome == SPAWN_UNDEF;
    if (outcome != SPAWN_LATER)
        job_end(spawn, job, outcome, outcome == SPAWN_UNDEF ? nothing : mesh_buf_term(&result));
    else if (!job_keep(spawn, job))
        spawn->service->actions->disconnect(spawn->service->context, job->peer);
    mesh_buf_fini(&result);
}

/* How many elements a proper list has; false when it is none. */
static bool list_length(mesh_term list, uint32_t *count)
{
    mesh_reader r = mesh_reader_of(list);
    uint32_t n;
    if (mesh_read_list(&r, &n) != MESH_OK)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (mesh_read_skip(&r) != MESH_OK)
            return false;
    *count = n;
    return mesh_read_empty(&r) == MESH_OK;
}

/* ---- spawn requests ---------------------------------------------------------------------------------------------- */

/* Whether an option of spawn_opt with an argument is one that a BEAM takes; they are about memory and scheduling. */
static bool is_harmless(mesh_term option)
{
    static const char *const names[] = {"priority",      "min_heap_size",      "min_bin_vheap_size", "fullsweep_after",
                                        "max_heap_size", "message_queue_data", "async_dist",         "scheduler"};
    mesh_bytes name;
    if (mesh_match(option, "{~a, _}", &name) != MESH_OK)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (service_same(name, mesh_str(names[i])))
            return true;
    return false;
}

static bool read_options(mesh_term options, uint32_t *flags)
{
    mesh_reader r = mesh_reader_of(options);
    uint32_t count;
    if (mesh_read_list(&r, &count) != MESH_OK)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        mesh_term option;
        if (mesh_read_term(&r, &option) != MESH_OK)
            return false;
        if (mesh_match(option, ":link") == MESH_OK)
            *flags |= CONTROL_SPAWN_LINKED;
        else if (mesh_match(option, ":monitor") == MESH_OK)
            *flags |= CONTROL_SPAWN_MONITORED;
        else if (!is_harmless(option))
            return false;
    }
    return mesh_read_empty(&r) == MESH_OK;
}

/* result: the pid, or an atom. */
static void reply(const struct spawn *spawn, mesh_bytes peer, const struct control *request, uint32_t flags, int built,
                  mesh_buf *result)
{
    const struct service *s = spawn->service;
    const struct control c = {.kind = CONTROL_SPAWN_REPLY,
                              .ref = request->ref,
                              .to = request->from,
                              .flags = flags,
                              .result = mesh_buf_term(result)};
    if (built == MESH_OK)
        s->actions->send(s->context, peer, &c);
    else
        s->actions->disconnect(s->context, peer);
    mesh_buf_fini(result);
}

static void refuse(struct spawn *spawn, mesh_bytes peer, const struct control *request, const char *why)
{
    mesh_buf atom;
    mesh_buf_init(&atom);
    spawn->refused++;
    reply(spawn, peer, request, 0, mesh_put_atom(&atom, mesh_str(why)), &atom);
}

static bool is_function(const struct control *request, const char *module, const char *function, uint32_t arity)
{
    return request->arity == arity && service_same(request->module, mesh_str(module)) &&
           service_same(request->function, mesh_str(function));
}

/* What is to be run: the function itself, or the one that erpc is to apply. */
static bool read_target(const struct control *request, struct spawn_job *job)
{
    bool good;
    if (is_function(request, "erpc", "execute_call", 4)) {
        job->form = FORM_ERPC;
        good = mesh_match(request->message, "[~t, ~a, ~a, ~t]", &job->res, &job->module, &job->function, &job->args) ==
               MESH_OK;
    } else if (is_function(request, "erpc", "execute_cast", 3)) {
        job->form = job->flags ? FORM_PROCESS : FORM_CAST;
        good = mesh_match(request->message, "[~a, ~a, ~t]", &job->module, &job->function, &job->args) == MESH_OK;
    } else {
        uint32_t count;
        job->form = job->flags ? FORM_PROCESS : FORM_CAST;
        job->module = request->module;
        job->function = request->function;
        job->args = request->message;
        good = list_length(request->message, &count) && count == request->arity;
    }
    return good && list_length(job->args, &job->arity);
}

void spawn_request(struct spawn *spawn, mesh_bytes peer, const struct control *request)
{
    struct spawn_job job = {.peer = peer, .from = request->from, .tag = request->ref};
    mesh_buf pid;
    if (!read_options(request->options, &job.flags)) {
        refuse(spawn, peer, request, "badopt");
        return;
    }
    if (!read_target(request, &job)) {
        refuse(spawn, peer, request, "badarg");
        return;
    }
    if (job_limit(spawn, peer)) {
        refuse(spawn, peer, request, "system_limit");
        return;
    }
    mesh_buf_init(&pid);
    job.pid = spawn->next_pid(spawn->context);
    reply(spawn, peer, request, job.flags, service_put_pid(spawn->service, &pid, job.pid), &pid);
    job_run(spawn, &job);
}

/* ---- rex --------------------------------------------------------------------------------------------------------- */

static bool read_mfa(mesh_term request, struct spawn_job *job)
{
    return (mesh_match(request, "{:call, ~a, ~a, ~t, _}", &job->module, &job->function, &job->args) == MESH_OK ||
            mesh_match(request, "{:block_call, ~a, ~a, ~t, _}", &job->module, &job->function, &job->args) == MESH_OK ||
            mesh_match(request, "{:cast, ~a, ~a, ~t, _}", &job->module, &job->function, &job->args) == MESH_OK) &&
           list_length(job->args, &job->arity);
}

static void rex_run(struct spawn *spawn, struct spawn_job *job)
{
    mesh_buf reply;
    if (!job_limit(spawn, job->peer)) {
        job_run(spawn, job);
        return;
    }
    spawn->refused++;
    if (job->form == FORM_CAST)
        return;
    mesh_buf_init(&reply);
    const struct service_call call = {.from = job->from, .tag = job->tag};
    const int built = mesh_build(&reply, "{:badrpc, {:EXIT, :system_limit}}");
    service_reply(spawn->service, job->peer, job->pid, &call, built, &reply);
}

bool spawn_rex_call(struct spawn *spawn, mesh_bytes peer, uint64_t rex, const struct service_call *call)
{
    struct spawn_job job = {.form = FORM_REX_CALL, .pid = rex, .peer = peer, .from = call->from, .tag = call->tag};
    if (!read_mfa(call->request, &job))
        return false;
    rex_run(spawn, &job);
    return true;
}

bool spawn_rex_cast(struct spawn *spawn, mesh_bytes peer, mesh_term request)
{
    struct spawn_job job = {.form = FORM_CAST, .peer = peer};
    if (!read_mfa(request, &job))
        return false;
    rex_run(spawn, &job);
    return true;
}

bool spawn_rex_info(struct spawn *spawn, mesh_bytes peer, uint64_t rex, mesh_term message)
{
    static const uint8_t atom_rex[] = {TAG_SMALL_ATOM_UTF8, 3, 'r', 'e', 'x'};
    struct spawn_job job = {.form = FORM_REX_INFO, .pid = rex, .peer = peer, .tag = {atom_rex, sizeof atom_rex, NULL}};
    mesh_term request;
    if (mesh_match(message, "{~t, ~t}", &job.from, &request) != MESH_OK || service_type(job.from) != MESH_TYPE_PID ||
        !read_mfa(request, &job))
        return false;
    rex_run(spawn, &job);
    return true;
}
