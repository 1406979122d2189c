#!/bin/sh
# shellcheck disable=SC1091,SC2154 # lib.sh, which sets program and dir
# The verbs that ask a running cluster, on three nodes: tables, --json, and what cannot be.
#   cli_cluster_test.sh MESH MODULE    MODULE: a shared object with the modules Greeter and Echo
. "$(dirname "$0")/lib.sh"
module="$2"

# Ports that nobody listens on, as the kernel chooses them: for epmd, and for a node without one.
ports=$(perl -MIO::Socket::INET -e '
    print join " ", map { $_->sockport } map { IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") } 1..2')
ERL_EPMD_PORT="${ports% *}"
ERL_EPMD_ADDRESS=127.0.0.1
HOME="$dir"
export ERL_EPMD_PORT ERL_EPMD_ADDRESS HOME
pids=""
trap 'for pid in $pids; do kill -CONT "$pid" 2>/dev/null && kill "$pid" || true; done; rm -rf "$dir"' EXIT

# Before any node runs.
run 2 "$program" nodes
has_error "^mesh nodes: --cookie-file: $dir/\.erlang\.cookie: No such file"
printf 'mesh' >"$dir/.erlang.cookie"
chmod 400 "$dir/.erlang.cookie"
run 1 "$program" nodes
has_error '^mesh nodes: no node runs on this machine \(epmd: connection refused\); --node names one elsewhere$'

# An epmd of its own: one of the nodes would else be it, and be stopped below.
"$program" epmd --address 127.0.0.1 2>"$dir/epmd.err" &
pids=$!
await grep -q 'epmd listens' "$dir/epmd.err"
run 1 "$program" nodes
has_error '^mesh nodes: epmd knows no node on this machine .* with this cookie; it knows none at all; --node names one$'

for n in a b c; do
    "$program" run --name "$n@127.0.0.1" --listen 127.0.0.1 --connect a@127.0.0.1 --connect b@127.0.0.1 \
        --connect c@127.0.0.1 --wait-for 2 --module "$module" --capability hall >"$dir/$n.out" 2>"$dir/$n.err" &
    eval "pid_$n=$!"
    pids="$pids $!"
done
for n in a b c; do
    await grep -q ' is ready; connected to 2 nodes' "$dir/$n.out"
done

# Until all shards are where the ring says: then what follows does not depend on who was first.
settled() {
    "$program" stats --json >"$dir/settled" && perl -0ne '
        my $held = 0; my $good = 1;
        while (/"held": (\d+)/g) { $held += $1; $good &&= $1 > 1000 }
        exit !($good && $held == 4096)' "$dir/settled"
}
await settled

# Who is there.
run 0 "$program" nodes
has '^NODE +KIND +STATE +VERSION +UPTIME S +PROCESSES +LINKS +CAPABILITIES$'
for n in a b c; do
    has "^$n@127\.0\.0\.1 +c +up +[0-9]+\.[0-9]+\.[0-9]+ +[0-9]+ +0 +2 +hall\$"
done
[ "$(wc -l <"$dir/out")" = 4 ] || fail "more rows than nodes"
run 0 "$program" nodes --node b@127.0.0.1 --json
has '^\[\{"node": "a@127\.0\.0\.1", "kind": "c", "state": "up", .*"links": 2, "capabilities": \["hall"\]\},$'
printf 'name: c@127.0.0.1\ncookie: mesh\n' >"$dir/c.yml"
rm -f "$dir/.erlang.cookie"
run 0 "$program" nodes --config "$dir/c.yml"
run 0 "$program" nodes --cookie mesh
printf 'mesh\n' >"$dir/.erlang.cookie"
chmod 400 "$dir/.erlang.cookie"

# What they can do, and where it is.
run 0 "$program" capabilities
has '^hall +3 +4096 +capped +ok$'
run 0 "$program" capabilities --json
has_line '[{"capability": "hall", "nodes": 3, "shards": 4096, "strategy": "capped", "state": "ok"}]'
run 0 "$program" ring hall
has '^NODE +WEIGHT +SHARDS +PERCENT +MOVED IF IT LEFT$'
has '^a@127\.0\.0\.1 +1 +1375 +33\.6 +1375$'
run 0 "$program" ring hall --json
has '^\[\{"node": "a@127\.0\.0\.1", "weight": 1, "shards": 1375, "percent": 33\.6, "moved_if_it_left": 1375\},$'
run 0 "$program" ring hall a@127.0.0.1
has '^a@127\.0\.0\.1 +1375 +0 +0$'
has_line '1375 shards would move; the least possible is 1375'
run 0 "$program" ring hall a@127.0.0.1 --json
has '^\[\{"node": "a@127\.0\.0\.1", "shards": 1375, "shards_after": 0, "gets": 0\},$'
run 1 "$program" ring nowhere
has_error '^mesh ring: MESH_ENOCAPABILITY: no node has this capability$'
run 1 "$program" ring hall d@127.0.0.1
has_error '^mesh ring: MESH_EINVAL: this node has no shard of it$'

# Calls, through any node.
for n in a b c; do
    run 0 "$program" call hall Greeter ann '{:greet, "Ann"}' --node "$n@127.0.0.1"
done
has_line '{:hello, "Ann", 3}'
run 0 "$program" call hall Greeter ann '{:greet, "Ann"}' --json
has '^\{"node": "[abc]@127\.0\.0\.1", "reply": "\{:hello, \\"Ann\\", 4\}"\}$'
run 0 "$program" call hall Echo -- -1 '%{list: [1, -2.5], text: "é"}'
has_line '%{list: [1, -2.5], text: "é"}'
run 0 "$program" call hall Echo x
has_line 'nil'
run 1 "$program" call hall Greeter ann :what
has_error '^mesh call: MESH_ECRASHED: .*: :what$'
run 1 "$program" call nowhere Greeter ann
has_error '^mesh call: MESH_ENOCAPABILITY: '
run 1 "$program" call hall Nobody ann
has_error '^mesh call: MESH_ENOMODULE: '
run 2 "$program" call hall Greeter ann '{:greet'
has_error '^mesh call: PAYLOAD: expected a term, got "\{:greet": fault in column 8$'
run 2 "$program" call hall Greeter ann nil '%{'
has_error '^mesh call: INIT-ARG: expected a term, got "%\{": fault in column 3$'
run 2 "$program" call hall Greeter
has_error '^mesh call: expected an id$'
run 2 "$program" call hall Greeter ann nil nil nil
has_error '^mesh call: "nil" is one word too many$'
run 2 "$program" call hall Greeter ''
has_error '^mesh call: an id must be 1 to 4096 bytes$'
run 0 "$program" cast hall Greeter ann '{:greet, "Ann"}'
[ ! -s "$dir/out" ] || fail "a cast has output"
run 0 "$program" cast hall Greeter ann nil --json
has_line '{"sent": true}'
run 2 "$program" cast hall Greeter ann ']'
run 1 "$program" cast nowhere Greeter ann

# Numbers.
run 0 "$program" stats
has '^NODE +HELD +PROCESSES +SUSPENDED +CALLS +CASTS +CRASHES .*CALL P99 US$'
has '^a@127\.0\.0\.1 +1375 '
run 0 "$program" stats hall --json
perl -0ne 'my $calls = 0; $calls += $1 while /"calls": (\d+)/g; exit($calls != 7)' "$dir/out" || fail "other than 7 calls"
has '"call_p999_ns": [0-9]+, '
run 1 "$program" stats nowhere
has_error '^mesh stats: no node has this capability$'
run 0 "$program" ps --waiting
has_line 'NODE  MODULE  ID  SINCE MS  WAITS FOR  OF MODULE  OF ID'
run 0 "$program" ps --waiting --json
has_line '[]'
run 2 "$program" ps
has_error '^mesh ps: expected --waiting$'

# What cannot be, and why.
run 1 "$program" nodes --node a@127.0.0.1 --cookie other
has_error '^mesh nodes: cannot connect to a@127\.0\.0\.1: .*cookies differ$'
run 1 "$program" nodes --cookie other
has_error '^mesh nodes: epmd knows no node on this machine .* with this cookie; it knows a b c; --node names one$'
run 1 "$program" nodes --node d@127.0.0.1
has_error '^mesh nodes: cannot connect to d@127\.0\.0\.1: the epmd of its host does not know it$'
run 1 "$program" nodes --node a@localhost
has_error '^mesh nodes: cannot connect to a@localhost: another node answered than was dialled$'
run 2 "$program" nodes --node 'a b'
has_error '^mesh nodes: --node: expected '
run 2 "$program" nodes --no-epmd
has_error '^mesh nodes: expected --node, since --no-epmd leaves nobody to be asked for names$'
run 2 "$program" nodes --nod a
has_error '^mesh nodes: there is no flag "--nod"; did you mean --node\?$'
run 2 "$program" nodes --timeout-ms 0
has_error '^mesh nodes: --timeout-ms: expected a number, 1 to 3600000, got "0"$'
run 2 "$program" nodes extra
has_error '^mesh nodes: "extra" is one word too many$'

# A node without an epmd, whose file says how it is reached.
printf 'name: d@127.0.0.2\ncookie: mesh\nlisten: 127.0.0.2\nno-epmd: true\nport: %s\n' "${ports#* }" >"$dir/d.yml"
"$program" run --config "$dir/d.yml" --capability solo >"$dir/d.out" 2>"$dir/d.err" &
pid_d=$!
pids="$pids $pid_d"
await grep -q '^d@127\.0\.0\.2 is ready' "$dir/d.out"
run 0 "$program" capabilities --config "$dir/d.yml"
has '^solo +1 +4096 +capped +ok$'
run 0 "$program" ring solo --no-epmd --port "${ports#* }" --node d@127.0.0.2 --json
has_line '[{"node": "d@127.0.0.2", "weight": 1, "shards": 4096, "percent": 100.0, "moved_if_it_left": null}]'
run 2 "$program" nodes --no-epmd --node d@127.0.0.2
has_error '^mesh nodes: no_epmd: expected the port that nodes listen on'

# One that stands still is told, and does not hold the others up.
# shellcheck disable=SC2154 # pid_b: by eval
kill -STOP "$pid_b"
run 1 "$program" nodes --node a@127.0.0.1 --timeout-ms 500
has '^b@127\.0\.0\.1 +c +no answer +- '
has '^c@127\.0\.0\.1 +c +up '
has_error '^mesh nodes: b@127\.0\.0\.1 did not answer within 500 ms$'
run 1 "$program" stats --node a@127.0.0.1 --timeout-ms 500 --json
has '^ \{"node": "b@127\.0\.0\.1", "held": null, '
kill -CONT "$pid_b"

# A drain; what was there goes on elsewhere.
await settled
run 0 "$program" drain b@127.0.0.1
has '^b@127\.0\.0\.1 has handed over [0-9]+ shards in [0-9]+ ms$'
run 0 "$program" nodes --node a@127.0.0.1
has '^b@127\.0\.0\.1 +c +drained '
run 0 "$program" ring hall --node a@127.0.0.1
! grep -q '^b@' "$dir/out" || fail "a drained node is in the ring"
run 0 "$program" drain b@127.0.0.1 --json
has '^\{"node": "b@127\.0\.0\.1", "shards": 0, "ms": [0-9]+\}$'
run 0 "$program" call hall Echo y :still --node b@127.0.0.1
has_line ':still'
run 1 "$program" drain d@127.0.0.1
has_error '^mesh drain: cannot connect to d@127\.0\.0\.1: '
run 2 "$program" drain
has_error '^mesh drain: expected the name of a node$'
run 2 "$program" drain a@127.0.0.1 --node b@127.0.0.1

for pid in ${pids#* } ${pids%% *}; do # epmd last
    kill -TERM "$pid"
    wait "$pid" || fail "a node ended with $?"
done
