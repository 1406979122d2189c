/* Memory that is refused to the services: over each kept input of their fuzz target each allocation fails once. They
 * may part with a peer for it, but nothing breaks and nothing leaks (the leak sanitizer looks). See unit/refuse.h. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/dist_system.h"
#include "unit/check.h"
#include "unit/refuse.h"

static int refuse_each(const uint8_t *data, size_t size)
{
    int n = 0;
    for (bool refused = true; refused; n++) {
        assert_true(n < 10000);
        refuse_after(n);
        dist_system_run(data, size);
        refused = !refuse_end();
    }
    return n;
}

static int run_file(const char *folder, const char *name)
{
    char path[1024];
    static uint8_t data[65536];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    const size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    return refuse_each(data, size);
}

static void every_allocation_fails_once(void **state)
{
    static const char folder[] = MESH_VECTORS "/../fuzz/corpus/dist_system";
    int allocations = 0;
    DIR *dir = opendir(folder);
    (void)state;
    assert_non_null(dir);
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
        if (e->d_name[0] != '.')
            allocations += run_file(folder, e->d_name);
    closedir(dir);
    assert_true(allocations > 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_fails_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
