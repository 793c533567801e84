/* SPDX-License-Identifier: MIT */
/* monitor.h - what a pool does with its monitor that others must not. */
#ifndef NUMA_MONITOR_H
#define NUMA_MONITOR_H

#include <weir/monitor.h>

/* While it is lent, weir_monitor_destroy() does nothing: it is its pool's. */
void monitor_lend(weir_monitor *monitor, bool lent);

#endif
