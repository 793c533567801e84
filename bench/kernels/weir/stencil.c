/* SPDX-License-Identifier: MIT */
/*
 * stencil.c - a parallel loop for each sweep. The sweeps run inside a task: whoever starts a loop there works along, so
 * that the next sweep begins without waking anybody.
 */
#include "../stencil.h"
#include "form.h"

struct sweep {
	const struct stencil *stencil;
	int64_t number;
};

static weir_status some_rows(int64_t begin, int64_t end, void *argument)
{
	const struct sweep *sweep = argument;
	stencil_rows(sweep->stencil, sweep->number, begin, end);
	return WEIR_OK;
}

static weir_status all_sweeps(weir_task *task, void *argument)
{
	(void)task;
	struct sweep sweep = {.stencil = argument};
	weir_status status = WEIR_OK;
	for (; status == WEIR_OK && sweep.number < sweep.stencil->sweeps; sweep.number++)
		status = weir_parallel_for(crew, 1, sweep.stencil->n - 1, WEIR_AUTO, some_rows, &sweep);
	return status;
}

int weir_stencil(struct stencil *s)
{
	return answered(weir_pool_run(crew, all_sweeps, s, NULL));
}
