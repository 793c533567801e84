/* SPDX-License-Identifier: MIT */
/* child_test.c - a process forks while its pool's threads are there. They stay with it (T1): fails if the child waits for them for
 * ever, joins what it has not, or goes on with what its parent's thread had. */
#include <sys/wait.h>

#include "hostile.h"
#include "private/compiler.h"

enum { TASKS = 100 };

static void run_some(weir_pool *pool, const weir_demand *demand)
{
	atomic_int ran = 0;
	weir_group *group = hostile_group(pool);
	for (int i = 0; i < TASKS; i++)
		assert_ok(weir_submit(group, count_up, &ran, demand));
	assert_ok(weir_group_wait(group));
	assert_int_equal(ran, TASKS);
	assert_ok(weir_group_destroy(group));
}

/* What a child does, by number; 0: as it should. It may not assert. */
typedef int (*child_fn)(weir_pool *pool, weir_group *group);

static bool is_elsewhere(weir_status status)
{
	return status == WEIR_EINVAL && has_word(weir_error_text(), "forked");
}

static int uses_its_parents(weir_pool *pool, weir_group *group)
{
	atomic_int ran = 0;
	weir_group *own;
	if (!is_elsewhere(weir_submit(group, count_up, &ran, NULL)))
		return 1;
	if (!is_elsewhere(weir_submit(group, count_up, &ran, WEIR_DEMAND(.cores = 1))))
		return 2;
	if (!is_elsewhere(weir_group_create(&own, pool)))
		return 3;
	if (!is_elsewhere(weir_pool_run(pool, count_up, &ran, NULL)))
		return 4;
	if (!is_elsewhere(weir_pool_drain(pool)) || !is_elsewhere(weir_pool_destroy(pool)))
		return 5;
	return weir_group_wait(group) || ran ? 6 : 0; /* nothing is there to wait for */
}

static int waits_for_what_runs_there(weir_pool *pool, weir_group *group)
{
	(void)pool;
	return !is_elsewhere(weir_group_wait(group));
}

static int makes_its_own(weir_pool *pool, weir_group *group)
{
	(void)pool;
	(void)group;
	atomic_int ran = 0;
	weir_pool *own;
	weir_group *its;
	if (weir_pool_create(&own, WEIR_OPTIONS(.workers = 2, .resource_aware = true)) || weir_group_create(&its, own))
		return 1;
	for (int i = 0; i < TASKS; i++)
		if (weir_submit(its, count_up, &ran, i & 1 ? WEIR_DEMAND(.cores = 1) : NULL))
			return 2;
	if (weir_group_wait(its) || ran != TASKS || weir_group_destroy(its) || weir_pool_destroy(own))
		return 3;
	return 0;
}

static void fork_and_see(child_fn does, weir_pool *pool, weir_group *group)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		alarm(HANG_SECONDS / 4);
		_exit(does(pool, group));
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void a_child_is_told_that_the_pool_is_its_parents(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2, .resource_aware = true));
	weir_group *group = hostile_group(pool);
	run_some(pool, NULL);
	run_some(pool, WEIR_DEMAND(.cores = 1));
	fork_and_see(uses_its_parents, pool, group);
	struct gate gate = {0};
	assert_ok(weir_submit(group, stay, &gate, WEIR_DEMAND(.cores = 1)));
	await(&gate.there, 1);
	fork_and_see(waits_for_what_runs_there, pool, group);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	/* The parent has noticed nothing. */
	run_some(pool, NULL);
	run_some(pool, WEIR_DEMAND(.cores = 1));
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void a_child_has_pools_of_its_own(void **state)
{
	(void)state;
#ifdef WEIR_TSAN
	skip(); /* it ends a child that starts threads */
#endif
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 2, .resource_aware = true));
	run_some(pool, NULL);
	run_some(pool, WEIR_DEMAND(.cores = 1));
	fork_and_see(makes_its_own, pool, NULL);
	run_some(pool, NULL);
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_is_told_that_the_pool_is_its_parents),
		cmocka_unit_test(a_child_has_pools_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
