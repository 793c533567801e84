/* SPDX-License-Identifier: MIT */
/* monitor_group.h - what the files of this process's control group say, for a reading. */
#ifndef NUMA_MONITOR_GROUP_H
#define NUMA_MONITOR_GROUP_H

#include <weir/monitor.h>

struct monitor_group;

/* root: put before each path, borrowed. NULL: no memory. */
struct monitor_group *monitor_group_create(const char *root);
void monitor_group_destroy(struct monitor_group *group);

/* Each fills in its part of the reading and answers which WEIR_KNOWN_... of it are known; what is not known is left as it
 * was. limits comes first: it finds out whether the process was moved to another group, and which of the groups above it
 * binds, whose events and throttling are then shown. */
uint32_t monitor_group_limits(struct monitor_group *group, weir_reading *out);
uint32_t monitor_group_memory(struct monitor_group *group, weir_reading *out);
uint32_t monitor_group_cpu(struct monitor_group *group, weir_reading *out);
uint32_t monitor_group_pressure(struct monitor_group *group, weir_reading *out);

/* One pressure file's text as part of a reading. */
bool monitor_pressure_parse(const char *text, long length, weir_pressure *out);

/* Its directory in version 2, "" if none, without root: where triggers can be set. */
const char *monitor_group_unified(const struct monitor_group *group);

#endif
