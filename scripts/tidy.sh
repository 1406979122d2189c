#!/bin/sh
# Runs clang-tidy (.clang-tidy, every warning an error) over each C file that the preset debug compiles, and over those
# that only fuzz compiles: fuzz targets, and what is for sanitizers alone. A file that neither compiles is left out.
# JOBS limits how many at a time. Prints only findings. One file a run: with several, clang-tidy 14 carries the state of
# its va_list checker from one to the next and reports what is not there.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build

# Configures a preset and prints the C files that it compiles.
files() {
    cmake --preset "$1" -D MESH_TESTS=ON >"build/configure-$1.log" 2>&1 || {
        cat "build/configure-$1.log" >&2
        exit 1
    }
    sed -n 's/^ *"file": "\(.*\.c\)"$/\1/p' "build/$1/compile_commands.json" | LC_ALL=C sort -u
}

# Reads names from standard input, with the flags of a preset.
tidy() {
    xargs -r -n 1 -P "${JOBS:-$(nproc)}" clang-tidy -p "build/$1" --quiet 2>>build/tidy.log
}

: >build/tidy.log
files debug >build/tidy-debug.txt
files fuzz >build/tidy-fuzz.txt
found=0
tidy debug <build/tidy-debug.txt || found=1
LC_ALL=C comm -13 build/tidy-debug.txt build/tidy-fuzz.txt | tidy fuzz || found=1
[ $found = 0 ] || {
    grep -v 'warnings generated' build/tidy.log >&2 || true
    exit 1
}
