/* SPDX-License-Identifier: MIT */
/*
 * elastic.h - demands that take what they get, between a least and a most.
 *
 * The least is what such a demand needs, and is packed as any other: whether it fits, where, and whether it ever will, is
 * asked of it. What it gets is the least and k of `steps` equal parts of what may come on top, the same k for every amount.
 */
#ifndef WEIR_RUNTIME_ELASTIC_H
#define WEIR_RUNTIME_ELASTIC_H

#include "runtime/limits.h"

struct elastic {
	uint64_t more[WEIR_COUNTED]; /* units between least and most, of CPU, memory, bandwidth */
	uint32_t steps;		     /* 0: not elastic */
};

enum { ELASTIC_STEPS_MAX = 65535 };

static inline bool elastic_is(const weir_demand *demand)
{
	return demand->cores_min != 0 || demand->memory_min_bytes || demand->bandwidth_min_bytes_s;
}

/* The same demand with its least amounts, and not elastic. Errors: WEIR_EINVAL: the text names the field. */
weir_status elastic_least(const weir_demand *demand, weir_demand *out);

/* What may come on top of the least of a demand that limits_pack() took. */
void elastic_pack(const struct limits *limits, const weir_demand *demand, struct elastic *out);

/* The units at a step, 0 to steps. A field that could not hold them is clamped to its maximum, which never fits. */
struct packed elastic_units(const struct packed *least, const struct elastic *elastic, uint32_t step);

static inline bool elastic_same(const struct elastic *a, const struct elastic *b)
{
	return a->steps == b->steps &&
	       (!a->steps || (a->more[WEIR_CPU] == b->more[WEIR_CPU] && a->more[WEIR_MEMORY] == b->more[WEIR_MEMORY] &&
			      a->more[WEIR_BANDWIDTH] == b->more[WEIR_BANDWIDTH]));
}

#endif
