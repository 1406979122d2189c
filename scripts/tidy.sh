#!/bin/sh
# Runs clang-tidy (.clang-tidy, every warning an error) over each C file that the debug preset compiles.
# JOBS limits how many at a time. Prints only findings. One file a run: with several, clang-tidy 14 carries the state of
# its va_list checker from one to the next and reports what is not there.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build
cmake --preset debug -D MESH_TESTS=ON >build/configure-debug.log 2>&1 || {
    cat build/configure-debug.log >&2
    exit 1
}
sed -n 's/^ *"file": "\(.*\.c\)"$/\1/p' build/debug/compile_commands.json | LC_ALL=C sort -u |
    xargs -n 1 -P "${JOBS:-$(nproc)}" clang-tidy -p build/debug --quiet 2>build/tidy.log || {
    grep -v 'warnings generated' build/tidy.log >&2 || true
    exit 1
}
