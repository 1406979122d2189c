#!/bin/sh
# The symbols that libmesh.so exports, against the kept list src/exports.txt.
#   exports.sh check LIBRARY   fails when they differ
#   exports.sh write LIBRARY   writes the list anew (make exports)
set -eu
list="$(dirname "$0")/../src/exports.txt"
[ $# = 2 ] || {
    echo "usage: exports.sh check|write LIBRARY" >&2
    exit 2
}

exported=$(nm -D --defined-only "$2" | awk '{ sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort -u)
foreign=$(echo "$exported" | grep -v '^mesh_' || true)
[ -z "$foreign" ] || {
    echo "exported, though not named mesh_…:" "$foreign" >&2
    exit 1
}
case "$1" in
write) echo "$exported" >"$list" ;;
check)
    echo "$exported" | diff -u "$list" - >&2 || {
        echo "libmesh.so exports other symbols than src/exports.txt says (+ new, - gone)." >&2
        echo "If that is meant: make exports" >&2
        exit 1
    }
    ;;
esac
