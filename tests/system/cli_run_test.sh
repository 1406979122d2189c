#!/bin/sh
# shellcheck disable=SC1091,SC2154 # lib.sh, which sets program and dir
# mesh run: nodes that find each other, one that goes and comes back, and what is refused.
#   cli_run_test.sh MESH MODULE    MODULE: a shared object with modules
. "$(dirname "$0")/lib.sh"
module="$2"

# Ports that nobody listens on, as the kernel chooses them: for epmd, and for two nodes without one.
ports=$(perl -MIO::Socket::INET -e '
    print join " ", map { $_->sockport } map { IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") } 1..2')
ERL_EPMD_PORT="${ports% *}"
ERL_EPMD_ADDRESS=127.0.0.1
HOME="$dir"
export ERL_EPMD_PORT ERL_EPMD_ADDRESS HOME
pids=""
trap 'for pid in $pids; do kill "$pid" 2>/dev/null || true; done; rm -rf "$dir"' EXIT

# start NAME FLAGS…: a node in the background; its pid in $pid.
start() {
    name="$1"
    shift
    "$program" run --cookie mesh "$@" >"$dir/$name.out" 2>"$dir/$name.err" &
    pid=$!
    pids="$pids $pid"
}
# stop PID: SIGTERM, and it ends with 0.
stop() {
    kill -TERM "$1"
    code=0
    wait "$1" || code=$?
    [ "$code" = 0 ] || fail "exit code $code after SIGTERM"
}

# Three that connect by a list. Each serves when the others are there.
for n in a b c; do
    start "$n" --name "$n@127.0.0.1" --listen 127.0.0.1 --connect a@127.0.0.1 --connect b@127.0.0.1 --connect c@127.0.0.1 \
        --wait-for 2 --module "$module" --capability hall
    eval "pid_$n=$pid"
done
for n in a b c; do
    await grep -qx "$n@127.0.0.1 is ready; connected to 2 nodes, [01] capabilities known" "$dir/$n.out"
done
# shellcheck disable=SC2154 # pid_a, pid_b, pid_c: by eval
{
    stop "$pid_b"
    await grep -q 'INFO disconnected peer=b@127.0.0.1' "$dir/c.err"
    start b --name b@127.0.0.1 --listen 127.0.0.1 --connect a@127.0.0.1 --connect c@127.0.0.1 --wait-for 2
    await grep -q 'is ready; connected to 2 nodes' "$dir/b.out"
    stop "$pid"
    stop "$pid_a" # it was the epmd of the others
    stop "$pid_c"
}

# Without an epmd: the same port on two addresses, and settings from a file.
printf 'name: d@127.0.0.2\ncookie: mesh\nlisten: 127.0.0.2\nno-epmd: true\nport: %s\nmodules: [%s]\n' \
    "${ports#* }" "$module" >"$dir/d.yml"
printf 'capabilities: [hall]\nconnect: [e@127.0.0.3]\nwait-for: 1\n' >>"$dir/d.yml"
"$program" run --config "$dir/d.yml" >"$dir/d.out" 2>"$dir/d.err" &
d=$!
pids="$pids $d"
start e --name e@127.0.0.3 --listen 127.0.0.3 --no-epmd --port "${ports#* }" --connect d@127.0.0.2 --wait-for 1
await grep -q 'd@127.0.0.2 is ready; connected to 1 nodes' "$dir/d.out"
stop "$pid"
stop "$d"

# What is refused, and how.
run 2 "$program" run --name a@127.0.0.1 --cookie mesh --wait-fro 2
has_error 'did you mean --wait-for'
run 2 "$program" run word
run 1 "$program" run --module "$dir/nothing.so"
has_error "^mesh run: $dir/nothing.so: "
printf 'name: a@127.0.0.1\nwieght: 2\n' >"$dir/bad.yml"
run 2 "$program" run --config "$dir/bad.yml"
has_error "^$dir/bad.yml:2: "
printf 'mesh' >"$dir/cookie"
chmod 644 "$dir/cookie"
run 2 "$program" run --name a@127.0.0.1 --cookie-file "$dir/cookie"
has_error 'chmod 400'
run 2 "$program" run --name a@127.0.0.1 --cookie mesh --gossip --gossip-if-addr 192.0.2.1
has_error 'if_addr'
run 2 "$program" run --name a@127.0.0.1 --cookie mesh --no-epmd
has_error 'no_epmd'
