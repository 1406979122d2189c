#!/bin/sh
# Configures and builds the presets that are named.
set -eu
cd "$(dirname "$0")/.."
for preset in "$@"; do
    [ -f "build/$preset/build.ninja" ] || cmake --preset "$preset" >"/tmp/mesh-configure.$$" 2>&1 || {
        cat "/tmp/mesh-configure.$$" >&2
        rm -f "/tmp/mesh-configure.$$"
        exit 1
    }
    rm -f "/tmp/mesh-configure.$$"
    cmake --build "build/$preset"
done
