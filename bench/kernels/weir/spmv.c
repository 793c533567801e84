/* SPDX-License-Identifier: MIT */
/*
 * spmv.c - parallel loops over rows of very different length, one for each product, inside a task as in stencil.c.
 */
#include "../spmv.h"
#include "form.h"

static weir_status some_rows(int64_t begin, int64_t end, void *argument)
{
	spmv_rows(argument, begin, end);
	return WEIR_OK;
}

static weir_status all_products(weir_task *task, void *argument)
{
	(void)task;
	struct spmv *s = argument;
	weir_status status = WEIR_OK;
	for (int64_t product = 0; product < s->products && !status; product++)
		status = weir_parallel_for(crew, 0, s->rows, WEIR_AUTO, some_rows, s);
	return status;
}

int weir_spmv(struct spmv *s)
{
	return answered(weir_pool_run(crew, all_products, s, NULL));
}
