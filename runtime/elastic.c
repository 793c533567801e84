/* SPDX-License-Identifier: MIT */
/*
 * elastic.c - demands that take what they get, between a least and a most: from what they say to units and steps.
 *
 * Holds:     nothing.
 * Not here:  what they get: the ledger's compare-and-swap decides (ledger.c).
 */
#include "runtime/elastic.h"

#include <math.h>

#include "private/error.h"

enum { STEPS_DEFAULT = 16 };

/* More than any field holds, and small enough that its product with a step has 64 bits. */
#define MORE_MAX (UINT64_C(1) << 47)

weir_status elastic_least(const weir_demand *demand, weir_demand *out)
{
	/* Written so that what is not a number is refused too. */
	if (!(demand->cores_min >= 0) || demand->cores_min > demand->cores)
		return error_set(WEIR_EINVAL, "demand.cores_min is %g: give 0 (not elastic) up to demand.cores, %g",
				 demand->cores_min, demand->cores);
	if (demand->memory_min_bytes > demand->memory_bytes)
		return error_set(WEIR_EINVAL, "demand.memory_min_bytes is %llu: give at most demand.memory_bytes, %llu",
				 (unsigned long long)demand->memory_min_bytes,
				 (unsigned long long)demand->memory_bytes);
	if (demand->bandwidth_min_bytes_s > demand->bandwidth_bytes_s)
		return error_set(WEIR_EINVAL,
				 "demand.bandwidth_min_bytes_s is %llu: give at most demand.bandwidth_bytes_s, %llu",
				 (unsigned long long)demand->bandwidth_min_bytes_s,
				 (unsigned long long)demand->bandwidth_bytes_s);
	if (demand->steps > ELASTIC_STEPS_MAX)
		return error_set(WEIR_EINVAL, "demand.steps is %u: give at most %d, or 0 for the default",
				 demand->steps, ELASTIC_STEPS_MAX);
	*out = *demand;
	if (demand->cores_min != 0)
		out->cores = demand->cores_min;
	if (demand->memory_min_bytes)
		out->memory_bytes = demand->memory_min_bytes;
	if (demand->bandwidth_min_bytes_s)
		out->bandwidth_bytes_s = demand->bandwidth_min_bytes_s;
	out->cores_min = 0;
	out->memory_min_bytes = 0;
	out->bandwidth_min_bytes_s = 0;
	return WEIR_OK;
}

static uint64_t units_between(uint64_t least, uint64_t most, uint64_t unit)
{
	if (!least)
		return 0;
	uint64_t units = (most / unit + (most % unit != 0)) - (least / unit + (least % unit != 0));
	return units < MORE_MAX ? units : MORE_MAX;
}

void elastic_pack(const struct limits *limits, const weir_demand *demand, struct elastic *out)
{
	const struct units *units = &limits->units;
	double cores = demand->cores_min != 0 ? demand->cores - demand->cores_min : 0;
	double core_units = ceil(demand->cores * units->per_core) - ceil(demand->cores_min * units->per_core);
	*out = (struct elastic){
		.more = {
			[WEIR_CPU] = cores > 0 ? (uint64_t)fmin(core_units, (double)MORE_MAX) : 0,
			[WEIR_MEMORY] =
				units_between(demand->memory_min_bytes, demand->memory_bytes, units->memory_bytes),
			[WEIR_BANDWIDTH] = units_between(demand->bandwidth_min_bytes_s, demand->bandwidth_bytes_s,
							 units->bandwidth_bytes_s),
		}};
	if (!(out->more[WEIR_CPU] | out->more[WEIR_MEMORY] | out->more[WEIR_BANDWIDTH]))
		return; /* least and most are the same */
	double one_per_core = fmin(ceil(cores), ELASTIC_STEPS_MAX);
	out->steps = demand->steps ? demand->steps : cores > 0 ? (uint32_t)one_per_core : STEPS_DEFAULT;
}

struct packed elastic_units(const struct packed *least, const struct elastic *elastic, uint32_t step)
{
	struct packed units = *least;
	for (int r = WEIR_CPU; r < WEIR_COUNTED; r++) {
		weir_resource resource = (weir_resource)r;
		if (!elastic->more[r])
			continue;
		uint64_t all = packed_get(*least, resource) + elastic->more[r] * step / elastic->steps;
		units.main = (units.main & ~word_mask(resource)) | word_put(resource, all);
	}
	return units;
}
