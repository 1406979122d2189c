#!/bin/sh
# mesh-sim as a program: help, refusals, and that a seed gives the same output twice.
set -eu
sim=$1

"$sim" --help | grep -q '^usage: mesh-sim'
for wrong in --what '--seed' '--seed x' '--nodes 1' '--nodes 5x' '--seconds 0' '--faults rain' '--rules-off 4' '--json=1'; do
    status=0
    # shellcheck disable=SC2086 # words are arguments
    "$sim" $wrong >/dev/null 2>&1 || status=$?
    [ $status -eq 2 ] || {
        echo "mesh-sim $wrong: status $status, not 2" >&2
        exit 1
    }
done
first=$("$sim" --seed 3 --nodes 4 --seconds 10 --json)
[ "$first" = "$("$sim" --seed 3 --nodes 4 --seconds 10 --json)" ]
case $first in
'{"seed":3,'*'"broken":false}') ;;
*)
    echo "unexpected: $first" >&2
    exit 1
    ;;
esac
status=0
"$sim" --seed 2 --nodes 4 --seconds 10 --faults partition --rules-off 6 >/dev/null || status=$?
[ $status -eq 1 ]
