#!/bin/sh
# shellcheck disable=SC1091,SC2154 # lib.sh, which sets program and dir
# mesh epmd in the place of Erlang's: real nodes register at it and find each other, and it ends as asked.
. "$(dirname "$0")/lib.sh"

# A port that nobody listens on: the kernel's choice, given by an erl that closes it again.
port=$(erl -noshell -eval '{ok, S} = gen_tcp:listen(0, []), {ok, P} = inet:port(S), io:format("~w", [P]), halt().')
ERL_EPMD_PORT="$port"
ERL_EPMD_ADDRESS=127.0.0.1
HOME="$dir"
ERL_CRASH_DUMP="$dir/dump" # of an erl that refuses its name
export ERL_EPMD_PORT ERL_EPMD_ADDRESS ERL_CRASH_DUMP HOME

"$program" epmd --address 127.0.0.1 >"$dir/out" 2>"$dir/err" &
epmd=$!
first=$epmd
trap 'kill "$epmd" "$first" 2>/dev/null || true; rm -rf "$dir"' EXIT
await grep -q 'INFO epmd listens port='"$port" "$dir/err"

node() {
    erl -noshell -start_epmd false -setcookie mesh -kernel inet_dist_use_interface '{127,0,0,1}' "$@"
}

# A second of the same port is told why it cannot be.
code=0
"$program" epmd --address 127.0.0.1 2>"$dir/second" || code=$?
[ "$code" = 1 ] || fail "exit code $code of a second epmd"
grep -qx "mesh epmd: cannot listen on 127.0.0.1 port $port: address already in use" "$dir/second" ||
    fail "the second said: $(cat "$dir/second")"

# One node stays; the other asks epmd for it, and connects.
: >"$dir/first"
node -name first@127.0.0.1 -eval 'io:format("ready~n"), receive after 60000 -> halt() end.' >"$dir/first" 2>&1 &
first=$!
await grep -q ready "$dir/first"
await grep -q 'INFO a node has registered with epmd name=first port=' "$dir/err"
node -name second@127.0.0.1 -eval '
    {ok, Names} = net_adm:names("127.0.0.1"),
    io:format("~p~n", [lists:sort([N || {N, _} <- Names])]),
    io:format("~p~n", [net_adm:ping('"'first@127.0.0.1'"')]),
    rpc:call('"'first@127.0.0.1'"', erlang, halt, []), halt().' >"$dir/out" 2>>"$dir/err" || fail "the second node"
has_line '["first","second"]'
has_line 'pong'
wait "$first" || true
await grep -q 'INFO a node has gone from epmd name=first port=' "$dir/err"
await grep -q 'INFO a node has gone from epmd name=second port=' "$dir/err"

# erl takes the names that check-config takes, and reads a cookie as its unit test says.
printf 'one two \r\n\n' >"$dir/.erlang.cookie"
chmod 400 "$dir/.erlang.cookie"
erl -noshell -sname a -start_epmd false -eval 'io:format("<~s>~n", [erlang:get_cookie()]), halt().' >"$dir/out" 2>&1 ||
    fail "erl with a cookie file"
has_line '<one two >'
for name in game game_2 a-b a.b 'a b' 'gr!n' c@h.org 'd@h!x'; do
    printf 'sname: "%s"\n' "$name" >"$dir/name.yml"
    ours=taken theirs=taken
    "$program" check-config "$dir/name.yml" >/dev/null 2>"$dir/why" || ours=refused
    timeout 20 erl -noshell -sname "$name" -start_epmd false -eval 'halt(case node() of nonode@nohost -> 1; _ -> 0 end).' \
        >"$dir/out" 2>&1 </dev/null || theirs=refused
    [ "$ours" = "$theirs" ] || fail "the name '$name' is $ours by us, $theirs by erl: $(cat "$dir/why")"
done

# SIGTERM ends it in order; so does epmd -kill.
kill -TERM "$epmd"
code=0
wait "$epmd" || code=$?
[ "$code" = 0 ] || fail "exit code $code after SIGTERM"
grep -q 'INFO epmd stops' "$dir/err" || fail "it did not say that it stops"
"$program" epmd --address 127.0.0.1 2>"$dir/again" &
epmd=$!
await grep -q 'INFO epmd listens' "$dir/again"
epmd -kill >"$dir/out" 2>&1 || fail "epmd -kill"
code=0
wait "$epmd" || code=$?
[ "$code" = 0 ] || fail "exit code $code after epmd -kill"
