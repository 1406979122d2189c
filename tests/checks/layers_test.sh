#!/bin/sh
# check_layers.sh finds each kind of include that breaks a rule, where it stands, and lets a sound tree pass.
set -eu
check="$(cd "$(dirname "$0")/../.." && pwd)/scripts/check_layers.sh"
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree/include/mesh" "$tree/src/base" "$tree/src/term" "$tree/src/runtime" "$tree/src/dist" "$tree/src/discovery" "$tree/src/cli"
export LC_ALL=C

sound() {
    printf '#include <stddef.h>\n#include <mesh/error.h>\n' >"$tree/include/mesh/term.h"
    printf '#include <time.h>\n#include <mesh.h>\n#include "base/log.h"\n#include "list.h"\n' >"$tree/src/base/log.c"
    printf '#include <string.h>\n\n#include "base/log.h"\n#include "term/build.h"\n' >"$tree/src/term/build.c"
    printf '#include <uv.h>\n#include "term/build.h"\n' >"$tree/src/runtime/worker.c"
    printf '#include <string.h>\n#include "term/build.h"\n' >"$tree/src/dist/frame.c"
    printf '#include <sys/socket.h>\n#include "frame.h"\n' >"$tree/src/dist/link_io.c"
    printf '#include <string.h>\n#include "dist/frame.h"\n' >"$tree/src/discovery/gossip.c"
    printf '#include <uv.h>\n#include "gossip.h"\n' >"$tree/src/discovery/gossip_io.c"
    printf '#include <mesh.h>\n#include <mesh/admin.h>\n#include "cli/args.h"\n' >"$tree/src/cli/main.c"
}

# finds FILE LINE TEXT: a tree with TEXT as the last line of FILE is refused, with FILE:LINE and nothing else.
finds() {
    sound
    printf '%s\n' "$3" >>"$tree/$1"
    if "$check" "$tree" >"$tree/found"; then
        echo "not found: $3 in $1"
        exit 1
    fi
    if [ "$(cut -d : -f 1,2 <"$tree/found")" != "$1:$2" ]; then
        echo "expected $1:$2, got:"
        cat "$tree/found"
        exit 1
    fi
    rm "$tree/found"
    sound
}

sound
"$check" "$tree"
finds src/base/log.c 5 '#include "term/build.h"'
finds src/term/build.c 5 '#  include "runtime/worker.h" /* why not */'
finds src/term/build.c 5 '#include <runtime/worker.h>'
finds src/term/build.c 5 '#include "../base/log.h"'
finds src/term/build.c 5 '#include "bsae/log.h"'
finds src/term/build.c 5 '#include <pthread.h>'
finds src/term/build.c 5 '#include <netinet/tcp.h>'
finds src/dist/frame.c 3 '#include <sys/socket.h>'
finds src/discovery/gossip.c 3 '#include <uv.h>'
finds src/cli/main.c 4 '#include "base/log.h"'
finds include/mesh/term.h 3 '#include "base/log.h"'
mkdir "$tree/src/misc"
finds src/misc/a.c 1 'int nothing;'
