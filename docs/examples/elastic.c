/* SPDX-License-Identifier: MIT */
/*
 * elastic.c - a task that starts with 2 to 4 cores, as many as there are, gives some back and takes more while it runs.
 */
#include <stdio.h>
#include <weir/weir.h>

static weir_status solve(weir_task *task, void *argument)
{
	(void)argument;
	printf("granted %u cores\n", weir_task_cores(task));
	/* What shrink is given is what is left, memory too. */
	weir_status status = weir_task_shrink(task, &(weir_amount){.cores = 1, .memory_bytes = 1 << 20});
	printf("after shrinking %u\n", weir_task_cores(task));
	if (!status)
		status = weir_task_grow(task, &(weir_amount){.cores = 2}); /* by, on top; never waits */
	if (status == WEIR_EAGAIN)
		status = WEIR_OK; /* no room now: go on with what there is */
	printf("after growing %u\n", weir_task_cores(task));
	return status;
}

int main(void)
{
	weir_pool *pool;
	weir_group *group;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true, .machine = "numa:1 core:4 pu:1",
						 .limits = WEIR_LIMITS(.memory_bytes = 64 << 20))) ||
	    weir_group_create(&group, pool) ||
	    weir_submit(group, solve, NULL, WEIR_DEMAND(.cores = 4, .cores_min = 2, .memory_bytes = 1 << 20)))
		return puts(weir_error_text()), 1;
	weir_status status = weir_group_wait(group);
	puts(status ? weir_error_text() : weir_status_text(status));
	return status || weir_group_destroy(group) || weir_pool_destroy(pool);
}
