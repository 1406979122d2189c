#!/bin/sh
# shellcheck disable=SC1091,SC2154 # lib.sh, which sets program and dir
# wordcount's manners: usage, errors, exit codes, and what it does and does not draw.
. "$(dirname "$0")/lib.sh"

printf 'to be or not to be\n' >"$dir/be"

# Usage: exit code 2, nothing on standard output.
for arguments in "" "--counts" "--demo" "--counts --demo FILE" "--counts --json FILE" "--json FILE" "FILE" "--nonsense"; do
    # shellcheck disable=SC2086 # a list of words
    run 2 "$program" $arguments
    has_error '^usage: wordcount --counts FILE'
    [ ! -s "$dir/out" ] || fail "usage on standard output"
done
run 0 "$program" --help
has '^usage: wordcount --counts FILE'
has '^Exit code: 0'
[ ! -s "$dir/err" ] || fail "help on standard error"

# What cannot be read is told, the rest is counted, the exit code is 1.
run 1 "$program" --counts "$dir/missing" "$dir/be"
has_error "^wordcount: $dir/missing: No such file or directory\$"
has_line "2	to"
run 1 "$program" --counts "$dir"
has_error "^wordcount: $dir: Is a directory\$"
[ ! -s "$dir/out" ] || fail "counts of a directory"

# So is a word that no id can hold; its neighbours are counted.
{
    printf 'before '
    head -c 70000 /dev/zero | tr '\0' x
    printf ' after'
} >"$dir/long"
run 1 "$program" --counts "$dir/long"
has_error 'long: not counted: the word of 70000 letters at byte 7; an id holds at most 4096$'
printf '1\tafter\n1\tbefore\n' | cmp -s - "$dir/out" || fail "the neighbours were not counted"
{
    head -c 4097 /dev/zero | tr '\0' x
    printf '\n'
} | run 1 "$program" --counts -
has_error '^wordcount: standard input: not counted: the word of 4097 letters at byte 0;'

# Output that cannot be written is an error.
if [ -w /dev/full ]; then
    code=0
    "$program" --counts "$dir/be" >/dev/full 2>"$dir/err" || code=$?
    [ "$code" = 1 ] || fail "exit code $code for a full device"
    has_error '^wordcount: standard output: '
fi

# A file without words has no process to show.
: >"$dir/empty"
run 1 "$program" --demo "$dir/empty"
has_error 'no word in these files'

# No escape sequence without a terminal; on one, a progress bar that is gone at the end, and the same counts.
run 0 "$program" --demo "$dir/be"
! grep -q "$(printf '\033')" "$dir/out" "$dir/err" || fail "escape sequences in a file"
if command -v script >/dev/null; then
    TERM=xterm NO_COLOR='' run 0 script -qec "$program --demo $dir/be" /dev/null
    has "$(printf '\033')\\[1mThe top ten"
    has '\[#{30}\] 100 %'
fi
