#!/bin/sh
# shellcheck disable=SC1091,SC2154 # lib.sh, which sets program and dir
# The game's story: every line of it, and for each player in order. Lines of different players come in any order.
. "$(dirname "$0")/lib.sh"

run 0 "$program"
for name in Ada Grace Edsger; do
    grep "^$name " "$dir/out" >"$dir/seen" || fail "$name does nothing"
    cat >"$dir/wanted" <<END
$name enters the cave
$name plays round 1
$name plays round 2
$name plays round 3
$name sees the cave end: {:roof_fell_in, %{round: 4}}
$name enters the inn
$name sees the inn end: :normal
$name goes home after 3 rounds
END
    cmp -s "$dir/wanted" "$dir/seen" || fail "another story of $name than expected"
done

grep -vE '^(Ada|Grace|Edsger) ' "$dir/out" >"$dir/seen" || true
cat >"$dir/wanted" <<'END'
the cave, round 1
the cave, round 2
the cave, round 3
the game is over
END
cmp -s "$dir/wanted" "$dir/seen" || fail "another story of the cave than expected"
[ "$(tail -n 1 "$dir/out")" = "the game is over" ] || fail "the end is not the end"
