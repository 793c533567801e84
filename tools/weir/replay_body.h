/* SPDX-License-Identifier: MIT */
/*
 * replay_body.h - what a replayed job does as a task, and counters of what all bodies hold that know nothing of the
 * ledger.
 */
#ifndef WEIR_TOOLS_REPLAY_BODY_H
#define WEIR_TOOLS_REPLAY_BODY_H

#include <stdatomic.h>

#include <weir/weir.h>

#include "replay_scale.h"

/* How a body ended. */
enum body_end {
	BODY_NOT_RUN = 0,
	BODY_COMPLETED,
	BODY_NO_MEMORY, /* weir_task_alloc() gave none */
	BODY_CORRUPT,	/* its memory changed under it */
	BODY_CANCELLED
};

/* Were the processor it ran on and its memory those of its grant's nodes? */
enum body_place { BODY_PLACE_UNKNOWN = 0, BODY_AT_HOME, BODY_AWAY };

/* What bodies hold of a node, or in all, in units. */
struct body_held {
	_Alignas(64) _Atomic(uint64_t) cpu;
	_Atomic(uint64_t) memory;
	_Atomic(uint64_t) cpu_peak;
	_Atomic(uint64_t) memory_peak;
};

/* Shared by all bodies of a replay. */
struct bodies {
	const struct scale_target *target;
	uint64_t seed;
	struct body_held *held;	  /* of each node; one more, the last, in all */
	uint32_t *physical_index; /* of each node; NULL: off this machine */
	_Atomic(uint64_t) overcommit_events;
	_Atomic(uint64_t) started;
	_Atomic(uint64_t) ended;
};

/* One job on its way. */
struct body {
	struct bodies *all;
	struct scale_job job;
	/* The submitter's. */
	bool submitted;
	weir_verdict verdict;
	weir_cause cause;
	/* The body's; to be read when its group is done. */
	enum body_end end;
	enum body_place place;
	uint64_t start_ns;
	uint64_t end_ns;
	uint64_t digest; /* what it computed */
};

/* target is borrowed; machine: to compare nodes with the kernel's, used only here. Returns 0, or -1: no memory. */
int bodies_init(struct bodies *out, const struct scale_target *target, const weir_machine *machine, uint64_t seed);
void bodies_fini(struct bodies *bodies);

/* The task function; argument is a struct body. */
weir_status body_run(weir_task *task, void *argument);

#endif
