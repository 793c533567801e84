/* SPDX-License-Identifier: MIT */
/* hostile_pool_test.c - a pool in wrong hands: more tasks than there is room, limits reached, shut down and destroyed
 * while tasks wait, verbs called from inside tasks, forks that do not match. Every task ends once, every misuse has its
 * status and a text that names it. It would fail by a count, a text, or the alarm. */
#include "hostile.h"

#include <math.h>
#include <pthread.h>

static weir_pool *small_pool(void)
{
	return hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .resource_aware = true));
}

static void a_hundred_thousand_queued_tasks_all_run_once(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:2 core:2 pu:1", .resource_aware = true,
						    .limits = WEIR_LIMITS(.cores = 2.5)));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	atomic_int count = 0;
	/* Nothing else fits before the gate opens. */
	assert_ok(weir_submit(group, stay, &gate, WEIR_DEMAND(.cores = 2)));
	await(&gate.there, 1);
	for (int i = 0; i < 100000; i++)
		assert_ok(weir_submit(group, count_up, &count,
				      WEIR_DEMAND(.cores = 1, .memory_bytes = (uint64_t)(i % 7) << 20,
						  .priority = i % 3, .task_class = (weir_class)(i % WEIR_CLASSES))));
	weir_admission_counts counts = {.size = sizeof(counts)};
	assert_ok(weir_admission_counts_get(weir_pool_admission(pool), &counts));
	assert_int_equal(counts.waiting, 100000);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, 100000);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void a_full_pool_refuses_and_goes_on(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .resource_aware = true,
						    .tasks_max = 20, .waiting_max = 5));
	weir_group *group = hostile_group(pool);
	for (int round = 0; round < 20; round++) {
		struct gate gate = {0};
		atomic_int count = 0;
		assert_ok(weir_submit(group, stay, &gate, WEIR_DEMAND(.cores = 1)));
		await(&gate.there, 1);
		for (int i = 0; i < 5; i++)
			assert_ok(weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 1)));
		assert_error(weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 1)), WEIR_EFULL, "waiting room");
		for (int i = 0; i < 14; i++)
			assert_ok(weir_submit(group, count_up, &count, NULL));
		assert_error(weir_submit(group, count_up, &count, NULL), WEIR_EFULL, "options.tasks_max is 20");
		assert_int_equal(weir_group_pending(group), 20);
		atomic_store(&gate.open, 1);
		assert_ok(weir_group_wait(group));
		assert_int_equal(count, 19);
	}
	assert_int_equal(counts_of(pool).refused, 40);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void a_demand_that_is_refused_leaves_nothing(void **state)
{
	(void)state;
	weir_pool *pool = small_pool();
	weir_group *group = hostile_group(pool);
	atomic_int count = 0;
	weir_decision decision;
	assert_error(weir_submit_decision(group, count_up, &count, WEIR_DEMAND(.cores = 3), &decision),
		     WEIR_EINFEASIBLE, "CPU");
	assert_int_equal(decision.verdict, WEIR_REJECTED);
	assert_int_equal(decision.cause, WEIR_CAUSE_INFEASIBLE);
	assert_error(weir_submit(group, count_up, &count, WEIR_DEMAND(.memory_bytes = UINT64_MAX)), WEIR_EINFEASIBLE,
		     "memory");
	assert_error(weir_submit_decision(group, count_up, &count, WEIR_DEMAND(.cores = -1), &decision), WEIR_EINVAL,
		     "demand.cores is -1");
	assert_int_equal(decision.cause, WEIR_CAUSE_INVALID);
	assert_int_equal(weir_group_pending(group), 0);
	struct gate gate = {0};
	assert_ok(weir_submit(group, stay, &gate, WEIR_DEMAND(.cores = 2)));
	assert_error(weir_submit_decision(group, count_up, &count, WEIR_DEMAND(.cores = 1, .when_short = WEIR_DEFER),
					  &decision),
		     WEIR_EAGAIN, "CPU");
	assert_true(decision.retry_after_ns > 0);
	assert_true(weir_status_retryable(WEIR_EAGAIN));
	/* Memory alone does not need the cores. */
	assert_ok(weir_submit_decision(group, count_up, &count, WEIR_DEMAND(.memory_bytes = 1 << 20), &decision));
	assert_int_equal(decision.verdict, WEIR_ADMITTED);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, 1);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* A class and a home alone are a plain task: it needs no room, so it runs where there is none. */
static void a_demand_of_no_amount_is_a_plain_task(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:2 core:1 pu:1", .resource_aware = true));
	weir_group *group = hostile_group(pool), *others = hostile_group(pool);
	atomic_int count = 0;
	struct gate gate = {0};
	assert_ok(weir_submit(others, stay, &gate, WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(0), .home_only = true)));
	weir_decision decision;
	for (int i = 0; i < 100; i++) {
		assert_ok(weir_submit_decision(group, count_up, &count,
					       WEIR_DEMAND(.task_class = (weir_class)(i % WEIR_CLASSES),
							   .home = WEIR_NODE(i % 2), .home_only = i & 1),
					       &decision));
		assert_int_equal(decision.verdict, WEIR_ADMITTED);
		assert_int_equal(decision.grant.handle, 0);
	}
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, 100);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(others));
	weir_admission_counts counts = {.size = sizeof(counts)};
	assert_ok(weir_admission_counts_get(weir_pool_admission(pool), &counts));
	assert_int_equal(counts.asked, 1);
	assert_error(weir_submit(group, count_up, &count, WEIR_DEMAND(.home = WEIR_NODE(2))), WEIR_EINVAL, "demand.home");
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_group_destroy(others));
	end_pool(pool);
}

/* What nobody asked admission for is in the decision too. */
static void every_refused_submit_fills_in_the_decision(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .tasks_max = 1));
	weir_group *group = hostile_group(pool);
	struct gate gate = {0};
	atomic_int count = 0;
	weir_decision decision;
	weir_status status;
	uint32_t there = 0;
	while (!(status = weir_submit_decision(group, stay, &gate, NULL, &decision)))
		there++;
	assert_true(there >= 1);
	assert_int_equal(status, WEIR_EFULL);
	assert_int_equal(decision.verdict, WEIR_REJECTED);
	assert_int_equal(decision.cause, WEIR_CAUSE_QUEUE_FULL);
	assert_in_range(decision.retry_after_ns, 1, 10 * WEIR_NS_PER_MS);
	atomic_store(&gate.open, 1);
	assert_ok(weir_group_wait(group));
	weir_group_cancel(group);
	assert_error(weir_submit_decision(group, count_up, &count, NULL, &decision), WEIR_ECANCELED, "cancelled");
	assert_int_equal(decision.verdict, WEIR_REJECTED);
	assert_int_equal(decision.cause, WEIR_CAUSE_NONE);
	assert_int_equal(decision.retry_after_ns, UINT64_MAX);
	assert_ok(weir_group_reset(group));
	assert_ok(weir_pool_shutdown(pool, WEIR_SHUTDOWN_DRAIN));
	assert_error(weir_submit_decision(group, count_up, &count, NULL, &decision), WEIR_ESHUTDOWN, "shut down");
	assert_int_equal(decision.cause, WEIR_CAUSE_SHUTDOWN);
	assert_false(decision.allowed);
	assert_int_equal(weir_submit_decision(NULL, count_up, &count, NULL, &decision), WEIR_EINVAL);
	assert_int_equal(decision.cause, WEIR_CAUSE_INVALID);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void a_wrong_demand_is_named_on_a_plain_pool_too(void **state)
{
	(void)state;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:2 core:1 pu:1"));
	weir_group *group = hostile_group(pool);
	atomic_int count = 0;
	const struct {
		const weir_demand *demand;
		const char *word;
	} cases[] = {
		{WEIR_DEMAND(.cores = -1), "demand.cores is -1"},
		{WEIR_DEMAND(.cores = NAN), "demand.cores is"},
		{WEIR_DEMAND(.cores = 1, .home = WEIR_NODE(2)), "demand.home is WEIR_NODE(2): the machine has 2 nodes"},
		{WEIR_DEMAND(.cores = 1, .home_only = true), "demand.home_only"},
		{WEIR_DEMAND(.cores = 1, .task_class = (weir_class)4), "demand.task_class is 4"},
		{WEIR_DEMAND(.cores = 1, .when_short = (weir_when_short)3), "demand.when_short is 3"},
		{&(weir_demand){.cores = 1}, "demand.size is 0"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_error(weir_submit(group, count_up, &count, cases[i].demand), WEIR_EINVAL, cases[i].word);
	assert_ok(weir_group_wait(group));
	assert_int_equal(count, 0);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

/* Shutting down. ------------------------------------------------------------------------------------------------- */

static void *open_soon(void *argument)
{
	usleep(3000);
	atomic_store(&((struct gate *)argument)->open, 1);
	return NULL;
}

/* One runs, 50 wait in the room, 50 are kept back by a chain. */
static weir_pool *busy_pool(weir_group *group[2], struct gate *gate, atomic_int *count)
{
	weir_pool *pool = small_pool();
	for (int i = 0; i < 2; i++)
		group[i] = hostile_group(pool);
	assert_ok(weir_submit(group[0], stay, gate, WEIR_DEMAND(.cores = 2)));
	await(&gate->there, 1);
	assert_ok(weir_group_after(group[1], group[0]));
	for (int i = 0; i < 50; i++) {
		assert_ok(weir_submit(group[0], count_up, count, WEIR_DEMAND(.cores = 1)));
		assert_ok(weir_submit(group[1], count_up, count, i % 2 ? WEIR_DEMAND(.cores = 2) : NULL));
	}
	return pool;
}

static void what_waits_runs_before_a_drained_shutdown_or_a_destroy_returns(void **state)
{
	(void)state;
	for (int destroy = 0; destroy < 2; destroy++) {
		weir_group *group[2];
		struct gate gate = {0};
		atomic_int count = 0;
		pthread_t thread;
		weir_pool *pool = busy_pool(group, &gate, &count);
		assert_int_equal(pthread_create(&thread, NULL, open_soon, &gate), 0);
		if (!destroy) {
			assert_ok(weir_pool_shutdown(pool, WEIR_SHUTDOWN_DRAIN));
			assert_int_equal(count, 100);
			assert_error(weir_submit(group[0], count_up, &count, NULL), WEIR_ESHUTDOWN, "shut down");
			assert_ok(weir_group_wait(group[1]));
			assert_ok(weir_group_destroy(group[1]));
			assert_ok(weir_group_destroy(group[0]));
		}
		assert_ok(weir_pool_destroy(pool));
		assert_int_equal(count, 100);
		pthread_join(thread, NULL);
	}
}

static void a_cancelling_shutdown_ends_what_waits_and_what_is_chained(void **state)
{
	(void)state;
	weir_group *group[2];
	struct gate gate = {0};
	atomic_int count = 0;
	pthread_t thread;
	weir_pool *pool = busy_pool(group, &gate, &count);
	assert_int_equal(pthread_create(&thread, NULL, open_soon, &gate), 0);
	assert_ok(weir_pool_shutdown(pool, WEIR_SHUTDOWN_CANCEL));
	assert_int_equal(count, 0);
	assert_int_equal(counts_of(pool).cancelled, 100);
	assert_int_equal(weir_group_wait(group[0]), WEIR_ECANCELED);
	assert_int_equal(weir_group_wait(group[1]), WEIR_ECANCELED);
	weir_group *late = hostile_group(pool);
	assert_error(weir_submit(late, count_up, &count, NULL), WEIR_ESHUTDOWN, "shut down");
	assert_error(weir_submit(late, count_up, &count, WEIR_DEMAND(.cores = 1)), WEIR_ESHUTDOWN, "shut down");
	assert_error(weir_pool_run(pool, count_up, &count, NULL), WEIR_ESHUTDOWN, "shut down");
	assert_ok(weir_pool_shutdown(pool, WEIR_SHUTDOWN_DRAIN));
	assert_error(weir_pool_shutdown(pool, (weir_shutdown)5), WEIR_EINVAL, "how is 5");
	assert_ok(weir_group_destroy(late));
	assert_ok(weir_group_destroy(group[0]));
	assert_ok(weir_group_destroy(group[1]));
	pthread_join(thread, NULL);
	assert_ok(weir_pool_destroy(pool));
}

/* A task that goes on submitting must not keep a cancelling shutdown from its end. */
struct spring {
	weir_pool *pool;
	weir_group *group;
	atomic_int there;
	weir_status status;
	char text[256];
};

static weir_status submit_for_ever(weir_task *task, void *argument)
{
	struct spring *spring = argument;
	static atomic_int count;
	(void)task;
	do {
		spring->status = weir_submit(spring->group, count_up, &count, NULL);
		atomic_store(&spring->there, 1);
		usleep(50);
	} while (!spring->status);
	snprintf(spring->text, sizeof(spring->text), "%s", weir_error_text());
	return WEIR_OK;
}

static void a_task_may_submit_while_draining_and_not_while_cancelling(void **state)
{
	(void)state;
	weir_pool *pool = small_pool();
	struct spring spring = {.pool = pool, .group = hostile_group(pool)};
	weir_group *group = hostile_group(pool);
	assert_ok(weir_submit(group, submit_for_ever, &spring, NULL));
	await(&spring.there, 1);
	assert_ok(weir_pool_shutdown(pool, WEIR_SHUTDOWN_CANCEL));
	assert_true(spring.status == WEIR_ESHUTDOWN || spring.status == WEIR_ECANCELED);
	assert_ok(weir_group_destroy(group));
	assert_ok(weir_group_destroy(spring.group));
	assert_ok(weir_pool_destroy(pool));
}

/* From inside. --------------------------------------------------------------------------------------------------- */

struct inside {
	weir_pool *pool;
	weir_status status[8];
	char text[8][256];
	atomic_int count;
};

static void note(struct inside *inside, int i, weir_status status)
{
	inside->status[i] = status;
	snprintf(inside->text[i], sizeof(inside->text[i]), "%s", weir_error_text());
}

#define assert_noted(inside, i, wanted, word)                                                                  \
	do {                                                                                                   \
		if ((inside).status[i] != (wanted) || !has_word((inside).text[i], (word)))                     \
			fail_msg("%d: %s, \"%s\"", i, weir_status_text((inside).status[i]), (inside).text[i]); \
	} while (0)

static weir_status call_what_is_for_outside(weir_task *task, void *argument)
{
	struct inside *inside = argument;
	(void)task;
	weir_pool *another = NULL;
	note(inside, 0, weir_pool_drain(inside->pool));
	note(inside, 1, weir_pool_shutdown(inside->pool, WEIR_SHUTDOWN_CANCEL));
	note(inside, 2, weir_pool_destroy(inside->pool));
	note(inside, 3, weir_pool_create(&another, WEIR_OPTIONS(.workers = 1)));
	note(inside, 4, weir_join());
	note(inside, 5, weir_fork(NULL, NULL));
	return weir_parallel_for(inside->pool, 0, 10, 0, NULL, NULL) == WEIR_EINVAL ? WEIR_OK : WEIR_EUSER;
}

static void what_is_for_outside_is_refused_inside_a_task(void **state)
{
	(void)state;
	struct inside inside = {.pool = small_pool()};
	assert_ok(weir_pool_run(inside.pool, call_what_is_for_outside, &inside, NULL));
	for (int i = 0; i < 3; i++)
		assert_noted(inside, i, WEIR_EDEADLK, "own pool");
	assert_noted(inside, 3, WEIR_EDEADLK, "inside a task");
	assert_noted(inside, 4, WEIR_EINVAL, "without a weir_fork()");
	assert_noted(inside, 5, WEIR_EINVAL, "fn is NULL");
	assert_error(weir_fork(count_up, &inside.count), WEIR_EINVAL, "runs none");
	assert_error(weir_join(), WEIR_EINVAL, "runs none");
	assert_null(weir_fork_self());
	assert_null(weir_task_self());
	weir_blocking_begin();
	weir_blocking_end();
	end_pool(inside.pool);
}

static weir_status fork_and_forget(weir_task *task, void *argument)
{
	(void)task;
	for (int i = 0; i < 3; i++)
		if (weir_fork(count_up, argument))
			return WEIR_EUSER;
	return WEIR_OK;
}

/* The child joins one more than it forked: that would be its parent's. */
static weir_status join_too_much(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	return weir_join() == WEIR_EINVAL ? WEIR_OK : WEIR_EUSER;
}

static weir_status fork_children_that_do_not_match(weir_task *task, void *argument)
{
	(void)task;
	for (int i = 0; i < 4; i++)
		if (weir_fork(i % 2 ? fork_and_forget : join_too_much, argument))
			return WEIR_EUSER;
	weir_status status = WEIR_OK;
	for (int i = 0; i < 4; i++) {
		weir_status joined = weir_join();
		status = status ? status : joined;
	}
	weir_blocking_begin(); /* and no end */
	return status;
}

static void forks_that_are_not_joined_are_and_others_are_not(void **state)
{
	(void)state;
	for (uint32_t forks_max = 0; forks_max <= 4; forks_max += 2) {
		weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 3, .forks_max = forks_max));
		weir_group *group = hostile_group(pool);
		atomic_int count = 0;
		for (int i = 0; i < 200; i++) {
			assert_ok(weir_submit(group, fork_and_forget, &count, NULL));
			assert_ok(weir_submit(group, fork_children_that_do_not_match, &count, NULL));
		}
		assert_ok(weir_group_wait(group));
		assert_int_equal(count, 200 * (3 + 2 * 3));
		assert_ok(weir_group_destroy(group));
		end_pool(pool);
	}
}

static weir_status allocate_past_the_grant(weir_task *task, void *argument)
{
	struct inside *inside = argument;
	bool fits = weir_task_alloc(task, 4096) && weir_task_alloc(task, 4096 - 128) && weir_task_alloc(task, 128);
	note(inside, 0, fits ? WEIR_OK : WEIR_EUSER);
	note(inside, 1, weir_task_alloc(task, 1) ? WEIR_OK : WEIR_ENOMEM);
	note(inside, 2, weir_task_alloc(task, SIZE_MAX) ? WEIR_OK : WEIR_ENOMEM);
	note(inside, 3, weir_task_alloc(NULL, 1) ? WEIR_OK : WEIR_EINVAL);
	return WEIR_OK;
}

static void memory_ends_where_the_grant_does(void **state)
{
	(void)state;
	struct inside inside = {.pool = small_pool()};
	assert_ok(weir_pool_run(inside.pool, allocate_past_the_grant, &inside, WEIR_DEMAND(.memory_bytes = 8192)));
	assert_int_equal(inside.status[0], WEIR_OK);
	assert_noted(inside, 1, WEIR_ENOMEM, "left of the task's grant");
	assert_noted(inside, 2, WEIR_ENOMEM, "18446744073709551615");
	assert_noted(inside, 3, WEIR_EINVAL, "task is NULL");
	end_pool(inside.pool);
}

static char logged[4096];

static void note_line(weir_log_level level, const char *line, void *context)
{
	(void)level;
	(void)context;
	snprintf(logged, sizeof(logged), "%s", line);
}

static weir_status steal_the_own_grant(weir_task *task, void *argument)
{
	struct inside *inside = argument;
	note(inside, 0, weir_tracker_give(weir_pool_tracker(inside->pool), weir_task_grant(task)));
	note(inside, 1, weir_tracker_give(weir_pool_tracker(inside->pool), weir_task_grant(task)));
	return WEIR_OK;
}

static void a_grant_given_back_behind_the_pools_back_is_said_and_survived(void **state)
{
	(void)state;
	struct inside inside = {.pool = small_pool()};
	assert_ok(weir_log_set(WEIR_LOG_ERROR, note_line, NULL, 0));
	assert_ok(weir_pool_run(inside.pool, steal_the_own_grant, &inside, WEIR_DEMAND(.cores = 1)));
	assert_int_equal(inside.status[0], WEIR_OK);
	assert_noted(inside, 1, WEIR_ESTALE, "given back before");
	assert_ok(weir_pool_drain(inside.pool));
	assert_true(has_word(logged, "given back by somebody else"));
	assert_ok(weir_log_set(WEIR_LOG_OFF, NULL, NULL, 0));
	assert_error(weir_admission_destroy(weir_pool_admission(inside.pool)), WEIR_EBUSY, "pool");
	assert_error(weir_tracker_destroy(weir_pool_tracker(inside.pool)), WEIR_EBUSY, "pool");
	assert_error(weir_scheduler_destroy(weir_pool_scheduler(inside.pool)), WEIR_EBUSY, "pool");
	end_pool(inside.pool);
}

static int64_t veto(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	(void)demand;
	(void)snapshot;
	(void)node;
	(void)context;
	return WEIR_SCORE_NEVER;
}

static void a_veto_under_load_loses_no_task(void **state)
{
	(void)state;
	static const weir_strategy vetoing = {.score = veto, .name = "veto"};
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:2 core:2 pu:1", .resource_aware = true));
	weir_group *group = hostile_group(pool);
	atomic_int count = 0;
	for (int round = 0; round < 20; round++) {
		assert_ok(weir_pool_set_strategy(pool, round % 2 ? WEIR_BEST_FIT : &vetoing));
		assert_ok(weir_admission_set_rule(weir_pool_admission(pool), (weir_admission_rule)(round / 2 % 2)));
		for (int i = 0; i < 200; i++)
			assert_ok(weir_submit(group, count_up, &count,
					      WEIR_DEMAND(.cores = 1 + i % 2, .task_class = (weir_class)(i % 4))));
		if (round % 2)
			assert_ok(weir_group_wait(group));
	}
	assert_int_equal(count, 4000);
	assert_ok(weir_group_destroy(group));
	end_pool(pool);
}

static void null_pools_are_refused(void **state)
{
	(void)state;
	weir_pool_counts counts = {0};
	atomic_int count = 0;
	weir_pool *pool = hostile_pool(WEIR_OPTIONS(.workers = 1));
	assert_ok(weir_pool_destroy(NULL));
	assert_error(weir_pool_drain(NULL), WEIR_EINVAL, "pool is NULL");
	assert_error(weir_pool_shutdown(NULL, WEIR_SHUTDOWN_DRAIN), WEIR_EINVAL, "pool is NULL");
	assert_error(weir_pool_counts_get(pool, &counts), WEIR_EINVAL, "out->size is ");
	assert_error(weir_pool_run(NULL, count_up, &count, NULL), WEIR_EINVAL, "pool");
	assert_error(weir_pool_run(pool, NULL, &count, NULL), WEIR_EINVAL, "fn is NULL");
	assert_int_equal(weir_pool_workers(NULL), 0);
	assert_null(weir_pool_machine(NULL));
	assert_null(weir_pool_tracker(NULL));
	assert_null(weir_pool_monitor(NULL));
	assert_null(weir_pool_scheduler(NULL));
	assert_int_equal(weir_task_cores(NULL), 1);
	assert_int_equal(weir_task_grant(NULL).handle, 0);
	assert_false(weir_task_cancelled(NULL));
	end_pool(pool);
}

int main(void)
{
	alarm(HANG_SECONDS);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hundred_thousand_queued_tasks_all_run_once),
		cmocka_unit_test(a_full_pool_refuses_and_goes_on),
		cmocka_unit_test(a_demand_that_is_refused_leaves_nothing),
		cmocka_unit_test(a_demand_of_no_amount_is_a_plain_task),
		cmocka_unit_test(every_refused_submit_fills_in_the_decision),
		cmocka_unit_test(a_wrong_demand_is_named_on_a_plain_pool_too),
		cmocka_unit_test(what_waits_runs_before_a_drained_shutdown_or_a_destroy_returns),
		cmocka_unit_test(a_cancelling_shutdown_ends_what_waits_and_what_is_chained),
		cmocka_unit_test(a_task_may_submit_while_draining_and_not_while_cancelling),
		cmocka_unit_test(what_is_for_outside_is_refused_inside_a_task),
		cmocka_unit_test(forks_that_are_not_joined_are_and_others_are_not),
		cmocka_unit_test(memory_ends_where_the_grant_does),
		cmocka_unit_test(a_grant_given_back_behind_the_pools_back_is_said_and_survived),
		cmocka_unit_test(a_veto_under_load_loses_no_task),
		cmocka_unit_test(null_pools_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
