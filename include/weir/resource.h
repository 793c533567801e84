/* SPDX-License-Identifier: MIT */
/*
 * resource.h - what can be asked for, how much there may be, and how much is taken.
 *
 * Resources: CPU in cores (fractions allowed), memory in bytes, memory bandwidth in bytes per second, and up to
 * WEIR_COUNTED_MAX counted things that the application names (gpu, iops, network, licences, ...).
 */
#ifndef WEIR_RESOURCE_H
#define WEIR_RESOURCE_H

#include <weir/status.h>

WEIR_BEGIN_DECLS

#define WEIR_COUNTED_MAX 4
#define WEIR_NODES_MAX 1024

typedef enum weir_resource {
	WEIR_CPU = 0,
	WEIR_MEMORY = 1,
	WEIR_BANDWIDTH = 2,
	WEIR_COUNTED = 3, /* WEIR_COUNTED + i is counted resource i */
	WEIR_RESOURCES = WEIR_COUNTED + WEIR_COUNTED_MAX
} weir_resource;

/* Priority classes. NORMAL is zero, so that it is the default; the order of service is CRITICAL, HIGH, NORMAL,
 * BEST_EFFORT. */
typedef enum weir_class { WEIR_NORMAL = 0, WEIR_HIGH = 1, WEIR_CRITICAL = 2, WEIR_BEST_EFFORT = 3 } weir_class;

#define WEIR_CLASSES 4

/* What happens to a demand that finds no room. */
typedef enum weir_when_short {
	WEIR_QUEUE = 0, /* it waits, at most wait_ns_max, and starts when a release makes room */
	WEIR_DEFER = 1, /* nothing is taken and nothing waits: the caller tries again after decision.retry_after_ns */
	WEIR_FAIL = 2	/* nothing is taken and nothing waits: the caller does not mean to try again */
} weir_when_short;

/* A node in an option or demand whose zero means "any": WEIR_NODE(0) is the first. */
#define WEIR_NODE(logical_index) ((uint32_t)(logical_index) + 1u)

/* Room that is held ahead of a task, by weir_reserve(). By value; zero is none. */
typedef struct weir_reservation {
	uint64_t handle;
} weir_reservation;

/* What a task needs. All of it comes from one NUMA node (counted things that the limits give in total only come from
 * the pool), all or nothing. Amounts are rounded up to the ledger's units (1/64 core, at least 4 KiB). */
typedef struct weir_demand {
	size_t size;  /* sizeof(weir_demand); WEIR_DEMAND() sets it */
	double cores; /* 0 or more; 0.5 is half a core */
	uint64_t memory_bytes;
	uint64_t bandwidth_bytes_s;
	uint64_t counted[WEIR_COUNTED_MAX]; /* in the order of weir_limits.counted_name */
	weir_class task_class;
	int32_t priority; /* inside the class: higher first */
	uint32_t home;	  /* WEIR_NODE(i): preferred node; 0: none */
	bool home_only;	  /* never on another node than home */
	weir_when_short when_short;
	const void *near; /* prefer the node that holds this address; used where home is 0 */
	/* Elastic: where one of these is not zero, the amount above is the most, this the least, and the task gets as much as
	 * there is room for: all elastic amounts at the same step of `steps` equal ones from least (0) to most, in one atomic
	 * operation. It waits for the least, and may ask for more than there is at most. weir_task_cores() and
	 * weir_tracker_look() say what it got. */
	double cores_min;
	uint64_t memory_min_bytes;
	uint64_t bandwidth_min_bytes_s;
	uint32_t steps;	      /* 0: one for each core between, 16 without elastic cores; at most 65,535 */
	uint64_t run_ns;      /* how long it is expected to run; 0: unknown */
	uint64_t wait_ns_max; /* WEIR_QUEUE: give up after; 0: never */
	uint64_t
		deadline_ns; /* from submission to its end: a waiting task that can no longer make it is given up; 0: none */
	uint32_t attempt;	      /* WEIR_DEFER: 0 for the first try, n for the n-th after it */
	/* The task takes all of memory_bytes by weir_task_alloc(), none by malloc() or the like: so until it does, free blocks may
	 * keep their pages in that room, and it gets these. Else they go back to the kernel before it begins. */
	bool memory_drawn;
	weir_reservation reservation; /* start in what was reserved; zero: none */
} weir_demand;

#define WEIR_DEMAND(...) WEIR_LITERAL_(weir_demand, .size = sizeof(weir_demand), __VA_ARGS__)

/* For an amount in weir_limits: "none of it", where 0 means "the default". */
#define WEIR_NONE UINT64_MAX

/* How much weir may use of one node. Zero: what this process may use of it (CPU, memory); without limit declared
 * there is no bandwidth and nothing counted. */
typedef struct weir_node_limit {
	double cores; /* negative: none */
	uint64_t memory_bytes;
	uint64_t bandwidth_bytes_s;
	uint64_t counted[WEIR_COUNTED_MAX];
} weir_node_limit;

typedef struct weir_limits {
	size_t size; /* sizeof(weir_limits) */
	/* For the whole machine; zero: the sum of the nodes. A total below that sum binds, and is kept exactly; above it, memory is
	 * an error and the rest adds nothing: more cores than there are go into node[]. Rounded down to the ledger's units: what is
	 * given, here or in node[], and less than one of them is an error. */
	double cores;
	uint64_t memory_bytes;
	uint64_t bandwidth_bytes_s;
	uint64_t counted[WEIR_COUNTED_MAX];	    /* given here and on no node: a pool-wide stock */
	const char *counted_name[WEIR_COUNTED_MAX]; /* "gpu", each another, at most 31 bytes; NULL: not used. Copied. */
	/* For each node: node[i] for logical node i < nodes; NULL: the defaults for all. Copied. */
	const weir_node_limit *node;
	uint32_t nodes;
	/* How many processes of the job share this host's memory: the default is divided by it. 0: as the job's launcher says
	 * in the environment (SLURM_*, OMPI_*, PMI_* and others), else 1. */
	uint32_t local_ranks;
} weir_limits;

#define WEIR_LIMITS(...) WEIR_LITERAL_(weir_limits, .size = sizeof(weir_limits), __VA_ARGS__)

/* An amount of each resource: CPU in cores, memory in bytes, bandwidth in bytes/s, counted in pieces. */
typedef struct weir_amount {
	double cores;
	uint64_t memory_bytes;
	uint64_t bandwidth_bytes_s;
	uint64_t counted[WEIR_COUNTED_MAX];
} weir_amount;

/* A grant: a demand taken from the ledger. By value; zero is no grant. 24 bits of slot, 40 of generation, so a handle
 * that was released is never taken for a live one. */
typedef struct weir_grant {
	uint64_t handle;
} weir_grant;

/* A demand written as text: "cores=2 memory=1G bandwidth=2G gpu=1 class=high node=1", amounts with K, M, G, T (powers
 * of 1024). Elastic: "cores=4..16 memory=1G..4G steps=12", least and most. names: the counted resources, WEIR_COUNTED_MAX entries, NULL where unused; NULL: none.
 * Each word at most once.
 * Errors:  WEIR_EINVAL, the text names the word, its value and what would do; *out is then unchanged.
 * Thread:  any. */
WEIR_API WEIR_MUST_USE weir_status weir_demand_parse(weir_demand *out, const char *text,
						     const char *const names[WEIR_COUNTED_MAX]);

/* An amount of bytes as people write it: "512", "1.5G", "64KiB". Errors: WEIR_EINVAL. Thread: any. */
WEIR_API WEIR_MUST_USE weir_status weir_bytes_parse(uint64_t *out, const char *text);

/* "CPU", "memory", "bandwidth", "counted 0"...; "?" for what is none. Thread: any. */
WEIR_API const char *weir_resource_name(weir_resource resource);
WEIR_API const char *weir_class_name(weir_class task_class);

WEIR_END_DECLS

#endif
