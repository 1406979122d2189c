#!/bin/sh
# Installs what is missing, builds the presets that are named, and runs the tests of all of them in one ctest run.
# The program's exit status is ctest's.
set -eu
cd "$(dirname "$0")/.."
scripts/deps.sh test
scripts/build.sh "$@"
{
    echo "# Written by scripts/test.sh: one ctest run over these presets."
    for preset in "$@"; do echo "subdirs($preset)"; done
} >build/CTestTestfile.cmake
exec ctest --test-dir build --output-on-failure --parallel "${JOBS:-$(nproc)}"
