/* SPDX-License-Identifier: MIT */
/*
 * form.c - weir's form of what is about admission, in a plain pool: the same tasks, and nobody looks at their demands.
 */
#include "../weir/form.h"

static int open_pool(unsigned threads, uint64_t budget_bytes)
{
	(void)budget_bytes;
	return answered(weir_pool_create(&crew, WEIR_OPTIONS(.workers = threads)));
}

static void close_pool(void)
{
	(void)answered(weir_pool_destroy(crew));
}

const struct form form = {.peer = "weir_plain", .open = open_pool, .close = close_pool, .pipeline = weir_pipeline};
