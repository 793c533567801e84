/* SPDX-License-Identifier: MIT */
/*
 * form.c - the pool that weir's kernels run in.
 */
#include <stdio.h>

#include "form.h"

weir_pool *crew;

int answered(weir_status status)
{
	if (status)
		fprintf(stderr, "kernels: weir: %s: %s\n", weir_status_text(status), weir_error_text());
	return status != WEIR_OK;
}

static int open_pool(unsigned threads)
{
	return answered(weir_pool_create(&crew, WEIR_OPTIONS(.workers = threads)));
}

static void close_pool(void)
{
	(void)answered(weir_pool_destroy(crew));
}

const struct form form = {
	.peer = "weir",
	.open = open_pool,
	.close = close_pool,
	.matmul = weir_matmul,
	.stencil = weir_stencil,
	.queens = weir_queens,
	.uts = weir_uts,
	.sort = weir_sort,
	.cholesky = weir_cholesky,
};
