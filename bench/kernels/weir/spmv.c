/* SPDX-License-Identifier: MIT */
/*
 * spmv.c - parallel loops over rows of very different length, started from outside the pool.
 */
#include "../spmv.h"
#include "form.h"

static weir_status some_rows(int64_t begin, int64_t end, void *argument)
{
	spmv_rows(argument, begin, end);
	return WEIR_OK;
}

int weir_spmv(struct spmv *s)
{
	weir_status status = WEIR_OK;
	for (int64_t product = 0; product < s->products && !status; product++)
		status = weir_parallel_for(crew, 0, s->rows, WEIR_AUTO, some_rows, s);
	return answered(status);
}
