#!/bin/sh
# shellcheck disable=SC1091,SC2154 # lib.sh, which sets program and dir
# The README's first program: three calls to two processes.
. "$(dirname "$0")/lib.sh"

run 0 "$program"
[ "$(wc -l <"$dir/out")" = 3 ] || fail "not three lines"
sed 's/ from process [0-9]* on / from process N on /' "$dir/out" >"$dir/seen"
cat >"$dir/wanted" <<'END'
apples {:ok, 1}   from process N on demo@127.0.0.1
pears  {:ok, 10}  from process N on demo@127.0.0.1
apples {:ok, 3}   from process N on demo@127.0.0.1
END
cmp -s "$dir/wanted" "$dir/seen" || fail "another output than expected"

pid_of() {
    sed -n "$1s/.*process \([0-9]*\) on.*/\1/p" "$dir/out"
}
[ "$(pid_of 1)" = "$(pid_of 3)" ] || fail "one id was answered by two processes"
[ "$(pid_of 1)" != "$(pid_of 2)" ] || fail "two ids were answered by one process"
