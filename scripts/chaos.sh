#!/bin/sh
# Installs what is missing, builds, and plays every scenario with real nodes (docs/reliability.md), or those that are
# named: scripts/chaos.sh [--brief] [--untimed] [SCENARIO...]
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/chaos
scripts/deps.sh chaos
log=build/chaos/build.log
if ! TARGET=programs scripts/build.sh release >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
exec build/release/chaos/mesh_chaos --mesh build/release/mesh --module build/release/chaos/account.so --out build/chaos "$@"
