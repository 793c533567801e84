/* SPDX-License-Identifier: MIT */
/*
 * limits.h - from what people say (cores, bytes) to what the ledger counts (units), and back.
 *
 * A demand rounds up, a limit rounds down, so that rounding never over-commits.
 */
#ifndef WEIR_RUNTIME_LIMITS_H
#define WEIR_RUNTIME_LIMITS_H

#include <weir/resource.h>

#include "numa/topology.h"
#include "runtime/word.h"

struct units {
	uint32_t per_core;		    /* a power of two, 64 up to 511 cores in all */
	uint64_t memory_bytes;		    /* a power of two, at least 4096 */
	uint64_t bandwidth_bytes_s;	    /* a power of two */
	uint64_t counted[WEIR_COUNTED_MAX]; /* a power of two, 1 up to 8190 pieces in all */
};

/* An amount as two packed words. */
struct packed {
	uint64_t main;
	uint64_t counted;
};

static inline uint32_t packed_get(struct packed packed, weir_resource resource)
{
	return word_get(word_kind(resource) == WORD_MAIN ? packed.main : packed.counted, resource);
}

struct limits {
	struct units units;
	uint32_t nodes;
	/* As they were resolved; the ledger's words have them as they are now. */
	struct packed *node;	  /* what each node may give; memory and cores of the node itself */
	struct packed total;	  /* fields that do not bind are zero, and not in total_mask */
	struct packed total_mask; /* fields for which the total has a word of its own */
	struct packed node_mask;  /* fields that nodes have: all of main, counted ones that are given per node */
	uint32_t defined;	  /* bit r: resource r has a limit somewhere */
	char name[WEIR_COUNTED_MAX][32];
};

/* Before anything else of them is read. Errors: WEIR_EINVAL. given may be NULL. */
weir_status limits_check_size(const weir_limits *given);

/* Errors: WEIR_EINVAL (the text names the limit, its value and what would do), WEIR_ENOMEM. given may be NULL. */
weir_status limits_resolve(struct limits *out, const weir_machine *machine, const weir_limits *given);
void limits_fini(struct limits *limits);

/* Other limits in the units and words of `made`: node and total of *out, which the caller ends with limits_fini(). `given`
 * means what it meant to limits_resolve(), but that a total that did not bind then has no word: the nodes are scaled down to
 * it, in proportion. Errors: WEIR_EINVAL (what did not exist then, or more than a field can hold), WEIR_ENOMEM. */
weir_status limits_change(const struct limits *made, const weir_machine *machine, const weir_limits *given,
			  struct limits *out);

/* What must be right in any demand, on a plain pool too: its size, class, home and cores. Errors: WEIR_EINVAL: the text names
 * the field. */
weir_status limits_check_demand(const weir_demand *demand, uint32_t nodes);

/* Does it ask for no amount at all? */
static inline bool limits_is_empty(const weir_demand *demand)
{
	return demand->cores == 0 && !demand->memory_bytes && !demand->bandwidth_bytes_s && !demand->counted[0] &&
	       !demand->counted[1] && !demand->counted[2] && !demand->counted[3] && demand->cores_min == 0 &&
	       !demand->memory_min_bytes && !demand->bandwidth_min_bytes_s;
}


/* The amounts, of an elastic demand the least. Errors: WEIR_EINVAL: the text names the field. Does not ask whether it could
 * ever fit. */
weir_status limits_pack(const struct limits *limits, const weir_demand *demand, struct packed *out);

/* Two packed words as amounts, at full unit size. */
weir_amount limits_amount(const struct limits *limits, struct packed packed);
/* The same of one resource. */
double limits_amount_of(const struct limits *limits, weir_resource resource, uint64_t units);

/* "memory", or the counted resource's name. */
const char *limits_resource_name(const struct limits *limits, weir_resource resource);

#endif
