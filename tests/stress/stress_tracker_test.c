/* SPDX-License-Identifier: MIT */
/* stress_tracker_test.c - eight threads on one tracker: what they hold, by counters of their own, never passes a limit
 * (L1); at rest spare + grants == limit in every word (L2); who asks within his share is never short (L5). It would
 * fail if a take of several words were seen half done, or an undo lost units. */
#include "stress.h"

enum { HELD_MAX = 6 };

struct shared {
	weir_tracker *tracker;
	uint64_t memory_unit;
	struct held held;
};

static weir_tracker *make_tracker(uint64_t *memory_unit)
{
	weir_tracker *tracker;
	assert_ok(weir_tracker_create(&tracker,
				      WEIR_TRACKER_OPTIONS(.machine = stress_machine, .limits = STRESS_LIMITS)));
	weir_tracker_units(tracker, NULL, memory_unit, NULL);
	return tracker;
}

struct holding {
	weir_demand demand;
	weir_grant grant;
	uint32_t node;
	bool named;
	char id[32];
};

static weir_status take_one(struct stress_thread *self, struct shared *shared, struct holding *one)
{
	weir_tracker *tracker = shared->tracker;
	one->demand = random_demand(&self->random);
	one->named = fixture_random(&self->random) % 4 == 0;
	weir_status status;
	if (one->named) {
		snprintf(one->id, sizeof(one->id), "%u/%llu", self->number, (unsigned long long)self->operations);
		status = weir_tracker_allocate(tracker, one->id, &one->demand, &one->node);
	} else {
		status = weir_tracker_take(tracker, &one->demand, &one->grant, &one->node);
	}
	if (status == WEIR_OK)
		held_change(&shared->held, &one->demand, one->node, shared->memory_unit, 1);
	return status;
}

static weir_status give_one(struct shared *shared, struct holding *one)
{
	held_change(&shared->held, &one->demand, one->node, shared->memory_unit, -1);
	return one->named ? weir_tracker_release(shared->tracker, one->id)
			  : weir_tracker_give(shared->tracker, one->grant);
}

static void *take_and_give(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	struct holding holding[HELD_MAX];
	uint32_t count = 0;
	weir_status status = WEIR_OK;
	while (!status && weir_clock_monotonic_ns() < self->until_ns) {
		for (int i = 0; i < 64 && !status; i++, self->operations++) {
			if (count < HELD_MAX && fixture_random(&self->random) % 2) {
				status = take_one(self, shared, &holding[count]);
				if (!status)
					count++;
				self->refusals += status != WEIR_OK;
				if (status == WEIR_EAGAIN)
					status = WEIR_OK;
			} else if (count) {
				uint32_t which = (uint32_t)(fixture_random(&self->random) % count);
				status = give_one(shared, &holding[which]);
				holding[which] = holding[--count];
			}
		}
	}
	if (status)
		snprintf(self->wrong, sizeof(self->wrong), "%s: %s", weir_status_text(status), weir_error_text());
	while (count)
		(void)give_one(shared, &holding[--count]);
	return NULL;
}

static void no_limit_is_passed_and_nothing_is_lost(void **state)
{
	(void)state;
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {0};
	shared.tracker = make_tracker(&shared.memory_unit);
	assert_true(stress_run(threads, take_and_give, &shared, fixture_seed("no limit is passed")));
	assert_int_equal(shared.held.overcommits, 0);
	assert_ok(weir_tracker_audit(shared.tracker));
	weir_usage usage;
	assert_ok(weir_tracker_usage(shared.tracker, WEIR_ALL_NODES, &usage));
	assert_int_equal(usage.grants, 0);
	assert_int_equal(usage.held.memory_bytes, 0);
	assert_int_equal(usage.held.counted[0] + usage.held.counted[1], 0);
	/* At rest everything that is feasible fits. */
	uint64_t random = 1;
	for (int i = 0; i < 10000; i++) {
		weir_demand demand = random_demand(&random);
		weir_grant grant;
		assert_ok(weir_tracker_take(shared.tracker, &demand, &grant, NULL));
		assert_ok(weir_tracker_give(shared.tracker, grant));
	}
	print_message("%llu operations\n", (unsigned long long)operations_of(threads));
	assert_ok(weir_tracker_destroy(shared.tracker));
}

/* Another was stopped in the middle of something: that says nothing of room. */
static bool is_contended(weir_status status)
{
	return status == WEIR_EAGAIN && has_word(weir_error_text(), "try again at once");
}

/* An eighth of everything, on a fixed node, in all the words that there are. */
static void *stay_within_a_share(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	uint32_t node = self->number % STRESS_NODES;
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		for (int i = 0; i < 64; i++, self->operations++) {
			weir_demand demand = {.size = sizeof(demand), .home = WEIR_NODE(node), .home_only = true};
			uint64_t r = fixture_random(&self->random);
			demand.cores = (double)(1 + r % 64) / 64;
			demand.memory_bytes = r & 64 ? 1 + (r >> 8) % (15 * MIB) : 0;
			demand.bandwidth_bytes_s = r & 128 ? 1 + (r >> 32) % 100 : 0;
			demand.counted[1] = self->number < 5 ? r >> 60 & 1 : 0;
			weir_grant grant;
			weir_status status;
			while (is_contended(status = weir_tracker_take(shared->tracker, &demand, &grant, NULL)))
				self->refusals++;
			if (!status)
				status = weir_tracker_give(shared->tracker, grant);
			if (status)
				snprintf(self->wrong, sizeof(self->wrong), "%s: %s", weir_status_text(status),
					 weir_error_text());
		}
	}
	return NULL;
}

/* L5. Fails if anybody is told that something is short, or is told for ever to try again. */
static void who_stays_within_his_share_is_never_short(void **state)
{
	(void)state;
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {0};
	shared.tracker = make_tracker(&shared.memory_unit);
	assert_true(stress_run(threads, stay_within_a_share, &shared, fixture_seed("within a share")));
	assert_ok(weir_tracker_audit(shared.tracker));
	uint64_t contended = 0;
	for (uint32_t t = 0; t < STRESS_THREADS; t++)
		contended += threads[t].refusals;
	print_message("%llu operations, %llu tried again\n", (unsigned long long)operations_of(threads),
		      (unsigned long long)contended);
	assert_ok(weir_tracker_destroy(shared.tracker));
}

/* Everybody takes and releases the same few names. */
static void *fight_for_names(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		for (int i = 0; i < 64; i++, self->operations++) {
			uint64_t r = fixture_random(&self->random);
			char id[32];
			snprintf(id, sizeof(id), "n%u", (unsigned)(r % 5));
			weir_demand demand = random_demand(&self->random);
			weir_status status = r >> 32 & 1 ? weir_tracker_allocate(shared->tracker, id, &demand, NULL)
							 : weir_tracker_release(shared->tracker, id);
			if (status && status != WEIR_EEXIST && status != WEIR_ENOENT && status != WEIR_EAGAIN)
				snprintf(self->wrong, sizeof(self->wrong), "%s: %s", weir_status_text(status),
					 weir_error_text());
		}
	}
	return NULL;
}

static void names_fought_for_lose_no_room(void **state)
{
	(void)state;
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {0};
	shared.tracker = make_tracker(&shared.memory_unit);
	assert_true(stress_run(threads, fight_for_names, &shared, fixture_seed("names")));
	assert_ok(weir_tracker_audit(shared.tracker));
	for (unsigned n = 0; n < 5; n++) {
		char id[32];
		snprintf(id, sizeof(id), "n%u", n);
		weir_status status = weir_tracker_release(shared.tracker, id);
		assert_true(status == WEIR_OK || status == WEIR_ENOENT);
	}
	weir_usage usage;
	assert_ok(weir_tracker_usage(shared.tracker, WEIR_ALL_NODES, &usage));
	assert_int_equal(usage.grants, 0);
	assert_true(usage.held.cores == 0);
	assert_ok(weir_tracker_audit(shared.tracker));
	assert_ok(weir_tracker_destroy(shared.tracker));
}

int main(void)
{
	stress_alarm();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit_is_passed_and_nothing_is_lost),
		cmocka_unit_test(who_stays_within_his_share_is_never_short),
		cmocka_unit_test(names_fought_for_lose_no_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
