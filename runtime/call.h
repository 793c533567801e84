/* SPDX-License-Identifier: MIT */
/* call.h - a plain task before it is one: what to call, for which group; or a run of such calls, each with the next argument. */
#ifndef WEIR_RUNTIME_CALL_H
#define WEIR_RUNTIME_CALL_H

#include <weir/task.h>

struct call {
	weir_task_fn fn;
	void *argument; /* of a run: of its first call */
	weir_group *group;
	uint64_t run; /* 0: one call; else how many << CALL_STRIDE_BITS | bytes from one argument to the next */
};

enum { CALL_STRIDE_BITS = 48, CALL_RUN_MAX = 256 };
#define CALL_STRIDE_MAX ((UINT64_C(1) << CALL_STRIDE_BITS) - 1)

static inline uint64_t call_run(uint32_t count, uint64_t stride)
{
	return (uint64_t)count << CALL_STRIDE_BITS | stride;
}

static inline uint32_t call_count(uint64_t run)
{
	return run ? (uint32_t)(run >> CALL_STRIDE_BITS) : 1;
}

/* The argument of a run's call i; of one call alone for 0. */
static inline void *call_argument(const struct call *call, uint64_t i)
{
	/* By numbers: what lies between two arguments is the caller's affair, and NULL may be one of them. */
	return (void *)((uintptr_t)call->argument + (uintptr_t)(i * (call->run & CALL_STRIDE_MAX)));
}

#endif
