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

/* A copy of what was given, with the defaults that are not a node's. names: of counted resources that have one already.
 * Errors: WEIR_EINVAL. */
weir_status amounts_complete(const weir_machine *machine, const weir_limits *given, const struct limits *names,
			     weir_limits *out);

/* What each node may give, and all of them. Errors: WEIR_EINVAL. */
weir_status amounts_of_nodes(const weir_machine *machine, const weir_limits *given, struct amounts *node,
			     struct amounts *sum);

#endif
