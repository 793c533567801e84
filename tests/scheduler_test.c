/* SPDX-License-Identifier: MIT */
/* scheduler_test.c - admission plus workers: placing, dry runs that tell what would be placed, balance and
 * fragmentation. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <weir/scheduler.h>

#include "fixture.h"
#include "private/compiler.h"

#define MIB (UINT64_C(1) << 20)

enum { NODES = 3, CORES = 4, HELD_MAX = 64 };

struct house {
	weir_tracker *tracker;
	weir_admission *admission;
	weir_scheduler *scheduler;
};

static void build(struct house *house, const weir_strategy *strategy, const weir_scheduler_options *options)
{
	const weir_node_limit node[NODES] = {
		{.memory_bytes = 64 * MIB}, {.memory_bytes = 64 * MIB}, {.memory_bytes = 64 * MIB}};
	if (weir_tracker_create(&house->tracker,
				WEIR_TRACKER_OPTIONS(.machine = "numa:3 core:4 pu:1",
						     .limits = WEIR_LIMITS(.node = node, .nodes = NODES))) ||
	    weir_admission_create(&house->admission, house->tracker, WEIR_ADMISSION_OPTIONS(.strategy = strategy)) ||
	    weir_scheduler_create(&house->scheduler, house->admission, options))
		fail_msg("%s", weir_error_text());
}

static void pull_down(struct house *house)
{
	weir_usage usage;
	assert_int_equal(weir_tracker_usage(house->tracker, WEIR_ALL_NODES, &usage), WEIR_OK);
	assert_int_equal(usage.grants, 0);
	assert_int_equal(weir_tracker_audit(house->tracker), WEIR_OK);
	assert_int_equal(weir_admission_destroy(house->admission), WEIR_EBUSY);
	assert_int_equal(weir_scheduler_destroy(house->scheduler), WEIR_OK);
	assert_int_equal(weir_admission_destroy(house->admission), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(house->tracker), WEIR_OK);
}

static weir_placement place(struct house *house, const weir_demand *demand)
{
	weir_placement placement = weir_scheduler_schedule(house->scheduler, demand, NULL, NULL);
	assert_true(placement.decision.allowed);
	return placement;
}

static void finish(struct house *house, const weir_placement *placement)
{
	assert_int_equal(weir_scheduler_finish(house->scheduler, placement), WEIR_OK);
}

/* H1: workers are filled evenly, and what is finished is forgotten: afterwards placing starts at the first again. Fails
 * if finish takes from another worker than schedule gave to. */
static void placements_are_spread_over_workers_and_finished(void **state)
{
	(void)state;
	for (uint32_t workers = 0; workers <= 2; workers += 2) {
		struct house house;
		build(&house, NULL, WEIR_SCHEDULER_OPTIONS(.workers_per_node = workers));
		uint32_t expected = workers ? workers : CORES;
		uint64_t random = fixture_seed("scheduler");
		for (int round = 0; round < 20; round++) {
			weir_placement placed[7];
			for (uint32_t i = 0; i < 7; i++) {
				placed[i] = place(&house, WEIR_DEMAND(.cores = 0.25, .home = WEIR_NODE(1)));
				assert_int_equal(placed[i].decision.node, 1);
				assert_int_equal(placed[i].worker, i % expected);
			}
			for (uint32_t left = 7; left; left--) {
				uint32_t one = (uint32_t)(fixture_random(&random) % left);
				finish(&house, &placed[one]);
				weir_placement again = placed[one];
				assert_int_equal(weir_scheduler_finish(house.scheduler, &again), WEIR_ESTALE);
				placed[one] = placed[left - 1];
			}
		}
		pull_down(&house);
	}
}

enum { TOLD_MAX = 4 };

static weir_placement told[TOLD_MAX];
static uint64_t told_ticket;
static int told_count;

static void tell(uint64_t ticket, const weir_placement *placement, void *context)
{
	assert_ptr_equal(context, &told);
	assert_true(told_count < TOLD_MAX);
	told[told_count++] = *placement;
	told_ticket = ticket;
}

/* What waits is placed when room comes, with a worker; what is cancelled is told so. */
static void a_placement_that_waits_is_told_once(void **state)
{
	(void)state;
	struct house house;
	build(&house, NULL, NULL);
	weir_placement held = place(&house, WEIR_DEMAND(.cores = CORES, .home = WEIR_NODE(2)));
	const weir_demand *only_2 = WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(2), .home_only = true);
	weir_placement deferred = weir_scheduler_schedule(house.scheduler, only_2, NULL, NULL);
	assert_int_equal(deferred.decision.verdict, WEIR_DEFERRED);
	assert_int_equal(deferred.worker, WEIR_NO_WORKER);
	told_count = 0;
	weir_placement first = weir_scheduler_schedule(house.scheduler, only_2, tell, &told);
	weir_placement second = weir_scheduler_schedule(house.scheduler, only_2, tell, &told);
	assert_int_equal(first.decision.verdict, WEIR_QUEUED);
	assert_int_equal(weir_admission_cancel(house.admission, second.decision.ticket), WEIR_OK);
	assert_int_equal(told_count, 1);
	assert_int_equal(told_ticket, second.decision.ticket);
	assert_false(told[0].decision.allowed);
	assert_int_equal(told[0].decision.grant.handle, 0);
	/* A scheduler could go while its placement waited, and the controller under a scheduler: both were then called
	 * again. */
	assert_int_equal(weir_scheduler_destroy(house.scheduler), WEIR_EBUSY);
	finish(&house, &held);
	assert_int_equal(told_count, 2);
	assert_int_equal(told_ticket, first.decision.ticket);
	assert_true(told[1].decision.allowed && told[1].decision.node == 2 && told[1].worker < CORES);
	finish(&house, &told[1]);
	pull_down(&house);
}

/* Fails if a dry run takes anything, or if it names another node or worker than the placement that follows it. */
static void a_dry_run_takes_nothing_and_says_what_would_be(void **state)
{
	(void)state;
	static const weir_strategy *const *const all[] = {&WEIR_FIRST_FIT, &WEIR_BEST_FIT, &WEIR_WORST_FIT};
	uint64_t random = fixture_seed("dry run");
	for (int s = 0; s < 3; s++) {
		struct house house;
		build(&house, *all[s], NULL);
		weir_placement held[HELD_MAX];
		uint32_t count = 0;
		for (int i = 0; i < 3000; i++) {
			uint64_t r = fixture_random(&random);
			if (count == HELD_MAX || (count && r % 3 == 0)) {
				uint32_t one = (uint32_t)(r >> 8) % count;
				finish(&house, &held[one]);
				held[one] = held[--count];
				continue;
			}
			const weir_demand *demand = WEIR_DEMAND(.cores = (double)(r >> 8 & 7) / 2,
								.memory_bytes = 1 + (r >> 16) % (40 * MIB),
								.home = (uint32_t)(r >> 50) % (NODES + 1));
			weir_usage before, after;
			weir_selection selection;
			weir_node_score scores[NODES];
			assert_int_equal(weir_tracker_usage(house.tracker, WEIR_ALL_NODES, &before), WEIR_OK);
			assert_int_equal(weir_scheduler_select(house.scheduler, demand, &selection, scores, NODES),
					 WEIR_OK);
			assert_int_equal(weir_tracker_usage(house.tracker, WEIR_ALL_NODES, &after), WEIR_OK);
			assert_memory_equal(&before, &after, sizeof(before));
			bool room = false;
			for (uint32_t n = 0; n < NODES; n++) {
				room |= scores[n].fits;
				assert_int_equal(scores[n].fits, scores[n].short_resources == 0);
				assert_true(!scores[n].fits || scores[n].score <= scores[selection.node].score);
			}
			assert_int_equal(selection.fits, room);
			assert_true(room ? selection.cause == WEIR_CAUSE_NONE
					 : selection.cause == WEIR_CAUSE_SHORT ||
						   selection.cause == WEIR_CAUSE_FRAGMENTED);
			weir_placement placement = weir_scheduler_schedule(house.scheduler, demand, NULL, NULL);
			assert_int_equal(placement.decision.allowed, room);
			if (room) {
				assert_int_equal(placement.decision.node, selection.node);
				assert_int_equal(placement.worker, selection.worker);
				held[count++] = placement;
			}
		}
		while (count)
			finish(&house, &held[--count]);
		pull_down(&house);
	}
}

static void a_dry_run_shows_every_node(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_BEST_FIT, NULL);
	weir_placement a = place(&house, WEIR_DEMAND(.cores = 3, .home = WEIR_NODE(0), .home_only = true));
	weir_placement b =
		place(&house, WEIR_DEMAND(.memory_bytes = 60 * MIB, .home = WEIR_NODE(1), .home_only = true));
	weir_selection selection;
	weir_node_score scores[NODES + 1];
	const weir_demand *demand = WEIR_DEMAND(.cores = 2, .memory_bytes = 8 * MIB);
	assert_int_equal(weir_scheduler_select(house.scheduler, demand, &selection, scores, NODES + 1), WEIR_OK);
	assert_true(selection.fits && selection.node == 2 && selection.worker == 0);
	assert_int_equal(scores[0].short_resources, 1u << WEIR_CPU);
	assert_int_equal(scores[1].short_resources, 1u << WEIR_MEMORY);
	assert_int_equal(scores[2].short_resources, 0);
	assert_false(scores[0].fits || scores[1].fits);
	/* Permitted, but full: still named, and why. */
	demand = WEIR_DEMAND(.cores = 2, .home = WEIR_NODE(0), .home_only = true);
	assert_int_equal(weir_scheduler_select(house.scheduler, demand, &selection, scores, NODES), WEIR_OK);
	assert_true(!selection.fits && selection.node == 0 && selection.cause == WEIR_CAUSE_SHORT);
	assert_true(scores[1].score == WEIR_SCORE_NEVER && scores[2].score == WEIR_SCORE_NEVER);
	assert_true(scores[0].distance == 10 && scores[1].distance > 10 && scores[2].distance > 10);
	/* Room that is there, but kept for higher classes: 15 % of 64 MiB. A dry run that forgets the floor says that
	 * it fits. */
	assert_int_equal(weir_admission_set_rule(house.admission, WEIR_ADMIT_WATERMARK), WEIR_OK);
	weir_placement c = place(&house, WEIR_DEMAND(.memory_bytes = MIB, .home = WEIR_NODE(2), .home_only = true));
	demand = WEIR_DEMAND(.memory_bytes = 60 * MIB, .task_class = WEIR_BEST_EFFORT, .home = WEIR_NODE(2),
			     .home_only = true);
	assert_int_equal(weir_scheduler_select(house.scheduler, demand, &selection, scores, NODES), WEIR_OK);
	assert_true(!selection.fits && selection.cause == WEIR_CAUSE_CLASS_FLOOR);
	finish(&house, &c);
	assert_int_equal(weir_admission_set_rule(house.admission, WEIR_ADMIT_HARD), WEIR_OK);
	/* Never. */
	demand = WEIR_DEMAND(.cores = 5);
	assert_int_equal(weir_scheduler_select(house.scheduler, demand, &selection, scores, NODES), WEIR_EINFEASIBLE);
	assert_int_equal(selection.cause, WEIR_CAUSE_INFEASIBLE);
	for (int n = 0; n < NODES; n++)
		assert_true(scores[n].score == WEIR_SCORE_NEVER && !scores[n].fits);
	finish(&house, &a);
	finish(&house, &b);
	pull_down(&house);
}

/* 1 - largest / sum of what is spare, for the resource where that is most. */
static void fragmentation_says_how_scattered_the_room_is(void **state)
{
	(void)state;
	struct house house;
	build(&house, NULL, NULL);
	assert_true(fabs(weir_scheduler_fragmentation(house.scheduler) - 2.0 / 3) < 1e-9);
	weir_placement held[NODES];
	for (uint32_t n = 0; n < 2; n++)
		held[n] = place(&house, WEIR_DEMAND(.cores = CORES, .memory_bytes = 64 * MIB, .home = WEIR_NODE(n)));
	assert_true(weir_scheduler_fragmentation(house.scheduler) == 0);
	/* 2 spare cores on each of two nodes. */
	held[2] = place(&house, WEIR_DEMAND(.cores = 2, .home = WEIR_NODE(2)));
	finish(&house, &held[0]);
	held[0] = place(&house, WEIR_DEMAND(.cores = 2, .memory_bytes = 64 * MIB, .home = WEIR_NODE(0)));
	assert_true(fabs(weir_scheduler_fragmentation(house.scheduler) - 0.5) < 1e-9);
	for (int n = 0; n < NODES; n++)
		finish(&house, &held[n]);
	assert_true(weir_scheduler_fragmentation(NULL) == 0);
	pull_down(&house);
}

static uint32_t forbidden = NODES;

static int64_t all_but_one(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	(void)demand;
	(void)snapshot;
	(void)context;
	return node == forbidden ? WEIR_SCORE_NEVER : 0;
}

/* A strategy that changes its mind behind our back: the next look starts what it permits now. */
static void rebalance_looks_again_at_all_that_waits(void **state)
{
	(void)state;
	static const weir_strategy moody = {.score = all_but_one, .name = "moody"};
	struct house house;
	build(&house, &moody, NULL);
	weir_rebalance_report report;
	assert_int_equal(weir_scheduler_rebalance(house.scheduler, &report), WEIR_OK);
	assert_true(report.utilisation_gap == 0 && report.waiting == 0 && report.started == 0);
	forbidden = 2;
	weir_placement a = place(&house, WEIR_DEMAND(.cores = CORES)), b = place(&house, WEIR_DEMAND(.cores = CORES));
	told_count = 0;
	for (int i = 0; i < 3; i++)
		assert_int_equal(
			weir_scheduler_schedule(house.scheduler, WEIR_DEMAND(.cores = 2), tell, &told).decision.verdict,
			WEIR_QUEUED);
	forbidden = NODES;
	assert_int_equal(weir_scheduler_rebalance(house.scheduler, &report), WEIR_OK);
	assert_true(report.utilisation_gap == 1);
	assert_int_equal(report.waiting, 3);
	assert_int_equal(report.started, 2);
	assert_int_equal(told_count, 2);
	assert_true(told[0].decision.node == 2 && told[1].decision.node == 2);
	finish(&house, &a);
	assert_int_equal(told_count, 3);
	for (int i = 0; i < 3; i++)
		finish(&house, &told[i]);
	finish(&house, &b);
	pull_down(&house);
}

static void wrong_calls_are_named(void **state)
{
	(void)state;
	struct house house;
	build(&house, NULL, NULL);
	weir_scheduler *scheduler;
	assert_int_equal(weir_scheduler_create(&scheduler, NULL, NULL), WEIR_EINVAL);
	assert_null(scheduler);
	assert_int_equal(weir_scheduler_create(NULL, house.admission, NULL), WEIR_EINVAL);
	assert_int_equal(weir_scheduler_create(&scheduler, house.admission, &(weir_scheduler_options){.size = 1}),
			 WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "options.size is 1"));
	/* So many that their number on all nodes would be another one. */
	assert_int_equal(weir_scheduler_create(&scheduler, house.admission, WEIR_SCHEDULER_OPTIONS(.workers_per_node = UINT32_MAX)),
			 WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "options.workers_per_node is 4294967295"));
	weir_selection selection;
	weir_node_score scores[NODES];
	assert_int_equal(weir_scheduler_select(NULL, WEIR_DEMAND(.cores = 1), &selection, NULL, 0), WEIR_EINVAL);
	assert_int_equal(weir_scheduler_select(house.scheduler, WEIR_DEMAND(.cores = 1), NULL, NULL, 0), WEIR_EINVAL);
	assert_int_equal(weir_scheduler_select(house.scheduler, NULL, &selection, NULL, 0), WEIR_EINVAL);
	assert_int_equal(weir_scheduler_select(house.scheduler, WEIR_DEMAND(.cores = 1), &selection, scores, 2),
			 WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "nodes is 2: the machine has 3"));
	assert_int_equal(weir_scheduler_schedule(NULL, WEIR_DEMAND(.cores = 1), NULL, NULL).decision.cause,
			 WEIR_CAUSE_INVALID);
	assert_int_equal(weir_scheduler_schedule(house.scheduler, NULL, tell, NULL).decision.cause, WEIR_CAUSE_INVALID);
	weir_placement wrong = {.decision.node = NODES, .worker = 0};
	assert_int_equal(weir_scheduler_finish(house.scheduler, &wrong), WEIR_EINVAL);
	assert_int_equal(weir_scheduler_finish(house.scheduler, NULL), WEIR_EINVAL);
	assert_int_equal(weir_scheduler_rebalance(house.scheduler, NULL), WEIR_EINVAL);
	assert_ptr_equal(weir_scheduler_admission(house.scheduler), house.admission);
	assert_int_equal(weir_scheduler_destroy(NULL), WEIR_OK);
	pull_down(&house);
}

/* No node has the room, all together do: another cause than room that is not there. */
static void a_dry_run_tells_scattered_room_from_none(void **state)
{
	(void)state;
	struct house house;
	build(&house, WEIR_FIRST_FIT, NULL);
	weir_placement held[NODES];
	for (uint32_t n = 0; n < NODES; n++)
		held[n] = place(&house, WEIR_DEMAND(.cores = CORES - 1, .home = WEIR_NODE(n), .home_only = true));
	weir_selection selection;
	weir_node_score scores[NODES];
	assert_int_equal(weir_scheduler_select(house.scheduler, WEIR_DEMAND(.cores = 2), &selection, scores, NODES),
			 WEIR_OK);
	assert_false(selection.fits);
	assert_int_equal(selection.cause, WEIR_CAUSE_FRAGMENTED);
	for (uint32_t n = 0; n < NODES; n++)
		assert_int_equal(scores[n].cause, WEIR_CAUSE_SHORT);
	const weir_demand *there = WEIR_DEMAND(.cores = 2, .home = WEIR_NODE(1), .home_only = true);
	assert_int_equal(weir_scheduler_select(house.scheduler, there, &selection, NULL, 0), WEIR_OK);
	assert_int_equal(selection.cause, WEIR_CAUSE_SHORT);
	weir_placement last[NODES];
	for (uint32_t n = 0; n < NODES; n++)
		last[n] = place(&house, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(n), .home_only = true));
	assert_int_equal(weir_scheduler_select(house.scheduler, WEIR_DEMAND(.cores = 2), &selection, NULL, 0), WEIR_OK);
	assert_int_equal(selection.cause, WEIR_CAUSE_SHORT);
	for (uint32_t n = 0; n < NODES; n++) {
		finish(&house, &held[n]);
		finish(&house, &last[n]);
	}
	pull_down(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placements_are_spread_over_workers_and_finished),
		cmocka_unit_test(a_placement_that_waits_is_told_once),
		cmocka_unit_test(a_dry_run_takes_nothing_and_says_what_would_be),
		cmocka_unit_test(a_dry_run_shows_every_node),
		cmocka_unit_test(a_dry_run_tells_scattered_room_from_none),
		cmocka_unit_test(fragmentation_says_how_scattered_the_room_is),
		cmocka_unit_test(rebalance_looks_again_at_all_that_waits),
		cmocka_unit_test(wrong_calls_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
