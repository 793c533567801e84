/* SPDX-License-Identifier: MIT */
/* regress_test.c - one test for each bug that was found by reading; two lines tell its story. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include <weir/weir.h>

static weir_pool *make_pool(const weir_options *options)
{
	weir_pool *pool;
	assert_int_equal(weir_pool_create(&pool, options), WEIR_OK);
	return pool;
}

static weir_group *make_group(weir_pool *pool)
{
	weir_group *group;
	assert_int_equal(weir_group_create(&group, pool), WEIR_OK);
	return group;
}

static weir_status count_up(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add((atomic_int *)argument, 1);
	return WEIR_OK;
}

/* A task that another submitted ended before its submitter had counted it: the sums were equal while the submitter
 * still ran, and drain, or destroy, returned too early. */
struct early {
	weir_group *group;
	atomic_int children;
	atomic_int ended;
	atomic_int errors;
};

static weir_status submit_children(weir_task *task, void *argument)
{
	(void)task;
	struct early *early = argument;
	for (int i = 0; i < 50; i++)
		if (weir_submit(early->group, count_up, &early->children, NULL))
			atomic_fetch_add(&early->errors, 1);
	atomic_store(&early->ended, 1);
	return WEIR_OK;
}

static void drain_waits_for_a_task_whose_children_are_done_already(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 3));
	for (int round = 0; round < 3000; round++) {
		struct early early = {.group = make_group(pool)};
		assert_int_equal(weir_submit(early.group, submit_children, &early, NULL), WEIR_OK);
		assert_int_equal(weir_pool_drain(pool), WEIR_OK);
		int ended = atomic_load(&early.ended);
		assert_int_equal(weir_group_wait(early.group), WEIR_OK);
		assert_int_equal(ended, 1);
		assert_int_equal(early.errors, 0);
		assert_int_equal(weir_group_destroy(early.group), WEIR_OK);
	}
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* Each blocking section made a thread of its own, as the last one's stand-in slept among the idle and was not counted
 * as there: after spares_max sections, one after the other, waits answered EDEADLK. */
static weir_status block_often(weir_task *task, void *argument)
{
	(void)task;
	for (int i = 0; i < *(int *)argument; i++) {
		weir_blocking_begin();
		weir_blocking_end();
	}
	return WEIR_OK;
}

static void sections_one_after_the_other_need_one_stand_in(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 1, .spares_max = 8));
	int sections = 100;
	assert_int_equal(weir_pool_run(pool, block_often, &sections, NULL), WEIR_OK);
	weir_pool_counts counts = {.size = sizeof(counts)};
	assert_int_equal(weir_pool_counts_get(pool, &counts), WEIR_OK);
	assert_in_range(counts.spares, 1, 4); /* one that is just going to rest is not found yet */
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* A task that held a grant and ran another with a demand was told EDEADLK, and the other ran all the same, later, with
 * an argument that was gone. */
struct inner {
	weir_pool *pool;
	atomic_int ran;
	weir_status status;
};

static weir_status run_another(weir_task *task, void *argument)
{
	(void)task;
	struct inner *inner = argument;
	inner->status = weir_pool_run(inner->pool, count_up, &inner->ran, WEIR_DEMAND(.cores = 1));
	return WEIR_OK;
}

static void what_run_says_did_not_run_does_not_run_later(void **state)
{
	(void)state;
	weir_pool *pool =
		make_pool(WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .resource_aware = true, .no_pinning = true));
	struct inner inner = {.pool = pool};
	assert_int_equal(weir_pool_run(pool, run_another, &inner, WEIR_DEMAND(.cores = 1)), WEIR_OK);
	assert_int_equal(weir_pool_drain(pool), WEIR_OK);
	assert_int_equal(inner.status, WEIR_EDEADLK);
	assert_int_equal(inner.ran, 0);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* Shutting down by CANCEL cancelled the groups that had tasks at that moment: what ran could still submit to any other,
 * and tasks that submit their successors kept the pool alive for ever. */
struct late_submit {
	weir_pool *pool;
	atomic_int started;
	weir_status status;
};

static weir_status submit_when_cancelled(weir_task *task, void *argument)
{
	struct late_submit *late = argument;
	atomic_store(&late->started, 1);
	while (!weir_task_cancelled(task))
		usleep(10);
	weir_group *fresh;
	weir_status status = weir_group_create(&fresh, late->pool);
	if (status)
		return status;
	atomic_int count = 0;
	late->status = weir_submit(fresh, count_up, &count, NULL);
	(void)weir_group_wait(fresh);
	return weir_group_destroy(fresh);
}

static void after_cancel_running_tasks_submit_no_more(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 1));
	struct late_submit late = {.pool = pool};
	weir_group *group = make_group(pool);
	assert_int_equal(weir_submit(group, submit_when_cancelled, &late, NULL), WEIR_OK);
	while (!atomic_load(&late.started))
		usleep(100);
	assert_int_equal(weir_pool_shutdown(pool, WEIR_SHUTDOWN_CANCEL), WEIR_OK);
	assert_int_equal(late.status, WEIR_ESHUTDOWN);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* A granted function that released its grant granted the next from inside, and that one the next: as deep as the room
 * was full, until the stack was used up. */
enum { TICKETS = 200000 };

static weir_admission *released_from;
static atomic_int granted_count;

static void release_at_once(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	(void)cause;
	(void)ticket, (void)node, (void)context;
	atomic_fetch_add(&granted_count, 1);
	(void)weir_admission_release(released_from, grant);
}

static void a_granted_function_may_release_however_many_wait(void **state)
{
	(void)state;
	weir_tracker *tracker;
	assert_int_equal(weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:1 pu:1")), WEIR_OK);
	assert_int_equal(weir_admission_create(&released_from, tracker, NULL), WEIR_OK);
	const weir_demand *core = WEIR_DEMAND(.cores = 1);
	weir_decision first = weir_admission_admit(released_from, core, NULL, NULL);
	assert_int_equal(first.verdict, WEIR_ADMITTED);
	for (int i = 0; i < TICKETS; i++)
		assert_int_equal(weir_admission_admit(released_from, core, release_at_once, NULL).verdict, WEIR_QUEUED);
	assert_int_equal(weir_admission_release(released_from, first.grant), WEIR_OK);
	assert_int_equal(granted_count, TICKETS);
	assert_int_equal(weir_tracker_audit(tracker), WEIR_OK);
	assert_int_equal(weir_admission_destroy(released_from), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
}

/* Only those who overtook inside the room were counted: demands granted at once passed by a waiting one for ever,
 * unless the clock moved on. */
static uint64_t no_time(void *context)
{
	(void)context;
	return 1;
}

static void note_grant(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	(void)cause;
	(void)ticket, (void)node;
	*(weir_grant *)context = grant;
}

static void grants_at_once_count_as_overtaking_too(void **state)
{
	(void)state;
	weir_tracker *tracker;
	weir_admission *admission;
	assert_int_equal(weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1")), WEIR_OK);
	assert_int_equal(
		weir_admission_create(&admission, tracker,
				      WEIR_ADMISSION_OPTIONS(.overtakes_max = 8, .clock = {.now_ns = no_time})),
		WEIR_OK);
	const weir_demand *one = WEIR_DEMAND(.cores = 1, .when_short = WEIR_DEFER);
	weir_grant large = {0};
	weir_decision small = weir_admission_admit(admission, one, NULL, NULL);
	assert_int_equal(weir_admission_admit(admission, WEIR_DEMAND(.cores = 4), note_grant, &large).verdict,
			 WEIR_QUEUED);
	int overtakes = 0;
	while (small.allowed && overtakes < 1000) {
		weir_decision next = weir_admission_admit(admission, one, NULL, NULL);
		overtakes += next.allowed;
		assert_int_equal(weir_admission_release(admission, small.grant), WEIR_OK);
		small = next;
	}
	assert_in_range(overtakes, 8, 10);
	assert_int_not_equal(large.handle, 0);
	assert_int_equal(weir_admission_release(admission, large), WEIR_OK);
	assert_int_equal(weir_tracker_audit(tracker), WEIR_OK);
	assert_int_equal(weir_admission_destroy(admission), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
}

/* A worker took from its own deque before it looked at NORMAL tasks from outside: a task that submits itself again kept
 * them, and granted tasks with all that they hold, waiting for ever. */
struct poller {
	weir_group *group;
	atomic_int seen;
	atomic_int rounds;
};

static weir_status poll_again(weir_task *task, void *argument)
{
	(void)task;
	struct poller *poller = argument;
	if (atomic_load(&poller->seen) || atomic_fetch_add(&poller->rounds, 1) >= 3000000)
		return WEIR_OK;
	return weir_submit(poller->group, poll_again, poller, NULL);
}

static void a_task_that_submits_itself_again_starves_nobody(void **state)
{
	(void)state;
	for (int aware = 0; aware < 2; aware++) {
		weir_pool *pool = make_pool(WEIR_OPTIONS(.machine = "numa:1 core:1 pu:1", .workers = 1,
							 .resource_aware = aware, .no_pinning = true));
		struct poller poller = {.group = make_group(pool)};
		weir_group *other = make_group(pool);
		assert_int_equal(weir_submit(poller.group, poll_again, &poller, NULL), WEIR_OK);
		while (!atomic_load(&poller.rounds))
			usleep(100);
		assert_int_equal(weir_submit(other, count_up, &poller.seen, aware ? WEIR_DEMAND(.cores = 1) : NULL),
				 WEIR_OK);
		assert_int_equal(weir_group_wait(poller.group), WEIR_OK);
		assert_true(atomic_load(&poller.rounds) < 3000000);
		assert_int_equal(weir_group_wait(other), WEIR_OK);
		assert_int_equal(weir_group_destroy(poller.group), WEIR_OK);
		assert_int_equal(weir_group_destroy(other), WEIR_OK);
		assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
	}
}

/* `before` went to 0 and only then did the held tasks go: a chain made between the two was forgotten, and the later
 * group started before the second of its earlier ones was done. */
struct late {
	atomic_int second_done;
	atomic_int too_early;
	atomic_int go;
};

static weir_status finish_second(weir_task *task, void *argument)
{
	(void)task;
	struct late *late = argument;
	while (!atomic_load(&late->go))
		;
	atomic_store(&late->second_done, 1);
	return WEIR_OK;
}

static weir_status come_later(weir_task *task, void *argument)
{
	(void)task;
	struct late *late = argument;
	atomic_fetch_add(&late->too_early, !atomic_load(&late->second_done));
	return WEIR_OK;
}

static void a_group_that_is_chained_while_the_first_ends_waits_for_the_second(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 2));
	for (int round = 0; round < 5000; round++) {
		struct late late = {0};
		atomic_int count = 0;
		weir_group *first = make_group(pool), *second = make_group(pool), *later = make_group(pool);
		assert_int_equal(weir_submit(second, finish_second, &late, NULL), WEIR_OK);
		assert_int_equal(weir_submit(first, count_up, &count, NULL), WEIR_OK);
		assert_int_equal(weir_group_after(later, first), WEIR_OK);
		for (int i = 0; i < round % 64; i++)
			atomic_fetch_add(&count, 0);
		assert_int_equal(weir_group_after(later, second), WEIR_OK);
		assert_int_equal(weir_submit(later, come_later, &late, NULL), WEIR_OK);
		atomic_store(&late.go, 1);
		assert_int_equal(weir_group_wait(later), WEIR_OK);
		assert_int_equal(weir_group_wait(second), WEIR_OK);
		assert_int_equal(weir_group_wait(first), WEIR_OK);
		assert_int_equal(late.too_early, 0);
		/* The last touch of a chain may be a moment later than the end of what it held. */
		while (weir_group_destroy(later))
			usleep(10);
		while (weir_group_destroy(first) || weir_group_destroy(second))
			usleep(10);
	}
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* Who woke another before it began its task was not seen to work, so the other went to sleep for good: nobody asked for
 * the private children of the one that worked, and a lone task ran serially. */
static weir_status meet(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add((atomic_int *)argument, 1);
	return WEIR_OK;
}

static weir_status nothing(weir_task *task, void *argument)
{
	(void)task, (void)argument;
	return WEIR_OK;
}

static weir_status give_one_away(weir_task *task, void *argument)
{
	(void)task;
	atomic_int *met = argument;
	weir_status status = weir_fork(meet, met);
	if (status)
		return status;
	while (!atomic_load(met)) {
		status = weir_fork(nothing, NULL);
		(void)weir_join();
		if (status)
			break;
	}
	(void)weir_join();
	return status;
}

static void a_lone_task_finds_somebody_to_share_with(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 2, .spin_ns = 1));
	for (int round = 0; round < 100; round++) {
		atomic_int met = 0;
		assert_int_equal(weir_pool_run(pool, give_one_away, &met, NULL), WEIR_OK);
		assert_int_equal(met, 1);
	}
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* A task that ended inside a blocking section left its worker "blocked" for good: its seat was never given back, and
 * its later tasks got no stand-in. */
static weir_status begin_only(weir_task *task, void *argument)
{
	(void)task, (void)argument;
	weir_blocking_begin();
	return WEIR_OK;
}

static void a_section_ends_with_its_task(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 1, .spares_max = 8));
	for (int i = 0; i < 500; i++)
		assert_int_equal(weir_pool_run(pool, begin_only, NULL, NULL), WEIR_OK);
	weir_pool_counts counts = {.size = sizeof(counts)};
	assert_int_equal(weir_pool_counts_get(pool, &counts), WEIR_OK);
	assert_in_range(counts.spares, 1, 4);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* Each group of a chain ended inside the end of the one before it: 100,000 cancelled groups in a row overflowed the
 * stack. */
enum { CHAIN = 100000 };

static weir_status wait_for_flag(weir_task *task, void *argument)
{
	(void)task;
	weir_blocking_begin();
	while (!atomic_load((atomic_int *)argument))
		usleep(1000);
	weir_blocking_end();
	return WEIR_OK;
}

static void a_long_chain_of_cancelled_groups_needs_no_deep_stack(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 1, .stack_bytes = 256 << 10));
	weir_group **group = calloc(CHAIN, sizeof(*group));
	assert_non_null(group);
	atomic_int go = 0;
	atomic_int ran = 0;
	for (int i = 0; i < CHAIN; i++) {
		group[i] = make_group(pool);
		if (i)
			assert_int_equal(weir_group_after(group[i], group[i - 1]), WEIR_OK);
		assert_int_equal(i ? weir_submit(group[i], count_up, &ran, NULL)
				   : weir_submit(group[i], wait_for_flag, &go, NULL),
				 WEIR_OK);
	}
	for (int i = CHAIN - 1; i > 0; i--)
		weir_group_cancel(group[i]);
	atomic_store(&go, 1);
	assert_int_equal(weir_pool_drain(pool), WEIR_OK);
	assert_int_equal(ran, 0);
	for (int i = 0; i < CHAIN; i++)
		assert_int_equal(weir_group_destroy(group[i]), WEIR_OK);
	free(group);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* A plain task that helped to wait ran on the stack of a grant's holder; it waited for what needed that very grant,
 * unnoticed. */
struct nested {
	weir_group *inner;
	weir_group *outer;
	weir_status seen;
};

static weir_status wait_for_room(weir_task *task, void *argument)
{
	(void)task;
	struct nested *nested = argument;
	nested->seen = weir_submit(nested->inner, nothing, NULL, WEIR_DEMAND(.memory_bytes = 1 << 20));
	if (!nested->seen)
		nested->seen = weir_group_wait(nested->inner);
	return WEIR_OK;
}

static weir_status hold_and_wait(weir_task *task, void *argument)
{
	(void)task;
	struct nested *nested = argument;
	weir_status status = weir_submit(nested->outer, wait_for_room, nested, NULL);
	return status ? status : weir_group_wait(nested->outer);
}

static void a_grant_below_on_the_stack_counts_as_held(void **state)
{
	(void)state;
	weir_pool *pool = make_pool(
		WEIR_OPTIONS(.workers = 1, .resource_aware = true, .limits = WEIR_LIMITS(.memory_bytes = 1 << 20)));
	struct nested nested = {.inner = make_group(pool), .outer = make_group(pool)};
	weir_group *top = make_group(pool);
	assert_int_equal(weir_submit(top, hold_and_wait, &nested, WEIR_DEMAND(.memory_bytes = 1 << 20)), WEIR_OK);
	assert_int_equal(weir_group_wait(top), WEIR_OK);
	assert_int_equal(nested.seen, WEIR_EDEADLK);
	assert_int_equal(weir_group_wait(nested.inner), WEIR_OK);
	assert_int_equal(weir_group_destroy(nested.inner), WEIR_OK);
	assert_int_equal(weir_group_destroy(nested.outer), WEIR_OK);
	assert_int_equal(weir_group_destroy(top), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

/* A child of WEIR_SPAWN() that nobody joined was forgotten: thieves could run it when its parent's arguments were
 * gone. */
WEIR_FORK_1(int, leaves_one_behind, int, depth)
{
	if (depth)
		WEIR_SPAWN(leaves_one_behind, depth - 1);
	return depth;
}

static void a_spawn_that_is_never_joined_ends_the_program(void **state)
{
	(void)state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (!child) {
		weir_pool *pool;
		int out;
		if (!freopen("/dev/null", "w", stderr) || weir_pool_create(&pool, WEIR_OPTIONS(.workers = 1)))
			_exit(1);
		(void)WEIR_RUN(pool, leaves_one_behind, &out, 1);
		_exit(2);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* Refusals that admission does not see, a full table of tasks and a tracker without room, were in no log. */
static void keep_line(weir_log_level level, const char *line, void *context)
{
	if (level == WEIR_LOG_DEBUG)
		strncpy(context, line, 255);
}

static void every_refusal_is_in_the_log(void **state)
{
	(void)state;
	char line[256] = "";
	weir_pool *pool = make_pool(WEIR_OPTIONS(.workers = 1, .tasks_max = 1));
	weir_group *group = make_group(pool);
	atomic_int go = 0;
	assert_int_equal(weir_log_set(WEIR_LOG_DEBUG, keep_line, line, 1000), WEIR_OK);
	assert_int_equal(weir_submit(group, wait_for_flag, &go, NULL), WEIR_OK);
	weir_status status = WEIR_OK;
	for (int i = 0; i < 1000 && !status; i++) /* caches may hold some beyond tasks_max */
		status = weir_submit(group, wait_for_flag, &go, NULL);
	assert_int_equal(status, WEIR_EFULL);
	assert_non_null(strstr(line, "tasks_max"));
	atomic_store(&go, 1);
	assert_int_equal(weir_group_wait(group), WEIR_OK);
	weir_tracker *tracker;
	assert_int_equal(weir_tracker_create(&tracker, NULL), WEIR_OK);
	weir_grant grant;
	assert_int_equal(weir_tracker_take(tracker, WEIR_DEMAND(.cores = 1e6), &grant, NULL), WEIR_EINFEASIBLE);
	assert_non_null(strstr(line, "never fit"));
	assert_int_equal(weir_log_set(WEIR_LOG_OFF, NULL, NULL, 0), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(tracker), WEIR_OK);
	assert_int_equal(weir_group_destroy(group), WEIR_OK);
	assert_int_equal(weir_pool_destroy(pool), WEIR_OK);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drain_waits_for_a_task_whose_children_are_done_already),
		cmocka_unit_test(sections_one_after_the_other_need_one_stand_in),
		cmocka_unit_test(what_run_says_did_not_run_does_not_run_later),
		cmocka_unit_test(after_cancel_running_tasks_submit_no_more),
		cmocka_unit_test(a_task_that_submits_itself_again_starves_nobody),
		cmocka_unit_test(a_group_that_is_chained_while_the_first_ends_waits_for_the_second),
		cmocka_unit_test(a_section_ends_with_its_task),
		cmocka_unit_test(a_lone_task_finds_somebody_to_share_with),
		cmocka_unit_test(grants_at_once_count_as_overtaking_too),
		cmocka_unit_test(a_granted_function_may_release_however_many_wait),
		cmocka_unit_test(a_long_chain_of_cancelled_groups_needs_no_deep_stack),
		cmocka_unit_test(a_grant_below_on_the_stack_counts_as_held),
		cmocka_unit_test(a_spawn_that_is_never_joined_ends_the_program),
		cmocka_unit_test(every_refusal_is_in_the_log),
	};
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	alarm(100);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
