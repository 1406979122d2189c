#!/bin/sh
# shellcheck disable=SC1091,SC2154 # lib.sh, which sets program and dir
# The manners of the mesh program: help, usage, near misses, and check-config as a whole.
. "$(dirname "$0")/lib.sh"

# Nothing on standard output but what was asked for.
refused() {
    run 2 "$@"
    [ ! -s "$dir/out" ] || fail "output of a refused command: $*"
}
said() {
    echo "$1" | cmp -s - "$dir/err" || fail "standard error is not '$1'"
}

run 0 "$program" --help
has '^usage: mesh VERB'
has '^  check-config '
has '^  epmd '
run 0 "$program" --version
has '^mesh [0-9]+\.[0-9]+\.[0-9]+$'
for verb in nodes capabilities ring call cast stats ps drain epmd check-config; do
    run 0 "$program" "$verb" --help
    has "^usage: mesh $verb "
    [ ! -s "$dir/err" ] || fail "help on standard error"
done
run 0 "$program" check-config --help
has '^  --gossip-secret TEXT  '

refused "$program"
has_error '^usage: mesh VERB'
refused "$program" empd
has_error '^mesh: there is no verb "empd"; did you mean epmd\?$'
refused "$program" frobnicate
has_error '^mesh: there is no verb "frobnicate"$'
refused "$program" epmd --prot 1
has_error '^mesh epmd: there is no flag "--prot"; did you mean --port\?$'
refused "$program" epmd --port 70000
has_error '^mesh epmd: --port: expected a number, 1 to 65535, got "70000"$'
refused "$program" epmd --port
has_error '^mesh epmd: --port: expected a value$'
refused "$program" epmd extra
has_error '^mesh epmd: expected flags, got "extra"$'
refused "$program" epmd --address localhost
has_error '^mesh epmd: --address: expected an IPv4 or IPv6 address, got "localhost"$'
ERL_EPMD_PORT=x refused "$program" epmd
has_error '^mesh epmd: ERL_EPMD_PORT: expected a number, 1 to 65535, got "x"$'
refused "$program" check-config
has_error '^mesh check-config: expected a file$'
refused "$program" check-config --gosip a.yml
has_error 'did you mean --gossip\?$'
refused "$program" check-config a.yml b.yml
has_error 'expected one file, got a second$'

# What a file gives, with what flags say in place of it.
cd "$dir" || exit
cat >mesh.yml <<'YAML'
name: game@127.0.0.1
cookie: mesh
capabilities:
  - game
  - {name: chat, weight: 2}
gossip:
  secret: s3cret
YAML
run 0 "$program" check-config mesh.yml --port 9100 --name 'chat@127.0.0.1'
has '^SETTING +VALUE +FROM$'
has '^node +chat@127\.0\.0\.1 +name$'
has '^port +9100 +--port$'
has '^capabilities +game chat,weight=2 +mesh\.yml:3$'
has '^gossip +true +mesh\.yml:6$'
has '^gossip\.port +45892 +default$'
! grep -qE 's3cret|cookie +mesh|'"$(printf '\033')" out || fail "secrets or escape sequences"
run 0 "$program" check-config mesh.yml --json
has '^\[\{"setting": "node", "value": "game@127\.0\.0\.1", "from": "name"\},$'
has '^ \{"setting": "crash-reports", "value": "true", "from": "default"\}\]$'

# Faults: the line, what was expected, nothing else, exit code 2.
printf 'port: 1\nname: [a]\n' >bad.yml
refused "$program" check-config bad.yml
said 'bad.yml:2: name: expected NAME or NAME@HOST, with letters, digits, _ and - in NAME, got a list'
printf 'port: 1\nport: 2\n' >bad.yml
refused "$program" check-config bad.yml
said 'bad.yml:2: port: given twice: it is in line 1 already'
printf '\nsname: game@box.org\n' >bad.yml
refused "$program" check-config bad.yml
said 'bad.yml:2: sname: expected a host without dots, got "box.org" (name is for those with)'
printf 'epmd: true\n' >bad.yml
refused "$program" check-config bad.yml
said 'bad.yml:1: epmd: expected hosts, one or more names of nodes'
refused "$program" check-config missing.yml
said 'missing.yml: No such file or directory'

# The cookie, of $HOME or of a file, only where it is its owner's alone.
HOME="$dir"
export HOME
printf 'sname: game\n' >named.yml
refused "$program" check-config named.yml
has_error "^mesh check-config: --cookie-file: $dir/\.erlang\.cookie: No such file or directory\$"
printf 'mesh\n' >.erlang.cookie
chmod 644 .erlang.cookie
refused "$program" check-config named.yml
has_error "got mode 0644: chmod 400 $dir/\.erlang\.cookie\$"
chmod 400 .erlang.cookie
run 0 "$program" check-config named.yml
has "^cookie +\(not shown\) +$dir/\.erlang\.cookie\$"
printf 'cookie-file: other\nsname: game\n' >named.yml
printf 'a\nb\n' >other
chmod 600 other
refused "$program" check-config named.yml
said 'named.yml:1: cookie-file: other:1: expected one line of printable ASCII as the cookie, got something else in byte 3'

# Output that cannot be written is an error.
if [ -w /dev/full ]; then
    code=0
    "$program" check-config mesh.yml >/dev/full 2>err || code=$?
    [ "$code" = 1 ] || fail "exit code $code for a full device"
    has_error '^mesh check-config: standard output: '
fi
