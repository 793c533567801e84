/* SPDX-License-Identifier: MIT */
/*
 * rwlock_tracker.c - a reader-writer lock, sums, and a chained hash table of malloc'ed entries.
 *
 * Written to be as fast as that design is: the same hash function as weir's, a table large enough for short chains,
 * demands checked and entries allocated and freed outside the lock, amounts as plain arrays.
 */
#include "rwlock_tracker.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { BUCKETS = 1 << 14, ROWS = 1 << 16, ID_BYTES = 64, NO_ROW = -1, LIVE = -2 };

/* CPU in 1/64 core, so that all of it is integers. */
struct amounts {
	uint64_t of[WEIR_RESOURCES];
};

struct entry {
	struct entry *next;
	uint64_t hash;
	uint32_t node;
	struct amounts amounts;
	char id[ID_BYTES];
};

struct row {
	struct amounts amounts;
	uint32_t node;
	int32_t next_free; /* LIVE while taken */
};

struct rwlock_tracker {
	pthread_rwlock_t lock;
	uint32_t nodes;
	struct amounts limit; /* of a node */
	struct amounts limit_total;
	struct amounts used_total;
	struct amounts *used;
	struct entry **bucket;
	struct row *row;
	int32_t free_row;
};

static inline void amounts_set(struct amounts *out, double cores, uint64_t memory, uint64_t bandwidth,
			       const uint64_t *counted)
{
	double exact = cores * 64;
	uint64_t units = (uint64_t)exact;
	out->of[WEIR_CPU] = units + ((double)units < exact);
	out->of[WEIR_MEMORY] = memory;
	out->of[WEIR_BANDWIDTH] = bandwidth;
	for (int c = 0; c < WEIR_COUNTED_MAX; c++)
		out->of[WEIR_COUNTED + c] = counted[c];
}

struct rwlock_tracker *rwlock_tracker_create(uint32_t nodes, const weir_node_limit *limit)
{
	struct rwlock_tracker *tracker = calloc(1, sizeof(*tracker));
	if (!tracker)
		return NULL;
	tracker->nodes = nodes;
	amounts_set(&tracker->limit, limit->cores, limit->memory_bytes, limit->bandwidth_bytes_s, limit->counted);
	for (int r = 0; r < WEIR_RESOURCES; r++)
		tracker->limit_total.of[r] = tracker->limit.of[r] * nodes;
	tracker->used = calloc(nodes, sizeof(*tracker->used));
	tracker->bucket = calloc(BUCKETS, sizeof(*tracker->bucket));
	tracker->row = calloc(ROWS, sizeof(*tracker->row));
	pthread_rwlock_init(&tracker->lock, NULL);
	if (!tracker->used || !tracker->bucket || !tracker->row) {
		free(tracker->bucket);
		tracker->bucket = NULL;
		rwlock_tracker_destroy(tracker);
		return NULL;
	}
	for (int32_t i = 0; i < ROWS; i++)
		tracker->row[i].next_free = i + 1 < ROWS ? i + 1 : NO_ROW;
	return tracker;
}

void rwlock_tracker_destroy(struct rwlock_tracker *tracker)
{
	for (size_t i = 0; tracker->bucket && i < BUCKETS; i++) {
		while (tracker->bucket[i]) {
			struct entry *next = tracker->bucket[i]->next;
			free(tracker->bucket[i]);
			tracker->bucket[i] = next;
		}
	}
	pthread_rwlock_destroy(&tracker->lock);
	free(tracker->used);
	free(tracker->bucket);
	free(tracker->row);
	free(tracker);
}

static inline weir_status check(const struct rwlock_tracker *tracker, const weir_demand *demand, struct amounts *out)
{
	if (!demand || demand->size != sizeof(*demand) || !(demand->cores >= 0) || isinf(demand->cores) ||
	    (unsigned)demand->task_class >= WEIR_CLASSES || demand->home > tracker->nodes)
		return WEIR_EINVAL;
	amounts_set(out, demand->cores, demand->memory_bytes, demand->bandwidth_bytes_s, demand->counted);
	uint64_t any = 0;
	bool feasible = true;
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		any |= out->of[r];
		feasible &= out->of[r] <= tracker->limit.of[r];
	}
	if (!any)
		return WEIR_EINVAL;
	return feasible ? WEIR_OK : WEIR_EINFEASIBLE;
}

static bool fits(const struct amounts *used, const struct amounts *need, const struct amounts *limit)
{
	bool all = true;
	for (int r = 0; r < WEIR_RESOURCES; r++)
		all &= used->of[r] + need->of[r] <= limit->of[r];
	return all;
}

/* First fit. Under the writer's lock. */
static bool take(struct rwlock_tracker *tracker, const struct amounts *need, uint32_t *node)
{
	if (!fits(&tracker->used_total, need, &tracker->limit_total))
		return false;
	for (uint32_t n = 0; n < tracker->nodes; n++) {
		if (!fits(&tracker->used[n], need, &tracker->limit))
			continue;
		for (int r = 0; r < WEIR_RESOURCES; r++) {
			tracker->used[n].of[r] += need->of[r];
			tracker->used_total.of[r] += need->of[r];
		}
		*node = n;
		return true;
	}
	return false;
}

static void give(struct rwlock_tracker *tracker, const struct amounts *amounts, uint32_t node)
{
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		tracker->used[node].of[r] -= amounts->of[r];
		tracker->used_total.of[r] -= amounts->of[r];
	}
}

/* The link that points to the entry of an id, or to the end of its chain. */
static struct entry **find(struct rwlock_tracker *tracker, uint64_t hash, const char *id)
{
	struct entry **link = &tracker->bucket[hash % BUCKETS];
	while (*link && ((*link)->hash != hash || strcmp((*link)->id, id) != 0))
		link = &(*link)->next;
	return link;
}

weir_status rwlock_tracker_allocate(struct rwlock_tracker *tracker, const char *id, const weir_demand *demand)
{
	struct amounts need;
	weir_status status = check(tracker, demand, &need);
	size_t length = id ? strnlen(id, ID_BYTES) : 0;
	if (status || !length || length == ID_BYTES)
		return status ? status : WEIR_EINVAL;
	struct entry *entry = malloc(sizeof(*entry));
	if (!entry)
		return WEIR_ENOMEM;
	memcpy(entry->id, id, length + 1);
	entry->hash = XXH3_64bits(id, length);
	entry->amounts = need;
	pthread_rwlock_wrlock(&tracker->lock);
	struct entry **link = find(tracker, entry->hash, id);
	if (*link) {
		status = WEIR_EEXIST;
	} else if (take(tracker, &need, &entry->node)) {
		entry->next = NULL;
		*link = entry;
	} else {
		status = WEIR_EAGAIN;
	}
	pthread_rwlock_unlock(&tracker->lock);
	if (status)
		free(entry);
	return status;
}

weir_status rwlock_tracker_release(struct rwlock_tracker *tracker, const char *id)
{
	size_t length = id ? strnlen(id, ID_BYTES) : 0;
	if (!length || length == ID_BYTES)
		return WEIR_EINVAL;
	uint64_t hash = XXH3_64bits(id, length);
	pthread_rwlock_wrlock(&tracker->lock);
	struct entry **link = find(tracker, hash, id);
	struct entry *entry = *link;
	if (entry) {
		give(tracker, &entry->amounts, entry->node);
		*link = entry->next;
	}
	pthread_rwlock_unlock(&tracker->lock);
	free(entry);
	return entry ? WEIR_OK : WEIR_ENOENT;
}

weir_status rwlock_tracker_take(struct rwlock_tracker *tracker, const weir_demand *demand, uint32_t *index)
{
	struct amounts need;
	weir_status status = check(tracker, demand, &need);
	if (status)
		return status;
	pthread_rwlock_wrlock(&tracker->lock);
	int32_t free_row = tracker->free_row;
	uint32_t node;
	if (free_row == NO_ROW) {
		status = WEIR_EFULL;
	} else if (take(tracker, &need, &node)) {
		struct row *row = &tracker->row[free_row];
		tracker->free_row = row->next_free;
		*row = (struct row){.amounts = need, .node = node, .next_free = LIVE};
		*index = (uint32_t)free_row;
	} else {
		status = WEIR_EAGAIN;
	}
	pthread_rwlock_unlock(&tracker->lock);
	return status;
}

weir_status rwlock_tracker_give(struct rwlock_tracker *tracker, uint32_t index)
{
	if (index >= ROWS)
		return WEIR_ESTALE;
	pthread_rwlock_wrlock(&tracker->lock);
	struct row *row = &tracker->row[index];
	bool live = row->next_free == LIVE;
	if (live) {
		give(tracker, &row->amounts, row->node);
		row->next_free = tracker->free_row;
		tracker->free_row = (int32_t)index;
	}
	pthread_rwlock_unlock(&tracker->lock);
	return live ? WEIR_OK : WEIR_ESTALE;
}
