/* SPDX-License-Identifier: MIT */
/* stress_claim_test.c - one demand after the other that needs a whole node, while all other threads take and give back one core
 * at a time, at once or by way of the room, of all classes: each starts within the bound (O1, O2), counted in the grants that
 * pass it, and no limit is passed. Fails if by-passes go uncounted while the holder of the token is descheduled, or if a taker
 * misses the claim. */
#include <sched.h>

#include "stress.h"

enum { OVERTAKES = 32, AGING = 64, CORES = 4 };

struct shared {
	weir_tracker *tracker;
	weir_admission *admission;
	atomic_ullong grants; /* of small ones */
	atomic_llong cores;
	atomic_int overcommits;
	bool one_class;
};

struct small {
	struct shared *shared;
	weir_grant grant;
	atomic_int decided;
};

static void note_held(struct shared *shared, int cores)
{
	if (atomic_fetch_add(&shared->cores, cores) + cores > CORES)
		atomic_fetch_add(&shared->overcommits, 1);
}

static void small_decided(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	struct small *small = context;
	(void)ticket, (void)node, (void)cause;
	note_held(small->shared, 1);
	atomic_fetch_add(&small->shared->grants, 1);
	small->grant = grant;
	atomic_store(&small->decided, 1);
}

static void *flood(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	struct small small;
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		uint64_t r = fixture_random(&self->random);
		weir_demand demand = {.size = sizeof(demand), .cores = 1};
		demand.task_class = shared->one_class ? WEIR_NORMAL : (weir_class)(r % WEIR_CLASSES);
		bool queues = self->number % 2;
		struct small *one = &small;
		*one = (struct small){.shared = shared};
		weir_decision decision =
			weir_admission_admit(shared->admission, &demand, queues ? small_decided : NULL, one);
		if (decision.allowed)
			small_decided(0, decision.grant, 0, WEIR_CAUSE_NONE, one);
		else if (decision.verdict == WEIR_QUEUED)
			while (!atomic_load(&one->decided))
				sched_yield();
		else
			continue;
		note_held(shared, -1);
		if (weir_admission_release(shared->admission, one->grant))
			snprintf(self->wrong, sizeof(self->wrong), "%s", weir_error_text());
		self->operations++;
	}
	return NULL;
}

struct large {
	struct shared *shared;
	weir_grant grant;
	unsigned long long grants_after;
	atomic_int decided;
};

static void large_decided(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	struct large *large = context;
	(void)ticket, (void)node, (void)cause;
	note_held(large->shared, CORES);
	large->grants_after = atomic_load(&large->shared->grants);
	large->grant = grant;
	atomic_store(&large->decided, 1);
}

/* What may pass: before the claim, as often as a holder sees and twice as often while none looks; each class above, until it
 * has aged, and as often again unseen; and one for each thread at each of these steps. */
static unsigned long long bound(bool one_class)
{
	return 3 * OVERTAKES + (one_class ? 0 : 2 * (2 * OVERTAKES + 3 * AGING)) + 4 * STRESS_THREADS;
}

static void *ask_for_all(struct stress_thread *self)
{
	struct shared *shared = self->shared;
	unsigned long long most = 0;
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		struct large large = {.shared = shared};
		weir_decision decision =
			weir_admission_admit(shared->admission, WEIR_DEMAND(.cores = CORES), large_decided, &large);
		/* It waits by now: this thread may have slept before. */
		unsigned long long before = atomic_load(&shared->grants);
		if (decision.allowed)
			large_decided(0, decision.grant, 0, WEIR_CAUSE_NONE, &large);
		while (!atomic_load(&large.decided))
			sched_yield();
		unsigned long long passed = large.grants_after > before ? large.grants_after - before : 0;
		most = passed > most ? passed : most;
		note_held(shared, -CORES);
		if (weir_admission_release(shared->admission, large.grant))
			snprintf(self->wrong, sizeof(self->wrong), "%s", weir_error_text());
		if (passed > bound(shared->one_class))
			snprintf(self->wrong, sizeof(self->wrong), "passed by %llu, the bound is %llu", passed,
				 bound(shared->one_class));
		self->operations++;
	}
	print_message("%llu large ones, passed by %llu at most, bound %llu\n", (unsigned long long)self->operations,
		      most, bound(shared->one_class));
	return NULL;
}

static void *play(void *argument)
{
	struct stress_thread *self = argument;
	return self->number ? flood(argument) : ask_for_all(self);
}

static void flooded(bool one_class)
{
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {.one_class = one_class};
	assert_ok(weir_tracker_create(&shared.tracker, WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:4 pu:1")));
	assert_ok(weir_admission_create(&shared.admission, shared.tracker,
					WEIR_ADMISSION_OPTIONS(.overtakes_max = OVERTAKES, .aging_overtakes = AGING,
							       .overtaken_ns_max = 1000 * WEIR_NS_PER_S,
							       .aging_ns_max = 1000 * WEIR_NS_PER_S)));
	assert_true(stress_run(threads, play, &shared, fixture_seed("claim")));
	assert_int_equal(shared.overcommits, 0);
	assert_int_equal(shared.cores, 0);
	assert_ok(weir_tracker_audit(shared.tracker));
	assert_ok(weir_admission_destroy(shared.admission));
	assert_ok(weir_tracker_destroy(shared.tracker));
}

static void a_flood_of_one_class_does_not_starve_a_node_sized_demand(void **state)
{
	(void)state;
	flooded(true);
}

static void a_flood_of_four_classes_does_not_either(void **state)
{
	(void)state;
	flooded(false);
}

int main(void)
{
	stress_alarm();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_of_one_class_does_not_starve_a_node_sized_demand),
		cmocka_unit_test(a_flood_of_four_classes_does_not_either),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
