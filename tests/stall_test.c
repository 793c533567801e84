/* SPDX-License-Identifier: MIT */
/*
 * stall_test.c - U3: when demands have waited for a second on end the log says once what is short and who has it. Fails if it
 * is said for a room that empties in between, twice for one that does not, or without the resource and its holder.
 */
#include "house.h"

#include <weir/log.h>

static uint32_t lines;
static char last[1024];

static void hear(weir_log_level level, const char *line, void *context)
{
	(void)context;
	if (level != WEIR_LOG_WARN || !strstr(line, "the room has been full"))
		return;
	lines++;
	snprintf(last, sizeof(last), "%s", line);
}

/* Time goes on, and everything that is due is done. */
static void pass(struct house *house, uint64_t ns)
{
	uint64_t until_ns = now_ns + ns, next_ns = 0;
	for (;;) {
		assert_int_equal(weir_admission_tick(house->admission, &next_ns), WEIR_OK);
		if (next_ns > until_ns)
			break;
		now_ns = next_ns;
	}
	now_ns = until_ns;
}

static uint64_t stalls(const struct house *house)
{
	return counts_of(house).stalls;
}

static void a_room_that_stays_full_is_told_once_with_its_bottleneck(void **state)
{
	(void)state;
	struct house house;
	lines = 0;
	build(&house, WEIR_TRACKER_OPTIONS(.machine = two_nodes, .limits = WEIR_LIMITS(.memory_bytes = 64 * MIB)),
	      (weir_admission_options){0});
	assert_int_equal(weir_log_set(WEIR_LOG_WARN, hear, NULL, 1000), WEIR_OK);
	weir_grant all = admit(&house, WEIR_DEMAND(.memory_bytes = 64 * MIB));
	(void)queue(&house, WEIR_DEMAND(.memory_bytes = 4 * MIB, .home = WEIR_NODE(1)), NULL);
	pass(&house, 900 * WEIR_NS_PER_MS);
	assert_int_equal(stalls(&house), 0);
	/* It empties, and somebody waits anew. */
	release(&house, all);
	release(&house, told[told_count - 1].grant);
	pass(&house, 300 * WEIR_NS_PER_MS);
	all = admit(&house, WEIR_DEMAND(.memory_bytes = 64 * MIB));
	(void)queue(&house, WEIR_DEMAND(.memory_bytes = 4 * MIB), NULL);
	pass(&house, 900 * WEIR_NS_PER_MS);
	assert_int_equal(lines, 0);
	pass(&house, 5 * WEIR_NS_PER_S);
	assert_int_equal(weir_log_set(WEIR_LOG_OFF, NULL, NULL, 0), WEIR_OK);
	assert_int_equal(lines, 1);
	assert_int_equal(stalls(&house), 1);
	assert_non_null(strstr(last, "1 demands wait"));
	assert_non_null(strstr(last, "memory by 4194304 B"));
	assert_non_null(strstr(last, "(memory 67108864 B)"));
	release(&house, all);
	release(&house, told[told_count - 1].grant);
	pull_down(&house, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_room_that_stays_full_is_told_once_with_its_bottleneck)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
