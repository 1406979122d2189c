#!/bin/sh
# Every header compiles alone, twice in a row: those of src/ as C11 with gcc and clang, the public ones also without
# _GNU_SOURCE, pedantically, and as C++17. Prints the compilers' complaints, and fails if there is one.
#   check_headers.sh [FLAG…]    flags such as -I for the headers of other libraries
set -eu
cd "$(dirname "$0")/.."
warnings="-Wall -Wextra -Wshadow -Wundef -Werror"

# Runs the rest of the arguments as a compiler on each header named on standard input, relative to folder $1.
each() {
    folder="$1"
    shift
    LC_ALL=C sort | xargs -P "$(nproc)" -I {} sh -c '
        header="$1" folder="$2"
        shift 2
        printf "#include <%s>\n#include <%s>\nextern int mesh_header_check;\n" "$header" "$header" |
            "$@" -I"$folder" -fsyntax-only - || { echo "$folder/$header does not compile alone: $*" >&2; exit 1; }
    ' sh {} "$folder" "$@"
}

public() { (cd include && find . -name '*.h' | sed 's|^\./||'); }
internal() { (cd src && find . -name '*.h' | sed 's|^\./||'); }

for cc in gcc clang; do
    # shellcheck disable=SC2086 # a list of words
    {
        public | each include "$cc" -std=c11 $warnings -Wpedantic -Wstrict-prototypes "$@" -x c
        internal | each src "$cc" -std=c11 -D_GNU_SOURCE $warnings "$@" -Iinclude -x c
    }
done
for cxx in g++ clang++; do
    # shellcheck disable=SC2086 # a list of words
    public | each include "$cxx" -std=c++17 $warnings -Wpedantic "$@" -x c++
done
