/* SPDX-License-Identifier: MIT */
/* stress_reserve_test.c - eight threads reserve, bind, release, expire and ask what became of each other's reservations, while
 * others wait for the room. K5: the ways sum to the reservations, and each room was given back once (L2, and no grant that
 * was given back by somebody else); K6: none is left when all times are over. */
#include "stress.h"

#include "runtime/admission.h"

enum { SHARED = 64, GRANTS = 16 };

struct shared {
	weir_tracker *tracker;
	weir_admission *admission;
	uint64_t memory_unit;
	_Atomic(uint64_t) reservation[SHARED];
	struct held held;
	atomic_ullong made, bound, released, granted, over;
};

static void on_granted(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	struct shared *shared = context;
	(void)ticket;
	(void)node;
	(void)cause;
	atomic_fetch_add(&shared->granted, 1);
	if (grant.handle && weir_admission_release(shared->admission, grant))
		atomic_fetch_add(&shared->over, 1);
}

static void complain(struct stress_thread *self, const char *what)
{
	snprintf(self->wrong, sizeof(self->wrong), "%s: %s", what, weir_error_text());
}

static void make(struct stress_thread *self, struct shared *shared, weir_demand *demand)
{
	weir_reservation r;
	uint64_t ttl_ns = 1 + fixture_random(&self->random) % (200 * WEIR_NS_PER_US);
	demand->task_class = WEIR_CRITICAL;
	weir_status status = weir_reserve(shared->admission, demand, ttl_ns, &r);
	if (status == WEIR_EAGAIN)
		return;
	if (status) {
		complain(self, "reserve");
		return;
	}
	atomic_fetch_add(&shared->made, 1);
	atomic_store(&shared->reservation[fixture_random(&self->random) % SHARED], r.handle);
}

static void use(struct stress_thread *self, struct shared *shared, weir_reservation r, weir_grant *grant,
		weir_demand *what, uint32_t *node)
{
	weir_reserved reserved;
	*what = *WEIR_DEMAND(.reservation = r);
	/* All of it, or half of its cores. */
	if (fixture_random(&self->random) & 1 && !weir_reservation_state(shared->admission, r, &reserved) &&
	    reserved.amount.cores > 0)
		what->cores = reserved.amount.cores / 2;
	weir_decision decision = weir_admission_admit(shared->admission, what, NULL, NULL);
	if (!decision.allowed) {
		if (decision.cause != WEIR_CAUSE_INVALID)
			complain(self, "bind");
		return;
	}
	atomic_fetch_add(&shared->bound, 1);
	*grant = decision.grant;
	*node = decision.node;
	weir_allocation held;
	if (weir_tracker_look(shared->tracker, *grant, &held)) {
		complain(self, "look");
		return;
	}
	what->cores = held.held.cores;
	what->memory_bytes = held.held.memory_bytes;
	what->bandwidth_bytes_s = held.held.bandwidth_bytes_s;
	memcpy(what->counted, held.held.counted, sizeof(what->counted));
	held_change(&shared->held, what, *node, shared->memory_unit, 1);
}

static void *reserve_and_use(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	weir_grant grant[GRANTS] = {0};
	weir_demand what[GRANTS];
	uint32_t node[GRANTS];
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		for (int i = 0; i < 64; i++, self->operations++) {
			uint64_t random = fixture_random(&self->random);
			uint32_t g = (uint32_t)(random >> 32) % GRANTS;
			weir_demand demand = random_demand(&self->random);
			weir_reservation r = {atomic_load(&shared->reservation[(random >> 8) % SHARED])};
			weir_reserved reserved;
			if (grant[g].handle) {
				held_change(&shared->held, &what[g], node[g], shared->memory_unit, -1);
				if (weir_admission_release(shared->admission, grant[g]))
					complain(self, "release of a grant");
				grant[g].handle = 0;
			}
			if (random % 8 < 3) {
				make(self, shared, &demand);
			} else if (random % 8 == 3 && r.handle) {
				use(self, shared, r, &grant[g], &what[g], &node[g]);
			} else if (random % 8 == 4) {
				weir_status status = weir_reservation_release(shared->admission, r);
				atomic_fetch_add(&shared->released, !status);
				if (status && status != WEIR_ESTALE && status != WEIR_EBUSY)
					complain(self, "release");
			} else if (random % 8 == 5) {
				(void)weir_reservation_state(shared->admission, r, &reserved);
			} else if (random % 8 == 6) {
				(void)weir_admission_tick(shared->admission, NULL);
			} else if (random >> 40 & 1) {
				weir_decision decision =
					weir_admission_admit(shared->admission, &demand, on_granted, shared);
				if (decision.allowed)
					on_granted(0, decision.grant, decision.node, WEIR_CAUSE_NONE, shared);
			}
		}
	}
	for (int g = 0; g < GRANTS; g++) {
		if (!grant[g].handle)
			continue;
		held_change(&shared->held, &what[g], node[g], shared->memory_unit, -1);
		if (weir_admission_release(shared->admission, grant[g]))
			complain(self, "release at the end");
	}
	return NULL;
}

static void the_room_of_every_reservation_goes_one_way(void **state)
{
	(void)state;
	static struct shared shared;
	struct stress_thread threads[STRESS_THREADS];
	uint64_t seed = fixture_seed("the_room_of_every_reservation_goes_one_way"), next_ns;
	assert_int_equal(weir_tracker_create(&shared.tracker,
					     WEIR_TRACKER_OPTIONS(.machine = stress_machine, .limits = STRESS_LIMITS)),
			 WEIR_OK);
	assert_int_equal(
		weir_admission_create(&shared.admission, shared.tracker, WEIR_ADMISSION_OPTIONS(.waiting_max = 32)),
		WEIR_OK);
	weir_tracker_units(shared.tracker, NULL, &shared.memory_unit, NULL);
	assert_true(stress_run(threads, reserve_and_use, &shared, seed));
	while (!weir_admission_tick(shared.admission, &next_ns) && next_ns != UINT64_MAX)
		;
	weir_admission_counts counts = {.size = sizeof(counts)};
	assert_int_equal(weir_admission_counts_get(shared.admission, &counts), WEIR_OK);
	print_message("%llu operations, %llu reservations: %llu bound, %llu released, %llu expired\n",
		      (unsigned long long)operations_of(threads), (unsigned long long)counts.reservations,
		      (unsigned long long)counts.reservations_bound, (unsigned long long)counts.reservations_released,
		      (unsigned long long)counts.reservations_expired);
	assert_int_equal(counts.reservations, shared.made);
	assert_int_equal(counts.reservations_bound, shared.bound);
	assert_int_equal(counts.reservations_released, shared.released);
	assert_int_equal(counts.reservations,
			 counts.reservations_bound + counts.reservations_released + counts.reservations_expired);
	assert_int_equal(counts.waiting, 0);
	assert_int_equal(shared.over, 0);
	assert_int_equal(shared.held.overcommits, 0);
	/* Once the last ones were given back and stayed in these books, and who was still at it seemed to hold too much. */
	for (int n = 0; n < STRESS_NODES; n++)
		assert_true(!shared.held.cores[n] && !shared.held.memory[n] && !shared.held.bandwidth[n] && !shared.held.gpus[n]);
	assert_true(!shared.held.memory_total && !shared.held.licences);
	weir_usage usage;
	assert_int_equal(weir_tracker_usage(shared.tracker, WEIR_ALL_NODES, &usage), WEIR_OK);
	assert_int_equal(usage.grants, 0);
	assert_int_equal(usage.held.memory_bytes, 0);
	assert_true(usage.held.cores == 0);
	assert_int_equal(weir_tracker_audit(shared.tracker), WEIR_OK);
	assert_int_equal(weir_admission_destroy(shared.admission), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(shared.tracker), WEIR_OK);
}

int main(void)
{
	stress_alarm();
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_room_of_every_reservation_goes_one_way)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
