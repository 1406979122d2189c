/* A game of two rooms: players enter a cave, the cave falls in, and they flee to the inn.
 *
 * Shows what processes do besides answering: they start with an argument (init_arg), call each other from inside a
 * handler, send to themselves later (mesh_send_after), broadcast (mesh_send), watch each other (mesh_monitor and its
 * {:DOWN, …}), crash and stop, and answer a call later than the handler that took it. No process is ever started, and
 * nobody sleeps: whoever waits, waits for an answer.
 *
 *     main  --call {:enter, room}-->  Player  --call {:join, pid}-->  Room
 *     Room  --{:round, n} on its timer-->  every Player;  Room ends  --{:DOWN, …}-->  every Player */
#include <stdio.h>
#include <string.h>

#include <mesh.h>

enum { SEATS = 8, ROUND_MS = 20, LAST_ROUND = 3, NAME_SIZE = 32 };

static const char *const PLAYERS[] = {"Ada", "Grace", "Edsger"};
enum { PLAYER_COUNT = sizeof PLAYERS / sizeof PLAYERS[0] };

/* ---- Both modules ---- */

/* Calls a process of the capability "game", which must answer :ok (else MESH_ENOMATCH); pid (may be NULL): who did. */
static int call(mesh_node *node, const char *module, mesh_bytes id, mesh_term payload, mesh_term init_arg,
                mesh_pid *pid)
{
    const mesh_request request = {
        .module = module, .capability = "game", .id = id, .payload = payload, .init_arg = init_arg};
    mesh_result result = {0};
    int error = mesh_call(node, &request, &result);
    error = error ? error : mesh_match(result.value, ":ok");
    if (!error && pid)
        *pid = result.pid;
    mesh_result_release(&result);
    return error;
}

/* Answers a call with an atom. */
static int answer(mesh_from from, const char *atom)
{
    mesh_buf reply;
    mesh_buf_init(&reply);
    int error = mesh_build(&reply, "~a", atom);
    error = error ? error : mesh_reply(from, mesh_buf_term(&reply));
    mesh_buf_fini(&reply);
    return error;
}

/* ---- Room: seats, a timer, and an end ---- */

struct room {
    mesh_pid player[SEATS];
    size_t players;
    int round;
};

static int next_round_later(mesh_process *self)
{
    mesh_pid me;
    mesh_self(self, &me);
    mesh_buf tick;
    mesh_buf_init(&tick);
    int error = mesh_build(&tick, ":tick");
    error = error ? error : mesh_send_after(mesh_process_node(self), ROUND_MS, &me, mesh_buf_term(&tick), NULL);
    mesh_buf_fini(&tick);
    return error;
}

static int room_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    struct room *r = state;
    mesh_pid player;
    if (mesh_match(message, "{:join, ~p}", &player) == MESH_OK) {
        if (r->players == SEATS)
            return answer(from, "full");
        r->player[r->players++] = player;
        return answer(from, "ok");
    }
    if (mesh_match(message, ":start") == MESH_OK) {
        int error = next_round_later(self);
        return error ? error : answer(from, "ok");
    }
    if (mesh_match(message, ":close") == MESH_OK) {
        int error = mesh_stop(self, (mesh_term){0}); /* after this handler, with the reason :normal */
        return error ? error : answer(from, "ok");
    }
    return mesh_from_drop(from);
}

/* The timer fired: tells everybody and sets it again, until the roof gives way. */
static int room_info(mesh_process *self, void *state, mesh_term message)
{
    struct room *r = state;
    if (mesh_match(message, ":tick") != MESH_OK)
        return MESH_OK;
    if (++r->round > LAST_ROUND) {
        mesh_buf reason;
        mesh_buf_init(&reason);
        mesh_build(&reason, "{:roof_fell_in, %{round: ~i}}", r->round);
        int error = mesh_crash(self, mesh_buf_term(&reason));
        mesh_buf_fini(&reason);
        return error;
    }
    mesh_bytes id = mesh_id(self);
    printf("the %.*s, round %d\n", (int)id.len, (const char *)id.data, r->round);

    mesh_buf round;
    mesh_buf_init(&round);
    int error = mesh_build(&round, "{:round, ~i}", r->round);
    for (size_t i = 0; i < r->players && !error; i++)
        mesh_send(mesh_process_node(self), &r->player[i], mesh_buf_term(&round)); /* one that has left misses it */
    mesh_buf_fini(&round);
    return error ? error : next_round_later(self);
}

/* ---- Player: enters rooms and watches them ---- */

struct player {
    char name[NAME_SIZE];
    char room[NAME_SIZE]; /* where it is; empty: at home */
    mesh_ref watch;       /* the monitor on that room */
    int rounds;           /* played */
    bool asked;           /* somebody waits until it leaves the room, and from is owed an answer */
    mesh_from from;
};

static void copy_text(char to[NAME_SIZE], mesh_bytes text)
{
    snprintf(to, NAME_SIZE, "%.*s", (int)text.len, (const char *)text.data);
}

static int player_init(mesh_process *self, void *state, mesh_term init_arg)
{
    (void)self;
    struct player *p = state;
    mesh_bytes name;
    int error = mesh_match(init_arg, "%{name: ~b}", &name);
    if (error)
        return error; /* no player without a name: the caller gets MESH_EINIT */
    copy_text(p->name, name);
    return MESH_OK;
}

/* Calls the room from inside the player's handler, which waits for the answer; its worker does not. */
static int enter(mesh_process *self, struct player *p, mesh_bytes room)
{
    mesh_pid me, room_pid;
    mesh_self(self, &me);
    mesh_buf join;
    mesh_buf_init(&join);
    int error = mesh_build(&join, "{:join, ~p}", &me);
    error =
        error ? error : call(mesh_process_node(self), "Room", room, mesh_buf_term(&join), (mesh_term){0}, &room_pid);
    error = error ? error : mesh_monitor(self, &room_pid, &p->watch);
    mesh_buf_fini(&join);
    if (error)
        return error;
    copy_text(p->room, room);
    printf("%s enters the %s\n", p->name, p->room);
    return MESH_OK;
}

/* {:enter, room} is answered inside. {:left, room} is answered when the player is not in that room: at once, or by the
 * handler that sees the room end. */
static int player_call(mesh_process *self, void *state, mesh_from from, mesh_term message)
{
    struct player *p = state;
    mesh_bytes room;
    if (mesh_match(message, "{:enter, ~b}", &room) == MESH_OK) {
        int error = enter(self, p, room);
        return error ? error : answer(from, "ok");
    }
    if (mesh_match(message, "{:left, ~b}", &room) != MESH_OK || p->asked)
        return mesh_from_drop(from);
    if (room.len != strlen(p->room) || memcmp(room.data, p->room, room.len) != 0)
        return answer(from, "ok");
    p->from = from;
    p->asked = true;
    return MESH_OK;
}

/* The room has ended: flees to the inn if it fell in, goes home if it closed. */
static int leave(mesh_process *self, struct player *p, mesh_term reason)
{
    char text[64];
    int error = MESH_OK;
    printf("%s sees the %s end: %s\n", p->name, p->room, mesh_inspect_text(reason, text, sizeof text));
    if (mesh_match(reason, ":normal") == MESH_OK) {
        p->room[0] = '\0';
        printf("%s goes home after %d rounds\n", p->name, p->rounds);
    } else {
        error = enter(self, p, mesh_str("inn"));
    }
    if (!error && p->asked) {
        p->asked = false;
        error = answer(p->from, "ok");
    }
    return error;
}

static int player_info(mesh_process *self, void *state, mesh_term message)
{
    struct player *p = state;
    int round;
    mesh_ref ref;
    mesh_term reason;
    if (mesh_match(message, "{:round, ~i}", &round) == MESH_OK) {
        p->rounds++;
        printf("%s plays round %d\n", p->name, round);
    } else if (mesh_match(message, "{:DOWN, ~r, :process, _, ~t}", &ref, &reason) == MESH_OK &&
               mesh_ref_equal(&ref, &p->watch)) {
        return leave(self, p, reason);
    }
    return MESH_OK;
}

/* ---- The story ---- */

static const mesh_module ROOM = {.size = sizeof ROOM,
                                 .name = "Room",
                                 .state_size = sizeof(struct room),
                                 .handle_call = room_call,
                                 .handle_info = room_info};

static const mesh_module PLAYER = {.size = sizeof PLAYER,
                                   .name = "Player",
                                   .state_size = sizeof(struct player),
                                   .init = player_init,
                                   .handle_call = player_call,
                                   .handle_info = player_info};

/* Tells a room one word. */
static int tell_room(mesh_node *node, const char *room, const char *word)
{
    mesh_buf message;
    mesh_buf_init(&message);
    int error = mesh_build(&message, "~a", word);
    error = error ? error : call(node, "Room", mesh_str(room), mesh_buf_term(&message), (mesh_term){0}, NULL);
    mesh_buf_fini(&message);
    return error;
}

/* Tells all players {what, room}, one after the other, and waits for their answers. Whoever is not there yet is
 * started by this call, with its name. */
static int tell_players(mesh_node *node, const char *what, const char *room)
{
    mesh_buf message, init_arg;
    mesh_buf_init(&message);
    mesh_buf_init(&init_arg);
    int error = mesh_build(&message, "{~a, ~s}", what, room);
    for (size_t i = 0; i < PLAYER_COUNT && !error; i++) {
        char id[NAME_SIZE];
        snprintf(id, sizeof id, "player-%zu", i + 1);
        error = mesh_build(&init_arg, "%{name: ~s}", PLAYERS[i]);
        error =
            error ? error : call(node, "Player", mesh_str(id), mesh_buf_term(&message), mesh_buf_term(&init_arg), NULL);
    }
    mesh_buf_fini(&init_arg);
    mesh_buf_fini(&message);
    return error;
}

static int play(mesh_node *node)
{
    int error = mesh_register_module(node, &ROOM);
    error = error ? error : mesh_register_module(node, &PLAYER);
    error = error ? error : mesh_register_capability(node, "game", NULL);
    error = error ? error : tell_players(node, "enter", "cave");
    error = error ? error : tell_room(node, "cave", "start");
    error = error ? error : tell_players(node, "left", "cave"); /* it falls in, they flee */
    error = error ? error : tell_room(node, "inn", "close");
    error = error ? error : tell_players(node, "left", "inn");
    return error;
}

int main(void)
{
    const mesh_node_options options = {
        .size = sizeof options, .name = "game@127.0.0.1", .log_level = MESH_LOG_ERROR, .crash_reports = true};
    mesh_node *node = NULL;
    int error = mesh_node_start(&options, &node);
    error = error ? error : play(node);
    int stop_error = mesh_node_stop(node);
    error = error ? error : stop_error;
    if (error)
        fprintf(stderr, "game: %s: %s\n", mesh_error_name(error), mesh_strerror(error));
    else
        puts("the game is over");
    return error != MESH_OK;
}
