#!/bin/sh
# Cross-builds for aarch64 with Debian's compiler and runs the unit tests under qemu.
#
# The arm64 libraries are unpacked into build/aarch64-sysroot by an apt that has its own lists and its own idea of the
# architecture, so the system's packages and architectures stay as they are.
set -eu
cd "$(dirname "$0")/.."
packages="libuv1 libuv1-dev libssl3 libssl-dev libyaml-0-2 libyaml-dev libcmocka0 libcmocka-dev"
sysroot="$PWD/build/aarch64-sysroot"
apt="$PWD/build/aarch64-apt"

scripts/deps.sh aarch64

# Downloads the packages and unpacks them; .complete names what is there.
fill_sysroot() {
    rm -rf "$sysroot" "$apt"
    mkdir -p "$sysroot" "$apt/debs"
    : >"$apt/status"
    cat >"$apt/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Dir::State "$apt";
Dir::State::status "$apt/status";
Dir::Cache "$apt";
CONF
    export APT_CONFIG="$apt/apt.conf"
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    (cd "$apt/debs" && apt-get download -qq $packages)
    for deb in "$apt"/debs/*.deb; do dpkg -x "$deb" "$sysroot"; done
    echo "$packages" >"$sysroot/.complete"
    rm -rf "$apt"
}

command -v apt-get >/dev/null || {
    echo "test-aarch64 needs apt, for the arm64 packages: $packages" >&2
    exit 1
}
[ "$(cat "$sysroot/.complete" 2>/dev/null)" = "$packages" ] || fill_sysroot
scripts/build.sh aarch64
exec ctest --test-dir build/aarch64 --label-regex unit --output-on-failure --parallel "${JOBS:-$(nproc)}"
