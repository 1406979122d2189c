#!/bin/sh
# Rewrites every C and C++ file in the project's format; with --check only names the lines that differ, and fails.
set -eu
cd "$(dirname "$0")/.."
case "${1:-}" in
"") set -- -i ;;
--check) set -- --dry-run -Werror ;;
*)
    echo "usage: format.sh [--check]" >&2
    exit 2
    ;;
esac
scripts/sources.sh | xargs clang-format "$@"
