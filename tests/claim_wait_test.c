/* SPDX-License-Identifier: MIT */
/* claim_wait_test.c - room is kept for a large task while one that holds a grant waits for a small one (G3): the small one passes
 * the claim, or all three would wait for each other. Fails by WEIR_EDEADLK, or by a hang. */
#include "hostile.h"

static atomic_ullong now_ns;
static struct gate token_gate;
static _Thread_local bool stops; /* the worker that is to be stopped where it next looks at the clock */

static uint64_t virtual_now(void *context)
{
	(void)context;
	if (stops) {
		stops = false;
		(void)stay(NULL, &token_gate);
	}
	return atomic_load(&now_ns);
}

static weir_status stay_and_stop(weir_task *task, void *argument)
{
	weir_status status = stay(task, argument);
	stops = true;
	return status;
}

struct scene {
	weir_pool *pool;
	weir_group *small; /* whom the holder waits for */
	struct gate gate;  /* of a plain task in it */
	atomic_int there, go, waits, ran;
	bool submits; /* the holder submits the small one itself, and then waits */
	weir_status submitted, waited;
};

static weir_status hold_and_wait(weir_task *task, void *argument)
{
	struct scene *scene = argument;
	(void)task;
	atomic_fetch_add(&scene->there, 1);
	await(&scene->go, 1);
	if (scene->submits)
		scene->submitted = weir_submit(scene->small, count_up, &scene->ran, WEIR_DEMAND(.cores = 1));
	atomic_fetch_add(&scene->waits, 1);
	scene->waited = weir_group_wait(scene->small);
	return WEIR_OK;
}

static uint64_t claims_of(weir_pool *pool)
{
	weir_admission_counts counts = {.size = sizeof(counts)};
	assert_ok(weir_admission_counts_get(weir_pool_admission(pool), &counts));
	return counts.claims;
}

static bool is_waited_for(const struct scene *scene)
{
	/* Who adds a demand that has no room now is told so once the holder is known to wait. */
	weir_status status = weir_submit(scene->small, count_up, NULL, WEIR_DEMAND(.cores = 4));
	assert_int_equal(status, WEIR_EDEADLK);
	return true;
}

static void play(bool submits)
{
	atomic_store(&now_ns, 1);
	struct scene scene = {.submits = submits, .submitted = WEIR_OK, .waited = WEIR_OK};
	scene.pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:4 pu:1", .resource_aware = true,
					       .stack_bytes = 256 << 10, .clock = {.now_ns = virtual_now}));
	weir_group *holder = hostile_group(scene.pool), *large = hostile_group(scene.pool);
	scene.small = hostile_group(scene.pool);
	atomic_int large_ran = 0;
	assert_ok(weir_submit(holder, hold_and_wait, &scene, WEIR_DEMAND(.cores = 1)));
	await(&scene.there, 1);
	assert_ok(weir_submit(large, count_up, &large_ran, WEIR_DEMAND(.cores = 4)));
	atomic_store(&now_ns, 6 * WEIR_NS_PER_MS);
	assert_ok(weir_pool_set_strategy(scene.pool, WEIR_FIRST_FIT));
	assert_int_equal(claims_of(scene.pool), 1);
	/* Somebody else needs the same, and comes first: nobody waits for that one, so it does not pass. */
	weir_decision decision;
	assert_ok(weir_submit_decision(large, count_up, &large_ran, WEIR_DEMAND(.cores = 1), &decision));
	assert_int_equal(decision.cause, WEIR_CAUSE_CLAIMED);
	if (!submits)
		assert_ok(weir_submit(scene.small, stay, &scene.gate, NULL));
	atomic_store(&scene.go, 1);
	await(&scene.waits, 1);
	if (!submits) {
		/* It may not be known to wait yet; then this one waits for room, and the holder finds it. */
		assert_ok(weir_submit(scene.small, count_up, &scene.ran, WEIR_DEMAND(.cores = 1)));
		await(&scene.ran, 1);
		assert_true(is_waited_for(&scene));
		atomic_store(&scene.gate.open, 1);
	}
	assert_ok(weir_group_wait(holder));
	assert_int_equal(scene.submitted, WEIR_OK);
	assert_int_equal(scene.waited, WEIR_OK);
	assert_int_equal(scene.ran, 1);
	assert_ok(weir_group_wait(large));
	assert_int_equal(large_ran, 2);
	end_pool(scene.pool);
}

static void who_a_holder_waits_for_passes_the_claim(void **state)
{
	(void)state;
	play(true);
}

static void who_is_added_to_what_a_holder_waits_for_passes_the_claim(void **state)
{
	(void)state;
	play(false);
}

/* The same while another has the token of the room, and is stopped with it. Fails by WEIR_EDEADLK, said before anybody looked. */
static void who_waits_while_the_token_is_taken_has_the_room_looked_at(void **state)
{
	(void)state;
	atomic_store(&now_ns, 1);
	struct scene scene = {.submits = true, .submitted = WEIR_EUSER, .waited = WEIR_EUSER};
	scene.pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:4 pu:1", .resource_aware = true,
					       .stack_bytes = 256 << 10, .clock = {.now_ns = virtual_now}));
	weir_group *group = hostile_group(scene.pool);
	scene.small = hostile_group(scene.pool);
	struct gate gate = {0};
	atomic_int large_ran = 0;
	assert_ok(weir_submit(group, hold_and_wait, &scene, WEIR_DEMAND(.cores = 1)));
	assert_ok(weir_submit(group, stay_and_stop, &gate, WEIR_DEMAND(.cores = 1)));
	await(&scene.there, 1);
	await(&gate.there, 1);
	assert_ok(weir_submit(group, count_up, &large_ran, WEIR_DEMAND(.cores = 4)));
	atomic_store(&now_ns, 6 * WEIR_NS_PER_MS);
	assert_ok(weir_pool_set_strategy(scene.pool, WEIR_FIRST_FIT));
	assert_int_equal(claims_of(scene.pool), 1);
	atomic_store(&gate.open, 1);
	await(&token_gate.there, 1);
	atomic_store(&scene.go, 1);
	await(&scene.waits, 1);
	usleep(20000); /* it asks for a look meanwhile, most likely */
	atomic_store(&token_gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(scene.submitted, WEIR_OK);
	assert_int_equal(scene.waited, WEIR_OK);
	assert_int_equal(scene.ran, 1);
	assert_int_equal(large_ran, 1);
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_group_destroy(scene.small));
	end_pool(scene.pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_a_holder_waits_for_passes_the_claim),
		cmocka_unit_test(who_is_added_to_what_a_holder_waits_for_passes_the_claim),
		cmocka_unit_test(who_waits_while_the_token_is_taken_has_the_room_looked_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
