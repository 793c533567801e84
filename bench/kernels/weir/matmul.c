/* SPDX-License-Identifier: MIT */
/*
 * matmul.c - a parallel loop over the tiles of the answer. A tile is work enough to be a piece of its own.
 */
#include "../matmul.h"
#include "form.h"

static weir_status some_tiles(int64_t begin, int64_t end, void *argument)
{
	const struct matmul *m = argument;
	for (int64_t tile = begin; tile < end; tile++)
		matmul_tile(m, tile / m->tiles, tile % m->tiles);
	return WEIR_OK;
}

int weir_matmul(struct matmul *m)
{
	return answered(weir_parallel_for(crew, 0, m->tiles * m->tiles, 1, some_tiles, m));
}
