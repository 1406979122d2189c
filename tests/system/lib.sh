# shellcheck shell=sh disable=SC2034
# What the system tests share; sourced by them with the program's path in $1.
#
# Sets $program, and $dir: a directory of its own, removed at the end. run keeps what a command printed in $dir/out and
# $dir/err, and fail shows the beginning of both.
set -eu
LC_ALL=C
export LC_ALL
program="$1"
dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
: >"$dir/out"
: >"$dir/err"

fail() {
    echo "FAIL: $*" >&2
    echo "--- standard output" >&2
    head -n 60 "$dir/out" >&2
    echo "--- standard error" >&2
    head -n 100 "$dir/err" >&2
    exit 1
}

# run EXIT-CODE COMMAND…: runs it without input unless the caller gives some, and expects that exit code.
run() {
    wanted="$1"
    shift
    code=0
    "$@" >"$dir/out" 2>"$dir/err" || code=$?
    [ "$code" = "$wanted" ] || fail "exit code $code instead of $wanted: $*"
}

# The line, whole, is on standard output; the pattern is in a line of standard output, or of standard error.
has_line() {
    grep -qxF -e "$1" "$dir/out" || fail "no line '$1'"
}
has() {
    grep -qE -e "$1" "$dir/out" || fail "nothing like '$1'"
}
has_error() {
    grep -qE -e "$1" "$dir/err" || fail "nothing like '$1' on standard error"
}

# await COMMAND…: waits until it succeeds, 20 s at most.
await() {
    tries=0
    until "$@" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 400 ] || fail "in vain: $*"
        sleep 0.05
    done
}
