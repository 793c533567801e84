/* SPDX-License-Identifier: MIT */
/*
 * starpu.c - StarPU: a codelet without data, submitted task by task.
 *
 * Its tasks may not wait for tasks, so there is no fork-join, and its loops are for codelets that know their share of a
 * piece of data. It takes over a microsecond for a task: a hundred thousand at a time.
 */
#include <starpu.h>

#include "../peer.h"

static void other(void *buffers[], void *argument)
{
	(void)buffers;
	peer_run((enum peer_body)(uintptr_t)argument);
}

static void empty(void *buffers[], void *argument)
{
	(void)buffers;
	(void)argument;
}

static struct starpu_codelet empty_codelet = {.cpu_funcs = {empty}, .name = "empty"};
static struct starpu_codelet other_codelet = {.cpu_funcs = {other}, .name = "other"};

static void start(uint32_t threads, bool outside)
{
	(void)outside;
	struct starpu_conf conf;
	starpu_conf_init(&conf);
	conf.ncpus = (int)threads;
	conf.ncuda = 0;
	conf.nopencl = 0;
	if (starpu_init(&conf))
		peer_fail("starpu_init() failed");
}

static void stop(void)
{
	starpu_shutdown();
}

static void submit(unsigned producer, uint32_t count, enum peer_body body)
{
	(void)producer;
	for (uint32_t i = 0; i < count; i++) {
		struct starpu_task *task = starpu_task_create();
		task->cl = body == PEER_EMPTY ? &empty_codelet : &other_codelet;
		task->cl_arg = (void *)(uintptr_t)body;
		if (starpu_task_submit(task))
			peer_fail("starpu_task_submit() failed");
	}
}

static void finish(void)
{
	starpu_task_wait_for_all();
}

const struct peer peer = {
	.name = "starpu",
	.tasks_max = 100000,
	.start = start,
	.stop = stop,
	.submit = submit,
	.wait = finish,
};
