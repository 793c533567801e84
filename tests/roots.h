/* SPDX-License-Identifier: MIT */
/* roots.h - for tests: the files of a host with two nodes and four CPUs, as kernels write them; cgroup of version 2, or of
 * version 1 with version 2 beside it. Long files keep the lines that are read, and some that are not. */
#ifndef TESTS_ROOTS_H
#define TESTS_ROOTS_H

#include <string.h>

#include "fixture.h"

struct root_file {
	const char *path, *text;
};

/* The group is /job/g; its limits are /job's. */
static const struct root_file root_v2[] = {
	{"/proc/self/cgroup", "0::/job/g\n"},
	{"/proc/self/mountinfo",
	 "22 1 8:1 / / rw - ext4 /dev/root rw\n30 20 0:26 / /cg rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"},
	{"/proc/self/statm", "100 7 0 0 0 0 0\n"},
	{"/proc/meminfo", "MemTotal:           1700 kB\nMemFree:             310 kB\nMemAvailable:        205 kB\n"
			  "Buffers:               1 kB\nActive:              999 kB\nActive(file):         60 kB\n"
			  "Inactive(file):       30 kB\nSReclaimable:         10 kB\n"},
	{"/proc/stat", "cpu  59 0 0 59\ncpu0 0 0 0 0\ncpu1 50 0 0 50\ncpu2 9 0 0 9\ncpu3 0 0 0 0\ncpu4 1 1 1 1\nintr 5 "
		       "5 5\nctxt 7\n"},
	{"/proc/pressure/cpu", "some avg10=12.50 avg60=1.00 avg300=1.00 total=4000\n"},
	{"/proc/pressure/memory",
	 "some avg10=3.50 avg60=0.00 avg300=0.00 total=10\nfull avg10=1.25 avg60=0.00 avg300=0.00 total=4\n"},
	{"/proc/pressure/io",
	 "some avg10=0.00 avg60=0.00 avg300=0.00 total=10\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"},
	{"/sys/devices/system/node/node0/meminfo",
	 "Node 0 MemTotal:         800 kB\nNode 0 MemFree:          300 kB\nNode 0 MemUsed:          500 kB\n"
	 "Node 0 Active(file):      60 kB\nNode 0 Inactive(file):    30 kB\nNode 0 SReclaimable:      10 kB\n"},
	{"/sys/devices/system/node/node1/meminfo",
	 "Node 1 MemTotal:         900 kB\nNode 1 MemFree:           10 kB\n"},
	{"/cg/job/memory.max", "99999\n"},
	{"/cg/job/memory.high", "max\n"},
	{"/cg/job/memory.current", "20000\n"},
	{"/cg/job/memory.stat", "anon 1\nfile 6000\ninactive_file 4000\nactive_file 1000\nslab 3\n"},
	{"/cg/job/memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 0\n"},
	{"/cg/job/cpu.max", "150000 100000\n"},
	{"/cg/job/cpu.stat",
	 "usage_usec 5555\nuser_usec 1\nsystem_usec 1\nnr_periods 100\nnr_throttled 7\nthrottled_usec 5000\n"},
	{"/cg/job/g/memory.max", "max\n"},
	{"/cg/job/g/memory.high", "88888\n"},
	{"/cg/job/g/memory.current", "12345\n"},
	{"/cg/job/g/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n"},
	{"/cg/job/g/cpu.max", "max 100000\n"},
	{"/cg/job/g/cpu.stat",
	 "usage_usec 777\nuser_usec 1\nsystem_usec 1\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n"},
	{"/cg/job/g/cpu.pressure",
	 "some avg10=1.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.25 avg60=0.00 avg300=0.00 total=1\n"},
	{"/cg/job/g/memory.pressure",
	 "some avg10=0.75 avg60=0.00 avg300=0.00 total=33\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=22\n"},
	{"/cg/job/g/io.pressure",
	 "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"},
};

/* The controllers are version 1's, the last unified group has pressure. */
static const struct root_file root_v1[] = {
	{"/proc/self/cgroup", "9:name=systemd:/\n4:memory:/m\n2:cpuacct,cpu:/c\n0::/u\n"},
	{"/proc/self/mountinfo",
	 "30 20 0:26 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	 "31 20 0:27 / /cg/memory rw - cgroup cgroup rw,memory\n32 20 0:28 / /cg/unified rw - cgroup2 cgroup2 rw\n"},
	{"/cg/memory/m/memory.usage_in_bytes", "4096000\n"},
	{"/cg/memory/m/memory.limit_in_bytes", "8192000\n"},
	{"/cg/memory/m/memory.failcnt", "41\n"},
	{"/cg/memory/m/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"},
	{"/cg/memory/m/memory.stat", "cache 1\nactive_file 5\ntotal_inactive_file 90000\ntotal_active_file 6000\n"},
	{"/cg/memory/memory.limit_in_bytes", "9223372036854771712\n"},
	{"/cg/cpu/c/cpu.cfs_quota_us", "200000\n"},
	{"/cg/cpu/c/cpu.cfs_period_us", "100000\n"},
	{"/cg/cpu/c/cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 999\n"},
	{"/cg/cpu/c/cpuacct.usage", "123456789\n"},
	{"/cg/unified/u/io.pressure",
	 "some avg10=7.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"},
};

enum { ROOT_V2_FILES = sizeof(root_v2) / sizeof(root_v2[0]), ROOT_V1_FILES = sizeof(root_v1) / sizeof(root_v1[0]) };

static inline void root_write(const struct fixture *f, const struct root_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fixture_text(f, files[i].path, files[i].text);
}

#endif
