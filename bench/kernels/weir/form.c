/* SPDX-License-Identifier: MIT */
/*
 * form.c - weir's forms, in a plain pool; in a resource-aware one where there is a budget.
 */
#include "form.h"

static int open_pool(unsigned threads, uint64_t budget_bytes)
{
	const weir_limits *limits = budget_bytes ? WEIR_LIMITS(.memory_bytes = budget_bytes) : NULL;
	return answered(weir_pool_create(
		&crew, WEIR_OPTIONS(.workers = threads, .resource_aware = budget_bytes > 0, .limits = limits)));
}

static void close_pool(void)
{
	(void)answered(weir_pool_destroy(crew));
}

const struct form form = {
	.peer = "weir",
	.admits = true,
	.open = open_pool,
	.close = close_pool,
	.matmul = weir_matmul,
	.cholesky = weir_cholesky,
	.spmv = weir_spmv,
	.stencil = weir_stencil,
	.queens = weir_queens,
	.uts = weir_uts,
	.sort = weir_sort,
	.pipeline = weir_pipeline,
};
