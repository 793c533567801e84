/* SPDX-License-Identifier: MIT */
/*
 * monitor.h - what the host really does, as opposed to what weir has granted: memory in use, CPU in use, pressure.
 * The source behind it can be replaced by the application's own.
 */
#ifndef WEIR_MONITOR_H
#define WEIR_MONITOR_H

#include <weir/machine.h>

WEIR_BEGIN_DECLS

/* Which parts of a reading are known; a missing or forbidden file leaves its bit clear. */
enum {
	WEIR_KNOWN_NODE_MEMORY = 1u << 0,
	WEIR_KNOWN_CPU = 1u << 1,
	WEIR_KNOWN_MEMORY_PRESSURE = 1u << 2,
	WEIR_KNOWN_CGROUP_MEMORY = 1u << 3,
	WEIR_KNOWN_CGROUP_MEMORY_MAX = 1u << 4,
	WEIR_KNOWN_PROCESS = 1u << 5
};

typedef struct weir_node_reading {
	uint64_t memory_total_bytes;
	uint64_t memory_free_bytes;	 /* not used for anything */
	uint64_t memory_available_bytes; /* free, and what the kernel would give back without swapping: an estimate */
	double cpu_busy;		 /* 0..1 of the node's cores, all processes, since the reading before; the first
					  * reading after a start has none before it and leaves WEIR_KNOWN_CPU clear */
} weir_node_reading;

typedef struct weir_reading {
	size_t size;
	uint32_t known;	     /* WEIR_KNOWN_... */
	uint64_t taken_at_ns; /* CLOCK_MONOTONIC */
	double memory_pressure_some; /* per cent of the last 10 s in which some task stalled on memory */
	double memory_pressure_full;
	uint64_t cgroup_memory_bytes;
	uint64_t cgroup_memory_max_bytes; /* UINT64_MAX: no limit */
	uint64_t process_rss_bytes;
	uint32_t nodes;		/* valid entries of node[] */
	uint32_t nodes_capacity; /* in: how many entries node[] has room for */
	weir_node_reading *node; /* the caller's; may be NULL with capacity 0 */
} weir_reading;

/* Where readings come from. All three are called from one thread at a time; start and stop may be NULL. read finds *out
 * zero but for size, node and nodes_capacity; where it leaves taken_at_ns at 0, the monitor sets it. When it fails, the
 * last good reading stays. None of them may start, stop or destroy the monitor. */
typedef struct weir_monitor_source {
	size_t size;
	weir_status (*start)(void *context, uint64_t interval_ns);
	weir_status (*read)(void *context, weir_reading *out);
	void (*stop)(void *context);
	void *context;
} weir_monitor_source;

typedef struct weir_monitor weir_monitor;

/* Create a monitor of a machine; it reads nothing before weir_monitor_start().
 * machine: borrowed for the monitor's life. source: copied; NULL: the host's own files.
 * interval_ns: between readings; 0: 100 ms; at least 1 ms.
 * Errors:  WEIR_EINVAL, WEIR_ENOMEM. Thread: any. */
WEIR_API WEIR_MUST_USE weir_status weir_monitor_create(weir_monitor **out, const weir_machine *machine,
						       const weir_monitor_source *source, uint64_t interval_ns);
/* Stops it first if need be. */
WEIR_API void weir_monitor_destroy(weir_monitor *monitor);

/* Start sampling in a thread of the monitor's own, named weir/monitor; the first reading is there on return.
 * Errors: WEIR_EBUSY (running), what the source's start or first read answers, WEIR_ESYSTEM. */
WEIR_API WEIR_MUST_USE weir_status weir_monitor_start(weir_monitor *monitor);
WEIR_API void weir_monitor_stop(weir_monitor *monitor);

/* The last reading, cached: current use and what is available. Never blocks on the sampling thread.
 * out:     out->node and out->nodes_capacity as the caller set them; at most that many nodes are filled in.
 * Errors:  WEIR_EINVAL, WEIR_EAGAIN (nothing read yet). Thread: any. */
WEIR_API weir_status weir_monitor_read(const weir_monitor *monitor, weir_reading *out);

WEIR_END_DECLS

#endif
