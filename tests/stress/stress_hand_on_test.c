/* SPDX-License-Identifier: MIT */
/* stress_hand_on_test.c - grants that are handed on, of all resources at once: two nodes, a total that binds, a stock, elastic ones,
 * all classes, large ones among them. Some are cancelled, by their tickets or with their group, some are told not to wait, some get
 * a full room. Whoever looks at the clock, with the room's token most often, is stopped now and then. No limit is passed (L1), by
 * counters that know nothing of the ledger; what was submitted ends once (A1, H3); and whenever all is over nothing is held, nobody
 * waits, and WAIT and claims are gone (L2, H4: a lost one would hang). */
#include <sched.h>

#include "stress.h"
#include "runtime/pool.h"

enum { TASKS = 150, SHAPES = 6, LARGE = 5, WAITING_MAX = 400 };

struct shared {
	weir_pool *pool;
	uint64_t memory_unit;
	struct held held;
	pthread_barrier_t barrier;
	atomic_llong submitted, ran, cancelled, turned_away;
	atomic_int not_quiet;
	atomic_bool over;
	uint64_t rounds;
};

struct one {
	struct shared *shared;
	weir_demand demand;
	uint64_t ticket;
	uint32_t spins;
	bool submits;
	weir_group *group;
};

/* Few, so that many wait of each. */
static const weir_demand shape[SHAPES] = {
	{.size = sizeof(weir_demand), .cores = 1},
	{.size = sizeof(weir_demand), .cores = 0.5, .memory_bytes = 8 * MIB},
	{.size = sizeof(weir_demand), .cores = 1, .memory_bytes = MIB, .counted = {1}},
	{.size = sizeof(weir_demand), .cores = 0.25, .counted = {0, 1}},
	{.size = sizeof(weir_demand), .cores = 1, .bandwidth_bytes_s = 150},
	{.size = sizeof(weir_demand), .cores = 4, .memory_bytes = 48 * MIB, .counted = {2, 3}},
};

static uint64_t stop_now_and_then(void *context)
{
	static _Thread_local uint64_t random;
	(void)context;
	if (!random)
		random = (uint64_t)(uintptr_t)&random;
	uint64_t r = fixture_random(&random);
	if (!(r & 63))
		sched_yield();
	if (!(r & 4095))
		usleep((useconds_t)(r >> 20) % 3000);
	return weir_clock_monotonic_ns();
}

static weir_status hold(weir_task *task, void *argument)
{
	struct one *one = argument;
	struct shared *shared = one->shared;
	weir_allocation allocation = {0};
	if (weir_tracker_look(weir_pool_tracker(shared->pool), weir_task_grant(task), &allocation))
		return WEIR_EINVAL;
	weir_demand demand = one->demand;
	demand.cores = allocation.held.cores;
	held_change(&shared->held, &demand, allocation.node, shared->memory_unit, 1);
	for (volatile uint32_t i = 0; i < one->spins; i++)
		;
	if (one->submits) {
		one->submits = false;
		struct one *next = one;
		weir_status status = weir_submit(one->group, hold, next + TASKS, &next[TASKS].demand);
		if (!status)
			atomic_fetch_add(&shared->submitted, 1);
		else if (status != WEIR_EAGAIN && status != WEIR_EFULL && status != WEIR_ECANCELED)
			return status;
	}
	held_change(&shared->held, &demand, allocation.node, shared->memory_unit, -1);
	atomic_fetch_add(&shared->ran, 1);
	return WEIR_OK;
}

static void choose(struct stress_thread *self, struct one *one, weir_group *group)
{
	struct shared *shared = self->shared;
	uint64_t r = fixture_random(&self->random);
	uint32_t which = r % 64 ? (uint32_t)(r >> 6) % (r >> 40 & 3 ? 2 : LARGE) : LARGE;
	*one = (struct one){
		.shared = shared, .demand = shape[which], .group = group, .spins = (uint32_t)(r >> 8) % 400};
	one->demand.task_class = r >> 20 & 3 ? WEIR_NORMAL : (weir_class)(r >> 22 & 3);
	one->demand.priority = r >> 24 & 7 ? 0 : 1;
	if (!(r >> 28 & 7)) {
		one->demand.home = WEIR_NODE((r >> 31) % STRESS_NODES);
		one->demand.home_only = true;
	}
	if (!(r >> 32 & 31) && which != LARGE) {
		one->demand.cores = 2;
		one->demand.cores_min = 0.5;
	}
	if (!(r >> 37 & 7))
		one->demand.when_short = WEIR_DEFER;
	if (!(r >> 42 & 127))
		one->spins = 100000;
}

static void submit_one(struct stress_thread *self, struct one *one)
{
	struct shared *shared = self->shared;
	weir_decision decision;
	/* Before it can end. */
	atomic_fetch_add(&shared->submitted, 1);
	weir_status status = weir_submit_decision(one->group, hold, one, &one->demand, &decision);
	one->ticket = status ? 0 : decision.ticket;
	self->operations++;
	if (!status)
		return;
	atomic_fetch_sub(&shared->submitted, 1);
	atomic_fetch_add(&shared->turned_away, 1);
	if (status != WEIR_EAGAIN && status != WEIR_EFULL && status != WEIR_ECANCELED && !self->wrong[0])
		snprintf(self->wrong, sizeof(self->wrong), "submit: %s: %s", weir_status_text(status),
			 weir_error_text());
}

static void check_quiet(struct shared *shared)
{
	weir_tracker *tracker = weir_pool_tracker(shared->pool);
	struct weir_admission *admission = weir_pool_admission(shared->pool);
	weir_admission_counts counts = {.size = sizeof(counts)};
	weir_usage usage = {0};
	/* Who ended the last task may still be looking at the room. */
	uint64_t until_ns = weir_clock_monotonic_ns() + UINT64_C(60) * 1000000000;
	bool quiet = false;
	while (!quiet && weir_clock_monotonic_ns() < until_ns) {
		(void)weir_admission_counts_get(admission, &counts);
		(void)weir_tracker_usage(tracker, WEIR_ALL_NODES, &usage);
		quiet = !counts.waiting && !usage.grants && usage.held.cores == 0 && !usage.held.memory_bytes &&
			!usage.held.bandwidth_bytes_s && !usage.held.counted[0] && !usage.held.counted[1] &&
			!at_load(&admission->token, relaxed, none) && !at_load(&admission->waiting, relaxed, none);
		for (uint32_t w = 0; quiet && w < tracker->ledger.nodes; w++)
			quiet = !(at_load(&ledger_node_word(&tracker->ledger, w)->spare, relaxed, none) &
				  (WORD_WAIT | WORD_CLAIM));
	}
	if (!quiet || weir_tracker_audit(tracker))
		atomic_fetch_add(&shared->not_quiet, 1);
}

static void *submit_and_wait(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	struct one *one = calloc((size_t)2 * TASKS, sizeof(*one));
	weir_group *group = NULL;
	if (!one || weir_group_create(&group, shared->pool))
		abort();
	for (;;) {
		/* All are there, and nobody has submitted. */
		if (pthread_barrier_wait(&shared->barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
			check_quiet(shared);
			shared->rounds++;
			atomic_store(&shared->over, weir_clock_monotonic_ns() >= self->until_ns);
		}
		pthread_barrier_wait(&shared->barrier);
		if (atomic_load(&shared->over))
			break;
		uint64_t r = fixture_random(&self->random);
		for (int i = 0; i < TASKS; i++) {
			choose(self, &one[i], group);
			choose(self, &one[i + TASKS], group);
			one[i].submits = !(fixture_random(&self->random) & 3);
			submit_one(self, &one[i]);
			if (r & 1 && one[i / 2].ticket && !(fixture_random(&self->random) & 7))
				(void)weir_task_cancel(shared->pool, one[i / 2].ticket);
		}
		if (!(r >> 1 & 7))
			(void)weir_group_cancel(group);
		(void)weir_group_wait(group);
		weir_status status = weir_group_reset(group);
		if (status && !self->wrong[0])
			snprintf(self->wrong, sizeof(self->wrong), "reset: %s", weir_error_text());
	}
	if (weir_group_destroy(group))
		abort();
	free(one);
	return NULL;
}

static void all_that_is_handed_on_comes_back(void **state)
{
	(void)state;
	static struct shared shared;
	struct stress_thread threads[STRESS_THREADS];
	weir_pool_counts counts = {.size = sizeof(counts)};
	shared.pool = hostile_pool(WEIR_OPTIONS(.machine = stress_machine, .workers = 6, .resource_aware = true,
						.limits = STRESS_LIMITS, .waiting_max = WAITING_MAX,
						.clock = {.now_ns = stop_now_and_then}));
	shared.memory_unit = shared.pool->tracker->ledger.limits.units.memory_bytes;
	assert_int_equal(pthread_barrier_init(&shared.barrier, NULL, STRESS_THREADS), 0);
	assert_true(stress_run(threads, submit_and_wait, &shared, fixture_seed("hand on")));
	assert_int_equal(shared.held.overcommits, 0);
	assert_int_equal(shared.not_quiet, 0);
	assert_ok(weir_pool_drain(shared.pool));
	assert_ok(weir_pool_counts_get(shared.pool, &counts));
	assert_int_equal(counts.failed, 0);
	assert_int_equal(shared.ran, counts.completed);
	assert_int_equal(counts.completed + counts.cancelled, shared.submitted);
	print_message("%llu ran, %llu were cancelled, %llu turned away, %llu rounds\n", (unsigned long long)shared.ran,
		      (unsigned long long)counts.cancelled, (unsigned long long)shared.turned_away,
		      (unsigned long long)shared.rounds);
	pthread_barrier_destroy(&shared.barrier);
	end_pool(shared.pool);
}

int main(void)
{
	stress_alarm();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_is_handed_on_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
