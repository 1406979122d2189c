#!/bin/sh
# Installs what is missing, builds, and shows a cluster of four nodes on this machine.
# Arguments go to the program: scripts/demo-cluster.sh --json
set -eu
cd "$(dirname "$0")/.."
scripts/deps.sh build >&2
TARGET="${TARGET:-programs}" scripts/build.sh release >&2
exec build/release/chaos/mesh_demo_cluster --mesh build/release/mesh --module build/release/chaos/account.so \
    --out build/demo-cluster "$@"
