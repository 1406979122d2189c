#!/bin/sh
# The format, the code and the scripts: all three are looked at, and any finding fails.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=""
scripts/format.sh --check || failed="$failed format"
scripts/tidy.sh || failed="$failed tidy"
scripts/shellcheck.sh || failed="$failed shellcheck"
[ -z "$failed" ] || {
    echo "lint found something in:$failed" >&2
    exit 1
}
