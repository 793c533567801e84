/* SPDX-License-Identifier: MIT */
/* policy_pool_test.c - the gate in a pool: who is named when it turns BLACK, breakers that open because the host has no memory
 * for tasks, tasks that start without a grant. It would fail by a task that is lost at a switch, or by the wrong name. */
#include "hostile.h"

#include <weir/policy.h>

#include "runtime/leftover.h"
#include "runtime/worker.h"

#define GIB (UINT64_C(1) << 30)

/* A host whose process uses as much as a test says. */
static atomic_ullong rss;

static weir_status read_invented(void *context, weir_reading *out)
{
	(void)context;
	out->known = WEIR_KNOWN_PROCESS;
	out->process_rss_bytes = atomic_load(&rss);
	return WEIR_OK;
}

static const weir_monitor_source invented = {.size = sizeof(invented), .read = read_invented};

struct told_levels {
	atomic_int count;
	atomic_int to;
	weir_over_user largest; /* written before count */
};

static void note_level(const weir_level_change *change, void *context)
{
	struct told_levels *told = context;
	if (change->to == WEIR_LEVEL_BLACK)
		told->largest = change->largest;
	atomic_store(&told->to, (int)change->to);
	atomic_fetch_add(&told->count, 1);
}

struct user {
	uint64_t declares;
	uint64_t draws;
	struct gate *gate;
	weir_grant grant;
};

static weir_status use(weir_task *task, void *argument)
{
	struct user *user = argument;
	user->grant = weir_task_grant(task);
	weir_task_declare(task, user->declares);
	if (user->draws && !weir_task_alloc(task, user->draws))
		return WEIR_ENOMEM;
	return stay(task, user->gate);
}

/* One declares less than it was granted, one a little more, one much more: it is the one. */
static void the_largest_over_user_is_named_when_it_turns_black(void **state)
{
	(void)state;
	struct told_levels told = {0};
	weir_level_options levels = {.size = sizeof(levels), .level_changed = note_level, .context = &told};
	atomic_store(&rss, GIB);
	weir_pool *pool =
		hostile_pool(WEIR_OPTIONS(.machine = "numa:1(memory=1073741824) core:4 pu:1", .resource_aware = true,
					  .monitor = &invented, .monitoring_interval_ns = WEIR_NS_PER_MS,
					  .admission_options = WEIR_ADMISSION_OPTIONS(.levels = &levels)));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	struct user user[3] = {{.declares = GIB / 16}, {.declares = GIB / 4}, {.declares = GIB}};
	for (int i = 0; i < 3; i++) {
		user[i].gate = &gate;
		assert_ok(weir_submit(group, use, &user[i], WEIR_DEMAND(.cores = 1, .memory_bytes = GIB / 8)));
	}
	await(&gate.there, 3);
	atomic_store(&rss, 3 * GIB);
	while (atomic_load(&told.to) != WEIR_LEVEL_BLACK)
		usleep(100);
	assert_int_equal(told.largest.grant.handle, user[2].grant.handle);
	assert_int_equal(told.largest.used_bytes, GIB);
	assert_int_equal(told.largest.granted_bytes, GIB / 8);
	/* And so do refusals say it to who submits. */
	atomic_int ran = 0;
	assert_error(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores = 1)), WEIR_EAGAIN, "under pressure");
	assert_ok(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores = 1, .task_class = WEIR_CRITICAL)));
	assert_ok(weir_submit(group, count_up, &ran, NULL));
	await(&ran, 2);
	/* It is left when the pressure is gone, though nothing happens in the pool. */
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	atomic_store(&rss, GIB);
	while (atomic_load(&told.to) != WEIR_LEVEL_GREEN)
		usleep(100);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* More than any address space has: the host must refuse. */
static weir_status ask_for_too_much(weir_task *task, void *argument)
{
	(void)argument;
	return weir_task_alloc(task, (size_t)(UINT64_C(1) << 48)) ? WEIR_OK : WEIR_ENOMEM;
}

/* It failed by a sum of what was drawn and declared that wrapped, so that who declares most seemed to use next to nothing. */
static void who_declares_more_than_there_can_be_is_the_largest(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .resource_aware = true));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	struct user user[] = {{.declares = 1 << 24, .gate = &gate},
			      {.declares = UINT64_MAX, .draws = 1 << 16, .gate = &gate}};
	for (int i = 0; i < 2; i++)
		assert_ok(weir_submit(group, use, &user[i], WEIR_DEMAND(.cores = 1, .memory_bytes = 1 << 20)));
	await(&gate.there, 2);
	weir_over_user largest;
	assert_true(inside_largest(pool, &largest));
	assert_int_equal(largest.grant.handle, user[1].grant.handle);
	assert_int_equal(largest.used_bytes, UINT64_MAX);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void a_host_without_memory_opens_the_breaker(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(
		WEIR_OPTIONS(.machine = "numa:1(memory=562949953421312) core:2 pu:1", .resource_aware = true));
	weir_admission *admission = weir_pool_admission(pool);
	assert_ok(weir_admission_breaker_set(admission, WEIR_NORMAL, WEIR_BREAKER_ON));
	weir_group *group = hostile_group(pool);
	const weir_demand *demand = WEIR_DEMAND(.cores = 1, .memory_bytes = UINT64_C(1) << 48);
	weir_breaker_view view = {.size = sizeof(view)};
	for (int i = 0; i < 20; i++) {
		assert_ok(weir_submit(group, ask_for_too_much, NULL, demand));
		assert_int_equal(weir_group_wait(group), WEIR_ENOMEM);
		assert_ok(weir_group_reset(group));
	}
	assert_ok(weir_admission_breaker_get(admission, demand, &view));
	assert_int_equal(view.opened, 1);
	assert_int_equal(view.state, WEIR_BREAKER_OPEN);
	assert_error(weir_submit(group, ask_for_too_much, NULL, demand), WEIR_EAGAIN, "breaker is open");
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static weir_status note_grant(weir_task *task, void *argument)
{
	atomic_int *counts = argument;
	atomic_fetch_add(&counts[weir_task_grant(task).handle != 0], 1);
	return WEIR_OK;
}

/* Those who waited, those who come, those who would never fit: all run. */
static void observed_tasks_run_without_a_grant(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:2 core:2 pu:1", .resource_aware = true));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	atomic_int counts[2] = {0};
	for (int n = 0; n < 2; n++)
		assert_ok(weir_submit(group, stay, &gate,
				      WEIR_DEMAND(.cores = 2, .home = WEIR_NODE(n), .home_only = true)));
	await(&gate.there, 2);
	for (int i = 0; i < 10; i++)
		assert_ok(weir_submit(group, note_grant, counts, WEIR_DEMAND(.cores = 1)));
	assert_int_equal(atomic_load(&counts[0]), 0);
	assert_ok(weir_admission_set_rule(weir_pool_admission(pool), WEIR_ADMIT_OBSERVE));
	for (int i = 0; i < 10; i++)
		assert_ok(weir_submit(group, note_grant, counts, WEIR_DEMAND(.cores = i + 1)));
	await(&counts[0], 20);
	assert_int_equal(atomic_load(&counts[1]), 0);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_admission_set_rule(weir_pool_admission(pool), WEIR_ADMIT_HARD));
	assert_ok(weir_submit(group, note_grant, counts, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_group_wait(group));
	assert_int_equal(atomic_load(&counts[1]), 1);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void a_pools_other_admission_options_are_taken_and_checked(void **state)
{
	(void)state;
	weir_pool *pool;
	assert_error(weir_pool_create(&pool, WEIR_OPTIONS(.admission_options = WEIR_ADMISSION_OPTIONS())), WEIR_EINVAL,
		     "options.admission_options is set on a plain pool");
	assert_error(weir_pool_create(&pool, WEIR_OPTIONS(.resource_aware = true,
							  .admission_options = WEIR_ADMISSION_OPTIONS(.rule = 99))),
		     WEIR_EINVAL, "options.rule is 99");
	pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .resource_aware = true,
					 .admission_options = WEIR_ADMISSION_OPTIONS(.waiting_max = 1)));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	atomic_int ran = 0;
	assert_ok(weir_submit(group, stay, &gate, WEIR_DEMAND(.cores = 2)));
	await(&gate.there, 1);
	assert_ok(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores = 1)));
	assert_error(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores = 1)), WEIR_EFULL, "full");
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static weir_status touch(weir_task *task, void *bytes)
{
	char *block = weir_task_alloc(task, *(size_t *)bytes);
	if (!block)
		return WEIR_ENOMEM;
	memset(block, 1, *(size_t *)bytes);
	return WEIR_OK;
}

/* Pages of tasks that ended are in use as far as the kernel knows, and were taken for pressure. They make way for grants. */
static void pages_that_ended_tasks_left_are_no_pressure(void **state)
{
	(void)state;
	atomic_store(&rss, GIB);
	weir_pool *pool =
		hostile_pool(WEIR_OPTIONS(.machine = "numa:1(memory=1073741824) core:4 pu:1", .resource_aware = true,
					  .monitor = &invented, .monitoring_interval_ns = WEIR_NS_PER_MS));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	size_t bytes = 16 << 20;
	/* While it stays the pool is not idle, and gives nothing back. */
	assert_ok(weir_submit(group, stay, &gate, WEIR_DEMAND(.cores = 1)));
	await(&gate.there, 1);
	weir_group *other = hostile_group(pool);
	assert_ok(weir_submit(other, touch, &bytes, WEIR_DEMAND(.cores = 1, .memory_bytes = bytes)));
	assert_ok(weir_group_wait(other));
	uint64_t kept = leftover_bytes(pool);
	assert_true(kept <= 2 * bytes);
	atomic_store(&rss, GIB + kept);
	weir_level_change seen = {.size = sizeof(seen)};
	do /* without jemalloc nothing is kept, and it is over at once */
		assert_ok(weir_admission_level_get(weir_pool_admission(pool), &seen));
	while (seen.used_bytes < kept);
	assert_true(seen.memory == 0);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_group_destroy(other));
	end_pool(pool);
}

/* How many were ever handed a grant. */
static uint64_t handed(weir_admission *admission)
{
	uint64_t sum = 0;
	for (uint32_t i = 0; i < at_load(&admission->hands_end, relaxed, none); i++) {
		struct hand *hand = at_load(&admission->hand[i], relaxed, none);
		sum += hand ? at_load(&hand->taken, relaxed, none) : 0;
	}
	return sum;
}

/* Of twenty equal tasks that go through one core, those that were handed the grant of the one before. */
static uint64_t handed_of_twenty(weir_pool *pool)
{
	struct gate gate = {0};
	atomic_int ran = 0;
	uint64_t before = handed(weir_pool_admission(pool));
	weir_group *group = hostile_group(pool);
	assert_ok(weir_submit(group, stay, &gate, WEIR_DEMAND(.cores = 1)));
	await(&gate.there, 1);
	for (int i = 0; i < 20; i++)
		assert_ok(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores = 1)));
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(ran, 20);
	assert_ok(weir_group_destroy(group));
	return handed(weir_pool_admission(pool)) - before;
}

static weir_verdict admit_all(const weir_demand *demand, const weir_policy_view *view, void *context)
{
	(void)demand;
	(void)view;
	(void)context;
	return WEIR_ADMITTED;
}

static uint64_t stand_still(void *context)
{
	(void)context;
	return 1000;
}

/* H2: a breaker is switched on while some lie in a hand, behind a task that stays. Fails if they are handed grants all the same, past
 * what the breaker counts. */
static void who_is_in_a_hand_as_a_breaker_is_switched_on_is_not_handed_a_grant(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .resource_aware = true,
						    .clock = {.now_ns = stand_still}));
	weir_admission *admission = weir_pool_admission(pool);
	weir_group *group = hostile_group(pool);
	struct gate first = {0}, second = {0};
	atomic_int ran = 0;
	assert_ok(weir_submit(group, stay, &first, WEIR_DEMAND(.cores = 1)));
	await(&first.there, 1);
	assert_ok(weir_submit(group, stay, &second, WEIR_DEMAND(.cores = 1)));
	for (int i = 0; i < 20; i++)
		assert_ok(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores = 1)));
	atomic_store(&first.open, 1);
	await(&second.there, 1);
	uint64_t before = handed(admission);
	assert_int_equal(before, 1);
	assert_true(admission->hands_filled > 0);
	assert_ok(weir_admission_breaker_set(admission, WEIR_HIGH, WEIR_BREAKER_ON));
	atomic_store(&second.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(ran, 20);
	assert_int_equal(handed(admission), before);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* H2: grants are handed on again when no gate is in use any more. It fails by a breaker or a policy that was there once, and
 * keeps every grant on the way through the ledger for good. */
static void chains_come_back_when_the_gates_are_off(void **state)
{
	(void)state;
	static const weir_policy policy = {.fn = admit_all};
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .resource_aware = true));
	weir_admission *admission = weir_pool_admission(pool);
	assert_true(handed_of_twenty(pool) > 0);
	assert_ok(weir_admission_breaker_set(admission, WEIR_HIGH, WEIR_BREAKER_ON));
	assert_ok(weir_admission_breaker_set(admission, WEIR_NORMAL, WEIR_BREAKER_DISABLED));
	assert_ok(weir_admission_breaker_set(admission, WEIR_HIGH, WEIR_BREAKER_OFF));
	assert_int_equal(handed_of_twenty(pool), 0); /* one class's is enough */
	assert_ok(weir_admission_breaker_set(admission, WEIR_NORMAL, WEIR_BREAKER_OFF));
	assert_true(handed_of_twenty(pool) > 0);
	assert_ok(weir_admission_set_policy(admission, &policy));
	assert_int_equal(handed_of_twenty(pool), 0);
	assert_ok(weir_admission_set_policy(admission, NULL));
	assert_true(handed_of_twenty(pool) > 0);
	end_pool(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_over_user_is_named_when_it_turns_black),
		cmocka_unit_test(who_declares_more_than_there_can_be_is_the_largest),
		cmocka_unit_test(a_host_without_memory_opens_the_breaker),
		cmocka_unit_test(observed_tasks_run_without_a_grant),
		cmocka_unit_test(a_pools_other_admission_options_are_taken_and_checked),
		cmocka_unit_test(pages_that_ended_tasks_left_are_no_pressure),
		cmocka_unit_test(who_is_in_a_hand_as_a_breaker_is_switched_on_is_not_handed_a_grant),
		cmocka_unit_test(chains_come_back_when_the_gates_are_off),
	};
	alarm(HANG_SECONDS);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
