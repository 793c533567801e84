/* SPDX-License-Identifier: MIT */
/* monitor_host.h - the monitor's own source of readings: this host's files. */
#ifndef NUMA_MONITOR_HOST_H
#define NUMA_MONITOR_HOST_H

#include <weir/monitor.h>

struct monitor_host;

/* root: put before each path, "" for the real files. machine: borrowed. NULL: no memory. */
struct monitor_host *monitor_host_create(const weir_machine *machine, const char *root);
void monitor_host_destroy(struct monitor_host *host);

/* Another clock for what a reading costs than the thread's CPU time: for tests. */
void monitor_host_cost_clock(struct monitor_host *host, uint64_t (*cpu_ns)(void));

/* The source's functions; context is the struct monitor_host. start forgets what was read long ago, so that the first
 * reading is whole; read never fails: what cannot be read is not known. */
weir_status monitor_host_start(void *context, uint64_t interval_ns);
weir_status monitor_host_read(void *context, weir_reading *out);
void monitor_host_stop(void *context);
uint32_t monitor_host_watch(void *context, weir_monitor_watch *out, uint32_t capacity);

#endif
