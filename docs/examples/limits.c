/* SPDX-License-Identifier: MIT */
/*
 * limits.c - the limits come down and go up while tasks run: what is held above them is owed, nobody is stopped.
 */
#include <inttypes.h>
#include <stdio.h>
#include <weir/weir.h>

static void show(weir_pool *pool, const char *when)
{
	weir_usage use;
	if (!weir_tracker_usage(weir_pool_tracker(pool), WEIR_ALL_NODES, &use))
		printf("%s: %g of %g cores held\n", when, use.held.cores, use.limit.cores);
}

static weir_status look(weir_task *task, void *pool)
{
	(void)task;
	show(pool, "in the task");
	weir_status status = weir_pool_set_limits(pool, WEIR_LIMITS(.cores = 1));
	show(pool, "lowered below what is held");
	return status;
}

int main(void)
{
	weir_pool *pool;
	weir_group *group;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true, .machine = "numa:1 core:4 pu:1",
						 .limits = WEIR_LIMITS(.cores = 4, .memory_bytes = 64 << 20))) ||
	    weir_group_create(&group, pool) || weir_submit(group, look, pool, WEIR_DEMAND(.cores = 3)))
		return puts(weir_error_text()), 1;
	weir_status status = weir_group_wait(group);
	show(pool, "at its end");
	/* More than the limits now: never, until they are raised. */
	if (weir_submit(group, look, pool, WEIR_DEMAND(.cores = 2)) != WEIR_EINFEASIBLE)
		return 1;
	puts(weir_error_text());
	if (weir_pool_set_limits(pool, WEIR_LIMITS(.cores = 4, .memory_bytes = 64 << 20)))
		return puts(weir_error_text()), 1;
	show(pool, "raised again");
	return status || weir_group_destroy(group) || weir_pool_destroy(pool);
}
