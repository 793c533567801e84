/* SPDX-License-Identifier: MIT */
/*
 * pressure.c - a pool that protects itself: a breaker on a class that keeps failing, and a function that is told when the
 * machine comes under pressure. The readings are invented here; without .monitor they are the host's.
 */
#define _POSIX_C_SOURCE 200809L /* nanosleep() */
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <weir/weir.h>

static _Atomic uint64_t rss = 1 << 20;
static atomic_int level_now;
static atomic_bool stop;

static weir_status invented(void *context, weir_reading *out)
{
	(void)context;
	out->known = WEIR_KNOWN_PROCESS;
	out->process_rss_bytes = rss;
	return WEIR_OK;
}

static void changed(const weir_level_change *change, void *context)
{
	(void)context;
	printf("%s -> %s: pressure %.2f\n", weir_level_name(change->from), weir_level_name(change->to),
	       change->pressure);
	level_now = (int)change->to;
}

static weir_status nothing(weir_task *task, void *argument)
{
	(void)task, (void)argument;
	return WEIR_OK;
}

static void wait_for(int level)
{
	const struct timespec step = {.tv_nsec = 5000000};
	while (level_now != level)
		nanosleep(&step, NULL);
}

/* Pressure is looked at every 100 ms while something is held or waits; and where nothing is held, the first is admitted
 * whatever the level. So this one goes on until the level has been seen to act. */
static weir_status leaks(weir_task *task, void *until)
{
	(void)task;
	const struct timespec step = {.tv_nsec = 5000000};
	rss = 62 << 20; /* malloc() that no grant covers */
	while (!*(atomic_bool *)until)
		nanosleep(&step, NULL);
	rss = 1 << 20;
	return WEIR_OK;
}

static int surprises;

static void submit(weir_group *group, weir_class task_class, weir_status expected)
{
	weir_decision said;
	char text[200];
	weir_status status = weir_submit_decision(
		group, nothing, NULL, WEIR_DEMAND(.cores = 1, .task_class = task_class, .when_short = WEIR_DEFER),
		&said);
	(void)weir_decision_text(&said, text, sizeof(text));
	printf("%s: %s\n", weir_class_name(task_class), text);
	surprises += status != expected;
}

int main(void)
{
	weir_pool *pool;
	weir_group *group;
	const weir_monitor_source source = {.size = sizeof(source), .read = invented};
	const weir_level_options levels = {.size = sizeof(levels), .level_changed = changed};
	if (weir_pool_create(&pool,
			     WEIR_OPTIONS(.resource_aware = true, .machine = "numa:1(memory=67108864) core:2 pu:1",
					  .monitor = &source, .monitoring_interval_ns = 5 * WEIR_NS_PER_MS,
					  .admission_options = WEIR_ADMISSION_OPTIONS(.levels = &levels))) ||
	    weir_group_create(&group, pool))
		return puts(weir_error_text()), 1;
	submit(group, WEIR_BEST_EFFORT, WEIR_OK);
	if (weir_submit(group, leaks, &stop, WEIR_DEMAND(.cores = 1)))
		return puts(weir_error_text()), 1;
	wait_for(WEIR_LEVEL_RED);
	submit(group, WEIR_BEST_EFFORT, WEIR_EAGAIN);
	submit(group, WEIR_CRITICAL, WEIR_OK);
	stop = true;
	wait_for(WEIR_LEVEL_GREEN);

	if (weir_admission_breaker_set(weir_pool_admission(pool), WEIR_NORMAL, WEIR_BREAKER_FORCED_OPEN))
		return puts(weir_error_text()), 1;
	submit(group, WEIR_NORMAL, WEIR_EAGAIN);
	if (weir_admission_breaker_set(weir_pool_admission(pool), WEIR_NORMAL, WEIR_BREAKER_ON))
		return puts(weir_error_text()), 1;
	submit(group, WEIR_NORMAL, WEIR_OK);
	weir_status status = weir_group_wait(group);
	return surprises || status || weir_group_destroy(group) || weir_pool_destroy(pool);
}
