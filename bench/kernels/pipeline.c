/* SPDX-License-Identifier: MIT */
/*
 * pipeline.c - a pipeline that is hungry for memory: input, reference, the work of a stage, and how much is held.
 *
 * A form that admits must have held no more than the budget, or its answer is wrong. What all forms held at most is printed.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline.h"

#define MIB (UINT64_C(1) << 20)

static struct pipeline p;
static uint64_t *expected;
static _Atomic(uint64_t) held_bytes, peak_bytes;

static void hold(uint64_t bytes)
{
	uint64_t held = atomic_fetch_add(&held_bytes, bytes) + bytes;
	uint64_t peak = atomic_load(&peak_bytes);
	while (held > peak && !atomic_compare_exchange_weak(&peak_bytes, &peak, held))
		;
}

/* All of the block is written, then read in an order in which what is read says where to go on. */
static uint64_t work(uint64_t *word, uint64_t words, uint64_t sum)
{
	for (uint64_t i = 0; i < words; i++)
		word[i] = (sum ^ i) * UINT64_C(0x9e3779b97f4a7c15);
	for (uint64_t i = 0; i < words / 256; i++)
		sum = (sum << 1 | sum >> 63) ^ word[(sum ^ i) % words];
	return sum;
}

void chunk_stage(struct chunk *chunk, void *block)
{
	uint64_t bytes = chunk_bytes(chunk);
	hold(bytes);
	chunk->sum = work(block, bytes / sizeof(uint64_t), chunk->sum);
	chunk->stage++;
	atomic_fetch_sub(&held_bytes, bytes);
}

int chunk_stage_malloc(struct chunk *chunk)
{
	void *block = malloc(chunk_bytes(chunk));
	if (!block)
		return 1;
	chunk_stage(chunk, block);
	free(block);
	return 0;
}

/* The budget is 64 (quick: 16) MiB; a quarter of the stages want 3/8 to 3/4 of it, the others up to 1/8. */
static uint64_t block_bytes(uint64_t n)
{
	uint64_t any = seeded(8, n), unit = p.budget_bytes / 64;
	return any % 4 == 0 ? (24 + any / 4 % 25) * unit : (1 + any / 4 % 8) * unit;
}

static void reset(void)
{
	for (int32_t i = 0; i < p.chunks; i++) {
		p.chunk[i].sum = seeded(9, (uint64_t)i);
		p.chunk[i].stage = 0;
	}
}

static int prepare(bool quick)
{
	p.budget_bytes = quick ? 16 * MIB : 64 * MIB;
	p.chunks = quick ? 16 : 24;
	p.chunk = lasting((uint64_t)p.chunks, sizeof(*p.chunk));
	expected = lasting((uint64_t)p.chunks, sizeof(*expected));
	for (int32_t i = 0; i < p.chunks; i++)
		for (int32_t stage = 0; stage < PIPELINE_STAGES; stage++)
			p.chunk[i].bytes[stage] = block_bytes((uint64_t)(i * PIPELINE_STAGES + stage));
	reset();
	for (int32_t i = 0; i < p.chunks; i++) {
		while (!chunk_done(&p.chunk[i]))
			if (chunk_stage_malloc(&p.chunk[i]))
				return fprintf(stderr, "kernels: pipeline: no memory\n"), 1;
		expected[i] = p.chunk[i].sum;
	}
	atomic_store(&peak_bytes, 0);
	return 0;
}

static bool has(void)
{
	return form.pipeline;
}

static int run(void)
{
	return form.pipeline(&p);
}

static int check(void)
{
	for (int32_t i = 0; i < p.chunks; i++)
		if (!chunk_done(&p.chunk[i]) || p.chunk[i].sum != expected[i])
			return 1;
	if (form.admits && atomic_load(&peak_bytes) > p.budget_bytes) {
		fprintf(stderr, "kernels: pipeline: %llu MiB held at once, the budget is %llu\n",
			(unsigned long long)(atomic_load(&peak_bytes) / MIB),
			(unsigned long long)(p.budget_bytes / MIB));
		return 1;
	}
	return 0;
}

static double milliseconds(void)
{
	return 1e6;
}

static uint64_t budget_bytes(void)
{
	return p.budget_bytes;
}

static double peak_mib(void)
{
	return (double)atomic_load(&peak_bytes) / (double)MIB;
}

const struct kernel kernel_pipeline = {
	.name = "pipeline",
	.unit = "ms",
	.threads = "1,2,8",
	.has = has,
	.prepare = prepare,
	.reset = reset,
	.run = run,
	.check = check,
	.units = milliseconds,
	.budget_bytes = budget_bytes,
	.also = peak_mib,
	.also_unit = "MiB peak",
};
