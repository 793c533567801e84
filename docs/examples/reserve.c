/* SPDX-License-Identifier: MIT */
/*
 * reserve.c - a core is held for a critical task before there is one; it starts at once although the rest is busy.
 */
#define _POSIX_C_SOURCE 200809L /* nanosleep() */
#include <stdio.h>
#include <time.h>
#include <weir/weir.h>

static weir_status background(weir_task *task, void *argument)
{
	(void)argument;
	const struct timespec step = {.tv_nsec = 1000000};
	while (!weir_task_cancelled(task))
		nanosleep(&step, NULL);
	return WEIR_OK;
}

static char message[] = "started beside three that hold all other cores";

static weir_status urgent(weir_task *task, void *argument)
{
	(void)task;
	return puts(argument) < 0;
}

int main(void)
{
	weir_pool *pool;
	weir_group *busy, *critical;
	weir_reservation held;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true, .machine = "numa:1 core:4 pu:1")) ||
	    weir_group_create(&busy, pool) || weir_group_create(&critical, pool) ||
	    weir_reserve(weir_pool_admission(pool), WEIR_DEMAND(.cores = 1, .task_class = WEIR_CRITICAL),
			 60 * WEIR_NS_PER_S, &held))
		return puts(weir_error_text()), 1;
	for (int i = 0; i < 10; i++) /* three run, the others wait */
		if (weir_submit(busy, background, NULL, WEIR_DEMAND(.cores = 1, .task_class = WEIR_BEST_EFFORT)))
			return puts(weir_error_text()), 1;
	weir_status status =
		weir_submit(critical, urgent, message, WEIR_DEMAND(.task_class = WEIR_CRITICAL, .reservation = held));
	if (status) /* WEIR_ESTALE: it has expired */
		return puts(weir_error_text()), 1;
	status = weir_group_wait(critical);
	weir_reserved now;
	if (!weir_reservation_state(weir_pool_admission(pool), held, &now))
		printf("the reservation is %s\n", weir_reserved_state_name(now.state));
	weir_group_cancel(busy);
	if (weir_group_wait(busy) != WEIR_ECANCELED)
		return 1;
	return status || weir_group_destroy(critical) || weir_group_destroy(busy) || weir_pool_destroy(pool);
}
