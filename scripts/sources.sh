#!/bin/sh
# Prints the C and C++ files of the project that match the patterns given (default: every one), one a line.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- '*.c' '*.h' '*.cc' '*.cpp' '*.hpp'
for pattern in "$@"; do
    find include src tests bench examples -type f -name "$pattern" -not -path '*/build/*'
done | LC_ALL=C sort
