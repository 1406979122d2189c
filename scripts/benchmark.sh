#!/bin/sh
# Measures Mesh beside its contenders: installs what is missing, builds the release preset, runs everything in turn,
# and leaves build/benchmark/local.jsonl and local.svg, or cluster.jsonl and cluster.svg. bench/README.md says what each
# number means.
set -eu
cd "$(dirname "$0")/.."

usage() {
    cat <<END
usage: benchmark.sh [--suite SUITE] [--only BENCH[,BENCH]] [--runs N] [--quick]

  --suite SUITE     local (default): one node; cluster: nodes of two programs
  --only BENCH,...  these benchmarks only: of local call_spread call_hot activate thread_call thread_call_busy
                    neighbour neighbour_spin crash_survivors idle_cpu idle_bytes idle_10m; of cluster remote_call
                    remote_cast remote_activate remote_sequential join_1m ring_1000
  --runs N          how often each program runs, 1 to 99 (default 5)
  --quick           once and shorter, to try things out: writes SUITE-quick.jsonl and SUITE-quick.svg
END
}

# Looked at here as well, so that a slip is answered at once and not after a build.
misuse() {
    echo "benchmark.sh: $1" >&2
    usage >&2
    exit 2
}
last=""
for arg in "$@"; do
    case "$last" in
    --only | --runs | --suite)
        last=""
        continue
        ;;
    esac
    case "$arg" in
    --help)
        usage
        exit 0
        ;;
    --quick) ;;
    --only | --runs | --suite) last="$arg" ;;
    *) misuse "unknown option: $arg" ;;
    esac
done
[ -z "$last" ] || misuse "a value is missing after $last"

scripts/deps.sh benchmark
mkdir -p build/benchmark
log=build/benchmark/build.log
if ! TARGET=programs scripts/build.sh release >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
fi
exec build/release/bench/mesh_benchmark --programs build/release/bench --out build/benchmark "$@"
