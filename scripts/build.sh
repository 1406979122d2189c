#!/bin/sh
# Configures and builds the presets that are named, and says how long each took.
#   JOBS=n          compilers at a time
#   TARGET=programs the libraries and programs only: needs none of the packages for tests
set -eu
cd "$(dirname "$0")/.."
mkdir -p build
for preset in "$@"; do
    start=$(date +%s)
    # Asked for tests the folder has them for good: a later build of the programs leaves them as they are.
    if [ "${TARGET:-all}" = all ]; then tests=ON; else tests=""; fi
    cmake --preset "$preset" ${tests:+-D MESH_TESTS="$tests"} >"build/configure-$preset.log" 2>&1 || {
        cat "build/configure-$preset.log" >&2
        exit 1
    }
    cmake --build "build/$preset" --parallel "${JOBS:-$(nproc)}" --target "${TARGET:-all}"
    echo "Built $preset in $(($(date +%s) - start)) s"
done
