/* SPDX-License-Identifier: MIT */
/* stress_hands_test.c - threads keep a small pool full of equal short tasks, so that some lie in hands all the time, while others
 * switch all that decides who may lie there: levels, strategies (one of the application's own), rules, breakers that open by
 * demands whose time is over, a policy, limits, and reservations whose grants are resized while they are bound. Every task that was
 * submitted ends once (W1, H3), no limit is passed (L1), a running task's grant is its own (B1), what is bound is shown so, all room
 * comes back (L2), and nobody is left waiting (A2, H4: it would hang). */
#include "stress.h"

enum { CORES = 3, TASKS = 60 };

struct shared {
	weir_pool *pool;
	uint32_t nodes;
	atomic_int cores[2];
	atomic_int overcommits, wrong_grants, wrong_states;
	atomic_llong ran, submitted, turned_away;
};

static void found(struct stress_thread *self, const char *what, weir_status status)
{
	if (status && !self->wrong[0])
		snprintf(self->wrong, sizeof(self->wrong), "%s: %s: %s", what, weir_status_text(status),
			 weir_error_text());
}

static weir_status hold(weir_task *task, void *argument)
{
	struct shared *shared = argument;
	weir_allocation allocation = {0};
	if (weir_tracker_look(weir_pool_tracker(shared->pool), weir_task_grant(task), &allocation))
		atomic_fetch_add(&shared->wrong_grants, 1);
	int cores = (int)allocation.held.cores;
	if (atomic_fetch_add(&shared->cores[allocation.node], cores) + cores > CORES)
		atomic_fetch_add(&shared->overcommits, 1);
	for (volatile int i = 0; i < 100; i++)
		;
	atomic_fetch_sub(&shared->cores[allocation.node], cores);
	atomic_fetch_add(&shared->ran, 1);
	return WEIR_OK;
}

/* Some have little time: a breaker counts those that wait too long. */
static void submit_some(struct stress_thread *self, weir_group *group)
{
	static const weir_class classes[] = {WEIR_NORMAL, WEIR_NORMAL, WEIR_NORMAL, WEIR_HIGH, WEIR_CRITICAL};
	struct shared *shared = self->shared;
	for (int i = 0; i < TASKS; i++, self->operations++) {
		uint64_t r = fixture_random(&self->random);
		weir_demand demand = {
			.size = sizeof(demand), .cores = r % 32 ? 1 : 2, .task_class = classes[(r >> 5) % 5]};
		if (!(r >> 10 & 15)) {
			demand.home = WEIR_NODE((r >> 14) % shared->nodes);
			demand.home_only = true;
		}
		if (!(r >> 20 & 31))
			demand.wait_ns_max = 1000 + (r >> 25) % 100000;
		weir_status status = weir_submit(group, hold, shared, &demand);
		if (status == WEIR_EAGAIN)
			atomic_fetch_add(&shared->turned_away, 1);
		else
			found(self, "submit", status);
		if (!status)
			atomic_fetch_add(&shared->submitted, 1);
	}
}

static int64_t rather_the_last(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	(void)demand;
	(void)snapshot;
	(void)context;
	return node;
}

static void switch_strategy(struct stress_thread *self, uint64_t r)
{
	static const weir_strategy own = {.score = rather_the_last, .name = "last"};
	struct shared *shared = self->shared;
	const weir_strategy *const strategies[] = {WEIR_FIRST_FIT, WEIR_BEST_FIT, &own};
	found(self, "strategy", weir_pool_set_strategy(shared->pool, strategies[r % 3]));
}

/* Up to ORANGE, where NORMAL ones wait; nobody is rejected for it. */
static void switch_level(struct stress_thread *self, uint64_t r)
{
	static const double stalled[] = {0, 0, 7.5, 8.8};
	struct shared *shared = self->shared;
	weir_reading reading = {.size = sizeof(reading), .known = WEIR_KNOWN_MEMORY_PRESSURE};
	reading.pressure[WEIR_STALL_MEMORY].full = stalled[r % 4];
	found(self, "feed", weir_admission_feed(weir_pool_admission(shared->pool), &reading));
}

static weir_verdict admit(const weir_demand *demand, const weir_policy_view *view, void *context)
{
	(void)view;
	(void)context;
	return demand->cores > 1 ? WEIR_QUEUED : WEIR_ADMITTED;
}

/* Whoever is held back by the policy starts when it is gone, at the end of the round. */
static void switch_gates(struct stress_thread *self, uint64_t r)
{
	static const uint32_t rules[] = {WEIR_ADMIT_HARD, WEIR_ADMIT_HARD, WEIR_ADMIT_WATERMARK, WEIR_ADMIT_ADAPTIVE,
					 WEIR_ADMIT_DEADLINE};
	static const weir_policy policy = {.fn = admit};
	struct shared *shared = self->shared;
	weir_admission *admission = weir_pool_admission(shared->pool);
	found(self, "rule", weir_admission_set_rule(admission, rules[r % 5]));
	found(self, "breaker",
	      weir_admission_breaker_set(admission, WEIR_NORMAL, (weir_breaker_mode)((r >> 8) % WEIR_BREAKER_MODES)));
	if (r & 1 << 16)
		found(self, "policy", weir_admission_set_policy(admission, &policy));
	usleep((useconds_t)(r >> 20) % 100);
	found(self, "policy", weir_admission_set_policy(admission, NULL));
}

struct kept {
	struct shared *shared;
	weir_reservation reservation;
};

static void check_bound(const struct kept *kept)
{
	weir_reserved reserved;
	if (weir_reservation_state(weir_pool_admission(kept->shared->pool), kept->reservation, &reserved) ||
	    reserved.state != WEIR_RESERVED_BOUND)
		atomic_fetch_add(&kept->shared->wrong_states, 1);
}

static weir_status resize(weir_task *task, void *argument)
{
	const struct kept *kept = argument;
	check_bound(kept);
	weir_status status = weir_task_shrink(task, &(weir_amount){.cores = 1});
	check_bound(kept);
	if (!status)
		status = weir_task_grow(task, &(weir_amount){.cores = 1});
	check_bound(kept);
	bool no_room = status == WEIR_EAGAIN || status == WEIR_EINFEASIBLE;
	return status && !no_room ? status : hold(task, kept->shared);
}

/* Two cores are left of each node, so that every demand stays feasible. */
static void switch_room(struct stress_thread *self, weir_group *group, uint64_t r, struct kept *kept)
{
	struct shared *shared = self->shared;
	double cores = r & 1 ? 2.0 * shared->nodes : 0;
	found(self, "limits", weir_pool_set_limits(shared->pool, WEIR_LIMITS(.cores = cores)));
	kept->shared = shared;
	if (weir_reserve(weir_pool_admission(shared->pool), WEIR_DEMAND(.cores = 2), UINT64_MAX, &kept->reservation))
		return;
	if (r & 2) {
		found(self, "release", weir_reservation_release(weir_pool_admission(shared->pool), kept->reservation));
		return;
	}
	atomic_fetch_add(&shared->submitted, 1);
	found(self, "bind", weir_submit(group, resize, kept, WEIR_DEMAND(.reservation = kept->reservation)));
}

static void *submit_and_wait(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		weir_group *group = NULL;
		struct kept kept;
		found(self, "create", weir_group_create(&group, shared->pool));
		if (!group)
			break;
		uint64_t r = fixture_random(&self->random);
		submit_some(self, group);
		if (self->number % 8 == 0)
			switch_strategy(self, r);
		if (self->number % 8 == 1)
			switch_level(self, r);
		if (self->number % 8 == 2)
			switch_gates(self, r);
		if (self->number % 8 == 3)
			switch_room(self, group, r, &kept);
		weir_status status = weir_group_wait(group);
		found(self, "wait", status == WEIR_ETIME ? WEIR_OK : status);
		found(self, "destroy", weir_group_destroy(group));
	}
	return NULL;
}

static void run(const char *machine, uint32_t nodes, uint32_t workers)
{
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {.nodes = nodes};
	const weir_level_options *levels = WEIR_LEVEL_OPTIONS(.leave_ns = 1);
	const weir_breaker_options *breaker =
		WEIR_BREAKER_OPTIONS(.outcomes_min = 4, .exhausted_permille = 50, .window_ns = 1000000,
				     .open_ns = 1000000, .open_ns_max = 2000000, .probe_lease_ns = 1000000);
	shared.pool = hostile_pool(
		WEIR_OPTIONS(.machine = machine, .workers = workers, .resource_aware = true, .stack_bytes = 1 << 20,
			     .admission_options = WEIR_ADMISSION_OPTIONS(.levels = levels, .breaker = breaker)));
	assert_true(stress_run(threads, submit_and_wait, &shared, fixture_seed("hands")));
	assert_int_equal(shared.overcommits, 0);
	assert_int_equal(shared.wrong_grants, 0);
	assert_int_equal(shared.wrong_states, 0);
	assert_ok(weir_pool_drain(shared.pool));
	weir_admission_counts counts = {.size = sizeof(counts)};
	/* Who ended the last task may still be looking at the room. */
	do
		assert_ok(weir_admission_counts_get(weir_pool_admission(shared.pool), &counts));
	while (counts.waiting);
	assert_int_equal(shared.ran + (long long)counts.expired, shared.submitted);
	assert_int_equal(counts.granted_later + counts.expired, counts.verdict[WEIR_QUEUED]);
	print_message("%llu ran, %llu of them waited, %llu had no time, %llu were turned away\n",
		      (unsigned long long)shared.ran, (unsigned long long)counts.granted_later,
		      (unsigned long long)counts.expired, (unsigned long long)shared.turned_away);
	end_pool(shared.pool);
}

static void on_one_node(void **state)
{
	(void)state;
	run("numa:1 core:3 pu:1", 1, 3);
}

static void on_two_nodes(void **state)
{
	(void)state;
	run("numa:2 core:3 pu:1", 2, 6);
}

/* Grants that others give back while their tasks run, or as they are handed on. */
struct lifted {
	weir_pool *pool;
	atomic_ullong handle;
	atomic_llong ran;
	atomic_bool over;
	uint64_t given;
};

static weir_status show_grant(weir_task *task, void *argument)
{
	struct lifted *lifted = argument;
	atomic_store(&lifted->handle, weir_task_grant(task).handle);
	atomic_fetch_add(&lifted->ran, 1);
	return WEIR_OK;
}

static void *give_shown(void *argument)
{
	struct lifted *lifted = argument;
	while (!atomic_load(&lifted->over)) {
		weir_grant grant = {.handle = atomic_load(&lifted->handle)};
		lifted->given += !weir_tracker_give(weir_pool_tracker(lifted->pool), grant);
	}
	return NULL;
}

/* L2, B1. Fails if the room of such a one is given twice or never, or if a stale handle reaches who has the grant next. */
static void what_others_give_back_is_not_handed_on(void **state)
{
	(void)state;
	struct lifted lifted = {.pool = hostile_pool(WEIR_OPTIONS(.machine = "numa:1 core:3 pu:1", .workers = 3,
								  .resource_aware = true))};
	uint64_t until_ns = stress_until_ns(), submitted = 0;
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, give_shown, &lifted), 0);
	while (weir_clock_monotonic_ns() < until_ns) {
		weir_group *group = hostile_group(lifted.pool);
		for (int i = 0; i < 4 * TASKS; i++, submitted++)
			assert_ok(weir_submit(group, show_grant, &lifted, WEIR_DEMAND(.cores = 1)));
		assert_ok(weir_group_wait(group));
		assert_ok(weir_group_destroy(group));
	}
	atomic_store(&lifted.over, true);
	pthread_join(thread, NULL);
	assert_int_equal(lifted.ran, submitted);
	print_message("%llu ran, %llu of their grants were given back by another\n", (unsigned long long)submitted,
		      (unsigned long long)lifted.given);
	weir_usage usage;
	assert_ok(weir_pool_drain(lifted.pool));
	assert_ok(weir_tracker_usage(weir_pool_tracker(lifted.pool), WEIR_ALL_NODES, &usage));
	assert_int_equal(usage.grants, 0);
	assert_true(usage.held.cores == 0);
	end_pool(lifted.pool);
}

int main(void)
{
	stress_alarm();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_one_node),
		cmocka_unit_test(on_two_nodes),
		cmocka_unit_test(what_others_give_back_is_not_handed_on),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
