/* SPDX-License-Identifier: MIT */
/*
 * retry.c - submit without waiting in weir's room: where there is no room now, the caller is told when to try again.
 */
#define _POSIX_C_SOURCE 200809L /* nanosleep() */
#include <stdio.h>
#include <time.h>
#include <weir/weir.h>

static weir_status work(weir_task *task, void *argument)
{
	(void)task, (void)argument;
	const struct timespec run = {.tv_nsec = 2000000};
	nanosleep(&run, NULL);
	return WEIR_OK;
}

/* attempt 0 is the first try; naming the others lets weir keep retries below a tenth of them (retry_permille). */
static weir_status submit(weir_group *group, unsigned *tries)
{
	for (uint32_t attempt = 0;; attempt++) {
		weir_decision said;
		weir_status status = weir_submit_decision(
			group, work, NULL, WEIR_DEMAND(.cores = 1, .when_short = WEIR_DEFER, .attempt = attempt),
			&said);
		++*tries;
		if (!weir_status_retryable(status) || said.retry_after_ns == UINT64_MAX)
			return status;
		const struct timespec pause = {.tv_sec = (time_t)(said.retry_after_ns / WEIR_NS_PER_S),
					       .tv_nsec = (long)(said.retry_after_ns % WEIR_NS_PER_S)};
		nanosleep(&pause, NULL);
	}
}

int main(void)
{
	weir_pool *pool;
	weir_group *group;
	unsigned tries = 0;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true, .machine = "numa:1 core:2 pu:1")) ||
	    weir_group_create(&group, pool))
		return puts(weir_error_text()), 1;
	for (int i = 0; i < 20; i++)
		if (submit(group, &tries))
			return puts(weir_error_text()), 1;
	weir_status status = weir_group_wait(group);
	printf("20 tasks, %u tries: %s\n", tries, weir_status_text(status));
	return status || weir_group_destroy(group) || weir_pool_destroy(pool);
}
