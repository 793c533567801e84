/* SPDX-License-Identifier: MIT */
/*
 * rates.h - how fast room comes back: units released per second, by node and resource, smoothed.
 *
 * Who gives a grant back counts what it held (rates_note(): a few plain additions to lines of the thread's own). Who wants
 * to know brings the rates up to date first (rates_sample(): nothing to do if somebody did just now). No timer is needed.
 */
#ifndef WEIR_RUNTIME_RATES_H
#define WEIR_RUNTIME_RATES_H

#include "private/tally.h"
#include "runtime/book.h"
#include "runtime/ledger.h"

#define RATES_ETA_NS_MAX WEIR_NS_PER_S
#define RATES_UNKNOWN UINT64_MAX

/* A node's counters are a cache line. */
enum { RATES_ROW = 8 };

/* Two time scales: the short one finds a burst within milliseconds, the long one remembers what comes seldom. */
enum { RATES_SHORT, RATES_LONG, RATES_SCALES };

struct rates {
	uint32_t nodes;
	uint64_t interval_ns;  /* between samples, at least */
	struct tally released; /* [node][RATES_ROW]: units, ever */
	_Atomic(uint64_t)
		*rate; /* [node + 1][RATES_ROW]: thousandths of a unit per second; 0: not known; last: all nodes */
	_Atomic(uint64_t) sampled_ns;
	_Atomic(uint32_t) sampling; /* somebody does */
	/* Of who samples. */
	uint64_t *before, *now;	     /* [node][RATES_ROW] */
	double *flow[RATES_SCALES];  /* [node][RATES_ROW], not yet divided by the weight */
	double weight[RATES_SCALES]; /* of all windows so far: below 1 while there were few */
	bool held;		     /* something was, at the last sample */
};

/* Errors: WEIR_ENOMEM. */
weir_status rates_init(struct rates *rates, uint32_t nodes, uint64_t now_ns);
void rates_fini(struct rates *rates);

/* Bring the rates up to date. book: who holds what. Nothing happens if that was done less than interval_ns ago, or is being done.
 * Thread: any; never blocks. */
void rates_sample(struct rates *rates, struct book *book, uint64_t now_ns);

/* How many units a place lacks for a demand and what the floor (NULL: none) keeps: on its nodes, and in the totals. */
struct lack {
	uint32_t node[WEIR_RESOURCES];
	uint32_t total[WEIR_RESOURCES];
	bool never; /* it is more than the limit */
};

struct lack rates_lack(const struct ledger *ledger, const struct packed *units, const struct packed *floor,
		       uint32_t place);

/* In how long a place will have room for units and what the floor (NULL: none) keeps, at the rates of the last sample: the
 * longest over what is short, at most RATES_ETA_NS_MAX. 0: nothing is short. RATES_UNKNOWN: something is short of which no
 * release was seen lately, or it is more than the limit. Thread: any; a few loads per resource. */
uint64_t rates_eta_ns(const struct rates *rates, const struct ledger *ledger, const struct packed *units,
		      const struct packed *floor, uint32_t place);

/* Thousandths of a unit per second on a node, or (node == nodes) on all of them; 0: not known. */
static inline uint64_t rates_get(const struct rates *rates, uint32_t node, weir_resource resource)
{
	return at_load(&rates->rate[node * RATES_ROW + (uint32_t)resource], relaxed, none);
}

/* For threads without a number. */
void rates_note_shared(struct rates *rates, const struct taken *taken);

static ALWAYS_INLINE void rates_count(_Atomic(uint64_t) *mine, uint32_t node, weir_resource resource, uint64_t units)
{
	_Atomic(uint64_t) *counter = &mine[node * RATES_ROW + (uint32_t)resource];
	/* Relaxed: who samples takes what it sees, the rest with the next sample. */
	at_store(counter, at_load(counter, relaxed, none) + units, relaxed, none);
}

/* So many grants came back that held this. */
static ALWAYS_INLINE void rates_note_several(struct rates *rates, const struct taken *taken, uint32_t times)
{
	uint32_t index = thread_index();
	_Atomic(uint64_t) *mine = likely(index < THREADS_MAX) ? tally_mine(&rates->released, index) : NULL;
	if (unlikely(!mine)) {
		for (; times; times--)
			rates_note_shared(rates, taken);
		return;
	}
	uint64_t main = taken->units.main;
	rates_count(mine, taken->cpu_node, WEIR_CPU, (uint64_t)times * word_get(main, WEIR_CPU));
	rates_count(mine, taken->memory_node, WEIR_MEMORY, (uint64_t)times * word_get(main, WEIR_MEMORY));
	if (unlikely(word_get(main, WEIR_BANDWIDTH)))
		rates_count(mine, taken->memory_node, WEIR_BANDWIDTH,
			    (uint64_t)times * word_get(main, WEIR_BANDWIDTH));
	for (int r = WEIR_COUNTED; unlikely(taken->units.counted) && r < WEIR_RESOURCES; r++)
		rates_count(mine, taken->cpu_node, (weir_resource)r,
			    (uint64_t)times * word_get(taken->units.counted, (weir_resource)r));
}

static ALWAYS_INLINE void rates_note(struct rates *rates, const struct taken *taken)
{
	rates_note_several(rates, taken, 1);
}

#endif
