#!/bin/sh
# Configures and builds the presets that are named, and says how long each took.
#   JOBS=n          compilers at a time
#   MESH_TESTS=OFF  the libraries and programs only: needs none of the packages for tests
set -eu
cd "$(dirname "$0")/.."
mkdir -p build
for preset in "$@"; do
    start=$(date +%s)
    cmake --preset "$preset" -D MESH_TESTS="${MESH_TESTS:-ON}" >"build/configure-$preset.log" 2>&1 || {
        cat "build/configure-$preset.log" >&2
        exit 1
    }
    cmake --build "build/$preset" --parallel "${JOBS:-$(nproc)}"
    echo "Built $preset in $(($(date +%s) - start)) s"
done
