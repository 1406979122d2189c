#!/bin/sh
# A folder of src/ includes only itself and folders below it; the order is the list of layers here.
# src/cli/ is a user of the library: it includes itself and public headers. include/ includes nothing of src/.
# The folders without I/O include no header that brings a socket, a thread or the clock; in discovery/ and dist/ only the
# files named *_io do.
# Prints FILE:LINE for each include that breaks a rule, and fails if there is one.
#   check_layers.sh [ROOT]    ROOT holds src/ and include/ (default: this project)
set -eu
cd "${1:-$(dirname "$0")/..}"

find src include -type f \( -name '*.[ch]' -o -name '*.cc' -o -name '*.cpp' \) | LC_ALL=C sort | xargs awk '
    BEGIN {
        n = split("base term placement runtime dist discovery cluster node join api cli", order, " ")
        for (i = 1; i <= n; i++)
            level[order[i]] = i
        split("term placement cluster", pure, " ")
        for (i in pure)
            no_io[pure[i]] = 1
        io = "^(uv|pthread|threads|semaphore|time|sys/time|sys/timerfd|sys/epoll|sys/eventfd|poll|netdb|ifaddrs" \
            "|sys/socket|sys/un|net/.*|netinet/.*|arpa/.*)\\.h$"
    }
    function blame(why) {
        printf "%s:%d: %s\n", FILENAME, FNR, why
        bad++
    }
    FNR == 1 {
        split(FILENAME, path, "/")
        from = path[1] == "include" ? "include" : path[2]
        if (from != "include" && !(from in level))
            blame("src/" from " is not a layer: add it to the order in scripts/check_layers.sh")
    }
    /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
        quoted = $0 ~ /^[ \t]*#[ \t]*include[ \t]*"/
        name = $0
        sub(/^[^<"]*[<"]/, "", name)
        sub(/[>"].*$/, "", name)
        to = name
        if (!sub(/\/.*$/, "", to))
            to = quoted ? from : "" # a file of the same folder, or a header of the system
        if (name ~ /(^|\/)\.\.?\//)
            blame(name ": write includes from src/, without dots")
        else if (to == "mesh" || name == "mesh.h")
            ; # include/ is below everything
        else if (to in level && from == "include")
            blame("a public header includes " name)
        else if (to in level && from == "cli" && to != "cli")
            blame("cli includes " name ", which is not public")
        else if (to in level && level[to] > level[from])
            blame(from " includes " name ", which is above it")
        else if (quoted && !(to in level) && to != from)
            blame(name ": " to " is not a layer")
        if (from in no_io && name ~ io)
            blame(from " has no sockets, threads or clock, but includes " name)
        if ((from == "discovery" || from == "dist") && FILENAME !~ /_io\.[ch]$/ && name ~ io)
            blame("only files of " from " that are named *_io include " name)
    }
    END { exit bad > 0 }
'
