#!/bin/sh
# Compiles the C code of one Markdown document, runs its programs, and compares what they print with the document.
#   snippets.sh DOCUMENT FOLDER [FLAG…]
# FOLDER receives the extracted code; the flags are the compiler's: where the headers are, and the libraries to link.
# Complaints name the line of the document. The rules are in CONTRIBUTING.md, "Code in the documents".
set -eu
[ $# -ge 2 ] || {
    echo "usage: snippets.sh DOCUMENT FOLDER [FLAG...]" >&2
    exit 2
}
document="$1" out="$2"
shift 2
rm -rf "$out"
mkdir -p "$out"
warnings="-Wall -Wextra -Werror -Wno-unused -Wno-unused-parameter"
awk -v OUT="$out" -f "$(dirname "$0")/snippets.awk" "$document" >"$out/list"

failed=0
blame() {
    echo "$document:$1: $2" >&2
    failed=1
}

# Runs a command for the block at line $1; compares its output with file $2 unless that is empty.
run() {
    line="$1" expected="$2"
    shift 2
    timeout 60 "$@" >"$out/line$line.stdout" || {
        blame "$line" "ended with status $?"
        return 0
    }
    [ -n "$expected" ] || return 0
    diff -u "$expected" "$out/line$line.stdout" >&2 || blame "$line" "printed something else than the document says"
}

while read -r kind line file expected; do
    program="${file%.c}"
    case "$kind" in
    body | file)
        # shellcheck disable=SC2086 # a list of words
        "${CC:-gcc}" -std=c11 $warnings -c "$file" -o "$program.o" "$@" || blame "$line" "does not compile"
        ;;
    program)
        # shellcheck disable=SC2086 # a list of words
        if "${CC:-gcc}" -std=c11 -g $warnings "$file" -o "$program" "$@"; then
            run "$line" "$expected" "$program"
        else
            blame "$line" "does not compile"
        fi
        ;;
    sh) run "$line" "$expected" sh -eu "$file" ;;
    esac </dev/null
done <"$out/list"
echo "$document: $(wc -l <"$out/list") blocks"
exit "$failed"
