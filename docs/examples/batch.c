/* SPDX-License-Identifier: MIT */
/*
 * batch.c - a million tasks from outside, one submit for each; then as many by one call, an element of an array each, in a
 * group that starts when the first is done.
 */
#include <stdio.h>
#include <weir/weir.h>

enum { TASKS = 1000000 };

static int cell[TASKS];

static weir_status set(weir_task *task, void *at)
{
	(void)task;
	*(int *)at = 1;
	return WEIR_OK;
}

/* What set() wrote is seen: its group comes before. */
static weir_status doubled(weir_task *task, void *at)
{
	(void)task;
	*(int *)at *= 2;
	return WEIR_OK;
}

static weir_status work(weir_group *first, weir_group *later)
{
	for (int i = 0; i < TASKS; i++) {
		weir_status status = weir_submit(first, set, &cell[i], NULL);
		if (status)
			return status;
	}
	weir_status status = weir_group_after(later, first);
	if (!status)
		status = weir_submit_batch(later, doubled, cell, sizeof(cell[0]), TASKS, NULL, NULL);
	return status;
}

int main(void)
{
	weir_pool *pool;
	weir_group *first, *later;
	if (weir_pool_create(&pool, NULL) || weir_group_create(&first, pool) || weir_group_create(&later, pool))
		return puts(weir_error_text()), 1;
	weir_status status = work(first, later);
	if (status)
		puts(weir_error_text());
	weir_status ended = weir_group_wait(later);
	weir_status before = weir_group_wait(first);
	long sum = 0;
	for (int i = 0; i < TASKS; i++)
		sum += cell[i];
	printf("%ld\n", sum);
	return status || ended || before || weir_group_destroy(later) || weir_group_destroy(first) ||
	       weir_pool_destroy(pool) || sum != 2L * TASKS;
}
