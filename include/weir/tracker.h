/* SPDX-License-Identifier: MIT */
/*
 * tracker.h - how much of each resource is spare, and who holds the rest. Lock-free; usable without a pool.
 *
 * A tracker is a ledger (atomic words of what is spare) and a book (who holds what). It never waits: a demand that does
 * not fit is refused. Waiting is admission's (admission.h), and so is what a demand says of it: task_class, priority,
 * when_short, near. Nodes are tried in the order of their distance from demand->home, else of their numbers.
 */
#ifndef WEIR_TRACKER_H
#define WEIR_TRACKER_H

#include <weir/machine.h>
#include <weir/resource.h>

WEIR_BEGIN_DECLS

typedef struct weir_tracker weir_tracker;

typedef struct weir_tracker_options {
	size_t size;
	const char *machine;	   /* as for weir_machine_create(); NULL: this machine */
	const weir_limits *limits; /* NULL: what this process may use. Copied. */
	uint32_t grants_max;	   /* live grants at once; 0: 1,048,576; at most 16,777,215 */
	/* A thread that takes and gives by itself keeps what it gave for its next take, all threads together at most an
	 * eighth of a limit; whoever would be refused gets it first. True: never. */
	bool no_credits;
} weir_tracker_options;

#define WEIR_TRACKER_OPTIONS(...) WEIR_LITERAL_(weir_tracker_options, .size = sizeof(weir_tracker_options), __VA_ARGS__)

/* The longest id, in bytes without the terminating zero. */
#define WEIR_ID_MAX 63

/* Errors:  WEIR_EINVAL (the text names the option, its value and what would do), WEIR_ENOMEM, WEIR_ESYSTEM.
 * Owns:    *out until weir_tracker_destroy(); on error *out is NULL. Thread: any. */
WEIR_API WEIR_MUST_USE weir_status weir_tracker_create(weir_tracker **out, const weir_tracker_options *options);

/* Destroy a tracker that nobody uses. What is still granted is forgotten. NULL: nothing happens.
 * Errors:  WEIR_EBUSY if an admission controller or a pool is built on it. */
WEIR_API weir_status weir_tracker_destroy(weir_tracker *tracker);

/* Nothing here waits for another thread. So where one was stopped by the system in the middle of a take, or of collecting what threads
 * keep at hand, and only what it has in its hands is missing, WEIR_EAGAIN says "others are taking just now: try again at once":
 * that is no shortage. Every other WEIR_EAGAIN is. */

/* Would the demand fit on some node at this instant? Takes nothing, so the answer may be old when it arrives.
 * Errors:  none; a demand that is not valid does not fit (weir_error_text() says why). Thread: any. */
WEIR_API bool weir_tracker_can_allocate(weir_tracker *tracker, const weir_demand *demand);

/* Take a demand under a name. out_node may be NULL.
 * Errors:  WEIR_EAGAIN (no room now), WEIR_EINFEASIBLE (never), WEIR_EEXIST (id in use), WEIR_EINVAL, WEIR_EFULL
 *          (grants_max reached), WEIR_ENOMEM. Nothing is taken then.
 * Thread:  any. Lock-free. */
WEIR_API WEIR_MUST_USE weir_status weir_tracker_allocate(weir_tracker *tracker, const char *id,
							 const weir_demand *demand, uint32_t *out_node);

/* Give back what a name holds. Errors: WEIR_ENOENT (unknown, or released before), WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_tracker_release(weir_tracker *tracker, const char *id);

/* The same by handle, without a name and several times cheaper: out->handle is what weir_tracker_give() takes.
 * Errors:  WEIR_EAGAIN, WEIR_EINFEASIBLE, WEIR_EINVAL, WEIR_EFULL; *out is then zero. Thread: any; any thread may
 *          give. */
WEIR_API WEIR_MUST_USE weir_status weir_tracker_take(weir_tracker *tracker, const weir_demand *demand, weir_grant *out,
						     uint32_t *out_node);
/* Errors:  WEIR_ESTALE (given before, or never taken): nothing changes. */
WEIR_API weir_status weir_tracker_give(weir_tracker *tracker, weir_grant grant);

/* Give back part of what a grant holds: from now on it holds `to`, rounded up to units; zero is nothing of a resource.
 * Errors:  WEIR_EINVAL (more than it holds of something), WEIR_ESTALE, WEIR_EBUSY (another thread shrinks or grows it at this
 *          moment: try again); nothing changes then. Thread: any. Lock-free. */
WEIR_API weir_status weir_tracker_shrink(weir_tracker *tracker, weir_grant grant, const weir_amount *to);

/* Take more for a grant, on the nodes that it has: `by` on top, rounded up to units. Waits for nobody.
 * Errors:  WEIR_EAGAIN (no room now, or it is kept for a claim), WEIR_EINFEASIBLE (never, by the limits), WEIR_EINVAL,
 *          WEIR_ESTALE, WEIR_EBUSY; nothing changes then. Thread: any. Lock-free. */
WEIR_API WEIR_MUST_USE weir_status weir_tracker_grow(weir_tracker *tracker, weir_grant grant, const weir_amount *by);

/* A demand checked and packed once, for callers that take the same one often. The fields are the library's. */
typedef struct weir_packed {
	uint64_t word[4];
} weir_packed;

/* Errors: WEIR_EINVAL, WEIR_EINFEASIBLE. Valid for this tracker only. */
WEIR_API WEIR_MUST_USE weir_status weir_tracker_pack(weir_tracker *tracker, const weir_demand *demand,
						     weir_packed *out);
/* As weir_tracker_take(), first fit from node 0. Errors: WEIR_EAGAIN, WEIR_EFULL. */
WEIR_API WEIR_MUST_USE weir_status weir_tracker_take_packed(weir_tracker *tracker, const weir_packed *packed,
							    weir_grant *out, uint32_t *out_node);

/* Other limits, while all else goes on; they mean what they meant in weir_tracker_options, zero being the default again.
 * Higher: the room is there at once. Lower than what is held: nobody loses anything, but nobody takes there either until
 * enough was given back. Who waits for more than there now is at all is refused (WEIR_CAUSE_INFEASIBLE). Nodes and totals
 * change one after another. A total that was not below the sum of the nodes at first is from now on dealt out to them.
 * Errors:  WEIR_EINVAL: bandwidth or something counted that had no limit at first, or more than the first limits' units can
 *          count to (the text says how much would do), WEIR_ENOMEM. Nothing changed then.
 * Thread:  any; it may wait for another call of itself. */
WEIR_API weir_status weir_tracker_set_limits(weir_tracker *tracker, const weir_limits *limits);

typedef struct weir_usage {
	weir_amount held; /* more than limit where that was lowered below what was held */
	weir_amount limit;
	uint64_t grants; /* live, on all nodes, whichever was asked for */
} weir_usage;

/* What is held in all (node WEIR_ALL_NODES) or on one node. Each resource is exact at an instant of its own; exact for
 * all at rest. Errors: WEIR_EINVAL. Thread: any. */
#define WEIR_ALL_NODES UINT32_MAX
WEIR_API weir_status weir_tracker_usage(weir_tracker *tracker, uint32_t node, weir_usage *out);

typedef struct weir_allocation {
	weir_grant grant;
	uint32_t node;
	uint32_t memory_node; /* another than node where the node has no memory of its own */
	weir_amount held;
	char id[WEIR_ID_MAX + 1]; /* "" for a grant without a name */
} weir_allocation;

/* What a name, or a handle, holds. Errors: WEIR_ENOENT, WEIR_ESTALE, WEIR_EBUSY (it is being shrunk or grown, by a thread
 * that does not get on), WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_tracker_find(weir_tracker *tracker, const char *id, weir_allocation *out);
WEIR_API weir_status weir_tracker_look(weir_tracker *tracker, weir_grant grant, weir_allocation *out);

/* Call fn for each live grant until it returns false. A walk, not a snapshot: it may miss or double what changes while
 * it goes. fn may call weir_tracker functions, releasing what it is shown included. Thread: any. */
typedef bool (*weir_allocation_fn)(const weir_allocation *allocation, void *context);
WEIR_API void weir_tracker_each(weir_tracker *tracker, weir_allocation_fn fn, void *context);

/* Borrowed, for the tracker's life. */
WEIR_API const weir_machine *weir_tracker_machine(const weir_tracker *tracker);

/* The sizes of the ledger's units: amounts are rounded to these. NULL where not wanted. */
WEIR_API void weir_tracker_units(const weir_tracker *tracker, uint32_t *per_core, uint64_t *memory_bytes,
				 uint64_t *bandwidth_bytes_s);

/* Compare the ledger with the book: spare + live grants == limit + what a lowered limit is owed, for every word (invariant L2). Only meaningful when
 * nothing is taken or given meanwhile. Errors: WEIR_EINVAL, with the word and both sums in the text. */
WEIR_API weir_status weir_tracker_audit(weir_tracker *tracker);

WEIR_END_DECLS

#endif
