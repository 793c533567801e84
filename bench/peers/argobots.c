/* SPDX-License-Identifier: MIT */
/*
 * argobots.c - Argobots: tasklets into one pool that all execution streams share; the caller keeps their handles to join them.
 *
 * Its streams look for work on and on: what is measured as parked never sleeps.
 */
#include <abt.h>
#include <stdlib.h>

#include "../peer.h"

enum { PRODUCERS = 2, HANDLES = 1 << 20 };

static ABT_pool pool;
static ABT_xstream *stream;
static uint32_t streams;

static struct {
	_Alignas(64) ABT_task *task;
	uint32_t count;
} submitted[PRODUCERS];

static void check(int status)
{
	if (status != ABT_SUCCESS)
		peer_fail("Argobots answered %d", status);
}

static void start(uint32_t threads, bool outside)
{
	(void)outside;
	check(ABT_init(0, NULL));
	check(ABT_pool_create_basic(ABT_POOL_FIFO, ABT_POOL_ACCESS_MPMC, ABT_FALSE, &pool));
	stream = calloc(threads, sizeof(stream[0]));
	for (int p = 0; p < PRODUCERS; p++)
		submitted[p].task = malloc(HANDLES * sizeof(submitted[p].task[0]));
	if (!stream || !submitted[0].task || !submitted[1].task)
		peer_fail("no memory");
	for (; streams < threads; streams++)
		check(ABT_xstream_create_basic(ABT_SCHED_BASIC, 1, &pool, ABT_SCHED_CONFIG_NULL, &stream[streams]));
}

static void finish(void)
{
	for (int p = 0; p < PRODUCERS; p++) {
		for (uint32_t i = 0; i < submitted[p].count; i++)
			check(ABT_task_free(&submitted[p].task[i]));
		submitted[p].count = 0;
	}
}

static void stop(void)
{
	for (uint32_t i = 0; i < streams; i++)
		check(ABT_xstream_free(&stream[i]));
	check(ABT_pool_free(&pool));
	check(ABT_finalize());
}

static void empty(void *argument)
{
	(void)argument;
}

static void other(void *argument)
{
	peer_run((enum peer_body)(uintptr_t)argument);
}

static void submit(unsigned producer, uint32_t count, enum peer_body body)
{
	void (*fn)(void *) = body == PEER_EMPTY ? empty : other;
	if (body == PEER_FLAGGED) { /* nobody waits for it */
		for (uint32_t i = 0; i < count; i++)
			check(ABT_task_create(pool, fn, (void *)(uintptr_t)body, NULL));
		return;
	}
	if (count > HANDLES - submitted[producer].count)
		peer_fail("no room");
	for (uint32_t i = 0; i < count; i++)
		check(ABT_task_create(pool, fn, (void *)(uintptr_t)body,
				      &submitted[producer].task[submitted[producer].count++]));
}

const struct peer peer = {
	.name = "argobots",
	.start = start,
	.stop = stop,
	.submit = submit,
	.wait = finish,
};
