#!/bin/sh
# shellcheck disable=SC1091,SC2154,SC2018,SC2019 # lib.sh sets program, dir and the locale
# wordcount --counts against tr, sort and uniq: over the licence texts, and over files made to be difficult.
. "$(dirname "$0")/lib.sh"

# The reference. A word ends with its file, hence the newline after each.
reference() {
    for file in "$@"; do
        cat "$file"
        echo
    done | tr -cs 'A-Za-z' '\n' | tr A-Z a-z | grep . | sort | uniq -c | awk '{ print $1 "\t" $2 }'
}

same() {
    reference "$@" >"$dir/wanted"
    run 0 "$program" --counts "$@"
    cmp "$dir/wanted" "$dir/out" >&2 || {
        diff "$dir/wanted" "$dir/out" | head -n 20 >&2
        : >"$dir/out"
        fail "counts differ from tr | sort | uniq -c over $*"
    }
    [ ! -s "$dir/err" ] || fail "something on standard error"
}

# Every licence text that the system installs.
set --
for file in /usr/share/common-licenses/*; do
    [ -f "$file" ] && [ ! -L "$file" ] && set -- "$@" "$file"
done
[ $# -gt 0 ] || fail "no licence texts under /usr/share/common-licenses"
same "$@"
[ "$(wc -l <"$dir/wanted")" -gt 1000 ] || fail "the reference found hardly any word"

# Words of many lengths over many blocks of 64 KiB, without a newline at the end; then words that end before, at and
# after the border of two blocks.
awk 'BEGIN {
    for (i = 0; i < 30000; i++)
        printf "Word%sEnd-%c%sx ", substr("abcdefghijklmnopqrstuvwxyz", i % 26 + 1), 65 + i % 26,
            substr("zyxwvutsrqponmlkjihgfedcba", i % 23 + 1)
    printf "last"
}' >"$dir/blocks"
[ "$(wc -c <"$dir/blocks")" -gt 400000 ] || fail "the file has too few blocks"
same "$dir/blocks"
for spaces in 65533 65534 65535 65536; do
    {
        head -c $spaces /dev/zero | tr '\0' ' '
        printf 'ab c'
    } >"$dir/border"
    same "$dir/border"
    has_line "1	ab"
done

# Nothing; no letter; one word without a newline, followed by a file that starts with a letter.
: >"$dir/empty"
same "$dir/empty"
[ ! -s "$dir/out" ] || fail "counts of an empty file"
printf '12 34\n\n--\n' >"$dir/no-words"
same "$dir/no-words"
printf 'one' >"$dir/one"
same "$dir/one" "$dir/empty" "$dir/one" "$dir/no-words" "$dir/one"
has_line "3	one"

# Every byte, alone and between letters: only A–Z and a–z are letters, whatever Latin-1 or UTF-8 say.
{
    i=0
    while [ $i -lt 256 ]; do
        # shellcheck disable=SC2059 # the byte is the format
        printf "a\\$(printf %03o $i)B"
        i=$((i + 1))
    done
} >"$dir/bytes"
[ "$(wc -c <"$dir/bytes")" = 768 ] || fail "the file of all bytes is not one"
same "$dir/bytes"

# The longest word there may be, across a border; the same file twice; standard input, as a file and as a pipe.
{
    head -c 65000 /dev/zero | tr '\0' ' '
    head -c 4096 /dev/zero | tr '\0' Q
} >"$dir/longest"
same "$dir/longest"
same "$dir/longest" "$dir/longest"
reference "$dir/blocks" >"$dir/wanted"
run 0 "$program" --counts - <"$dir/blocks"
cmp -s "$dir/wanted" "$dir/out" || fail "counts of standard input differ"
dd if="$dir/blocks" bs=1021 2>/dev/null | run 0 "$program" --counts -
cmp -s "$dir/wanted" "$dir/out" || fail "counts of a pipe differ"
