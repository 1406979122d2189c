/* Loading modules from shared objects: the example's, whole, and broken in every way that has a reason. */
#include "unit/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mesh.h>

static char dir[] = "/tmp/mesh-plugin-XXXXXX";

/* ---- Files ---- */

struct file {
    unsigned char *bytes;
    size_t len;
    char path[64];
};

/* A copy of the example to be broken, in memory. */
static void take(struct file *f)
{
    struct stat s;
    int fd = open(MESH_PLUGIN_SO, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &s), 0);
    f->len = (size_t)s.st_size;
    f->bytes = malloc(f->len);
    assert_non_null(f->bytes);
    assert_int_equal(read(fd, f->bytes, f->len), s.st_size);
    close(fd);
    f->path[0] = '\0';
}

/* Writes the first len bytes as a file with a name of its own: the loader knows files by their inodes. */
static const char *put(struct file *f, size_t len)
{
    static int number;
    snprintf(f->path, sizeof f->path, "%s/%d.so", dir, number++);
    int fd = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, f->bytes, len), (ssize_t)len);
    close(fd);
    return f->path;
}

static void drop(struct file *f)
{
    if (f->path[0] != '\0')
        unlink(f->path);
    free(f->bytes);
}

/* Replaces every occurrence of some bytes; there is at least one. */
static void replace(struct file *f, const void *old, const void *new, size_t len)
{
    int count = 0;
    for (unsigned char *at = f->bytes; at + len <= f->bytes + f->len; at++)
        if (memcmp(at, old, len) == 0) {
            memcpy(at, new, len);
            count++;
        }
    assert_int_not_equal(count, 0);
}

/* The exported struct as it is in the file. */
static unsigned char *entry_of(struct file *f)
{
    const uint64_t magic = MESH_PLUGIN_MAGIC;
    for (unsigned char *at = f->bytes; at + sizeof(mesh_plugin) <= f->bytes + f->len; at += 8)
        if (memcmp(at, &magic, sizeof magic) == 0)
            return at;
    fail_msg("no mesh_plugin in the file");
    return NULL;
}

/* ---- Expectations ---- */

static mesh_node *start(void)
{
    mesh_node *node = NULL;
    const mesh_node_options options = {.size = sizeof options, .workers = 1};
    assert_int_equal(mesh_node_start(&options, &node), MESH_OK);
    return node;
}

static void refused(mesh_node *node, const char *path, int error, mesh_plugin_problem wanted, const char *words)
{
    mesh_plugin_problem problem = MESH_PLUGIN_FINE;
    mesh_reason reason = {""};
    assert_int_equal(mesh_load_modules(node, path, &problem, &reason), error);
    assert_int_equal(problem, wanted);
    if (strstr(reason.text, words) == NULL)
        fail_msg("'%s' is not in '%s'", words, reason.text);
    assert_int_equal(mesh_load_modules(node, path, NULL, NULL), error);
}

/* Whether a module of this name is registered: another of the name is then refused. */
static bool has_module(mesh_node *node, const char *name)
{
    const mesh_module other = {.size = sizeof other, .name = name, .state_size = 77};
    return mesh_register_module(node, &other) == MESH_EEXISTS;
}

/* ---- Tests ---- */

static void its_modules_serve_calls(void **state)
{
    (void)state;
    mesh_node *node = start(), *second = start();
    mesh_plugin_problem problem = MESH_PLUGIN_TRUNCATED;
    mesh_reason reason = {"x"};
    assert_int_equal(mesh_load_modules(node, MESH_PLUGIN_SO, &problem, &reason), MESH_OK);
    assert_int_equal(problem, MESH_PLUGIN_FINE);
    assert_string_equal(reason.text, "");
    assert_int_equal(mesh_load_modules(node, MESH_PLUGIN_SO, NULL, NULL), MESH_OK); /* again */
    assert_int_equal(mesh_load_modules(second, MESH_PLUGIN_SO, NULL, NULL), MESH_OK);
    assert_int_equal(mesh_node_stop(node), MESH_OK); /* the code stays for the other */
    assert_int_equal(mesh_register_capability(second, "hall", NULL), MESH_OK);
    mesh_buf message;
    mesh_buf_init(&message);
    assert_int_equal(mesh_build(&message, "{:greet, ~s}", "Ada"), MESH_OK);
    const mesh_request request = {
        .module = "Greeter", .capability = "hall", .id = mesh_str("door"), .payload = mesh_buf_term(&message)};
    mesh_result result = {0};
    assert_int_equal(mesh_call(second, &request, &result), MESH_OK);
    assert_int_equal(mesh_match(result.value, "{:hello, \"Ada\", 1}"), MESH_OK);
    mesh_result_release(&result);
    mesh_buf_fini(&message);
    assert_int_equal(mesh_node_stop(second), MESH_OK);
}

static void several_are_loaded_side_by_side(void **state)
{
    (void)state;
    mesh_node *node = start();
    struct file f;
    take(&f);
    replace(&f, "Greeter", "Usherer", 8);
    replace(&f, "Echo", "Gong", 5);
    assert_int_equal(mesh_load_modules(node, MESH_PLUGIN_SO, NULL, NULL), MESH_OK);
    assert_int_equal(mesh_load_modules(node, put(&f, f.len), NULL, NULL), MESH_OK);
    assert_true(has_module(node, "Greeter") && has_module(node, "Echo"));
    assert_true(has_module(node, "Usherer") && has_module(node, "Gong"));
    drop(&f);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
}

static void what_is_no_file_is_not_found(void **state)
{
    (void)state;
    mesh_node *node = start();
    refused(node, "/nonexistent/game.so", MESH_EPLUGIN, MESH_PLUGIN_NOT_FOUND, "No such file");
    refused(node, "game.so", MESH_EPLUGIN, MESH_PLUGIN_NOT_FOUND, "No such file");
    refused(node, "libuv.so.1", MESH_EPLUGIN, MESH_PLUGIN_NOT_FOUND, "No such file"); /* no library path */
    refused(node, dir, MESH_EPLUGIN, MESH_PLUGIN_NOT_FOUND, "Is a directory");
    static char longest[8192];
    memset(longest, 'a', sizeof longest - 1);
    refused(node, longest, MESH_EPLUGIN, MESH_PLUGIN_NOT_FOUND, "File name too long");
    assert_int_equal(mesh_load_modules(NULL, "x", NULL, NULL), MESH_EINVAL);
    assert_int_equal(mesh_load_modules(node, NULL, NULL, NULL), MESH_EINVAL);
    assert_int_equal(mesh_load_modules(node, "", NULL, NULL), MESH_EINVAL);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
}

static void every_truncation_is_seen(void **state)
{
    (void)state;
    mesh_node *node = start();
    struct file f;
    take(&f);
    for (size_t len = 0; len < f.len; len += len < 256 ? 1 : 509) {
        bool magic = len >= 4;
        refused(node, put(&f, len), MESH_EPLUGIN, magic ? MESH_PLUGIN_TRUNCATED : MESH_PLUGIN_NOT_ELF,
                magic ? "truncated" : "not an ELF file");
        unlink(f.path);
    }
    refused(node, put(&f, f.len - 1), MESH_EPLUGIN, MESH_PLUGIN_TRUNCATED, "truncated");
    drop(&f);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
}

static void other_kinds_of_files_are_refused(void **state)
{
    (void)state;
    mesh_node *node = start();
    struct file f;
    take(&f);
    f.bytes[18] ^= 1; /* e_machine */
    refused(node, put(&f, f.len), MESH_EPLUGIN, MESH_PLUGIN_NOT_SHARED, "this kind of machine");
    drop(&f);
    take(&f);
    memcpy(f.bytes, "#!/bin/sh\n", 10);
    refused(node, put(&f, f.len), MESH_EPLUGIN, MESH_PLUGIN_NOT_ELF, "not an ELF file");
    drop(&f);
    refused(node, "/proc/self/exe", MESH_EPLUGIN, MESH_PLUGIN_NOT_LOADABLE, "position-independent executable");
    assert_int_equal(mesh_node_stop(node), MESH_OK);
}

static void what_it_lacks_is_named(void **state)
{
    (void)state;
    mesh_node *node = start();
    struct file f;
    take(&f);
    replace(&f, "mesh_crash", "mesh_smash", 11);
    refused(node, put(&f, f.len), MESH_EPLUGIN, MESH_PLUGIN_NOT_LOADABLE, "mesh_smash");
    drop(&f);
    refused(node, MESH_PLUGIN_NONE, MESH_EPLUGIN, MESH_PLUGIN_NO_SYMBOL, MESH_PLUGIN_SYMBOL);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
}

static void other_versions_and_sizes_are_told(void **state)
{
    (void)state;
    mesh_node *node = start();
    struct file f;
    char words[64];
    take(&f);
    const uint32_t version = 7, size = 48;
    memcpy(entry_of(&f) + offsetof(mesh_plugin, version), &version, sizeof version);
    refused(node, put(&f, f.len), MESH_EPLUGIN, MESH_PLUGIN_OTHER_VERSION, "version 7");
    refused(node, f.path, MESH_EPLUGIN, MESH_PLUGIN_OTHER_VERSION, "has version 1");
    drop(&f);
    take(&f);
    memcpy(entry_of(&f) + offsetof(mesh_plugin, size), &size, sizeof size);
    snprintf(words, sizeof words, "has 48 bytes, this program's has %zu", sizeof(mesh_plugin));
    refused(node, put(&f, f.len), MESH_EPLUGIN, MESH_PLUGIN_OTHER_SIZE, words);
    drop(&f);
    take(&f);
    memset(entry_of(&f), 0, 8);
    refused(node, put(&f, f.len), MESH_EPLUGIN, MESH_PLUGIN_OTHER_SIZE, "MESH_PLUGIN_MAGIC");
    drop(&f);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
}

static void all_modules_are_taken_or_none(void **state)
{
    (void)state;
    mesh_node *node = start();
    struct file f;
    const uint64_t none = 0, many = MESH_PLUGIN_MODULES_MAX + 1;
    assert_true(!has_module(node, "Echo")); /* it is now, by another definition */
    refused(node, MESH_PLUGIN_SO, MESH_EEXISTS, MESH_PLUGIN_BAD_MODULE, "module Echo: already registered");
    assert_true(!has_module(node, "Greeter"));
    take(&f);
    replace(&f, "Echo",
            "\xff"
            "cho",
            5);
    replace(&f, "Greeter", "Usherer", 8);
    refused(node, put(&f, f.len), MESH_EBADNAME, MESH_PLUGIN_BAD_MODULE, "module 2 of 2");
    assert_true(!has_module(node, "Usherer"));
    drop(&f);
    take(&f);
    memcpy(entry_of(&f) + offsetof(mesh_plugin, count), &none, sizeof none);
    refused(node, put(&f, f.len), MESH_EPLUGIN, MESH_PLUGIN_BAD_MODULE, "names 0 modules");
    drop(&f);
    take(&f);
    memcpy(entry_of(&f) + offsetof(mesh_plugin, count), &many, sizeof many);
    refused(node, put(&f, f.len), MESH_EPLUGIN, MESH_PLUGIN_BAD_MODULE, "names 1025 modules");
    drop(&f);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
}

static void modules_of_another_size_are_told(void **state)
{
    (void)state;
    mesh_node *node = start();
    struct file f;
    char words[64];
    const size_t size = sizeof(mesh_module), other = sizeof(mesh_module) - 8;
    const uint64_t state_size = sizeof(int);
    take(&f);
    unsigned char *at = f.bytes; /* greeter_module: its size, a relocated name, its state's size */
    while (at + 24 <= f.bytes + f.len && !(memcmp(at, &size, 8) == 0 && memcmp(at + 16, &state_size, 8) == 0))
        at += 8;
    assert_true(at + 24 <= f.bytes + f.len);
    memcpy(at, &other, sizeof other);
    snprintf(words, sizeof words, "module 1 of 2 has a mesh_module of %zu bytes", other);
    refused(node, put(&f, f.len), MESH_EINVAL, MESH_PLUGIN_BAD_MODULE, words);
    drop(&f);
    assert_int_equal(mesh_node_stop(node), MESH_OK);
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_modules_serve_calls),           cmocka_unit_test(several_are_loaded_side_by_side),
        cmocka_unit_test(what_is_no_file_is_not_found),      cmocka_unit_test(every_truncation_is_seen),
        cmocka_unit_test(other_kinds_of_files_are_refused),  cmocka_unit_test(what_it_lacks_is_named),
        cmocka_unit_test(other_versions_and_sizes_are_told), cmocka_unit_test(all_modules_are_taken_or_none),
        cmocka_unit_test(modules_of_another_size_are_told),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
