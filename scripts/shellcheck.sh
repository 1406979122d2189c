#!/bin/sh
# Runs shellcheck over the project's shell scripts.
set -eu
cd "$(dirname "$0")/.."
{
    echo .ci/run
    find scripts tests examples bench -name '*.sh'
} | xargs shellcheck
