/* SPDX-License-Identifier: MIT */
/* stress_resize_test.c - eight threads take, give, shrink and grow the same few grants, and set limits, at random: each grant is
 * given back once (B1), no record is read in parts (B5: cores and memory of a grant always go together), what is held never
 * passes limit and debt (L1), and at rest all adds up (L2). It would fail if a release could give what a grant held before a
 * change, if a reader saw half of one, or if an elastic take got more than it said. */
#include "stress.h"

#include <sched.h>

enum { SHARED_GRANTS = 6 };

/* What goes with a core, so that a record that is whole shows it. Tapes lie in another word of the record than cores. */
enum { MIB_PER_CORE = 8, TAPES_PER_CORE = 1 };

struct shared {
	weir_tracker *tracker;
	bool tapes; /* takes are of several words; and not elastic, since tapes are not */
	atomic_ullong grant[SHARED_GRANTS];
	atomic_ullong taken, given;
	atomic_llong gone; /* times that a handle was not live any more, or busy */
	atomic_int torn, odd;
};

static weir_amount amount_of(const struct shared *shared, uint64_t cores)
{
	return (weir_amount){.cores = (double)cores,
			     .memory_bytes = cores * MIB_PER_CORE * MIB,
			     .counted = {shared->tapes ? cores * TAPES_PER_CORE : 0}};
}

static void check_whole(struct shared *shared, const weir_allocation *allocation)
{
	weir_amount whole = amount_of(shared, (uint64_t)allocation->held.cores);
	if (allocation->held.memory_bytes != whole.memory_bytes || allocation->held.counted[0] != whole.counted[0])
		atomic_fetch_add(&shared->torn, 1);
}

static bool look_at_one(const weir_allocation *allocation, void *context)
{
	check_whole(context, allocation);
	return true;
}

static void note(struct stress_thread *self, struct shared *shared, weir_status status)
{
	if (status == WEIR_ESTALE || status == WEIR_EBUSY)
		atomic_fetch_add(&shared->gone, 1);
	else if (status == WEIR_EAGAIN || status == WEIR_EINVAL || status == WEIR_EINFEASIBLE)
		self->refusals++;
	else if (status)
		snprintf(self->wrong, sizeof(self->wrong), "%s: %s", weir_status_text(status), weir_error_text());
}

static void take_one(struct stress_thread *self, struct shared *shared, atomic_ullong *place)
{
	uint64_t r = fixture_random(&self->random), most = 1 + r % 4, least = 1 + (r >> 8) % most;
	weir_amount high = amount_of(shared, most), low = amount_of(shared, least);
	weir_demand demand = {.size = sizeof(demand),
			      .cores = high.cores,
			      .memory_bytes = high.memory_bytes,
			      .counted = {high.counted[0]}};
	bool elastic = r >> 16 & 1 && !shared->tapes;
	if (elastic) {
		demand.cores_min = low.cores;
		demand.memory_min_bytes = low.memory_bytes;
	}
	weir_grant grant;
	weir_allocation allocation;
	weir_status status = weir_tracker_take(shared->tracker, &demand, &grant, NULL);
	note(self, shared, status);
	if (status)
		return;
	atomic_fetch_add(&shared->taken, 1);
	if (!weir_tracker_look(shared->tracker, grant, &allocation)) {
		check_whole(shared, &allocation);
		if (allocation.held.cores > high.cores || allocation.held.cores < (elastic ? low : high).cores)
			atomic_fetch_add(&shared->odd, 1);
	}
	weir_grant old = {.handle = atomic_exchange(place, grant.handle)};
	while (old.handle && (status = weir_tracker_give(shared->tracker, old)) == WEIR_EBUSY)
		sched_yield();
	if (old.handle && !status)
		atomic_fetch_add(&shared->given, 1);
}

static void change_one(struct stress_thread *self, struct shared *shared)
{
	uint64_t r = fixture_random(&self->random);
	atomic_ullong *place = &shared->grant[r >> 8 & 0xff ? (r >> 8) % SHARED_GRANTS : 0];
	weir_grant grant = {.handle = atomic_load(place)};
	weir_amount amount = amount_of(shared, r >> 24 & 3);
	weir_node_limit node[STRESS_NODES];
	weir_status status = WEIR_OK;
	switch (r % 8) {
	case 0:
	case 1:
		take_one(self, shared, place);
		break;
	case 2:
		status = weir_tracker_give(shared->tracker, grant);
		atomic_fetch_add(&shared->given, status == WEIR_OK);
		break;
	case 3:
	case 4:
		status = weir_tracker_shrink(shared->tracker, grant, &amount);
		break;
	case 5:
	case 6:
		status = weir_tracker_grow(shared->tracker, grant, &amount);
		break;
	default:
		weir_tracker_each(shared->tracker, look_at_one, shared);
		if (r >> 32 & 63)
			break;
		for (int n = 0; n < STRESS_NODES; n++)
			node[n] = (weir_node_limit){.cores = 2 + (double)(r >> 40 & 3), .memory_bytes = 48 * MIB};
		status = weir_tracker_set_limits(shared->tracker,
						 WEIR_LIMITS(.node = node, .nodes = STRESS_NODES,
							     .counted = {shared->tapes ? 4 + (r >> 44 & 7) : 0}));
	}
	note(self, shared, status);
}

static void *change_at_random(void *argument)
{
	struct stress_thread *self = argument;
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		sched_yield();
		for (int i = 0; i < 64; i++, self->operations++)
			change_one(self, self->shared);
	}
	return NULL;
}

static void shrink_and_grow(bool tapes)
{
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {.tapes = tapes};
	assert_ok(weir_tracker_create(
		&shared.tracker,
		WEIR_TRACKER_OPTIONS(.machine = stress_machine,
				     .limits = tapes ? WEIR_LIMITS(.counted = {8}, .counted_name = {"tape"}) : NULL)));
	assert_true(stress_run(threads, change_at_random, &shared, fixture_seed("grants that are shared")));
	assert_int_equal(shared.torn, 0);
	assert_int_equal(shared.odd, 0);
	assert_ok(weir_tracker_audit(shared.tracker));
	weir_usage usage;
	assert_ok(weir_tracker_usage(shared.tracker, WEIR_ALL_NODES, &usage));
	assert_int_equal(shared.taken - shared.given, usage.grants);
	for (int i = 0; i < SHARED_GRANTS; i++)
		if (!weir_tracker_give(shared.tracker, (weir_grant){.handle = shared.grant[i]}))
			shared.given++;
	assert_int_equal(shared.taken, shared.given);
	assert_ok(weir_tracker_set_limits(shared.tracker, NULL));
	assert_ok(weir_tracker_usage(shared.tracker, WEIR_ALL_NODES, &usage));
	assert_true(usage.held.cores == 0 && usage.held.memory_bytes == 0 && usage.grants == 0);
	assert_ok(weir_tracker_audit(shared.tracker));
	print_message("%llu operations, %llu grants, %lld times gone or busy\n",
		      (unsigned long long)operations_of(threads), (unsigned long long)shared.taken,
		      (long long)shared.gone);
	assert_ok(weir_tracker_destroy(shared.tracker));
}

/* One changes a grant all the time, the others look at it all the time. */
static void *change_or_look(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	weir_grant grant = {.handle = atomic_load(&shared->grant[0])};
	weir_amount one = amount_of(shared, 1), three = amount_of(shared, 3);
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0])
		for (int i = 0; i < 256; i++, self->operations++) {
			weir_allocation allocation;
			weir_status status;
			if (self->number) {
				status = weir_tracker_look(shared->tracker, grant, &allocation);
				if (!status)
					check_whole(shared, &allocation);
			} else {
				status = i % 2 ? weir_tracker_shrink(shared->tracker, grant, &one)
					       : weir_tracker_grow(shared->tracker, grant, &three);
			}
			note(self, shared, status);
		}
	return NULL;
}

static void a_record_that_changes_is_read_whole(void **state)
{
	(void)state;
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {.tapes = true};
	assert_ok(weir_tracker_create(
		&shared.tracker,
		WEIR_TRACKER_OPTIONS(.machine = stress_machine,
				     .limits = WEIR_LIMITS(.counted = {8}, .counted_name = {"tape"}))));
	weir_grant grant;
	weir_demand demand = {.size = sizeof(demand), .cores = 1, .memory_bytes = MIB_PER_CORE * MIB, .counted = {1}};
	assert_ok(weir_tracker_take(shared.tracker, &demand, &grant, NULL));
	shared.grant[0] = grant.handle;
	assert_true(stress_run(threads, change_or_look, &shared, fixture_seed("a record that changes")));
	assert_int_equal(shared.torn, 0);
	assert_ok(weir_tracker_give(shared.tracker, grant));
	assert_ok(weir_tracker_audit(shared.tracker));
	assert_ok(weir_tracker_destroy(shared.tracker));
}

static void grants_of_one_word_shrink_and_grow_and_all_adds_up(void **state)
{
	(void)state;
	shrink_and_grow(false);
}

static void grants_of_several_words_shrink_and_grow_and_all_adds_up(void **state)
{
	(void)state;
	shrink_and_grow(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_that_changes_is_read_whole),
		cmocka_unit_test(grants_of_one_word_shrink_and_grow_and_all_adds_up),
		cmocka_unit_test(grants_of_several_words_shrink_and_grow_and_all_adds_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
