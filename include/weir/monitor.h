/* SPDX-License-Identifier: MIT */
/*
 * monitor.h - what the host really does, as opposed to what weir has granted: memory and CPU in use, by node, control
 * group and process; events, throttling and pressure. The source behind it can be replaced by the application's own.
 */
#ifndef WEIR_MONITOR_H
#define WEIR_MONITOR_H

#include <weir/machine.h>

WEIR_BEGIN_DECLS

/* Which parts of a reading are known; a missing or forbidden file leaves its bit clear, and the log has said so once. */
enum {
	WEIR_KNOWN_NODE_MEMORY = 1u << 0,
	WEIR_KNOWN_CPU = 1u << 1, /* node[].cpu_busy */
	WEIR_KNOWN_MEMORY_PRESSURE = 1u << 2,
	WEIR_KNOWN_CGROUP_MEMORY = 1u << 3,
	WEIR_KNOWN_CGROUP_MEMORY_MAX = 1u << 4,
	WEIR_KNOWN_PROCESS = 1u << 5,
	WEIR_KNOWN_HOST_MEMORY = 1u << 6,
	WEIR_KNOWN_CPU_PRESSURE = 1u << 7,
	WEIR_KNOWN_IO_PRESSURE = 1u << 8,
	WEIR_KNOWN_CGROUP_MEMORY_HIGH = 1u << 9,
	WEIR_KNOWN_CGROUP_MEMORY_EVENTS = 1u << 10,
	WEIR_KNOWN_CGROUP_CPU_QUOTA = 1u << 11,
	WEIR_KNOWN_CGROUP_CPU_USE = 1u << 12,
	WEIR_KNOWN_CGROUP_THROTTLING = 1u << 13,
	WEIR_KNOWN_CGROUP_CPU_PRESSURE = 1u << 14,
	WEIR_KNOWN_CGROUP_MEMORY_PRESSURE = 1u << 15,
	WEIR_KNOWN_CGROUP_IO_PRESSURE = 1u << 16,
	WEIR_KNOWN_QUEUE_DELAY = 1u << 17,
	WEIR_KNOWN_CGROUP_MEMORY_AVAILABLE = 1u << 18,
	WEIR_KNOWN_TRIGGERS = 1u << 19 /* a stall brings a reading before its time */
};

/* What is read together, and is of one age: what costs much is read more rarely than at each interval. */
typedef enum weir_monitor_part {
	WEIR_PART_HOST_MEMORY,
	WEIR_PART_NODE_MEMORY, /* its age is the oldest node's */
	WEIR_PART_NODE_CPU,
	WEIR_PART_HOST_PRESSURE,
	WEIR_PART_CGROUP_MEMORY, /* what is used, and events */
	WEIR_PART_CGROUP_LIMITS, /* max, high, available, CPU quota */
	WEIR_PART_CGROUP_CPU,
	WEIR_PART_CGROUP_PRESSURE,
	WEIR_PART_PROCESS,
	WEIR_PART_QUEUE
} weir_monitor_part;

enum { WEIR_PARTS = 10 };

typedef struct weir_node_reading {
	uint64_t memory_total_bytes;
	uint64_t memory_free_bytes;	 /* not used for anything */
	uint64_t memory_available_bytes; /* free, and what the kernel would give back without swapping: an estimate */
	uint64_t memory_read_at_ns;	 /* CLOCK_MONOTONIC; on a machine of many nodes not all are read each time */
	double cpu_busy; /* 0..1 of the node's cores, all processes, since /proc/stat was read before; at first
					  * there is none before it, which leaves WEIR_KNOWN_CPU clear */
} weir_node_reading;

/* Stalls: time in which a task that had work stood still for want of CPU, memory or I/O. */
typedef enum weir_stall { WEIR_STALL_CPU, WEIR_STALL_MEMORY, WEIR_STALL_IO } weir_stall;

enum { WEIR_STALLS = 3 };

typedef struct weir_pressure {
	double some; /* per cent of the last 10 s in which some task stalled */
	double full; /* ... in which all that had work stalled; of the host's CPU always 0 */
	uint64_t some_total_ns;
	uint64_t full_total_ns;
} weir_pressure;

typedef struct weir_reading {
	size_t size;
	uint32_t known;			 /* WEIR_KNOWN_... */
	bool early;			 /* in and out: a stall brought it, not the interval */
	uint64_t taken_at_ns;		 /* CLOCK_MONOTONIC */
	uint64_t read_at_ns[WEIR_PARTS]; /* when each part was last read; 0: never */

	uint64_t memory_total_bytes; /* of the whole host */
	uint64_t memory_free_bytes;
	uint64_t memory_available_bytes;
	weir_pressure pressure[WEIR_STALLS]; /* of the whole host; index: weir_stall */

	/* The process's control group. max, high and available: the tightest of the group and those above it, UINT64_MAX where
	 * nothing limits. Events and throttling are counted where that limit is. */
	uint64_t cgroup_memory_bytes; /* with page cache, which the kernel drops before it refuses */
	uint64_t cgroup_memory_max_bytes;
	uint64_t cgroup_memory_high_bytes;	/* from here on the kernel slows down who allocates; version 2 only */
	uint64_t cgroup_memory_available_bytes; /* max or high, less what is used and not page cache */
	uint64_t cgroup_high_events;		/* since the group began: was slowed down at high (version 2 only) */
	uint64_t cgroup_max_events;		/* ran against max */
	uint64_t cgroup_oom_events;		/* could not get below it (version 2 only) */
	uint64_t cgroup_oom_kills;		/* processes killed for it */
	double cgroup_cpu_quota;		/* in cores; 0: none */
	uint64_t cgroup_cpu_used_ns;		/* by the group itself, since it began */
	uint64_t cgroup_periods;		/* enforcement periods that have passed under the quota */
	uint64_t cgroup_throttled_periods;	/* ... in which the quota was used up */
	uint64_t cgroup_throttled_ns;		/* all its threads' time of standing still for it */
	weir_pressure cgroup_pressure[WEIR_STALLS];

	uint64_t process_rss_bytes;
	uint64_t process_virtual_bytes;
	uint64_t process_virtual_max_bytes; /* RLIMIT_AS; UINT64_MAX: no limit */
	uint64_t process_cpu_ns;
	uint64_t process_major_faults; /* pages that had to come from disk */

	uint64_t queue_delay_ns; /* as the pool noted it: weir_monitor_note_queue_delay() */

	uint64_t readings; /* so far, since the monitor was started */
	uint64_t early_readings;
	uint64_t cost_ns; /* CPU time of the monitor's thread so far */

	uint32_t nodes;		 /* valid entries of node[] */
	uint32_t nodes_capacity; /* in: how many entries node[] has room for */
	weir_node_reading *node; /* the caller's; may be NULL with capacity 0 */
} weir_reading;

/* A descriptor that brings a reading when poll() finds these events on it. */
typedef struct weir_monitor_watch {
	int fd;
	short events; /* POLLPRI for the kernel's stall triggers, POLLIN for an eventfd, ... */
} weir_monitor_watch;

enum { WEIR_MONITOR_WATCHES = 8 };

/* Where readings come from. All are called from one thread at a time; all but read may be NULL. read finds *out zero but
 * for size, early, node and nodes_capacity; where it leaves taken_at_ns at 0, the monitor sets it. When it fails, the last
 * good reading stays. watch, called once when a tenth of a second has passed since start, fills in at most `capacity`
 * descriptors that are to bring an early reading, and returns how many; they stay the source's, read is to take away what
 * made them ready, and stop closes them.
 * None of these may start, stop or destroy the monitor. */
typedef struct weir_monitor_source {
	size_t size;
	weir_status (*start)(void *context, uint64_t interval_ns);
	weir_status (*read)(void *context, weir_reading *out);
	void (*stop)(void *context);
	void *context;
	uint32_t (*watch)(void *context, weir_monitor_watch *out, uint32_t capacity);
} weir_monitor_source;

typedef struct weir_monitor weir_monitor;

/* Create a monitor of a machine; it reads nothing before weir_monitor_start().
 * machine: borrowed for the monitor's life. source: copied; NULL: the host's own files.
 * interval_ns: between readings; 0: 100 ms; at least 1 ms. The host's files are read so that they take less than 0.1 % of
 *          one core at 100 ms and more, whatever the machine's size: what costs more is read more rarely (read_at_ns).
 * Errors:  WEIR_EINVAL, WEIR_ENOMEM. Thread: any. */
WEIR_API WEIR_MUST_USE weir_status weir_monitor_create(weir_monitor **out, const weir_machine *machine,
						       const weir_monitor_source *source, uint64_t interval_ns);
/* Stops it first if need be. A pool's own goes with the pool: then this does nothing but say so in the log. */
WEIR_API void weir_monitor_destroy(weir_monitor *monitor);

/* Start sampling in a thread of the monitor's own, named weir/monitor; the first reading is there on return.
 * Errors: WEIR_EBUSY (running), what the source's start or first read answers, WEIR_ESYSTEM. */
WEIR_API WEIR_MUST_USE weir_status weir_monitor_start(weir_monitor *monitor);
WEIR_API void weir_monitor_stop(weir_monitor *monitor);

/* The last reading, cached: current use and what is available. Never blocks on the sampling thread.
 * out:     out->node and out->nodes_capacity as the caller set them; at most that many nodes are filled in.
 * Errors:  WEIR_EINVAL, WEIR_EAGAIN (nothing read yet). Thread: any. */
WEIR_API weir_status weir_monitor_read(const weir_monitor *monitor, weir_reading *out);

/* How long tasks wait at present: part of each reading from now on, at once, without waiting for the next interval. For
 * who runs a queue: a resource-aware pool does so for its own. NULL: nothing happens. Thread: any. */
WEIR_API void weir_monitor_note_queue_delay(weir_monitor *monitor, uint64_t delay_ns);

WEIR_END_DECLS

#endif
