/* SPDX-License-Identifier: MIT */
/* stress_chain_test.c - threads fill a saturated pool with equal short tasks, so that grants are handed on all the time, and
 * get in the way of it: larger and more urgent tasks, tasks that block or shrink, cancelled groups and tickets, room taken and
 * given outside, reservations, limits that go down and up, claims, policies, other strategies and rules. Every task ends
 * once (W1, H3), no limit is passed (L1), each task's grant is its own and live (B1), all room comes back (L2), nobody
 * is left waiting (H4, A2: the test would hang). */
#include "stress.h"

enum { CORES = 3 };

struct shared {
	weir_pool *pool;
	uint32_t nodes;
	atomic_int cores[2];
	atomic_int overcommits;
	atomic_int wrong_grants;
	atomic_llong ran;
	atomic_llong submitted;
};

static weir_status hold(struct shared *shared, weir_task *task, int cores)
{
	weir_allocation allocation = {0};
	if (weir_tracker_look(weir_pool_tracker(shared->pool), weir_task_grant(task), &allocation) ||
	    allocation.memory_node != weir_task_memory_node(task) || (int)allocation.held.cores != cores)
		atomic_fetch_add(&shared->wrong_grants, 1);
	uint32_t node = allocation.node;
	if (atomic_fetch_add(&shared->cores[node], cores) + cores > CORES)
		atomic_fetch_add(&shared->overcommits, 1);
	for (volatile int i = 0; i < 100; i++)
		;
	atomic_fetch_sub(&shared->cores[node], cores);
	atomic_fetch_add(&shared->ran, 1);
	return WEIR_OK;
}

static weir_status hold_one(weir_task *task, void *argument)
{
	return hold(argument, task, 1);
}

static weir_status hold_two(weir_task *task, void *argument)
{
	return hold(argument, task, 2);
}

static weir_status block_with_one(weir_task *task, void *argument)
{
	weir_blocking_begin();
	usleep(50);
	weir_blocking_end();
	return hold(argument, task, 1);
}

static weir_status shrink_to_one(weir_task *task, void *argument)
{
	weir_status status = weir_task_shrink(task, &(weir_amount){.cores = 1});
	return status ? status : hold(argument, task, 1);
}

static void found(struct stress_thread *self, const char *what, weir_status status)
{
	if (status && !self->wrong[0])
		snprintf(self->wrong, sizeof(self->wrong), "%s: %s: %s", what, weir_status_text(status),
			 weir_error_text());
}

static void submit_some(struct stress_thread *self, weir_group *group)
{
	struct shared *shared = self->shared;
	for (int i = 0; i < 60; i++, self->operations++) {
		uint64_t r = fixture_random(&self->random);
		weir_demand demand = {.size = sizeof(demand), .cores = r % 32 ? 1 : 2};
		if (!(r >> 8 & 31))
			demand.task_class = WEIR_HIGH;
		if (!(r >> 13 & 63))
			demand.priority = 1;
		if (!(r >> 19 & 7)) {
			demand.home = WEIR_NODE((r >> 22) % shared->nodes);
			demand.home_only = true;
		}
		weir_task_fn fn = r % 32	? r >> 26 & 63 ? hold_one : block_with_one
				  : r >> 32 & 1 ? hold_two
						: shrink_to_one;
		found(self, "submit", weir_submit(group, fn, shared, &demand));
		atomic_fetch_add(&shared->submitted, 1);
	}
}

static void cancelled_round(struct stress_thread *self)
{
	struct shared *shared = self->shared;
	static atomic_int count;
	weir_group *group = NULL;
	found(self, "create", weir_group_create(&group, shared->pool));
	if (!group)
		return;
	for (int i = 0; i < 40; i++)
		found(self, "submit", weir_submit(group, count_up, &count, WEIR_DEMAND(.cores = 1)));
	weir_group_cancel(group);
	weir_status status = weir_group_wait(group);
	if (status != WEIR_ECANCELED)
		found(self, "wait after cancel", status ? status : WEIR_EUSER);
	found(self, "destroy", weir_group_destroy(group));
}

/* Each of them runs, or was cancelled. */
static void tickets_round(struct stress_thread *self)
{
	struct shared *shared = self->shared;
	enum { TICKETS = 60 };
	uint64_t ticket[TICKETS];
	atomic_int ran = 0;
	int cancelled = 0;
	weir_group *group = NULL;
	found(self, "create", weir_group_create(&group, shared->pool));
	if (!group)
		return;
	for (int i = 0; i < TICKETS; i++) {
		weir_decision decision = {0};
		found(self, "submit", weir_submit_decision(group, count_up, &ran, WEIR_DEMAND(.cores = 1), &decision));
		ticket[i] = decision.ticket;
	}
	for (int i = 0; i < TICKETS; i += 1 + (int)(fixture_random(&self->random) % 4))
		cancelled += ticket[i] && !weir_task_cancel(shared->pool, ticket[i]);
	weir_status status = weir_group_wait(group);
	if (status != (cancelled ? WEIR_ECANCELED : WEIR_OK))
		found(self, "wait after some were cancelled", status ? status : WEIR_EUSER);
	if (ran + cancelled != TICKETS)
		found(self, "some were lost, or ran all the same", WEIR_EUSER);
	found(self, "destroy", weir_group_destroy(group));
}

/* Takes room away from under the chains, and brings it back. */
static void meddle(struct stress_thread *self)
{
	struct shared *shared = self->shared;
	const weir_strategy *const strategies[] = {WEIR_FIRST_FIT, WEIR_BEST_FIT, WEIR_WORST_FIT};
	uint64_t r = fixture_random(&self->random);
	weir_grant grant;
	if (!weir_tracker_take(weir_pool_tracker(shared->pool), WEIR_DEMAND(.cores = 1), &grant, NULL)) {
		usleep((useconds_t)(r % 100));
		found(self, "give", weir_tracker_give(weir_pool_tracker(shared->pool), grant));
	}
	if (r & 1 << 10)
		found(self, "strategy", weir_pool_set_strategy(shared->pool, strategies[(r >> 11) % 3]));
	if (r & 1 << 13)
		found(self, "rule",
		      weir_admission_set_rule(weir_pool_admission(shared->pool),
					      (r >> 14) % 4 ? WEIR_ADMIT_HARD : WEIR_ADMIT_WATERMARK));
}

static weir_verdict admit(const weir_demand *demand, const weir_policy_view *view, void *context)
{
	(void)demand;
	(void)view;
	(void)context;
	return WEIR_ADMITTED;
}

/* Two cores are left of each node, so that every demand stays feasible. */
static void meddle_with_what_may_be_lent(struct stress_thread *self)
{
	struct shared *shared = self->shared;
	static const weir_policy policy = {.fn = admit};
	weir_admission *admission = weir_pool_admission(shared->pool);
	uint64_t r = fixture_random(&self->random);
	weir_reservation reservation;
	bool kept = !weir_reserve(admission, WEIR_DEMAND(.cores = 1), 1000 + r % 200000, &reservation);
	double cores = r & 1 << 20 ? 2.0 * shared->nodes : 0;
	found(self, "limits", weir_pool_set_limits(shared->pool, WEIR_LIMITS(.cores = cores)));
	if (r & 1 << 24)
		found(self, "policy", weir_admission_set_policy(admission, r & 1 << 25 ? &policy : NULL));
	usleep((useconds_t)(r >> 30) % 100);
	weir_status status = kept && r & 1 << 26 ? weir_reservation_release(admission, reservation) : WEIR_OK;
	if (status != WEIR_ESTALE)
		found(self, "release", status);
}

static void *submit_and_wait(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		weir_group *group = NULL;
		found(self, "create", weir_group_create(&group, shared->pool));
		if (!group)
			break;
		submit_some(self, group);
		if (self->number == 0)
			meddle(self);
		if (self->number == 1)
			cancelled_round(self);
		if (self->number == 2)
			tickets_round(self);
		if (self->number == 3)
			meddle_with_what_may_be_lent(self);
		found(self, "wait", weir_group_wait(group));
		found(self, "destroy", weir_group_destroy(group));
	}
	return NULL;
}

static void run(const char *machine, uint32_t nodes, uint32_t workers, uint64_t overtaken_ns)
{
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {.nodes = nodes};
	shared.pool = hostile_pool(
		WEIR_OPTIONS(.machine = machine, .workers = workers, .resource_aware = true, .stack_bytes = 1 << 20,
			     .admission_options = WEIR_ADMISSION_OPTIONS(.overtaken_ns_max = overtaken_ns)));
	assert_true(stress_run(threads, submit_and_wait, &shared, fixture_seed("chain")));
	assert_int_equal(shared.overcommits, 0);
	assert_int_equal(shared.wrong_grants, 0);
	assert_int_equal(shared.ran, shared.submitted);
	assert_ok(weir_pool_drain(shared.pool));
	weir_admission_counts counts = {.size = sizeof(counts)};
	/* Who ended the last task may still be looking at the room. */
	do
		assert_ok(weir_admission_counts_get(weir_pool_admission(shared.pool), &counts));
	while (counts.waiting);
	assert_int_equal(counts.granted_later + counts.cancelled, counts.verdict[WEIR_QUEUED]);
	print_message("%u workers, %llu tasks, %llu of them waited\n", workers, (unsigned long long)shared.ran,
		      (unsigned long long)counts.granted_later);
	end_pool(shared.pool);
}

static void on_one_node(void **state)
{
	(void)state;
	run("numa:1 core:3 pu:1", 1, 3, 0);
}

static void on_two_nodes(void **state)
{
	(void)state;
	run("numa:2 core:3 pu:1", 2, 6, 0);
}

static void with_one_worker_for_two_nodes(void **state)
{
	(void)state;
	run("numa:2 core:3 pu:1", 2, 1, 0);
}

static void with_many_claims(void **state)
{
	(void)state;
	run("numa:2 core:3 pu:1", 2, 4, 2000);
}

/* Pools end with tasks in hands, in each way. Each task ends once, and all room is back: end_pool(). */
static void pools_that_end_at_once(void **state)
{
	(void)state;
	uint64_t until_ns = stress_until_ns(), random = fixture_seed("end");
	for (int round = 0; weir_clock_monotonic_ns() < until_ns; round++) {
		struct shared shared = {.nodes = 1};
		shared.pool = hostile_pool(
			WEIR_OPTIONS(.machine = "numa:1 core:3 pu:1", .workers = 3, .resource_aware = true));
		struct stress_thread self = {.shared = &shared, .random = random};
		weir_group *group = hostile_group(shared.pool);
		for (int i = 0; i < 4; i++)
			submit_some(&self, group);
		random = self.random;
		assert_string_equal(self.wrong, "");
		if (round % 4 == 0)
			weir_group_cancel(group);
		else if (round % 4 < 3)
			assert_ok(weir_pool_shutdown(shared.pool,
						     round % 4 == 1 ? WEIR_SHUTDOWN_CANCEL : WEIR_SHUTDOWN_DRAIN));
		weir_status status = weir_group_wait(group);
		if (status != WEIR_ECANCELED)
			assert_ok(status);
		assert_ok(weir_group_destroy(group));
		end_pool(shared.pool);
	}
}

int main(void)
{
	stress_alarm();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_one_node),
		cmocka_unit_test(on_two_nodes),
		cmocka_unit_test(with_one_worker_for_two_nodes),
		cmocka_unit_test(with_many_claims),
		cmocka_unit_test(pools_that_end_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
