/* SPDX-License-Identifier: MIT */
/*
 * floors.h - what a class must leave over on each node: by the watermark rule for higher classes, by the adaptive rule for
 * nobody. Read at every take while a rule is on, changed now and then.
 */
#ifndef WEIR_RUNTIME_FLOORS_H
#define WEIR_RUNTIME_FLOORS_H

#include "private/atomics.h"
#include "runtime/ledger.h"

/* Each word is whole; the two of a floor may be of two changes. A take that reads one of each leaves what one or the other
 * said for each resource, which is what either could have asked. */
struct floor_words {
	_Atomic(uint64_t) main, counted;
};

struct floors {
	uint32_t nodes;
	struct floor_words *word;	       /* [class][node] */
	uint32_t class_permille[WEIR_CLASSES]; /* of the watermark rule */
};

/* False: no memory. */
bool floors_init(struct floors *floors, uint32_t nodes, const uint32_t class_permille[WEIR_CLASSES]);
void floors_fini(struct floors *floors);

/* By the limits of now. factor_permille: how much of them is used; watermark: classes leave their parts. One at a time. */
void floors_set(struct floors *floors, const struct ledger *ledger, bool watermark, uint32_t factor_permille);

static inline struct packed floors_get(const struct floors *floors, weir_class task_class, uint32_t node)
{
	const struct floor_words *word = &floors->word[(size_t)task_class * floors->nodes + node];
	return (struct packed){.main = at_load(&word->main, relaxed, none),
			       .counted = at_load(&word->counted, relaxed, none)};
}

#endif
