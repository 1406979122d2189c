# Takes the code out of one Markdown document: writes each ```c block and each ```sh block that is to be run as a file
# of its own into the folder OUT, and what it should print beside it. Prints one line for each:
#   KIND LINE FILE [EXPECTED]        KIND is body, file, program or sh
# The rules are in CONTRIBUTING.md, "Code in the documents".
BEGIN {
    includes = "#include <assert.h>\n#include <stdio.h>\n#include <string.h>\n\n#include <mesh.h>"
    given = "void"
}

function start(kind_of_block)
{
    kind = kind_of_block
    first = NR + 1
    text = ""
}

function finish(    name)
{
    if (kind == "c" || kind == "file" || kind == "sh") {
        if (kind == "c")
            kind = text ~ /(^|\n)int main\(/ ? "program" : "body"
        name = OUT "/line" first (kind == "sh" ? ".sh" : ".c")
        if (kind == "body")
            printf "%s\nvoid snippet(%s);\nvoid snippet(%s)\n{\n#line %d \"%s\"\n%s}\n", includes, given, given, first,
                FILENAME, text >name
        else if (kind == "sh")
            printf "%s", text >name
        else
            printf "#line %d \"%s\"\n%s", first, FILENAME, text >name
        close(name)
        if (last != "")
            print last
        last = kind " " first " " name
    } else if (kind == "output" && last != "") {
        name = last
        sub(/^.* /, "", name)
        printf "%s", text >(name ".expected")
        close(name ".expected")
        print last " " name ".expected"
        last = ""
    } else if (last != "") {
        print last
        last = ""
    }
    kind = ""
    given = "void"
    run = 0
    before = ""
}

kind != "" && /^```[ \t]*$/ { finish(); next }
kind != "" { text = text $0 "\n"; next }
/^```c$/ { start("c"); next }
/^```c file$/ { start("file"); next }
/^```sh$/ { start(run ? "sh" : "other"); next }
/^```text$/ { start(before == "Output:" ? "output" : "other"); next }
/^```/ { start("other"); next }
/^<!-- run -->$/ { run = 1; next }
/^<!-- given: .* -->$/ {
    given = $0
    sub(/^<!-- given: /, "", given)
    sub(/ -->$/, "", given)
    next
}
!/^[ \t]*$/ { before = $0; given = "void"; run = 0 }
END {
    if (kind != "") {
        printf "%s:%d: this block does not end\n", FILENAME, first - 1 >"/dev/stderr"
        exit 1
    }
    if (last != "")
        print last
}
