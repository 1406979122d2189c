#!/bin/sh
# Installs the Debian packages that Mesh needs to build and to test; does nothing when they are there.
# On a system without apt it names them and fails.
set -eu
build="build-essential cmake ninja-build pkg-config libuv1-dev libboost-context-dev"
tests="clang libclang-rt-14-dev clang-format clang-tidy libcmocka-dev erlang-base erlang-dev"
bench="libcaf-dev elixir"

case "${1:-build}" in
build) wanted="$build" ;;
test) wanted="$build $tests" ;;
benchmark) wanted="$build $tests $bench" ;;
*)
    echo "usage: deps.sh [build|test|benchmark]" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "This system has no apt. Install what these Debian packages hold, then try again:" >&2
    echo "  $wanted" >&2
    command -v cmake >/dev/null && command -v cc >/dev/null && exit 0
    exit 1
fi
missing=""
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "Installing:$missing"
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
