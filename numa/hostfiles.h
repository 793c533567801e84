/* SPDX-License-Identifier: MIT */
/*
 * hostfiles.h - what the kernel's text files say. Pure: text in, numbers out; no file is opened here.
 *
 * Each parser takes any bytes whatever (text need not end in a zero) and returns false if what it looks for is not
 * there or is no number; *out is then unchanged unless its comment says otherwise.
 */
#ifndef NUMA_HOSTFILES_H
#define NUMA_HOSTFILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first number of the text: "1234\n". "max", as cgroup v2 has it, is UINT64_MAX. */
bool hostfile_number(const char *text, size_t length, uint64_t *out);

/* The numbers after the words `key`, which must stand alone at the beginning of a line or behind its "Node 0", with or
 * without a colon: "inactive_file 4096", "MemFree:  3 kB". Not scaled. Returns which were found, bit i for key[i]; the
 * others keep their value; of several lines the first counts. */
enum { HOSTFILE_FIELDS_MAX = 32 };
uint32_t hostfile_fields(const char *text, size_t length, const char *const *key, uint32_t keys, uint64_t *out);

/* One of them. */
bool hostfile_field(const char *text, size_t length, const char *key, uint64_t *out);

/* /sys/devices/system/node/node<N>/meminfo. False unless total and free are there; what can be reclaimed (page cache on
 * the file lists, reclaimable slab) counts as 0 where it is not said. */
struct hostfile_node_memory {
	uint64_t total_bytes;
	uint64_t free_bytes;
	uint64_t reclaimable_bytes;
};
bool hostfile_node_memory(const char *text, size_t length, struct hostfile_node_memory *out);

/* Calls fn for each "cpu<N>" line of /proc/stat with its times in ticks; idle includes waiting for I/O. Stops
 * behind the last of them, and before a line that the text cuts off. Returns how many. */
typedef void (*hostfile_cpu_fn)(uint32_t cpu, uint64_t busy, uint64_t idle, void *context);
uint32_t hostfile_cpu_times(const char *text, size_t length, hostfile_cpu_fn fn, void *context);

/* /proc/pressure/memory and the like. False unless the line "some" is there; of "full", which older kernels do not have
 * for the CPU, nothing is then 0. avg10 in per cent. */
struct hostfile_pressure {
	double some_avg10, full_avg10;
	uint64_t some_total_us, full_total_us;
};
bool hostfile_pressure(const char *text, size_t length, struct hostfile_pressure *out);

/* cgroup v2's cpu.max: "max 100000" (UINT64_MAX) or "50000 100000". False for a period of 0. */
bool hostfile_cpu_max(const char *text, size_t length, uint64_t *quota_us, uint64_t *period_us);

/* /proc/self/statm: how many pages are mapped, and how many of them are resident. */
bool hostfile_pages(const char *text, size_t length, uint64_t *mapped, uint64_t *resident);

/* The path of this process in /proc/self/cgroup: of the version 1 hierarchy with `controller`, or, NULL, of version 2.
 * path is given a terminating zero; false too if it does not fit. */
bool hostfile_cgroup_path(const char *text, size_t length, const char *controller, char *path, size_t size);

/* Where /proc/self/mountinfo has that hierarchy: the directory it is mounted on, and which of its directories is the
 * mount's root ("/", or the container's own group). */
bool hostfile_cgroup_mount(const char *text, size_t length, const char *controller, char *root, char *directory,
			   size_t size);

/* Slurm's list of tasks per node, "2(x3),1": the count of node number `index`. False for a malformed list or none. */
bool hostfile_slurm_tasks(const char *text, size_t length, uint64_t index, uint64_t *out);

#endif
