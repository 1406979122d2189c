#!/bin/sh
# One build folder for programs and tests: configuring it again, as `make build` does, keeps the tests; asked for none,
# it has none, and ctest finds nothing that an earlier build has left.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

configure() {
    cmake -S "$root" -B "$folder" -G Ninja "$@" >"$folder/log" 2>&1 || {
        cat "$folder/log"
        exit 1
    }
}
tests() {
    ctest --test-dir "$folder" -N | sed -n 's/^Total Tests: //p'
}
# expect LEAST MOST WHEN
expect() {
    found=$(tests)
    if [ "$found" -lt "$1" ] || [ "$found" -gt "$2" ]; then
        echo "$3: $found tests, expected $1 to $2"
        exit 1
    fi
}

configure -D MESH_TESTS=ON
expect 50 500 "with tests"
configure
expect 50 500 "configured again"
ninja -C "$folder" -t query programs | grep -q 'libmesh.a' || {
    echo "the target programs has no library"
    exit 1
}
ninja -C "$folder" -t inputs programs 2>/dev/null | grep -q 'tests/unit' && {
    echo "the target programs builds tests"
    exit 1
}
configure -D MESH_TESTS=OFF
expect 0 0 "without tests"
