/* SPDX-License-Identifier: MIT */
/* stall.h - the kernel's own alarm for stalls, where it has one and lets us. */
#ifndef NUMA_STALL_H
#define NUMA_STALL_H

#include <weir/monitor.h>

/* Set what triggers may be had: on the whole host and on the control group (its directory in version 2; "": none).
 * Returns how many, at most `capacity`. */
uint32_t stall_triggers(const char *root, const char *group, weir_monitor_watch *out, uint32_t capacity);

/* Give them back. Each waits in the kernel for a grace period, so they do it at the same time. */
void stall_close(const weir_monitor_watch *trigger, uint32_t count);

#endif
