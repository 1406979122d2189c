/* Usable cores: the texts of the kernel, malformed ones, and a control group tree made of files. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpus.h"
#include "unit/check.h"

static unsigned v2(const char *text)
{
    return cpus_quota_v2(mesh_str(text));
}

static unsigned v1(const char *quota, const char *period)
{
    return cpus_quota_v1(mesh_str(quota), mesh_str(period));
}

static void quotas_of_v2_are_read(void **state)
{
    (void)state;
    assert_int_equal(v2("max 100000\n"), 0);
    assert_int_equal(v2("100000 100000\n"), 1);
    assert_int_equal(v2("200000 100000"), 2);
    assert_int_equal(v2("150000 100000\n"), 2);
    assert_int_equal(v2("1000 100000\n"), 1);
    assert_int_equal(v2("6400000 100000\n"), 64);
}

static void quotas_of_v1_are_read(void **state)
{
    (void)state;
    assert_int_equal(v1("-1\n", "100000\n"), 0);
    assert_int_equal(v1("250000\n", "100000\n"), 3);
    assert_int_equal(v1("50000\n", "100000\n"), 1);
    assert_int_equal(v1("50000\n", ""), 0);
}

static void malformed_quotas_are_no_limit(void **state)
{
    (void)state;
    const char *bad[] = {"",
                         " ",
                         "x",
                         "100000",
                         "100000 ",
                         "100000 0\n",
                         "0 100000",
                         "-5 100000",
                         "100000x 1",
                         "1 1x",
                         "100000  100000",
                         "1234567890123456789 1",
                         "999999999999999999 1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(v2(bad[i]), 0);
    assert_int_equal(cpus_quota_v2((mesh_bytes){NULL, 0}), 0);
    /* Only len bytes are read. */
    assert_int_equal(cpus_quota_v2((mesh_bytes){"300000 1000009999", 13}), 3);
}

static void check_path(const char *text, bool is_v2, const char *expected)
{
    mesh_bytes path = cpus_group_path(mesh_str(text), is_v2);
    assert_int_equal(path.len, strlen(expected));
    if (path.len > 0)
        assert_memory_equal(path.data, expected, path.len);
}

static void the_group_path_is_found(void **state)
{
    (void)state;
    const char *hybrid = "12:cpuset:/a\n4:cpu,cpuacct:/docker/x:y\n1:name=systemd:/b\n0::/user.slice/run:1\n";
    check_path("0::/\n", true, "/");
    check_path("0::/system.slice/mesh.service", true, "/system.slice/mesh.service");
    check_path(hybrid, true, "/user.slice/run:1");
    check_path(hybrid, false, "/docker/x:y");
    check_path("3:cpuacct,cpu:/z\n", false, "/z");
    check_path("3:cpuset:/z\n", false, "");
    check_path("3:cpuset:/z\n", true, "");
    check_path("", true, "");
    check_path("\n\n:\n::\n0\n0:\n", true, "");
    check_path("\n\n:\n::\n0\n0:cpu\n", false, "");
}

/* A tree of control groups under a temporary directory. */
struct tree {
    char root[64];
    char self[80];
};

static void write_file(const struct tree *tree, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", tree->root, name);
    for (char *at = path + strlen(tree->root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void tree_init(struct tree *tree, const char *self)
{
    strcpy(tree->root, "/tmp/mesh-cpus-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
    snprintf(tree->self, sizeof tree->self, "%s/self", tree->root);
    write_file(tree, "self", self);
}

static void tree_remove(const struct tree *tree)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", tree->root);
    assert_int_equal(system(command), 0);
}

static void the_lowest_quota_up_to_the_root_counts(void **state)
{
    (void)state;
    struct tree tree;
    tree_init(&tree, "0::/a/b/c\n");
    assert_int_equal(cpus_quota(tree.root, tree.self), 0);
    write_file(&tree, "a/b/c/cpu.max", "800000 100000\n");
    assert_int_equal(cpus_quota(tree.root, tree.self), 8);
    write_file(&tree, "a/cpu.max", "300000 100000\n");
    write_file(&tree, "a/b/cpu.max", "max 100000\n");
    assert_int_equal(cpus_quota(tree.root, tree.self), 3);
    tree_remove(&tree);
}

static void a_path_of_the_host_falls_back_to_the_root(void **state)
{
    (void)state;
    struct tree tree;
    tree_init(&tree, "0::/kubepods/pod1/../x\n");
    write_file(&tree, "cpu.max", "200000 100000\n");
    assert_int_equal(cpus_quota(tree.root, tree.self), 2);
    assert_int_equal(cpus_quota(tree.root, "/nonexistent"), 0);
    assert_int_equal(cpus_quota("/nonexistent", tree.self), 0);
    tree_remove(&tree);
}

static void both_versions_count_together(void **state)
{
    (void)state;
    struct tree tree;
    tree_init(&tree, "4:cpu,cpuacct:/d\n0::/d\n");
    write_file(&tree, "cpu/d/cpu.cfs_quota_us", "400000\n");
    write_file(&tree, "cpu/d/cpu.cfs_period_us", "100000\n");
    assert_int_equal(cpus_quota(tree.root, tree.self), 4);
    write_file(&tree, "d/cpu.max", "500000 100000\n");
    assert_int_equal(cpus_quota(tree.root, tree.self), 4);
    write_file(&tree, "d/cpu.max", "100000 100000\n");
    assert_int_equal(cpus_quota(tree.root, tree.self), 1);
    tree_remove(&tree);
}

static void affinity_counts(void **state)
{
    (void)state;
    unsigned usable = cpus_usable();
    assert_in_range(usable, 1, 65536);
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &before))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cpus_usable(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(cpus_usable(), usable);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotas_of_v2_are_read),
        cmocka_unit_test(quotas_of_v1_are_read),
        cmocka_unit_test(malformed_quotas_are_no_limit),
        cmocka_unit_test(the_group_path_is_found),
        cmocka_unit_test(the_lowest_quota_up_to_the_root_counts),
        cmocka_unit_test(a_path_of_the_host_falls_back_to_the_root),
        cmocka_unit_test(both_versions_count_together),
        cmocka_unit_test(affinity_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
