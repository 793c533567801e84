/* SPDX-License-Identifier: MIT */
/*
 * pipeline.h - chunks that go through stages, each of which needs a block of memory while it runs; some of the blocks are
 * large. The stages of a chunk run one after another, those of different chunks in any order.
 *
 * Together the blocks should never hold more than a budget. Nothing here sees to that: it is only looked at.
 */
#ifndef KERNELS_PIPELINE_H
#define KERNELS_PIPELINE_H

#include "kernel.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PIPELINE_STAGES = 4 };

struct chunk {
	uint64_t bytes[PIPELINE_STAGES]; /* the block of each stage */
	uint64_t sum;			 /* what a stage hands to the next */
	int32_t stage;			 /* the next to be done */
	void *owner;			 /* for the runtime */
};

struct pipeline {
	uint64_t budget_bytes;
	int32_t chunks;
	struct chunk *chunk;
};

static inline bool chunk_done(const struct chunk *chunk)
{
	return chunk->stage == PIPELINE_STAGES;
}

/* Of the next stage. */
static inline uint64_t chunk_bytes(const struct chunk *chunk)
{
	return chunk->bytes[chunk->stage];
}

/* Do the next stage in a block of chunk_bytes(), which counts as held meanwhile. */
void chunk_stage(struct chunk *chunk, void *block);

/* The same with a block by malloc(). 0, or 1 where there is none. */
int chunk_stage_malloc(struct chunk *chunk);

#ifdef __cplusplus
}
#endif

#endif
