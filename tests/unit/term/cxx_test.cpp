// The headers in C++: mesh_build and mesh_match tell types apart by overloads.
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <mesh.h>

static int failures;

static void check(bool ok, int line)
{
    if (!ok) {
        std::fprintf(stderr, "%s:%d: failed\n", __FILE__, line);
        failures++;
    }
}
#define CHECK(condition) check(condition, __LINE__)

enum colour { RED = 3 };

static void every_type()
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    mesh_pid pid = {5, 7, "n@h"};
    const mesh_ref ref = {9, 1, {1, 0, 0, 0, 0}, "n@h"};
    short s = -1;
    for (int i = 0; i < 2; i++) {
        CHECK(mesh_build(&buf, "{~i, ~i, ~u, ~f, ~s, ~a, ~o, ~b, ~p, ~r, ~i}", s, 5L, 7ull, 2.5f, "text", "atom", true,
                         mesh_str("bin"), &pid, &ref, RED) == MESH_OK);
        int a = 0;
        long b = 0;
        std::uint64_t c = 0;
        double d = 0;
        mesh_bytes text, atom, bin;
        bool yes = false;
        mesh_pid p;
        mesh_ref r;
        mesh_term last;
        CHECK(mesh_match(mesh_buf_term(&buf), "{~i, ~i, ~u, ~f, ~b, ~a, ~o, ~b, ~p, ~r, ~t}", &a, &b, &c, &d, &text,
                         &atom, &yes, &bin, &p, &r, &last) == MESH_OK);
        CHECK(a == -1 && b == 5 && c == 7 && d == 2.5 && yes && mesh_pid_equal(&p, &pid) && mesh_ref_equal(&r, &ref));
        CHECK(text.len == 4 && std::memcmp(text.data, "text", 4) == 0 && atom.len == 4 && bin.len == 3);
        CHECK(mesh_match(last, "3") == MESH_OK);
    }
    mesh_buf_fini(&buf);
}

static void mistakes()
{
    mesh_buf buf;
    mesh_buf_init(&buf);
    std::size_t column = 0;
    CHECK(mesh_build_at(&column, &buf, "{~i, ~b}", 1, 2) == MESH_EINVAL && column == 6);
    CHECK(mesh_build(&buf, "[]") == MESH_OK);
    double d = 0;
    CHECK(mesh_match_at(&column, mesh_buf_term(&buf), "~i", &d) == MESH_EINVAL && column == 1);
    const char *pattern = buf.len ? "[]" : "{}";
    CHECK(mesh_match(mesh_buf_term(&buf), pattern) == MESH_OK);
    mesh_buf_fini(&buf);
}

int main()
{
    every_type();
    mistakes();
    return failures ? 1 : 0;
}
