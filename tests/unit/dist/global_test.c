/* Names and locks of a cluster, on a clock of its own: nodes that are all services, in an order that a seed gives; and
 * scripts that say what a node should not, or nothing. */
#include "dist/global.h"

#include <stdio.h>
#include <string.h>

#include "unit/dist/fabric.h"

static const char *const names[] = {"a@h", "b@h", "c@h", "d@h", "e@h"};

static struct global *global_of(struct fabric *f, size_t node)
{
    return f->nodes[node].system.global;
}

static struct global_counts counts(struct fabric *f, size_t node)
{
    return global_counts(global_of(f, node));
}

static mesh_term parsed(mesh_buf *buf, const char *text)
{
    mesh_buf_init(buf);
    assert_int_equal(mesh_parse(text, strlen(text), buf, NULL), MESH_OK);
    return mesh_buf_term(buf);
}

static void give_name(struct fabric *f, size_t node, const char *text)
{
    mesh_buf name, pid;
    assert_int_equal(global_register(global_of(f, node), parsed(&name, text),
                                     fabric_pid(&f->nodes[node], FABRIC_USER_PID, &pid), false, 1, f->now_ms),
                     MESH_OK);
    mesh_buf_fini(&name);
    mesh_buf_fini(&pid);
}

/* The node whose process has the name, as `node` sees it; "" if none. */
static const char *holder(struct fabric *f, size_t node, const char *text)
{
    static char out[NAME_MAX_BYTES + 1];
    mesh_buf name;
    mesh_term pid;
    out[0] = '\0';
    if (global_whereis(global_of(f, node), parsed(&name, text), &pid)) {
        const mesh_bytes n = service_node(pid);
        snprintf(out, sizeof out, "%.*s", (int)n.len, (const char *)n.data);
    }
    mesh_buf_fini(&name);
    return out;
}

/* All who are alive know each other, agree on how many names there are, and hold no lock. */
static void assert_whole(struct fabric *f, uint32_t alive, uint32_t named)
{
    for (size_t i = 0; i < f->count; i++) {
        if (!f->nodes[i].alive || f->nodes[i].scripted)
            continue;
        const struct global_counts c = counts(f, i);
        assert_int_equal(c.known, alive - 1);
        assert_int_equal(c.synced, alive - 1);
        assert_int_equal(c.names, named);
        assert_int_equal(c.locks, 0);
        assert_int_equal(c.given_up, 0);
        assert_int_equal(c.requests, 0);
    }
}

static void two_nodes_meet(void **state)
{
    struct fabric f;
    (void)state;
    fabric_init(&f, 1);
    const size_t a = fabric_start(&f, names[0], false), b = fabric_start(&f, names[1], false);
    give_name(&f, a, ":one");
    give_name(&f, b, "{:two, 2}");
    assert_int_equal(f.nodes[a].done_yes, 1); /* alone: at once */
    fabric_link(&f, a, b);
    fabric_pass(&f, 1000);
    assert_whole(&f, 2, 2);
    assert_string_equal(holder(&f, a, "{:two, 2}"), "b@h");
    assert_string_equal(holder(&f, b, ":one"), "a@h");
    assert_int_equal(counts(&f, a).sessions, 1);

    give_name(&f, b, ":one"); /* taken */
    fabric_pass(&f, 3000);
    assert_int_equal(f.nodes[b].done, 2);
    assert_int_equal(f.nodes[b].done_yes, 1);
    global_process_gone(global_of(&f, a), FABRIC_USER_PID);
    assert_int_equal(counts(&f, a).names, 1);
    fabric_cut(&f, a, b);
    assert_int_equal(counts(&f, a).names, 0);
    assert_int_equal(counts(&f, b).names, 1);
    assert_int_equal(counts(&f, a).known, 0);
    fabric_fini(&f);
}

/* Joining any member connects with all. */
static void a_join_makes_a_full_mesh(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct fabric f;
        fabric_init(&f, seed);
        for (size_t i = 0; i < 5; i++)
            fabric_start(&f, names[(i + seed) % 5], false);
        for (size_t i = 1; i < 5; i++) {
            fabric_link(&f, i, (size_t)(seed >> i) % i);
            if (seed % 2)
                fabric_pass(&f, 200 * i); /* else all at the same time */
        }
        fabric_pass(&f, 60000);
        assert_whole(&f, 5, 0);
        fabric_fini(&f);
    }
}

/* Nodes come, leave and crash, and give names meanwhile; in the end all is as it should be. */
static void churn_leaves_no_lock(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct fabric f;
        uint64_t dice = seed * 77 + 5;
        char text[32];
        fabric_init(&f, seed);
        for (size_t i = 0; i < 5; i++) {
            fabric_start(&f, names[i], false);
            if (i > 0)
                fabric_link(&f, 0, i);
        }
        for (int step = 0; step < 30; step++) {
            dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407;
            const size_t node = (size_t)(dice >> 40) % 5;
            if (!f.nodes[node].alive) {
                fabric_start(&f, names[node], false);
                for (size_t i = 0; i < 5; i++)
                    if (i != node && f.nodes[i].alive) {
                        fabric_link(&f, node, i);
                        break;
                    }
            } else if ((dice >> 50) % 3 == 0) {
                fabric_stop(&f, node, (dice >> 55) % 2 == 0);
            } else {
                snprintf(text, sizeof text, "{:name, %d}", step);
                give_name(&f, node, text);
            }
            fabric_pass(&f, (dice >> 45) % 1500);
        }
        for (size_t i = 0; i < 5; i++)
            if (!f.nodes[i].alive)
                fabric_start(&f, names[i], false);
        fabric_pass(&f, 30000);
        for (size_t i = 1; i < 5; i++)
            fabric_link(&f, 0, i);
        fabric_pass(&f, 60000);
        assert_whole(&f, 5, counts(&f, 0).names);
        fabric_fini(&f);
    }
}

static void of_two_processes_with_a_name_one_stays(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct fabric f;
        fabric_init(&f, seed);
        for (size_t i = 0; i < 4; i++)
            fabric_start(&f, names[i], false);
        fabric_link(&f, 0, 3);
        fabric_link(&f, 1, 2);
        fabric_pass(&f, 3000);
        give_name(&f, 3, ":x"); /* in the part of a and d; a is to resolve, and has to ask d */
        give_name(&f, 2, ":x");
        fabric_pass(&f, 3000);
        fabric_link(&f, seed % 2 ? 0 : 3, seed % 3 ? 1 : 2);
        fabric_pass(&f, 30000);
        assert_whole(&f, 4, 1);
        for (size_t i = 0; i < 4; i++)
            assert_string_equal(holder(&f, i, ":x"), "c@h");
        assert_int_equal(f.nodes[3].killed, 1);
        assert_int_equal(f.nodes[2].killed, 0);
        fabric_fini(&f);
    }
}

/* A connection that is lost parts the cluster, so that no two parts overlap. */
static void a_lost_connection_parts(void **state)
{
    struct fabric f;
    (void)state;
    fabric_init(&f, 3);
    for (size_t i = 0; i < 4; i++)
        fabric_start(&f, names[i], false);
    for (size_t i = 1; i < 4; i++)
        fabric_link(&f, 0, i);
    fabric_pass(&f, 30000);
    assert_whole(&f, 4, 0);
    fabric_cut(&f, 0, 1);
    fabric_pass(&f, 2000);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(f.nodes[i].linked[j], i != j && i + j == 5); /* c and d stay together */
    fabric_fini(&f);
}

static void a_node_that_leaves_parts_nobody(void **state)
{
    struct fabric f;
    (void)state;
    fabric_init(&f, 4);
    for (size_t i = 0; i < 3; i++)
        fabric_start(&f, names[i], false);
    fabric_link(&f, 0, 1);
    fabric_link(&f, 1, 2);
    fabric_pass(&f, 10000);
    assert_whole(&f, 3, 0);
    fabric_stop(&f, 1, false);
    fabric_pass(&f, 1000);
    assert_true(f.nodes[0].linked[2]);
    assert_int_equal(counts(&f, 0).known, 1);
    fabric_fini(&f);
}

static void locks_exclude(void **state)
{
    struct fabric f;
    mesh_buf what, me, you;
    (void)state;
    fabric_init(&f, 5);
    for (size_t i = 0; i < 3; i++)
        fabric_start(&f, names[i], false);
    fabric_link(&f, 0, 1);
    fabric_link(&f, 0, 2);
    fabric_pass(&f, 10000);
    const mesh_term resource = parsed(&what, ":res"), mine = parsed(&me, ":me"), yours = parsed(&you, ":you");
    assert_int_equal(global_set_lock(global_of(&f, 0), resource, mine, 0, 1, f.now_ms), MESH_OK);
    fabric_pass(&f, 100);
    assert_int_equal(f.nodes[0].done_yes, 1);
    assert_int_equal(global_set_lock(global_of(&f, 1), resource, yours, 2, 1, f.now_ms), MESH_OK);
    assert_int_equal(global_set_lock(global_of(&f, 2), resource, yours, GLOBAL_FOR_EVER, 1, f.now_ms), MESH_OK);
    fabric_pass(&f, 3000);
    assert_int_equal(f.nodes[1].done, 1); /* tried again, twice */
    assert_int_equal(f.nodes[1].done_yes, 0);
    assert_int_equal(f.nodes[2].done, 0);
    fabric_stop(&f, 0, true); /* and its lock with it */
    fabric_pass(&f, 10000);
    assert_int_equal(f.nodes[2].done_yes, 1);
    assert_int_equal(global_del_lock(global_of(&f, 1), resource, yours, f.now_ms), MESH_ENOMATCH);
    assert_int_equal(global_del_lock(global_of(&f, 2), resource, yours, f.now_ms), MESH_OK);
    fabric_pass(&f, 100);
    assert_int_equal(counts(&f, 1).locks, 0);
    mesh_buf_fini(&what);
    mesh_buf_fini(&me);
    mesh_buf_fini(&you);
    fabric_fini(&f);
}

static void requests_are_bounded(void **state)
{
    struct fabric f;
    mesh_buf what, who;
    (void)state;
    fabric_init(&f, 6);
    fabric_start(&f, names[0], false);
    for (int i = 0; i < GLOBAL_REQUESTS_MAX; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(global_set_lock(global_of(&f, 0), parsed(&what, text), parsed(&who, ":me"), 0, 1, f.now_ms),
                         MESH_OK);
        mesh_buf_fini(&what);
        mesh_buf_fini(&who);
    }
    assert_int_equal(counts(&f, 0).locks, GLOBAL_REQUESTS_MAX);
    assert_int_equal(global_set_lock(global_of(&f, 0), parsed(&what, ":x"), parsed(&who, ":me"), 0, 1, f.now_ms),
                     MESH_EBUSY);
    mesh_buf_fini(&what);
    mesh_buf_fini(&who);
    fabric_fini(&f);
}

/* ---- beside a script --------------------------------------------------------------------------------------------- */

struct pair {
    struct fabric f;
    size_t us, script;
    struct fabric_node *him;
    mesh_buf locker;
    int64_t tag; /* ours, as he was told */
};

static void cast(struct pair *p, int built, mesh_buf *inner)
{
    mesh_buf message;
    mesh_buf_init(&message);
    assert_int_equal(built, MESH_OK);
    built = mesh_build(&message, "{:\"$gen_cast\", ~t}", mesh_buf_term(inner));
    fabric_say(&p->f, p->script, p->us, "global_name_server", built, &message);
    mesh_buf_fini(inner);
}

static void info(struct pair *p, int built, mesh_buf *message)
{
    fabric_say(&p->f, p->script, p->us, "global_name_server", built, message);
}

static void heard(struct pair *p, const char *text)
{
    const char *said = fabric_heard(p->him);
    if (strncmp(said, text, strlen(text)) != 0)
        fail_msg("heard %s, not %s", said, text);
    fabric_forget(p->him);
}

static void pair_start(struct pair *p)
{
    fabric_init(&p->f, 9);
    p->us = fabric_start(&p->f, "b@h", false);
    p->script = fabric_start(&p->f, "a@h", true);
    p->him = &p->f.nodes[p->script];
    fabric_pid(p->him, 4, &p->locker);
    fabric_link(&p->f, p->us, p->script);
    fabric_settle(&p->f);
    heard(p, "send_name {:\"$gen_cast\", {:init_connect, {8, 1}, :b@h, {:locker, :no_longer_a_pid, %{}, #PID<");
    p->tag = 1;
}

static void pair_stop(struct pair *p)
{
    mesh_buf_fini(&p->locker);
    fabric_fini(&p->f);
}

static void say_init_connect(struct pair *p, int64_t tag)
{
    mesh_buf m;
    mesh_buf_init(&m);
    cast(p,
         mesh_build(&m, "{:init_connect, {8, ~i}, :\"a@h\", {:locker, :no_longer_a_pid, %{}, ~t}}", tag,
                    mesh_buf_term(&p->locker)),
         &m);
}

static void say_lock_set(struct pair *p, bool set)
{
    mesh_buf m;
    mesh_buf_init(&m);
    cast(p, mesh_build(&m, "{:lock_set, ~t, ~o, [], ~i}", mesh_buf_term(&p->locker), set, p->tag), &m);
}

/* A call from the process 3 of the script. */
static void call(struct pair *p, int built, mesh_buf *request)
{
    mesh_buf message, pid, ref;
    mesh_buf_init(&message);
    assert_int_equal(built, MESH_OK);
    built = mesh_build(&message, "{:\"$gen_call\", {~t, ~t}, ~t}", fabric_pid(p->him, 3, &pid),
                       fabric_ref(p->him, 1, &ref), mesh_buf_term(request));
    fabric_say(&p->f, p->script, p->us, "global_name_server", built, &message);
    mesh_buf_fini(&pid);
    mesh_buf_fini(&ref);
    mesh_buf_fini(request);
}

static void answered(struct pair *p, const char *value)
{
    const char *said = fabric_heard(p->him);
    const size_t len = strlen(said), n = strlen(value);
    if (strncmp(said, "send {#Reference<", 17) != 0 || len < n + 3 || strncmp(said + len - n - 1, value, n) != 0)
        fail_msg("answered %s, not %s", said, value);
    fabric_forget(p->him);
}

static void ask(struct pair *p, const char *text, const char *value)
{
    mesh_buf request;
    parsed(&request, text);
    call(p, MESH_OK, &request);
    answered(p, value);
}

/* He begins, exchanges names, and is known. */
static void the_passive_side(void **state)
{
    struct pair p;
    mesh_buf m, pid;
    (void)state;
    pair_start(&p);
    give_name(&p.f, p.us, ":ours");
    say_init_connect(&p, -5);
    heard(&p, "send_name {:init_connect_ack, :b@h, -5, 1}");
    say_lock_set(&p, true);
    heard(&p, "send_name {:\"$gen_cast\", {:lock_set, #PID<");
    heard(&p, "send_name {:\"$gen_cast\", {:exchange, :b@h, [{:ours, #PID<");
    assert_int_equal(counts(&p.f, p.us).locks, 1);
    mesh_buf_init(&m);
    cast(&p,
         mesh_build(&m, "{:exchange, :\"a@h\", [{:theirs, ~t, :method}], [], ~i}", fabric_pid(p.him, 9, &pid), p.tag),
         &m);
    heard(&p, "send_name {:\"$gen_cast\", {:resolved, :b@h, [], [], :unused, [], -5}}");
    mesh_buf_init(&m);
    cast(&p, mesh_build(&m, "{:resolved, :\"a@h\", [], [], :unused, [], ~i}", p.tag), &m);
    heard(&p, "monitor");
    assert_string_equal(fabric_heard(p.him), "");
    assert_int_equal(counts(&p.f, p.us).locks, 0);
    assert_int_equal(counts(&p.f, p.us).known, 1);
    assert_string_equal(holder(&p.f, p.us, ":theirs"), "a@h");
    ask(&p, ":get_known", "[:a@h]");
    ask(&p, ":get_synced", "[:a@h]");
    mesh_buf_fini(&pid);
    pair_stop(&p);
}

static void the_active_side(void **state)
{
    struct pair p;
    (void)state;
    pair_start(&p);
    say_init_connect(&p, 77);
    heard(&p, "send_name {:init_connect_ack, :b@h, 77, 1}");
    fabric_pass(&p.f, 300);
    heard(&p, "send_name {:\"$gen_call\", {#PID<");
    assert_int_equal(counts(&p.f, p.us).locks, 1); /* it waits for the answer */
    fabric_pass(&p.f, GLOBAL_STEP_MS);
    heard(&p, "send_name {:\"$gen_call\", {#PID<"); /* and gives it up: del_lock */
    assert_int_equal(counts(&p.f, p.us).locks, 0);
    assert_int_equal(counts(&p.f, p.us).given_up, 1);
    assert_true(p.f.nodes[p.us].linked[p.script]);
    pair_stop(&p);
}

/* Whoever is silent after the lock has been set loses his connection. */
static void the_watchdog(void **state)
{
    struct pair p;
    (void)state;
    pair_start(&p);
    say_init_connect(&p, 77);
    say_lock_set(&p, true);
    assert_int_equal(counts(&p.f, p.us).locks, 1);
    fabric_pass(&p.f, GLOBAL_STEP_MS - 200);
    assert_true(p.f.nodes[p.us].linked[p.script]);
    fabric_pass(&p.f, 500);
    assert_false(p.f.nodes[p.us].linked[p.script]);
    assert_int_equal(counts(&p.f, p.us).locks, 0);
    assert_int_equal(counts(&p.f, p.us).given_up, 1);
    pair_stop(&p);
}

static void sessions_out_of_step_restart(void **state)
{
    struct pair p;
    mesh_buf m;
    (void)state;
    pair_start(&p);
    say_init_connect(&p, 77);
    heard(&p, "send_name {:init_connect_ack, :b@h, 77, 1}");
    say_init_connect(&p, 78); /* again: both go, a new one comes */
    heard(&p, "send_name {:cancel_connect, :b@h, 78}");
    heard(&p, "send_name {:\"$gen_cast\", {:init_connect, {8, 2}");
    heard(&p, "send_name {:init_connect_ack, :b@h, 78, 2}");
    mesh_buf_init(&m);
    info(&p, mesh_build(&m, "{:cancel_connect, :\"a@h\", 1}"), &m); /* an old one */
    assert_string_equal(fabric_heard(p.him), "");
    mesh_buf_init(&m);
    info(&p, mesh_build(&m, "{:cancel_connect, :\"a@h\", 2}"), &m);
    heard(&p, "send_name {:\"$gen_cast\", {:init_connect, {8, 3}");
    mesh_buf_init(&m);
    info(&p, mesh_build(&m, "{:init_connect_ack, :\"a@h\", 3, 5}"), &m); /* he means another tag of his */
    heard(&p, "send_name {:cancel_connect, :b@h, 5}");
    heard(&p, "send_name {:\"$gen_cast\", {:init_connect, {8, 4}");
    p.tag = 4;
    say_init_connect(&p, 80);
    heard(&p, "send_name {:init_connect_ack, :b@h, 80, 4}");
    say_lock_set(&p, true);
    assert_int_equal(counts(&p.f, p.us).locks, 1);
    mesh_buf_init(&m);
    info(&p, mesh_build(&m, "{:cancel_connect, :\"a@h\", 4}"), &m); /* the lock goes too */
    assert_int_equal(counts(&p.f, p.us).locks, 0);
    assert_int_equal(counts(&p.f, p.us).restarted, 4);
    pair_stop(&p);
}

static void locks_end_with_their_process(void **state)
{
    struct pair p;
    mesh_buf pid, ref, to, reason, request;
    (void)state;
    pair_start(&p);
    parsed(&request, "{:set_lock, {:r, :me}}");
    call(&p, MESH_OK, &request);
    heard(&p, "monitor");
    answered(&p, "true");
    ask(&p, "{:set_lock, {:r, :me}}", "true"); /* again */
    ask(&p, "{:set_lock, {:r, :you}}", "false");
    ask(&p, "{:set_lock, :nonsense}", "false");
    ask(&p, "{:del_lock, {:r, :you}}", "true");
    assert_int_equal(counts(&p.f, p.us).locks, 1);

    mesh_buf_init(&ref);
    mesh_ref monitor = {.creation = p.f.nodes[p.us].creation, .count = 3, .words = {1, 0, 7}, .node = "b@h"};
    assert_int_equal(mesh_put_ref(&ref, &monitor), MESH_OK);
    const struct control down = {.kind = CONTROL_DOWN,
                                 .from = fabric_pid(p.him, 3, &pid),
                                 .to = fabric_pid(&p.f.nodes[p.us], FABRIC_FIRST_PID + SYSTEM_SERVER, &to),
                                 .ref = mesh_buf_term(&ref),
                                 .message = parsed(&reason, ":killed")};
    fabric_control(&p.f, p.script, p.us, &down);
    assert_int_equal(counts(&p.f, p.us).locks, 0);
    mesh_buf_fini(&pid);
    mesh_buf_fini(&ref);
    mesh_buf_fini(&to);
    mesh_buf_fini(&reason);
    pair_stop(&p);
}

/* A question for a name waits while names may change. */
static void whereis_waits_for_the_lock(void **state)
{
    struct pair p;
    mesh_buf m, pid, ref;
    (void)state;
    pair_start(&p);
    mesh_buf_init(&m);
    fabric_pid(p.him, 3, &pid);
    fabric_ref(p.him, 1, &ref);
    info(&p, mesh_build(&m, "{:whereis, :x, {~t, ~t}}", mesh_buf_term(&pid), mesh_buf_term(&ref)), &m);
    answered(&p, ":undefined");
    parsed(&m, "{:set_lock, {:global, :me}}");
    call(&p, MESH_OK, &m);
    heard(&p, "monitor");
    answered(&p, "true");
    mesh_buf_init(&m);
    info(&p, mesh_build(&m, "{:whereis, :x, {~t, ~t}}", mesh_buf_term(&pid), mesh_buf_term(&ref)), &m);
    assert_string_equal(fabric_heard(p.him), "");
    mesh_buf_init(&m);
    call(&p, mesh_build(&m, "{:register, :x, ~t, :method}", mesh_buf_term(&pid)), &m);
    heard(&p, "monitor");
    answered(&p, ":yes");
    parsed(&m, "{:del_lock, {:global, :me}}");
    call(&p, MESH_OK, &m);
    heard(&p, "demonitor");
    const char *said = fabric_heard(p.him);
    assert_non_null(strstr(said, "#PID<")); /* the name's process */
    fabric_forget(p.him);
    answered(&p, "true");
    ask(&p, ":get_protocol_version", "8");
    ask(&p, ":get_names_ext", "[]");
    mesh_buf_fini(&pid);
    mesh_buf_fini(&ref);
    pair_stop(&p);
}

static void tables_are_bounded(void **state)
{
    struct pair p;
    mesh_buf m, ops, pid, op, ref;
    (void)state;
    pair_start(&p);
    mesh_buf_init(&m);
    mesh_buf_init(&ops);
    mesh_buf_init(&op);
    fabric_pid(p.him, 9, &pid);
    assert_int_equal(mesh_put_list(&ops, GLOBAL_NAMES_MAX + 6), MESH_OK);
    for (int i = 0; i < GLOBAL_NAMES_MAX + 6; i++) {
        assert_int_equal(mesh_build(&op, "{:insert, {~i, ~t, :method}}", i * 7919 % 16411, mesh_buf_term(&pid)),
                         MESH_OK);
        assert_int_equal(mesh_put_term(&ops, mesh_buf_term(&op)), MESH_OK);
    }
    assert_int_equal(mesh_put_empty(&ops), MESH_OK);
    cast(&p, mesh_build(&m, "{:new_nodes, :\"a@h\", ~t, [], [], []}", mesh_buf_term(&ops)), &m);
    assert_int_equal(counts(&p.f, p.us).names, GLOBAL_NAMES_MAX);
    assert_int_equal(counts(&p.f, p.us).refused, 6);
    mesh_buf_fini(&ops);
    mesh_buf_fini(&op);
    mesh_buf_fini(&pid);

    fabric_ref(p.him, 1, &ref);
    for (uint64_t i = 0; i <= GLOBAL_HOLDERS_MAX; i++) { /* one requester, many processes */
        fabric_forget_all(p.him);
        mesh_buf_init(&m);
        fabric_say(&p.f, p.script, p.us, "global_name_server",
                   mesh_build(&m, "{:\"$gen_call\", {~t, ~t}, {:set_lock, {:r, :me}}}",
                              fabric_pid(p.him, 100 + i, &pid), mesh_buf_term(&ref)),
                   &m);
        if (i < GLOBAL_HOLDERS_MAX)
            heard(&p, "monitor");
        answered(&p, i < GLOBAL_HOLDERS_MAX ? "true" : "false");
        mesh_buf_fini(&pid);
    }
    mesh_buf_fini(&ref);
    pair_stop(&p);
}

/* A process of this node that has ended, or is of an earlier incarnation, gets no name. */
static void the_dead_have_no_names(void **state)
{
    struct pair p;
    mesh_buf m, pid;
    (void)state;
    pair_start(&p);
    for (int i = 0; i < 3; i++) {
        struct fabric_node *us = &p.f.nodes[p.us];
        us->creation += i == 2;
        fabric_pid(us, i == 1 ? 99 : FABRIC_USER_PID, &pid);
        us->creation -= i == 2;
        mesh_buf_init(&m);
        call(&p, mesh_build(&m, "{:register, :x, ~t, :method}", mesh_buf_term(&pid)), &m);
        answered(&p, ":yes");
        assert_int_equal(counts(&p.f, p.us).names, i == 0);
        mesh_buf_fini(&pid);
    }
    pair_stop(&p);
}

/* What resolves a clash of the script's process 3 with the user's of this node, and who is told. */
static void methods_of_otp_are_known(void **state)
{
    static const struct {
        const char *method;
        const char *winner, *he_hears, *we_hear;
    } rows[] = {
        {"random_exit_name", "#PID<a@h.3.0>", "", "exit2 :kill"},
        {"random_notify_name", "#PID<a@h.3.0>", "", "send {:global_name_conflict, :x}"},
        {"notify_all_name", ":none", "send {:global_name_conflict, :x, #PID<b@h.8.0>}",
         "send {:global_name_conflict, :x, #PID<a@h.3.0>}"},
        {"another", ":none", "", ""},
    };
    struct pair p;
    mesh_buf name, his, ours;
    (void)state;
    pair_start(&p);
    parsed(&name, ":x");
    fabric_pid(p.him, 3, &his);
    fabric_pid(&p.f.nodes[p.us], FABRIC_USER_PID, &ours);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[64];
        mesh_buf method, winner;
        mesh_buf_init(&method);
        mesh_buf_init(&winner);
        assert_int_equal(mesh_buf_append(&method, "\161\167\6global\167", 10), MESH_OK);
        const uint8_t len = (uint8_t)strlen(rows[i].method);
        assert_int_equal(mesh_buf_append(&method, &len, 1), MESH_OK);
        assert_int_equal(mesh_buf_append(&method, rows[i].method, len), MESH_OK);
        assert_int_equal(mesh_put_int(&method, 3), MESH_OK);
        assert_int_equal(global_resolve(global_of(&p.f, p.us), mesh_buf_term(&method), mesh_buf_term(&name),
                                        mesh_buf_term(&ours), mesh_buf_term(&his), &winner),
                         MESH_OK);
        fabric_settle(&p.f);
        assert_string_equal(mesh_inspect_text(mesh_buf_term(&winner), text, sizeof text), rows[i].winner);
        assert_string_equal(fabric_heard(p.him), rows[i].he_hears);
        assert_string_equal(fabric_heard(&p.f.nodes[p.us]), rows[i].we_hear);
        fabric_forget_all(p.him);
        fabric_forget_all(&p.f.nodes[p.us]);
        mesh_buf_fini(&method);
        mesh_buf_fini(&winner);
    }
    mesh_buf_fini(&name);
    mesh_buf_fini(&his);
    mesh_buf_fini(&ours);
    pair_stop(&p);
}

static void nonsense_is_dropped(void **state)
{
    static const char *const messages[] = {
        ":x",
        "{:\"$gen_cast\", :x}",
        "{:\"$gen_cast\", {:lock_set, 1, 2}}",
        "{:\"$gen_cast\", {:init_connect, 8, :\"a@h\", {:locker, 1, 2, 3}}}",
        "{:\"$gen_cast\", {:new_nodes, :\"a@h\", :x}}",
        "{:lost_connection, :a, 1, 2, :b}",
        "{:lost_connection, :\"a@h\", :x, 2, :\"c@h\"}",
        "{:whereis, :x, :y}",
        "{:\"$gen_call\", {1, 2}, :get_known}",
    };
    struct pair p;
    mesh_buf m;
    (void)state;
    pair_start(&p);
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        parsed(&m, messages[i]);
        info(&p, MESH_OK, &m);
        assert_int_equal(counts(&p.f, p.us).dropped, i + 1);
    }
    parsed(&m, ":unknown_call");
    call(&p, MESH_OK, &m);
    assert_string_equal(fabric_heard(p.him), "");
    parsed(&m, "{:async_del_name, :x, :y}"); /* of old nodes */
    cast(&p, MESH_OK, &m);
    assert_int_equal(counts(&p.f, p.us).dropped, sizeof messages / sizeof *messages + 1);

    mesh_buf_init(&m); /* too old to be in step with */
    cast(&p, mesh_build(&m, "{:init_connect, {5, 1}, :\"a@h\", {:locker, 1, %{}, ~t}}", mesh_buf_term(&p.locker)), &m);
    assert_false(p.f.nodes[p.us].linked[p.script]);
    pair_stop(&p);
}

/* Pids have to be in the order of Erlang, or two lockers would have different locks: serial, id, node, creation. */
static void pids_are_in_erlangs_order(void **state)
{
    static const mesh_pid sorted[] = {
        {.number = 1, .creation = 9, .node = "z@h"},
        {.number = 2, .creation = 1, .node = "a@h"},
        {.number = 2, .creation = 2, .node = "a@h"},
        {.number = 2, .creation = 1, .node = "ab@h"},
        {.number = 2, .creation = 1, .node = "b@h"},
        {.number = UINT64_C(1) << 32, .creation = 1, .node = "a@h"},
        {.number = (UINT64_C(1) << 32) + 5, .creation = 1, .node = "a@h"},
    };
    const size_t count = sizeof sorted / sizeof *sorted;
    (void)state;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            mesh_buf a, b;
            mesh_buf_init(&a);
            mesh_buf_init(&b);
            mesh_put_pid(&a, &sorted[i]);
            mesh_put_pid(&b, &sorted[j]);
            const int order = mesh_term_compare(mesh_buf_term(&a), mesh_buf_term(&b));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
            mesh_buf_fini(&a);
            mesh_buf_fini(&b);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_nodes_meet),
        cmocka_unit_test(a_join_makes_a_full_mesh),
        cmocka_unit_test(churn_leaves_no_lock),
        cmocka_unit_test(of_two_processes_with_a_name_one_stays),
        cmocka_unit_test(a_lost_connection_parts),
        cmocka_unit_test(a_node_that_leaves_parts_nobody),
        cmocka_unit_test(locks_exclude),
        cmocka_unit_test(requests_are_bounded),
        cmocka_unit_test(the_passive_side),
        cmocka_unit_test(the_active_side),
        cmocka_unit_test(the_watchdog),
        cmocka_unit_test(sessions_out_of_step_restart),
        cmocka_unit_test(locks_end_with_their_process),
        cmocka_unit_test(whereis_waits_for_the_lock),
        cmocka_unit_test(tables_are_bounded),
        cmocka_unit_test(the_dead_have_no_names),
        cmocka_unit_test(methods_of_otp_are_known),
        cmocka_unit_test(nonsense_is_dropped),
        cmocka_unit_test(pids_are_in_erlangs_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
