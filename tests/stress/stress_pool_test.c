/* SPDX-License-Identifier: MIT */
/* stress_pool_test.c - eight threads submit to one resource-aware pool, and its tasks submit too, with and without
 * demands, in groups that are waited for, cancelled and chained, while strategy and rule change. Every task ends once
 * (W1, P3), no limit is passed (L1), all room comes back (L2), no more workers than its cores are inside one granted
 * task (Q3). */
#include "stress.h"

struct shared {
	weir_pool *pool;
	uint64_t memory_unit;
	struct held held;
	atomic_llong ran;
	atomic_llong submitted;
	atomic_int too_many_inside;
	atomic_int no_memory;
};

struct work {
	struct shared *shared;
	weir_demand demand;
	bool with_demand;
	uint64_t random;
	atomic_int inside; /* workers in this task's body and children */
	int inside_max;
};

static void enter(struct work *work)
{
	if (atomic_fetch_add(&work->inside, 1) + 1 > work->inside_max)
		atomic_fetch_add(&work->shared->too_many_inside, 1);
}

static void spend_some(void)
{
	for (volatile int i = 0; i < 50; i++)
		;
}

/* A worker that joins works inside the same task already: what is counted is leaves, of which each worker runs one at a
 * time. */
static weir_status leaf(weir_task *task, void *argument)
{
	struct work *work = argument;
	(void)task;
	enter(work);
	spend_some();
	atomic_fetch_sub(&work->inside, 1);
	return WEIR_OK;
}

static weir_status branch(weir_task *task, void *argument)
{
	(void)task;
	weir_status status = WEIR_OK;
	for (int i = 0; i < 6 && !status; i++)
		status = weir_fork(leaf, argument);
	for (int i = 0; i < 6 && !status; i++)
		status = weir_join();
	return status;
}

static weir_status fork_and_join(void *argument)
{
	weir_status status = weir_fork(branch, argument);
	weir_status second = status ? status : weir_fork(branch, argument);
	for (int i = 0; i < (status ? 0 : second ? 1 : 2); i++) {
		weir_status joined = weir_join();
		status = status ? status : joined;
	}
	return status ? status : second;
}

static weir_status do_work(weir_task *task, void *argument);

static struct work *make_work(struct shared *shared, uint64_t *random)
{
	struct work *work = calloc(1, sizeof(*work));
	if (!work)
		abort();
	work->shared = shared;
	work->random = fixture_random(random);
	work->with_demand = work->random % 3 != 0;
	work->demand = random_demand(random);
	work->inside_max = work->with_demand ? (int)(work->demand.cores + 0.999) : 1000;
	if (!work->inside_max)
		work->inside_max = 1;
	return work;
}

static weir_status submit_work(weir_group *group, struct work *work)
{
	atomic_fetch_add(&work->shared->submitted, 1);
	weir_status status = weir_submit(group, do_work, work, work->with_demand ? &work->demand : NULL);
	if (status) {
		atomic_fetch_sub(&work->shared->submitted, 1);
		free(work);
	}
	return status;
}

static weir_status submit_from_inside(struct work *work)
{
	weir_group *group;
	weir_status status = weir_group_create(&group, work->shared->pool);
	if (status)
		return status;
	for (int i = 0; i < 3 && !status; i++) {
		struct work *child = make_work(work->shared, &work->random);
		child->with_demand = false;
		child->inside_max = 1000;
		child->random &= ~UINT64_C(0xff00); /* no further generation */
		status = submit_work(group, child);
	}
	weir_status waited = weir_group_wait(group);
	if (waited != WEIR_EDEADLK)
		status = status ? status : waited;
	while (weir_group_destroy(group) == WEIR_EBUSY)
		usleep(50);
	return status;
}

static weir_status do_work(weir_task *task, void *argument)
{
	struct work *work = argument;
	struct shared *shared = work->shared;
	bool counted = work->with_demand && weir_task_grant(task).handle;
	uint32_t node = weir_task_node(task);
	if (counted)
		held_change(&shared->held, &work->demand, node, shared->memory_unit, 1);
	if (counted && work->demand.memory_bytes) {
		size_t bytes = (size_t)(work->demand.memory_bytes % 65536 + 1) & ~(size_t)1;
		char *block = weir_task_alloc(task, bytes);
		if (block && bytes)
			block[0] = 1;
		else if (!block && work->demand.memory_bytes >= 65536)
			atomic_fetch_add(&shared->no_memory, 1);
	}
	weir_status status = WEIR_OK;
	if (work->random >> 20 & 1)
		status = fork_and_join(work);
	if (!status && (work->random >> 8 & 7) == 7)
		status = submit_from_inside(work);
	if (counted)
		held_change(&shared->held, &work->demand, node, shared->memory_unit, -1);
	atomic_fetch_add(&shared->ran, 1);
	free(work);
	return status;
}

static void found(struct stress_thread *self, const char *what, weir_status status)
{
	if (status && !self->wrong[0])
		snprintf(self->wrong, sizeof(self->wrong), "%s: %s: %s", what, weir_status_text(status),
			 weir_error_text());
}

/* Cancelled tasks do not run and so leak their argument: only the plain rounds hand over something to be freed. */
static void cancelled_round(struct stress_thread *self, struct shared *shared, weir_group *group)
{
	atomic_int count = 0;
	for (int i = 0; i < 20; i++) {
		weir_demand demand = random_demand(&self->random);
		found(self, "submit", weir_submit(group, count_up, &count, i % 2 ? &demand : NULL));
	}
	weir_group_cancel(group);
	weir_status status = weir_group_wait(group);
	if (status != WEIR_ECANCELED)
		found(self, "wait after cancel", status ? status : WEIR_EUSER);
	found(self, "reset", weir_group_reset(group));
	(void)shared;
}

static void *submit_and_wait(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	const weir_strategy *const strategies[] = {WEIR_FIRST_FIT, WEIR_BEST_FIT, WEIR_WORST_FIT};
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		weir_group *group = NULL, *later = NULL;
		found(self, "create", weir_group_create(&group, shared->pool));
		found(self, "create", weir_group_create(&later, shared->pool));
		if (!group || !later)
			break;
		uint64_t r = fixture_random(&self->random);
		for (int i = 0; i < 30; i++, self->operations++)
			found(self, "submit", submit_work(group, make_work(shared, &self->random)));
		if (r & 1) {
			found(self, "after", weir_group_after(later, group));
			for (int i = 0; i < 10; i++, self->operations++)
				found(self, "submit later", submit_work(later, make_work(shared, &self->random)));
		}
		if (self->number == 0)
			found(self, "strategy", weir_pool_set_strategy(shared->pool, strategies[r >> 8 & 1]));
		if (self->number == 1)
			found(self, "rule",
			      weir_admission_set_rule(weir_pool_admission(shared->pool),
						      (weir_admission_rule)(r >> 9 & 1)));
		found(self, "wait", weir_group_wait(later));
		found(self, "wait", weir_group_wait(group));
		if (!(r & 6))
			cancelled_round(self, shared, group);
		found(self, "destroy later", weir_group_destroy(later));
		found(self, "destroy", weir_group_destroy(group));
	}
	return NULL;
}

static void run(uint32_t workers)
{
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {0};
	shared.pool = hostile_pool(WEIR_OPTIONS(.machine = stress_machine, .workers = workers, .resource_aware = true,
						.limits = STRESS_LIMITS, .stack_bytes = 1 << 20));
	weir_tracker_units(weir_pool_tracker(shared.pool), NULL, &shared.memory_unit, NULL);
	assert_true(stress_run(threads, submit_and_wait, &shared, fixture_seed("pool")));
	assert_int_equal(shared.held.overcommits, 0);
	assert_int_equal(shared.too_many_inside, 0);
	assert_int_equal(shared.no_memory, 0);
	assert_int_equal(shared.ran, shared.submitted);
	print_message("%u workers, %llu tasks\n", workers, (unsigned long long)shared.ran);
	end_pool(shared.pool);
}

static void with_a_worker_for_each_core(void **state)
{
	(void)state;
	run(8);
}

static void with_fewer_workers_than_nodes(void **state)
{
	(void)state;
	run(1);
}

static void with_more_workers_than_cores(void **state)
{
	(void)state;
	run(20);
}

int main(void)
{
	stress_alarm();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(with_a_worker_for_each_core),
		cmocka_unit_test(with_fewer_workers_than_nodes),
		cmocka_unit_test(with_more_workers_than_cores),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
