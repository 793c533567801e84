/* SPDX-License-Identifier: MIT */
/* hostile_tracker_test.c - a tracker in wrong hands: every misuse has its status and a text that names it, and takes
 * nothing (L2 after each test). It would fail by a wrong status, a text that says something else, or room that is lost.
 */
#include "hostile.h"

#include <math.h>

#define MIB ((uint64_t)1 << 20)

static weir_tracker *make(const char *machine, const weir_limits *limits)
{
	weir_tracker *tracker;
	assert_ok(weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = machine, .limits = limits)));
	return tracker;
}

static int setup(void **state)
{
	static const weir_node_limit node[2] = {{.cores = 2, .memory_bytes = 64 * MIB, .counted = {2}},
						{.cores = 2, .memory_bytes = 64 * MIB, .counted = {2}}};
	*state = make("numa:2 core:2 pu:1", WEIR_LIMITS(.memory_bytes = 100 * MIB, .counted = {0, 3},
							.counted_name = {"gpu", "licence"}, .node = node, .nodes = 2));
	return 0;
}

static int teardown(void **state)
{
	weir_tracker *tracker = *state;
	weir_usage usage;
	if (weir_tracker_audit(tracker) || weir_tracker_usage(tracker, WEIR_ALL_NODES, &usage) || usage.grants ||
	    usage.held.cores > 0 || usage.held.memory_bytes) {
		print_error("something was left behind: %s\n", weir_error_text());
		return -1;
	}
	return weir_tracker_destroy(tracker) == WEIR_OK ? 0 : -1;
}

static void a_second_release_is_refused_and_gives_nothing(void **state)
{
	weir_tracker *tracker = *state;
	weir_grant grant;
	assert_ok(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 1), &grant, NULL));
	assert_ok(weir_tracker_give(tracker, grant));
	assert_error(weir_tracker_give(tracker, grant), WEIR_ESTALE, "given back before");
	assert_error(weir_tracker_give(tracker, (weir_grant){0}), WEIR_ESTALE, "never taken");
	assert_error(weir_tracker_give(tracker, (weir_grant){UINT64_MAX}), WEIR_ESTALE, "0xffffffffffffffff");
	assert_ok(weir_tracker_allocate(tracker, "a", WEIR_DEMAND(.cores = 1), NULL));
	assert_ok(weir_tracker_release(tracker, "a"));
	assert_error(weir_tracker_release(tracker, "a"), WEIR_ENOENT, "a");
}

static void a_stale_handle_is_not_taken_for_the_grant_that_has_its_slot_now(void **state)
{
	weir_tracker *tracker = *state;
	weir_grant old, grant;
	weir_allocation allocation;
	assert_ok(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 1), &old, NULL));
	assert_ok(weir_tracker_give(tracker, old));
	uint64_t slot_mask = ((uint64_t)1 << 24) - 1;
	bool reused = false;
	for (int i = 0; i < 100; i++) {
		assert_ok(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 1), &grant, NULL));
		assert_int_not_equal(grant.handle, old.handle);
		reused |= (grant.handle & slot_mask) == (old.handle & slot_mask) ||
			  grant.handle >> 40 == old.handle >> 40;
		assert_error(weir_tracker_give(tracker, old), WEIR_ESTALE, "is not live");
		assert_error(weir_tracker_look(tracker, old, &allocation), WEIR_ESTALE, "is not live");
		assert_ok(weir_tracker_look(tracker, grant, &allocation));
		assert_ok(weir_tracker_give(tracker, grant));
	}
	assert_true(reused);
}

static void an_id_is_known_only_while_it_holds_something(void **state)
{
	weir_tracker *tracker = *state;
	weir_allocation allocation;
	assert_error(weir_tracker_release(tracker, "nobody"), WEIR_ENOENT, "nobody");
	assert_error(weir_tracker_find(tracker, "nobody", &allocation), WEIR_ENOENT, "nobody");
	assert_ok(weir_tracker_allocate(tracker, "x", WEIR_DEMAND(.cores = 1), NULL));
	assert_error(weir_tracker_allocate(tracker, "x", WEIR_DEMAND(.cores = 1), NULL), WEIR_EEXIST, "x");
	assert_ok(weir_tracker_find(tracker, "x", &allocation));
	/* By its handle, past its name. */
	assert_ok(weir_tracker_give(tracker, allocation.grant));
	assert_error(weir_tracker_release(tracker, "x"), WEIR_ENOENT, "x");
	assert_error(weir_tracker_allocate(tracker, NULL, WEIR_DEMAND(.cores = 1), NULL), WEIR_EINVAL, "id");
	assert_error(weir_tracker_allocate(tracker, "", WEIR_DEMAND(.cores = 1), NULL), WEIR_EINVAL, "id");
	char longer[WEIR_ID_MAX + 2];
	memset(longer, 'i', sizeof(longer));
	longer[WEIR_ID_MAX + 1] = '\0';
	assert_error(weir_tracker_allocate(tracker, longer, WEIR_DEMAND(.cores = 1), NULL), WEIR_EINVAL, "id");
	/* A name whose demand was refused is free again. */
	assert_error(weir_tracker_allocate(tracker, "y", WEIR_DEMAND(.cores = 3), NULL), WEIR_EINFEASIBLE, "CPU");
	assert_ok(weir_tracker_allocate(tracker, "y", WEIR_DEMAND(.cores = 1), NULL));
	assert_ok(weir_tracker_release(tracker, "y"));
}

/* Each demand with what is said of it. */
static void a_demand_that_is_wrong_or_never_fits_is_named(void **state)
{
	weir_tracker *tracker = *state;
	const struct {
		const weir_demand *demand;
		weir_status status;
		const char *word;
	} cases[] = {
		{WEIR_DEMAND(.cores = 0), WEIR_EINVAL, "asks for nothing"},
		{WEIR_DEMAND(.cores = 3), WEIR_EINFEASIBLE, "CPU demanded is more than the limit of any node"},
		{WEIR_DEMAND(.memory_bytes = 80 * MIB), WEIR_EINFEASIBLE, "memory"},
		{WEIR_DEMAND(.memory_bytes = 101 * MIB), WEIR_EINFEASIBLE, "memory"},
		{WEIR_DEMAND(.memory_bytes = UINT64_MAX), WEIR_EINFEASIBLE, "memory"},
		{WEIR_DEMAND(.memory_bytes = UINT64_MAX - 4095), WEIR_EINFEASIBLE, "memory"},
		{WEIR_DEMAND(.cores = 1e300), WEIR_EINFEASIBLE, "1e+300 cores where 2 cores are the most"},
		{WEIR_DEMAND(.cores = 1e10, .memory_bytes = UINT64_MAX), WEIR_EINFEASIBLE, "demanded"},
		{WEIR_DEMAND(.counted = {3}), WEIR_EINFEASIBLE, "gpu demanded is more than the limit of any node"},
		{WEIR_DEMAND(.counted = {UINT64_MAX}), WEIR_EINFEASIBLE, "gpu"},
		{WEIR_DEMAND(.counted = {0, 4}), WEIR_EINFEASIBLE,
		 "licence demanded is more than the limit of all nodes"},
		{WEIR_DEMAND(.cores = (double)NAN), WEIR_EINVAL, "demand.cores"},
		{WEIR_DEMAND(.cores = (double)INFINITY), WEIR_EINVAL, "demand.cores"},
		{WEIR_DEMAND(.cores = -1), WEIR_EINVAL, "demand.cores is -1"},
		{WEIR_DEMAND(.counted = {[2] = 1}), WEIR_EINVAL, "demand.counted[2]"},
		{WEIR_DEMAND(.bandwidth_bytes_s = 1), WEIR_EINVAL, "demand.bandwidth_bytes_s"},
		{WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(2)), WEIR_EINVAL, "demand.home is WEIR_NODE(2)"},
		{WEIR_DEMAND(.cores = 1, .home = UINT32_MAX), WEIR_EINVAL, "demand.home"},
		{WEIR_DEMAND(.cores = 1, .home_only = true), WEIR_EINVAL, "demand.home_only"},
		{WEIR_DEMAND(.cores = 1, .task_class = (weir_class)9), WEIR_EINVAL, "demand.task_class is 9"},
		{WEIR_DEMAND(.cores = 1, .when_short = (weir_when_short)-1), WEIR_EINVAL, "demand.when_short"},
		{&(weir_demand){.cores = 1}, WEIR_EINVAL, "demand.size is 0"},
		{&(weir_demand){.size = 8, .cores = 1}, WEIR_EINVAL, "demand.size is 8"},
		{NULL, WEIR_EINVAL, "demand is NULL"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		weir_grant grant = {7};
		weir_packed packed;
		assert_error(weir_tracker_take(tracker, cases[i].demand, &grant, NULL), cases[i].status, cases[i].word);
		assert_int_equal(grant.handle, 0);
		assert_error(weir_tracker_allocate(tracker, "id", cases[i].demand, NULL), cases[i].status,
			     cases[i].word);
		assert_error(weir_tracker_pack(tracker, cases[i].demand, &packed), cases[i].status, cases[i].word);
		assert_false(weir_tracker_can_allocate(tracker, cases[i].demand));
		assert_true(has_word(weir_error_text(), cases[i].word));
	}
}

static void a_total_below_the_nodes_is_what_makes_a_demand_infeasible(void **state)
{
	(void)state;
	weir_tracker *tracker = make("numa:2 core:2 pu:1", WEIR_LIMITS(.cores = 1.5));
	weir_grant grant;
	assert_error(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 1.75), &grant, NULL), WEIR_EINFEASIBLE, "CPU");
	assert_ok(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 1.5, .home = WEIR_NODE(1)), &grant, NULL));
	weir_grant second;
	assert_error(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 1), &second, NULL), WEIR_EAGAIN,
		     "CPU is short in all");
	assert_ok(weir_tracker_give(tracker, grant));
	assert_ok(weir_tracker_destroy(tracker));
}

static void memory_alone_fits_while_the_cores_are_all_taken(void **state)
{
	weir_tracker *tracker = *state;
	weir_grant cpu[2], memory, other;
	for (int n = 0; n < 2; n++)
		assert_ok(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 2), &cpu[n], NULL));
	assert_error(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 1), &other, NULL), WEIR_EAGAIN,
		     "CPU is short on node 0");
	assert_ok(weir_tracker_take(tracker, WEIR_DEMAND(.memory_bytes = 64 * MIB), &memory, NULL));
	assert_ok(weir_tracker_give(tracker, memory));
	for (int n = 0; n < 2; n++)
		assert_ok(weir_tracker_give(tracker, cpu[n]));
}

static void null_and_odd_arguments_are_refused(void **state)
{
	weir_tracker *tracker = *state;
	weir_grant grant = {0};
	weir_packed packed = {{0}};
	weir_usage usage;
	weir_allocation allocation;
	const weir_demand *one = WEIR_DEMAND(.cores = 1);
	assert_error(weir_tracker_create(NULL, NULL), WEIR_EINVAL, "out is NULL");
	assert_error(weir_tracker_take(NULL, one, &grant, NULL), WEIR_EINVAL, "tracker is NULL");
	assert_error(weir_tracker_take(tracker, one, NULL, NULL), WEIR_EINVAL, "out is NULL");
	assert_error(weir_tracker_give(NULL, grant), WEIR_EINVAL, "tracker is NULL");
	assert_error(weir_tracker_allocate(NULL, "a", one, NULL), WEIR_EINVAL, "tracker is NULL");
	assert_error(weir_tracker_release(NULL, "a"), WEIR_EINVAL, "tracker is NULL");
	assert_error(weir_tracker_release(tracker, NULL), WEIR_EINVAL, "id");
	assert_error(weir_tracker_find(tracker, "a", NULL), WEIR_EINVAL, "out is NULL");
	assert_error(weir_tracker_look(tracker, grant, NULL), WEIR_EINVAL, "out is NULL");
	assert_error(weir_tracker_look(tracker, grant, &allocation), WEIR_ESTALE, "grant 0");
	assert_error(weir_tracker_pack(tracker, one, NULL), WEIR_EINVAL, "out is NULL");
	assert_error(weir_tracker_take_packed(NULL, &packed, &grant, NULL), WEIR_EINVAL, "tracker");
	assert_error(weir_tracker_take_packed(tracker, NULL, &grant, NULL), WEIR_EINVAL, "packed");
	assert_error(weir_tracker_take_packed(tracker, &packed, NULL, NULL), WEIR_EINVAL, "out");
	assert_error(weir_tracker_take_packed(tracker, &packed, &grant, NULL), WEIR_EINVAL, "weir_tracker_pack");
	assert_error(weir_tracker_usage(tracker, 2, &usage), WEIR_EINVAL, "node is 2");
	assert_error(weir_tracker_usage(tracker, 0, NULL), WEIR_EINVAL, "out is NULL");
	assert_error(weir_tracker_audit(NULL), WEIR_EINVAL, "tracker is NULL");
	assert_false(weir_tracker_can_allocate(NULL, one));
	weir_tracker_each(NULL, NULL, NULL);
	weir_tracker_units(NULL, NULL, NULL, NULL);
	assert_null(weir_tracker_machine(NULL));
	assert_ok(weir_tracker_destroy(NULL));
}

static void a_packed_demand_of_another_tracker_takes_nothing_that_is_not_there(void **state)
{
	weir_tracker *tracker = *state;
	weir_tracker *larger = make("numa:8 core:8 pu:1", NULL);
	weir_packed packed;
	weir_grant grant;
	assert_ok(weir_tracker_pack(larger, WEIR_DEMAND(.cores = 8, .home = WEIR_NODE(7), .home_only = true), &packed));
	assert_error(weir_tracker_take_packed(tracker, &packed, &grant, NULL), WEIR_EINVAL, "another tracker");
	assert_ok(weir_tracker_destroy(larger));
}

static void a_tracker_with_wrong_options_is_not_made(void **state)
{
	(void)state;
	static const weir_node_limit three[3];
	static const weir_node_limit infinite[1] = {{.cores = (double)INFINITY}};
	static const weir_node_limit much[1] = {{.memory_bytes = UINT64_MAX - 1}};
	static const weir_node_limit unnamed[1] = {{.counted = {1}}};
	const struct {
		const weir_tracker_options *options;
		const char *word;
	} cases[] = {
		{&(weir_tracker_options){.size = 1}, "options.size is 1"},
		{WEIR_TRACKER_OPTIONS(.grants_max = 1 << 24), "options.grants_max is 16777216"},
		{WEIR_TRACKER_OPTIONS(.machine = "nonsense"), "nonsense"},
		{WEIR_TRACKER_OPTIONS(.limits = &(weir_limits){.cores = 1}), "limits.size is 0"},
		{WEIR_TRACKER_OPTIONS(.limits = WEIR_LIMITS(.cores = -1)), "limits.cores is -1"},
		{WEIR_TRACKER_OPTIONS(.limits = WEIR_LIMITS(.cores = (double)NAN)), "limits.cores"},
		{WEIR_TRACKER_OPTIONS(.limits = WEIR_LIMITS(.memory_bytes = UINT64_MAX - 1)), "limits.memory_bytes"},
		{WEIR_TRACKER_OPTIONS(.limits = WEIR_LIMITS(.counted = {1})), "limits.counted_name[0]"},
		{WEIR_TRACKER_OPTIONS(
				 .limits = WEIR_LIMITS(.counted_name = {"0123456789012345678901234567890123456789"})),
		 "31"},
		{WEIR_TRACKER_OPTIONS(.limits = WEIR_LIMITS(.nodes = 1)), "limits.nodes is 1"},
		{WEIR_TRACKER_OPTIONS(.limits = WEIR_LIMITS(.node = three, .nodes = 3)), "limits.nodes is 3"},
		{WEIR_TRACKER_OPTIONS(.limits = WEIR_LIMITS(.node = infinite, .nodes = 1)), "limits.node[0].cores"},
		{WEIR_TRACKER_OPTIONS(.limits = WEIR_LIMITS(.node = much, .nodes = 1)), "limits.node[0].memory_bytes"},
		{WEIR_TRACKER_OPTIONS(.limits = WEIR_LIMITS(.node = unnamed, .nodes = 1)), "limits.counted_name[0]"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		weir_tracker_options options = *cases[i].options;
		if (!options.machine)
			options.machine = "numa:2 core:2 pu:1";
		weir_tracker *tracker = (weir_tracker *)&options;
		assert_error(weir_tracker_create(&tracker, &options), WEIR_EINVAL, cases[i].word);
		assert_null(tracker);
	}
	weir_tracker *tracker;
	assert_error(weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = "/no/such.xml")), WEIR_ENOENT,
		     "/no/such.xml");
}

static void the_most_grants_are_reached_and_come_back(void **state)
{
	(void)state;
	weir_tracker *tracker;
	weir_grant grant[9];
	assert_ok(
		weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:8 pu:1", .grants_max = 8)));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 8; i++)
			assert_ok(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 0.5), &grant[i], NULL));
		assert_error(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 0.5), &grant[8], NULL), WEIR_EFULL,
			     "options.grants_max is 8");
		assert_ok(weir_tracker_audit(tracker));
		for (int i = 0; i < 8; i++)
			assert_ok(weir_tracker_give(tracker, grant[i]));
	}
	assert_ok(weir_tracker_destroy(tracker));
}

static bool give_it(const weir_allocation *allocation, void *context)
{
	return weir_tracker_give(context, allocation->grant) == WEIR_OK;
}

static void a_walk_may_release_what_it_is_shown(void **state)
{
	weir_tracker *tracker = *state;
	for (int i = 0; i < 4; i++) {
		char id[32];
		snprintf(id, sizeof(id), "id%d", i);
		assert_ok(weir_tracker_allocate(tracker, id, WEIR_DEMAND(.cores = 1), NULL));
	}
	weir_tracker_each(tracker, give_it, tracker);
	assert_error(weir_tracker_release(tracker, "id0"), WEIR_ENOENT, "id0");
}

#define with_tracker(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		with_tracker(a_second_release_is_refused_and_gives_nothing),
		with_tracker(a_stale_handle_is_not_taken_for_the_grant_that_has_its_slot_now),
		with_tracker(an_id_is_known_only_while_it_holds_something),
		with_tracker(a_demand_that_is_wrong_or_never_fits_is_named),
		cmocka_unit_test(a_total_below_the_nodes_is_what_makes_a_demand_infeasible),
		with_tracker(memory_alone_fits_while_the_cores_are_all_taken),
		with_tracker(null_and_odd_arguments_are_refused),
		with_tracker(a_packed_demand_of_another_tracker_takes_nothing_that_is_not_there),
		cmocka_unit_test(a_tracker_with_wrong_options_is_not_made),
		cmocka_unit_test(the_most_grants_are_reached_and_come_back),
		with_tracker(a_walk_may_release_what_it_is_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
