#!/bin/sh
# shellcheck disable=SC1091,SC2154,SC2018,SC2019 # lib.sh sets program, dir and the locale
# The narrated run: it ends well and tells what it is there to tell, with the numbers that tr, sort and uniq give.
. "$(dirname "$0")/lib.sh"

set --
for file in /usr/share/common-licenses/*; do
    [ -f "$file" ] && [ ! -L "$file" ] && set -- "$@" "$file"
done
[ $# -gt 0 ] || fail "no licence texts under /usr/share/common-licenses"
cat "$@" | tr -cs 'A-Za-z' '\n' | tr A-Z a-z | grep . | sort | uniq -c | sort -k1,1nr -k2,2 >"$dir/reference"
words="$(awk '{ n += $1 } END { print n }' "$dir/reference")"
distinct="$(wc -l <"$dir/reference")"

# 1234567 becomes 1,234,567.
thousands() {
    echo "$1" | sed -e :a -e 's/\(.*[0-9]\)\([0-9]\{3\}\)/\1,\2/' -e ta
}

run 0 "$program" --demo "$@"
head -n 10 "$dir/reference" | while read -r count word; do
    has "^ +$(thousands "$count")  $word\$"
done
has "^  calls +$(thousands "$words") in [0-9.]+ s\$"
has '^  calls per second +[0-9,]+$'
has "^  processes activated +$(thousands "$distinct") over [0-9,]+ shards\$"
has '^  memory per process +[0-9,]+ bytes '
has '^  its caller got +MESH_ECRASHED: the process crashed'
has '^  with the reason +\{:told_to_crash, "[a-z]+"\}$'
has '^  the next call +activated a fresh process: count 0, '
has "^  all others +$(thousands $((distinct - 1))) other processes asked before and after: every count unchanged\$"
has "^  passivated +$(thousands "$distinct") processes\$"
has "^  now +0 live, $(thousands "$distinct") snapshots\$"
read -r count word <"$dir/reference"
has "^  calling again +\"$word\" is back with $(thousands "$count") from its snapshot"

run 0 "$program" --demo --json "$@"
for line in "\"calls\": $words," "\"processes\": $distinct," '"error": "MESH_ECRASHED",' '"count_after": 0,' \
    "\"others\": $((distinct - 1))," '"others_changed": 0' "\"passivated\": $distinct," '"live": 0,' \
    "\"snapshots\": $distinct," "\"count_after\": $count"; do
    sed 's/^ *//' "$dir/out" | grep -qxF -e "$line" || fail "no line $line in the JSON"
done
