/* SPDX-License-Identifier: MIT */
/*
 * rwlock_tracker.h - the usual way to track resources, to measure against: a reader-writer lock around sums and a
 * chained hash table of allocations by id. It keeps the same promises: demands are checked, all resources fit or none
 * is taken, per node and in total, ids are unique, and an unknown id is an error.
 */
#ifndef BENCH_RWLOCK_TRACKER_H
#define BENCH_RWLOCK_TRACKER_H

#include <weir/resource.h>

struct rwlock_tracker;

/* Limits per node, the same for all; totals are their sum. */
struct rwlock_tracker *rwlock_tracker_create(uint32_t nodes, const weir_node_limit *limit_per_node);
void rwlock_tracker_destroy(struct rwlock_tracker *tracker);

weir_status rwlock_tracker_allocate(struct rwlock_tracker *tracker, const char *id, const weir_demand *demand);
weir_status rwlock_tracker_release(struct rwlock_tracker *tracker, const char *id);

/* The same by index into a table of allocations with a free list: no hash, no malloc. */
weir_status rwlock_tracker_take(struct rwlock_tracker *tracker, const weir_demand *demand, uint32_t *index);
weir_status rwlock_tracker_give(struct rwlock_tracker *tracker, uint32_t index);

#endif
