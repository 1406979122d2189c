#!/bin/sh
# Runs every fuzz target of the fuzz preset for the given number of seconds, from the kept inputs in
# tests/fuzz/corpus/NAME (fuzz_NAME reads NAME, or what is before the first _ of it). New inputs go to build/fuzz/corpus/NAME, and what breaks a target to
# build/fuzz/crashes/. Fails when any target did; the others still run.
set -eu
cd "$(dirname "$0")/.."
seconds="${1:-60}"
case "$seconds" in
"" | *[!0-9]*)
    echo "usage: fuzz.sh [seconds]" >&2
    exit 2
    ;;
esac
mkdir -p build/fuzz/crashes
export ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1

failed=""
ran=0
for target in build/fuzz/tests/fuzz_*; do
    [ -x "$target" ] || continue
    ran=$((ran + 1))
    name=$(basename "$target")
    name=${name#fuzz_}
    mkdir -p "build/fuzz/corpus/$name"
    kept=""
    for folder in "tests/fuzz/corpus/$name" "tests/fuzz/corpus/${name%%_*}"; do
        [ -n "$kept" ] || [ ! -d "$folder" ] || kept="$folder"
    done
    echo "$name: $seconds s"
    "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="build/fuzz/crashes/$name-" "build/fuzz/corpus/$name" ${kept:+"$kept"} || failed="$failed $name"
done
[ -z "$failed" ] || {
    echo "failed:$failed (inputs in build/fuzz/crashes/)" >&2
    exit 1
}
echo "$ran targets, nothing found"
