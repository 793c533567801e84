/* SPDX-License-Identifier: MIT */
/* stall.h - the kernel's own alarm for stalls, where it has one and lets us. */
#ifndef NUMA_STALL_H
#define NUMA_STALL_H

#include <weir/monitor.h>

/* Set what triggers may be had: on the whole host and on the control group (its directory in version 2; "": none).
 * Returns how many, at most `capacity`; whoever asked closes their descriptors. */
uint32_t stall_triggers(const char *root, const char *group, weir_monitor_watch *out, uint32_t capacity);

#endif
