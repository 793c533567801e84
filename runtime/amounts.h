/* SPDX-License-Identifier: MIT */
/*
 * amounts.h - limits as they are given, before they are units: what limits.c and relimit.c share.
 */
#ifndef WEIR_RUNTIME_AMOUNTS_H
#define WEIR_RUNTIME_AMOUNTS_H

#include "runtime/limits.h"

/* What one node may give. */
struct amounts {
	double cores;
	uint64_t memory_bytes;
	uint64_t bandwidth_bytes_s;
	uint64_t counted[WEIR_COUNTED_MAX];
};

static inline uint64_t given_or(uint64_t given, uint64_t otherwise)
{
	return given == WEIR_NONE ? 0 : given ? given : otherwise;
}

static inline uint64_t limit_units_max(weir_resource resource)
{
	return word_field_max(resource) - 1;
}

/* What a caller asked for: a copy, with the defaults that are not a node's; what each node may give, and all of them. */
struct asked {
	weir_limits given;
	struct amounts *node; /* the caller's, to free() */
	struct amounts sum;
};

/* How limits_resolve() and limits_change() begin; out->node is room for each node's units. names: of counted resources that
 * have one already, or NULL. Errors: WEIR_EINVAL, WEIR_ENOMEM: nothing is the caller's. */
weir_status amounts_ask(const weir_machine *machine, const weir_limits *said, const struct limits *names,
			struct limits *out, struct asked *asked);

/* Is each amount that is given at least one unit? Else it would be none, without a word. Errors: WEIR_EINVAL. */
weir_status amounts_check_units(const struct units *units, const weir_limits *given);

#endif
