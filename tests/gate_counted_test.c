/* SPDX-License-Identifier: MIT */
/* gate_counted_test.c - Z6 and the deadline rule, where what is held or short is a counted thing: a device of a node, a stock
 * that no node has. It would fail by looking at cores and memory only, or for the stock on the nodes. */
#include "house.h"

static const char one_node[] = "numa:1 core:20 pu:1";

#define MS WEIR_NS_PER_MS

/* Z6. It failed by a second demand that went at BLACK, past one that held the node's device. */
static void a_node_of_which_a_device_is_held_is_not_empty(void **state)
{
	(void)state;
	static const weir_node_limit node[] = {{.counted = {2}}};
	static const weir_reading black = {
		.size = sizeof(black), .known = WEIR_KNOWN_MEMORY_PRESSURE, .pressure[WEIR_STALL_MEMORY].full = 12};
	struct house house;
	build(&house,
	      WEIR_TRACKER_OPTIONS(.machine = one_node,
				   .limits = WEIR_LIMITS(.node = node, .nodes = 1, .counted = {0, 2},
							 .counted_name = {"gpu", "licence"})),
	      (weir_admission_options){0});
	weir_grant gpu = admit(&house, WEIR_DEMAND(.counted = {1}));
	weir_grant licence = admit(&house, WEIR_DEMAND(.counted = {0, 1}));
	assert_int_equal(weir_admission_feed(house.admission, &black), WEIR_OK);
	assert_refused(ask(&house, WEIR_DEMAND(.cores = 1)), WEIR_REJECTED, WEIR_CAUSE_DEGRADED, "under pressure");
	release(&house, gpu);
	release(&house, ask(&house, WEIR_DEMAND(.cores = 1)).grant);
	release(&house, licence);
	pull_down(&house, 4);
}

/* What is spare of a stock counts. It failed by looking for it on the nodes, so that of two that were wanted both seemed to
 * have to come back. */
static void the_deadline_rule_knows_what_is_spare_of_a_stock(void **state)
{
	(void)state;
	struct house house;
	build(&house,
	      WEIR_TRACKER_OPTIONS(.machine = one_node,
				   .limits = WEIR_LIMITS(.counted = {4}, .counted_name = {"licence"})),
	      (weir_admission_options){.rule = WEIR_ADMIT_DEADLINE});
	weir_grant grant[3];
	for (int i = 0; i < 3; i++)
		grant[i] = admit(&house, WEIR_DEMAND(.counted = {1}));
	for (int i = 0; i < 200; i++) {
		now_ns += 10 * MS;
		release(&house, grant[i % 3]);
		assert_int_equal(weir_admission_tick(house.admission, NULL), WEIR_OK);
		grant[i % 3] = admit(&house, WEIR_DEMAND(.counted = {1}));
	}
	/* One is spare, one more comes back in 10 ms. */
	assert_int_equal(ask(&house, WEIR_DEMAND(.counted = {2}, .deadline_ns = 15 * MS)).verdict, WEIR_DEFERRED);
	assert_refused(ask(&house, WEIR_DEMAND(.counted = {4}, .deadline_ns = 15 * MS)), WEIR_REJECTED,
		       WEIR_CAUSE_DEADLINE, "in the time");
	for (int i = 0; i < 3; i++)
		release(&house, grant[i]);
	pull_down(&house, counts_of(&house).asked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_of_which_a_device_is_held_is_not_empty),
		cmocka_unit_test(the_deadline_rule_knows_what_is_spare_of_a_stock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
