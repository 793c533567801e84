/* SPDX-License-Identifier: MIT */
/*
 * rwlock_tracker.c - a reader-writer lock, per-node sums, and a chained hash table of malloc'ed entries.
 *
 * Written to be as fast as that design is: the same hash function as weir's, the table large enough for short chains,
 * entries allocated and freed outside the lock, the writer's section as short as it can be.
 */
#include "rwlock_tracker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { BUCKETS = 1 << 14, INDEXES = 1 << 16, ID_BYTES = 64 };

struct entry {
	struct entry *next;
	uint64_t hash;
	uint32_t node;
	struct rwlock_demand demand;
	char id[ID_BYTES];
};

struct row {
	struct rwlock_demand demand;
	uint32_t node;
	int32_t next_free; /* LIVE while taken */
};

enum { LIVE = -2, END = -1 };

struct rwlock_tracker {
	pthread_rwlock_t lock;
	uint32_t nodes;
	struct rwlock_demand limit;
	struct rwlock_demand *used;
	struct entry **bucket;
	struct row *row;
	int32_t free_row;
};

struct rwlock_tracker *rwlock_tracker_create(uint32_t nodes, const struct rwlock_demand *limit_per_node)
{
	struct rwlock_tracker *tracker = calloc(1, sizeof(*tracker));
	if (!tracker)
		return NULL;
	tracker->nodes = nodes;
	tracker->limit = *limit_per_node;
	tracker->used = calloc(nodes, sizeof(*tracker->used));
	tracker->bucket = calloc(BUCKETS, sizeof(*tracker->bucket));
	tracker->row = calloc(INDEXES, sizeof(*tracker->row));
	if (!tracker->used || !tracker->bucket || !tracker->row) {
		free(tracker->used);
		free(tracker->bucket);
		free(tracker->row);
		free(tracker);
		return NULL;
	}
	pthread_rwlock_init(&tracker->lock, NULL);
	for (int32_t i = 0; i < INDEXES; i++)
		tracker->row[i].next_free = i + 1 < INDEXES ? i + 1 : END;
	return tracker;
}

void rwlock_tracker_destroy(struct rwlock_tracker *tracker)
{
	for (size_t i = 0; i < BUCKETS; i++) {
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

/* First fit. Under the writer's lock. */
static bool take(struct rwlock_tracker *tracker, const struct rwlock_demand *demand, uint32_t *node)
{
	for (uint32_t i = 0; i < tracker->nodes; i++) {
		struct rwlock_demand *used = &tracker->used[i];
		if (used->cores + demand->cores > tracker->limit.cores ||
		    used->memory + demand->memory > tracker->limit.memory ||
		    used->bandwidth + demand->bandwidth > tracker->limit.bandwidth)
			continue;
		used->cores += demand->cores;
		used->memory += demand->memory;
		used->bandwidth += demand->bandwidth;
		*node = i;
		return true;
	}
	return false;
}

static void give(struct rwlock_tracker *tracker, const struct rwlock_demand *demand, uint32_t node)
{
	struct rwlock_demand *used = &tracker->used[node];
	used->cores -= demand->cores;
	used->memory -= demand->memory;
	used->bandwidth -= demand->bandwidth;
}

/* The link that points to the entry of an id, or to the end of its chain. */
static struct entry **find(struct rwlock_tracker *tracker, uint64_t hash, const char *id)
{
	struct entry **link = &tracker->bucket[hash % BUCKETS];
	while (*link && ((*link)->hash != hash || strcmp((*link)->id, id) != 0))
		link = &(*link)->next;
	return link;
}

bool rwlock_tracker_allocate(struct rwlock_tracker *tracker, const char *id, const struct rwlock_demand *demand)
{
	size_t length = strnlen(id, ID_BYTES);
	struct entry *entry = length < ID_BYTES ? malloc(sizeof(*entry)) : NULL;
	if (!entry)
		return false;
	memcpy(entry->id, id, length + 1);
	entry->hash = XXH3_64bits(id, length);
	entry->demand = *demand;
	pthread_rwlock_wrlock(&tracker->lock);
	struct entry **link = find(tracker, entry->hash, id);
	bool taken = !*link && take(tracker, demand, &entry->node);
	if (taken) {
		entry->next = NULL;
		*link = entry;
	}
	pthread_rwlock_unlock(&tracker->lock);
	if (!taken)
		free(entry);
	return taken;
}

bool rwlock_tracker_release(struct rwlock_tracker *tracker, const char *id)
{
	uint64_t hash = XXH3_64bits(id, strlen(id));
	pthread_rwlock_wrlock(&tracker->lock);
	struct entry **link = find(tracker, hash, id);
	struct entry *entry = *link;
	if (entry) {
		give(tracker, &entry->demand, entry->node);
		*link = entry->next;
	}
	pthread_rwlock_unlock(&tracker->lock);
	free(entry);
	return entry != NULL;
}

int64_t rwlock_tracker_take(struct rwlock_tracker *tracker, const struct rwlock_demand *demand)
{
	pthread_rwlock_wrlock(&tracker->lock);
	int32_t index = tracker->free_row;
	uint32_t node;
	if (index != END && take(tracker, demand, &node)) {
		struct row *row = &tracker->row[index];
		tracker->free_row = row->next_free;
		row->demand = *demand;
		row->node = node;
		row->next_free = LIVE;
	} else {
		index = END;
	}
	pthread_rwlock_unlock(&tracker->lock);
	return index;
}

bool rwlock_tracker_give(struct rwlock_tracker *tracker, int64_t index)
{
	if (index < 0 || index >= INDEXES)
		return false;
	pthread_rwlock_wrlock(&tracker->lock);
	struct row *row = &tracker->row[index];
	bool live = row->next_free == LIVE;
	if (live) {
		give(tracker, &row->demand, row->node);
		row->next_free = tracker->free_row;
		tracker->free_row = (int32_t)index;
	}
	pthread_rwlock_unlock(&tracker->lock);
	return live;
}
