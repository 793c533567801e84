/* SPDX-License-Identifier: MIT */
/* room_full_test.c - a full waiting room while grants are handed on: L5 for QUEUE_FULL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hostile.h"

enum { WAITING_MAX = 48, ROUND = 20000 };

static weir_status count(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add((atomic_int *)argument, 1);
	return WEIR_OK;
}

/* L5. One thread submits, and knows that fewer wait than the room holds: who has begun does not. Fails (WEIR_EFULL) if those who were
 * handed a grant are taken for waiting because they are counted out between two looks. */
static void nobody_is_refused_by_a_room_that_is_not_full(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .workers = 1,
						    .resource_aware = true, .waiting_max = WAITING_MAX));
	weir_group *group = hostile_group(pool);
	atomic_int begun = 0;
	int refused = 0;
	for (int i = 0; i < ROUND;) {
		if (i - atomic_load(&begun) >= WAITING_MAX)
			continue;
		weir_status status = weir_submit(group, count, &begun, WEIR_DEMAND(.cores = 1));
		refused += status == WEIR_EFULL;
		if (status && status != WEIR_EFULL)
			assert_ok(status);
		i += !status;
	}
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	assert_int_equal(refused, 0);
	weir_admission_counts counts = {.size = sizeof(counts)};
	assert_ok(weir_admission_counts_get(weir_pool_admission(pool), &counts));
	assert_in_range(counts.waiting_max_seen, 1, WAITING_MAX);
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_refused_by_a_room_that_is_not_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
