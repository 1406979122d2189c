#!/bin/sh
# shellcheck disable=SC1091,SC2154 # lib.sh, which sets program and dir
# The cluster's demo, as nobody watches it: it ends well, and its table says so.
#   demo_cluster_test.sh DEMO MESH MODULE
. "$(dirname "$0")/lib.sh"

# A machine that stands still stops all nodes at once: then it says so, and is run again.
for turn in 1 2 3; do
    code=0
    "$program" --mesh "$2" --module "$3" --out "$dir/nodes" --json >"$dir/out.json" 2>"$dir/err" || code=$?
    if [ "$code" = 0 ] || [ "$turn" = 3 ] || ! grep -q 'stood still' "$dir/err"; then break; fi
done
cp "$dir/out.json" "$dir/out"
[ "$code" = 0 ] || fail "exit code $code"
perl -MJSON::PP -0777 -e '
    my $rows = decode_json(<>);
    die "not four rows\n" if @$rows != 4;
    for my $row (@$rows) {
        die "$row->{what}: doubled\n" if $row->{doubled} != 0;
        die "$row->{what}: too few calls\n" if $row->{calls} < 1000;
    }
    die "nothing was undisturbed\n" if $rows->[0]{moved} != 0;
    for my $i (1 .. 3) { die "$rows->[$i]{what}: nothing moved\n" if $rows->[$i]{moved_least} == 0 }
' "$dir/out.json" || fail "the table"
run 2 "$program" --mesh "$2"
has_error '^usage: '
