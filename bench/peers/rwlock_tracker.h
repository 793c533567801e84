/* SPDX-License-Identifier: MIT */
/*
 * rwlock_tracker.h - the usual way to track resources, to measure against: a reader-writer lock around per-node sums
 * and a chained hash table of allocations by id.
 */
#ifndef BENCH_RWLOCK_TRACKER_H
#define BENCH_RWLOCK_TRACKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rwlock_tracker;

struct rwlock_demand {
	double cores;
	uint64_t memory;
	uint64_t bandwidth;
};

struct rwlock_tracker *rwlock_tracker_create(uint32_t nodes, const struct rwlock_demand *limit_per_node);
void rwlock_tracker_destroy(struct rwlock_tracker *tracker);

/* False: the id is in use, no node has room, or no memory. */
bool rwlock_tracker_allocate(struct rwlock_tracker *tracker, const char *id, const struct rwlock_demand *demand);
bool rwlock_tracker_release(struct rwlock_tracker *tracker, const char *id);

/* The same by index into a table of allocations, with a free list: no hash, no malloc. Negative: no room. */
int64_t rwlock_tracker_take(struct rwlock_tracker *tracker, const struct rwlock_demand *demand);
bool rwlock_tracker_give(struct rwlock_tracker *tracker, int64_t index);

#endif
