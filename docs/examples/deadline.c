/* SPDX-License-Identifier: MIT */
/*
 * deadline.c - three ways in which a time can be over: before it is asked, while it waits, and a wait of its own length.
 */
#include <stdio.h>
#include <weir/weir.h>

static weir_status nothing(weir_task *task, void *argument)
{
	(void)task, (void)argument;
	return WEIR_OK;
}

static weir_status try(weir_pool *pool, const char *what, const weir_demand *demand)
{
	weir_group *group;
	weir_decision said;
	char text[200];
	weir_status status = weir_group_create(&group, pool);
	if (status)
		return status;
	status = weir_submit_decision(group, nothing, NULL, demand, &said);
	(void)weir_decision_text(&said, text, sizeof(text));
	printf("%s: %s", what, text);
	if (!status) /* who was let into the room and then gave up shows in the group */
		printf(", then %s", weir_status_text(status = weir_group_wait(group)));
	putchar('\n');
	(void)weir_group_destroy(group);
	return status;
}

int main(void)
{
	weir_pool *pool;
	weir_reservation all;
	if (weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true, .machine = "numa:1 core:2 pu:1")) ||
	    weir_reserve(weir_pool_admission(pool), WEIR_DEMAND(.cores = 2), UINT64_MAX, &all)) /* nothing is left */
		return puts(weir_error_text()), 1;
	const uint64_t ms = WEIR_NS_PER_MS;
	if (try(pool, "ends too late", WEIR_DEMAND(.cores = 1, .run_ns = 20 * ms, .deadline_ns = 10 * ms)) !=
		    WEIR_ETIME ||
	    try(pool, "has 10 ms to start", WEIR_DEMAND(.cores = 1, .run_ns = 20 * ms, .deadline_ns = 30 * ms)) !=
		    WEIR_ETIME ||
	    try(pool, "waits for 5 ms", WEIR_DEMAND(.cores = 1, .wait_ns_max = 5 * ms)) != WEIR_ETIME)
		return puts(weir_error_text()), 1;
	return weir_reservation_release(weir_pool_admission(pool), all) ||
	       try(pool, "has room", WEIR_DEMAND(.cores = 1, .deadline_ns = 1000 * ms)) || weir_pool_destroy(pool);
}
