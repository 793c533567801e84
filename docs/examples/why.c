/* SPDX-License-Identifier: MIT */
/*
 * why.c - a task does not start: which resource is short, who holds it, and which release would do.
 */
#include <stdio.h>
#include <weir/weir.h>

static weir_status nothing(weir_task *task, void *argument)
{
	(void)task, (void)argument;
	return WEIR_OK;
}

int main(void)
{
	weir_pool *pool;
	weir_group *group;
	weir_decision said;
	weir_why why = {.size = sizeof(why)};
	char text[1000];
	if (weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true, .machine = "numa:1 core:4 pu:1")) ||
	    weir_group_create(&group, pool) ||
	    weir_tracker_allocate(weir_pool_tracker(pool), "licence server", WEIR_DEMAND(.cores = 3), NULL) ||
	    weir_submit_decision(group, nothing, NULL, WEIR_DEMAND(.cores = 2), &said) ||
	    weir_why_pending(pool, said.ticket, &why))
		return puts(weir_error_text()), 1;
	(void)weir_why_text(&why, text, sizeof(text));
	puts(text);
	printf("%u of %u holders would do, the first is \"%s\"\n", why.enough, why.holders_in_all, why.holder[0].id);
	if (weir_tracker_release(weir_pool_tracker(pool), "licence server")) /* whoever waits and fits starts */
		return puts(weir_error_text()), 1;
	weir_status status = weir_group_wait(group);
	puts(weir_status_text(status));
	return status || weir_group_destroy(group) || weir_pool_destroy(pool);
}
