/* SPDX-License-Identifier: MIT */
/*
 * strategy.h - which node is best for a demand: first, best, worst fit, or the application's own function.
 */
#ifndef WEIR_STRATEGY_H
#define WEIR_STRATEGY_H

#include <weir/resource.h>

WEIR_BEGIN_DECLS

/* A strategy's view of one node. Amounts are in the ledger's units, as integers: only ratios within one resource mean
 * anything; unit sizes are in the snapshot. */
typedef struct weir_node_view {
	uint32_t node;
	uint32_t distance; /* hwloc distance from the demand's home, 10 is local or no home */
	uint32_t free[WEIR_RESOURCES];
	uint32_t limit[WEIR_RESOURCES];
} weir_node_view;

typedef struct weir_snapshot {
	uint32_t nodes;
	uint32_t need[WEIR_RESOURCES]; /* the demand, in the same units */
	const weir_node_view *node;
	uint64_t unit_memory_bytes;
	uint64_t unit_bandwidth_bytes_s;
	uint32_t units_per_core;
} weir_snapshot;

/* The score of a node for a demand: higher is better; WEIR_SCORE_NEVER: not this node. Ties go to the smaller distance,
 * then to the smaller node. Pure: same arguments, same answer; must not block, allocate or call weir. The score only
 * ranks: whether there is room is decided by the ledger, and the next in rank is tried. Thread: any, many at once. */
typedef int64_t (*weir_score_fn)(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node,
				 void *context);

#define WEIR_SCORE_NEVER INT64_MIN

typedef struct weir_strategy {
	weir_score_fn score;
	void *context;	  /* must outlive its use, which ends when a switch away from it returns */
	const char *name; /* a literal, or as long-lived as the context */
} weir_strategy;

/* The built-in ones, to be named in options.
 * First fit: the first node with room in the order of distance from home; without a home, of node numbers.
 * Best fit:  the node that is left with the least (relative to its limits, over the resources demanded).
 * Worst fit: the node that is left with the most. */
WEIR_API extern const weir_strategy *const WEIR_FIRST_FIT;
WEIR_API extern const weir_strategy *const WEIR_BEST_FIT;
WEIR_API extern const weir_strategy *const WEIR_WORST_FIT;

/* "first", "best" or "worst" to a strategy; NULL for any other word. Thread: any. */
WEIR_API const weir_strategy *weir_strategy_find(const char *name);

/* What a strategy says of one node of a snapshot. Errors: none; WEIR_SCORE_NEVER for a node that is not there. */
WEIR_API int64_t weir_strategy_score(const weir_strategy *strategy, const weir_demand *demand,
				     const weir_snapshot *snapshot, uint32_t node);

WEIR_END_DECLS

#endif
