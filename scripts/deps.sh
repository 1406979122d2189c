#!/bin/sh
# Installs the Debian packages that a purpose needs; does nothing when they are there.
# On a system without apt it goes on if the tools and libraries are there, and names what is missing otherwise.
set -eu

build="build-essential cmake ninja-build pkg-config libuv1-dev libssl-dev libyaml-dev"
build_tools="cc c++ cmake ninja pkg-config"
build_libs="libuv libcrypto yaml-0.1"
# llvm: names in the reports of clang's sanitizers
tests="clang libclang-rt-dev llvm clang-format clang-tidy shellcheck libcmocka-dev erlang-base erlang-crypto erlang-dev"
test_tools="gcc g++ clang clang++ clang-format clang-tidy shellcheck erl"
test_libs="cmocka"
# libboost-context-dev: the switch of bench/floor.c
benchmark="libcaf-dev elixir libboost-context-dev"
benchmark_tools="elixir"

# The network namespaces of the scenarios.
chaos="iproute2 nftables"
chaos_tools="ip nft"

case "${1:-build}" in
build) wanted="$build" tools="$build_tools" libs="$build_libs" ;;
test) wanted="$build $tests $chaos" tools="$build_tools $test_tools $chaos_tools" libs="$build_libs $test_libs" ;;
benchmark)
    wanted="$build $tests $benchmark"
    tools="$build_tools $test_tools $benchmark_tools"
    libs="$build_libs $test_libs"
    ;;
chaos)
    wanted="$build $chaos"
    tools="$build_tools $chaos_tools"
    libs="$build_libs"
    ;;
aarch64)
    wanted="$build gcc-aarch64-linux-gnu g++-aarch64-linux-gnu qemu-user-static"
    tools="$build_tools aarch64-linux-gnu-gcc aarch64-linux-gnu-g++ qemu-aarch64-static"
    libs=""
    ;;
*)
    echo "usage: deps.sh [build|test|chaos|benchmark|aarch64]" >&2
    exit 2
    ;;
esac

# Prints the tools and libraries that cannot be found, one a line.
lacking() {
    for tool in $tools; do
        command -v "$tool" >/dev/null || echo "  the program $tool"
    done
    for lib in $libs; do
        pkg-config --exists "$lib" 2>/dev/null || echo "  the library $lib, with its headers and pkg-config file"
    done
}

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    absent=$(lacking)
    [ -n "$absent" ] || exit 0
    {
        echo "This system has no apt, and these are missing:"
        echo "$absent"
        echo "On Debian they come from these packages:"
        echo "  $wanted"
    } >&2
    exit 1
fi

missing=""
for package in $wanted; do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
as_root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "Install these packages as root, then try again:$missing" >&2
        exit 1
    }
    as_root="sudo"
fi
echo "Installing:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
