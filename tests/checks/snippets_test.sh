#!/bin/sh
# snippets.sh compiles, runs and compares what a document shows, names the line of what is wrong, and accepts a document
# without code. The arguments are the compiler's flags for mesh.h and the library.
set -eu
snippets="$(cd "$(dirname "$0")/../.." && pwd)/scripts/snippets.sh"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# check DOCUMENT FLAG…: runs the script on it, with everything it says in $dir/said.
check() {
    document="$1"
    shift
    "$snippets" "$document" "$dir/out" "$@" >"$dir/said" 2>&1
}

fail() {
    echo "$1"
    cat "$dir/said"
    exit 1
}

# refused LINE WORDS FLAG…: the document $dir/bad.md is refused with that line and these words.
refused() {
    line="$1" words="$2"
    shift 2
    check "$dir/bad.md" "$@" && fail "accepted: $words"
    grep -q "^$dir/bad.md:$line:.*$words" "$dir/said" || fail "expected line $line: $words"
}

echo 'Only words, and `code`.' >"$dir/none.md"
check "$dir/none.md" "$@" || fail "no code at all"
grep -q ': 0 blocks' "$dir/said" || fail "expected no blocks"

cat >"$dir/good.md" <<'END'
A body, with names from elsewhere:

<!-- given: int number, const char *text -->
```c
assert(number > 0);
printf("%s %s\n", text, mesh_strerror(number));
```

Declarations:

```c file
#include <mesh.h>
struct state { int n; };
int twice(struct state *s);
int twice(struct state *s)
{
    return 2 * s->n;
}
```

A program:

```c
#include <mesh.h>
#include <stdio.h>

int main(void)
{
    puts(mesh_strerror(MESH_OK));
}
```

Output:

```text
ok
```

<!-- run -->
```sh
echo one
```

Output:

```text
one
```

```sh
exit 1 # not run
```

```text
any text
```
END
check "$dir/good.md" "$@" || fail "a good document"
grep -q ': 4 blocks' "$dir/said" || fail "expected 4 blocks"

printf 'x\n\n```c\nint a = 1;\nint b = nothing;\n```\n' >"$dir/bad.md"
refused 5 "undeclared" "$@"
printf '```c\n#include <stdio.h>\nint main(void) { puts("a"); }\n```\n\nOutput:\n\n```text\nb\n```\n' >"$dir/bad.md"
refused 2 "something else" "$@"
printf '```c\nint main(void) { return 3; }\n```\n' >"$dir/bad.md"
refused 2 "ended with status 3" "$@"
printf '```c\nint main(void) { return mesh_no_such(); }\nint mesh_no_such(void);\n```\n' >"$dir/bad.md"
refused 2 "does not compile" "$@"
printf '<!-- run -->\n```sh\nfalse\n```\n' >"$dir/bad.md"
refused 3 "ended with status 1" "$@"
printf '```c\nint a;\n' >"$dir/bad.md"
refused 1 "does not end" "$@"
