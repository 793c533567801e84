/* SPDX-License-Identifier: MIT */
/* hands_claim_test.c - those in hands, and whom room is kept for: O1, O2, H2. The clock moves when a test says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hostile.h"
#include "runtime/pool.h"

enum { SMALL = 8, MANY = 600, LOWER = 8, AGING = 8 };

static atomic_ullong now_ns;

static uint64_t as_told(void *context)
{
	(void)context;
	return atomic_load(&now_ns);
}

/* Two that stay on the two cores, and behind them one more, and small ones. */
struct tasks {
	struct gate first, second, last;
	atomic_int small;
};

static void fill_both_cores(weir_group *group, struct tasks *tasks)
{
	assert_ok(weir_submit(group, stay, &tasks->first, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_submit(group, stay, &tasks->second, WEIR_DEMAND(.cores = 1)));
	await(&tasks->first.there, 1);
	await(&tasks->second.there, 1);
	assert_ok(weir_submit(group, stay, &tasks->last, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < SMALL; i++)
		assert_ok(weir_submit(group, count_up, &tasks->small, WEIR_DEMAND(.cores = 1)));
}

/* O1, H2. A look for what was given back leaves those in hands there, and finds somebody late, who claims: he has aged, so his claim
 * binds them. Fails if they are handed what is kept for him. */
static void who_claims_is_not_passed_out_of_a_hand(void **state)
{
	(void)state;
	atomic_store(&now_ns, 1000);
	weir_pool *pool =
		hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .workers = 2, .resource_aware = true,
					  .clock = {.now_ns = as_told},
					  .admission_options = WEIR_ADMISSION_OPTIONS(.overtaken_ns_max = 1000,
										      .aging_ns_max = 1000)));
	weir_admission *admission = weir_pool_admission(pool);
	weir_group *group = hostile_group(pool);
	struct tasks tasks = {0};
	struct gate large = {0};
	fill_both_cores(group, &tasks);
	assert_ok(weir_submit(group, stay, &large, WEIR_DEMAND(.cores = 2, .task_class = WEIR_BEST_EFFORT)));
	atomic_store(&tasks.first.open, 1);
	await(&tasks.last.there, 1);
	assert_true(admission->hands_filled > 0);
	atomic_fetch_add(&now_ns, 100000);
	struct batch batch;
	batch_init(&batch);
	admission_settle_rest(admission, &batch, KICK_GIVEN);
	assert_non_null(admission->claimant);
	atomic_store(&tasks.last.open, 1);
	weir_usage usage;
	do
		assert_ok(weir_tracker_usage(weir_pool_tracker(pool), WEIR_ALL_NODES, &usage));
	while (usage.held.cores != 1 && !atomic_load(&tasks.small));
	int passed = atomic_load(&tasks.small);
	atomic_store(&tasks.second.open, 1);
	await(&large.there, 1);
	passed += atomic_load(&tasks.small);
	atomic_store(&large.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(passed, 0);
	assert_int_equal(tasks.small, SMALL);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* H2. A millisecond after all were looked at, a look for what was given back has those in hands back as well. Fails if it leaves them
 * behind the long task there, until the keeper of time comes. */
static void a_late_look_for_what_was_given_empties_hands(void **state)
{
	(void)state;
	atomic_store(&now_ns, 1000);
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .workers = 2,
						    .resource_aware = true, .clock = {.now_ns = as_told}));
	weir_admission *admission = weir_pool_admission(pool);
	weir_group *group = hostile_group(pool);
	struct tasks tasks = {0};
	fill_both_cores(group, &tasks);
	atomic_store(&tasks.first.open, 1);
	await(&tasks.last.there, 1);
	struct batch batch;
	for (int late = 0; late < 2; late++) {
		batch_init(&batch);
		admission_settle_rest(admission, &batch, KICK_GIVEN);
		assert_int_equal(admission->hands_filled, !late);
		atomic_fetch_add(&now_ns, 1000000);
	}
	atomic_store(&tasks.last.open, 1);
	atomic_store(&tasks.second.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(tasks.small, SMALL);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

struct line {
	atomic_int ran;
	int lower;
};

static weir_status note_higher(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add(&((struct line *)argument)->ran, 1);
	return WEIR_OK;
}

static weir_status note_lower(weir_task *task, void *argument)
{
	struct line *line = argument;
	(void)task;
	line->lower = atomic_load(&line->ran);
	return WEIR_OK;
}

/* How many were ever handed a grant. */
static uint64_t handed(struct weir_admission *admission)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < at_load(&admission->hands_end, relaxed, none); i++) {
		struct hand *hand = at_load(&admission->hand[i], relaxed, none);
		sum += hand ? at_load(&hand->taken, relaxed, none) : 0;
	}
	return sum;
}

/* O2. Higher ones are handed grants, one after another, and nothing else has anybody look at who waits. Fails if a lower one is passed
 * more often than it takes to age, and by a hand full that fills as it does, for each class above its own; or if
 * grants are not handed on any more once it has run. */
static void a_lower_class_ages_while_higher_ones_are_handed_grants(void **state)
{
	(void)state;
	static const weir_class lower[] = {WEIR_HIGH, WEIR_NORMAL, WEIR_BEST_EFFORT};
	atomic_store(&now_ns, 1000);
	for (int classes = 1; classes <= 3; classes++) {
		weir_pool *pool = hostile_pool(
			WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .workers = 1, .resource_aware = true,
				     .clock = {.now_ns = as_told},
				     .admission_options = WEIR_ADMISSION_OPTIONS(.aging_overtakes = AGING)));
		weir_group *group = hostile_group(pool);
		struct gate first = {0};
		struct line line = {0};
		assert_ok(weir_submit(group, stay, &first, WEIR_DEMAND(.cores = 1)));
		await(&first.there, 1);
		assert_ok(weir_submit(group, note_lower, &line,
				      WEIR_DEMAND(.cores = 1, .task_class = lower[classes - 1])));
		for (int i = 0; i < MANY; i++)
			assert_ok(weir_submit(group, note_higher, &line,
					      WEIR_DEMAND(.cores = 1, .task_class = WEIR_CRITICAL)));
		atomic_store(&first.open, 1);
		assert_ok(weir_group_wait(group));
		assert_int_equal(line.ran, MANY);
		assert_in_range(line.lower, AGING, classes * (AGING + HAND_MAX));
		assert_true(handed(weir_pool_admission(pool)) > MANY / 2);
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
}

/* H2. While a lower one claims, what it does not bind passes it by the same grants as without it. Fails if those are looked up one by
 * one until it has aged to their class: two of three in a flood where some of BEST_EFFORT always wait. */
static void a_claim_of_a_lower_class_does_not_keep_higher_ones_from_hands(void **state)
{
	(void)state;
	atomic_store(&now_ns, 1000);
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .workers = 1,
						    .resource_aware = true, .clock = {.now_ns = as_told}));
	weir_group *group = hostile_group(pool);
	struct gate first = {0};
	struct line line = {0};
	assert_ok(weir_submit(group, stay, &first, WEIR_DEMAND(.cores = 1)));
	await(&first.there, 1);
	for (int i = 0; i < MANY * LOWER; i++)
		assert_ok(weir_submit(
			group, i % LOWER ? note_higher : note_lower, &line,
			WEIR_DEMAND(.cores = 1, .task_class = i % LOWER ? WEIR_CRITICAL : WEIR_BEST_EFFORT)));
	atomic_store(&first.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(line.ran, MANY * (LOWER - 1));
	weir_admission_counts counts = {.size = sizeof(counts)};
	assert_ok(weir_admission_counts_get(weir_pool_admission(pool), &counts));
	/* Whoever claims, and one for each class by which he ages. */
	assert_in_range(MANY * LOWER - handed(weir_pool_admission(pool)), counts.claims, 4 * counts.claims);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_claims_is_not_passed_out_of_a_hand),
		cmocka_unit_test(a_late_look_for_what_was_given_empties_hands),
		cmocka_unit_test(a_lower_class_ages_while_higher_ones_are_handed_grants),
		cmocka_unit_test(a_claim_of_a_lower_class_does_not_keep_higher_ones_from_hands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
