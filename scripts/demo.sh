#!/bin/sh
# Builds what is missing and runs the word count's demo over the licence texts that Debian installs.
# Arguments go to wordcount: scripts/demo.sh --json
set -eu
cd "$(dirname "$0")/.."
licences=/usr/share/common-licenses

scripts/deps.sh build >&2
TARGET="${TARGET:-programs}" scripts/build.sh release >&2

# Regular files, each once: some names there are links to others.
files="$(find -L "$licences" -type f -exec readlink -f {} + 2>/dev/null | sort -u)"
if [ -z "$files" ]; then
    echo "demo.sh: no texts under $licences; try: build/release/examples/wordcount --demo FILE..." >&2
    exit 1
fi
set -f
IFS='
'
# shellcheck disable=SC2086 # one name per line
exec build/release/examples/wordcount --demo "$@" $files
