/* How many cores this process may use: the least of its affinity mask and the CPU quotas of its control groups. */
#ifndef BASE_CPUS_H
#define BASE_CPUS_H

#include <stdbool.h>

#include <mesh/bytes.h>

/* Cores this process may keep busy, at least 1. Reads files: for start-up, any thread. */
unsigned cpus_usable(void);

/* The parts, for tests. The first two are pure; 0 stands for "no limit", also when the text is malformed. Quotas are
 * rounded up to whole cores: with 1.5 cores, two workers use all of it and one does not. */

/* The quota in a `cpu.max` of cgroup v2: "max 100000" or "150000 100000". */
unsigned cpus_quota_v2(mesh_bytes cpu_max);

/* The quota in `cpu.cfs_quota_us` ("-1": none) and `cpu.cfs_period_us` of cgroup v1. */
unsigned cpus_quota_v1(mesh_bytes quota_us, mesh_bytes period_us);

/* Pure: the path of this process's group in a /proc/self/cgroup: of the line "0::PATH" when v2, else of the line whose
 * controllers include cpu. The result points into text; len 0 when there is no such line. */
mesh_bytes cpus_group_path(mesh_bytes text, bool v2);

/* The lowest quota on the way from this process's group up to the root, for v2 and v1 together; 0: no limit. root is
 * the mount point ("/sys/fs/cgroup"), self the file that names the group ("/proc/self/cgroup"). A container may see
 * its own group as the root while self names the host's path: then what is missing is skipped. */
unsigned cpus_quota(const char *root, const char *self);

#endif
