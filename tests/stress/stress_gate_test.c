/* SPDX-License-Identifier: MIT */
/* stress_gate_test.c - threads submit tasks while another switches rules, breakers, levels and policies as fast as it can, and
 * back. Every task that was taken ends once (W1, W5), no limit is passed by those with grants (L1), all room comes back (L2),
 * nobody is left waiting for what is not in use any more (A2: the test would hang). */
#include "stress.h"

#include <weir/policy.h>

enum { CORES = 3, NODES = 2 };

struct shared {
	weir_pool *pool;
	atomic_int cores[NODES];
	atomic_int overcommits;
	atomic_llong ran, taken, without_grant, refused;
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
	bool granted = weir_task_grant(task).handle != 0;
	if (granted && !weir_tracker_look(weir_pool_tracker(shared->pool), weir_task_grant(task), &allocation)) {
		int cores = (int)allocation.held.cores;
		if (atomic_fetch_add(&shared->cores[allocation.node], cores) + cores > CORES)
			atomic_fetch_add(&shared->overcommits, 1);
		for (volatile int i = 0; i < 100; i++)
			;
		atomic_fetch_sub(&shared->cores[allocation.node], cores);
	}
	weir_task_declare(task, MIB);
	atomic_fetch_add(granted ? &shared->ran : &shared->without_grant, 1);
	return WEIR_OK;
}

static void submit_some(struct stress_thread *self, weir_group *group)
{
	struct shared *shared = self->shared;
	for (int i = 0; i < 40; i++, self->operations++) {
		uint64_t r = fixture_random(&self->random);
		weir_demand demand = {
			.size = sizeof(demand), .cores = (double)(1 + r % 2), .task_class = (weir_class)(r >> 8 & 3)};
		if (!(r >> 16 & 7))
			demand.deadline_ns = 1 + (r >> 20) % 2000000;
		if (!(r >> 40 & 7))
			demand.when_short = (weir_when_short)(1 + (r >> 48 & 1));
		weir_status status = weir_submit(group, hold, shared, &demand);
		atomic_fetch_add(status ? &shared->refused : &shared->taken, 1);
		if (status != WEIR_EAGAIN && status != WEIR_EFULL && status != WEIR_ETIME)
			found(self, "submit", status);
	}
}

static weir_verdict moody(const weir_demand *demand, const weir_policy_view *view, void *context)
{
	(void)demand;
	(void)context;
	return (weir_verdict)((view->now_ns >> 12) % 6 < 3 ? 0 : (view->now_ns >> 12) % 4);
}

static void feed(struct stress_thread *self, double percent)
{
	struct shared *shared = self->shared;
	weir_reading reading = {.size = sizeof(reading), .known = WEIR_KNOWN_MEMORY_PRESSURE};
	reading.pressure[WEIR_STALL_MEMORY].full = percent;
	found(self, "feed", weir_admission_feed(weir_pool_admission(shared->pool), &reading));
}

static void switch_something(struct stress_thread *self)
{
	struct shared *shared = self->shared;
	weir_admission *admission = weir_pool_admission(shared->pool);
	static const weir_policy policy = {.fn = moody, .name = "moody"};
	uint64_t r = fixture_random(&self->random);
	switch (r % 6) {
	case 0:
	case 1:
		found(self, "rule", weir_admission_set_rule(admission, r >> 8 & WEIR_ADMISSION_RULES));
		break;
	case 2:
		found(self, "policy", weir_admission_set_policy(admission, r >> 8 & 1 ? &policy : NULL));
		break;
	case 3:
		found(self, "breaker",
		      weir_admission_breaker_set(admission, (weir_class)(r >> 8 & 3),
						 (weir_breaker_mode)((r >> 16) % WEIR_BREAKER_MODES)));
		break;
	default:
		feed(self, (double)((r >> 8) % 12));
	}
	usleep((useconds_t)((r >> 32) % 300));
}

static void everything_off(struct stress_thread *self)
{
	struct shared *shared = self->shared;
	weir_admission *admission = weir_pool_admission(shared->pool);
	found(self, "rule", weir_admission_set_rule(admission, WEIR_ADMIT_HARD));
	found(self, "policy", weir_admission_set_policy(admission, NULL));
	for (int c = 0; c < WEIR_CLASSES; c++)
		found(self, "breaker", weir_admission_breaker_set(admission, (weir_class)c, WEIR_BREAKER_OFF));
	weir_level_change level = {.size = sizeof(level)};
	do {
		feed(self, 0);
		found(self, "level", weir_admission_level_get(admission, &level));
	} while (level.to != WEIR_LEVEL_GREEN && !self->wrong[0]);
}

static void *submit_or_switch(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		if (self->number == 0) {
			switch_something(self);
			continue;
		}
		weir_group *group = NULL;
		found(self, "create", weir_group_create(&group, shared->pool));
		if (!group)
			break;
		submit_some(self, group);
		weir_status status = weir_group_wait(group);
		if (status != WEIR_ETIME) /* its time was over while it waited */
			found(self, "wait", status);
		found(self, "destroy", weir_group_destroy(group));
	}
	if (self->number == 0)
		everything_off(self);
	return NULL;
}

static void nothing_is_lost_whatever_is_switched(void **state)
{
	(void)state;
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {.pool = NULL};
	weir_level_options levels = {.size = sizeof(levels), .leave_ns = WEIR_NS_PER_MS};
	weir_breaker_options breaker = {.size = sizeof(breaker),
					.open_ns = WEIR_NS_PER_MS,
					.open_ns_max = 5 * WEIR_NS_PER_MS,
					.probe_lease_ns = 2 * WEIR_NS_PER_MS};
	shared.pool = hostile_pool(
		WEIR_OPTIONS(.machine = "numa:2 core:3 pu:1", .workers = 4, .resource_aware = true,
			     .stack_bytes = 1 << 20,
			     .admission_options =
				     WEIR_ADMISSION_OPTIONS(.waiting_max = 150, .levels = &levels, .breaker = &breaker,
							    .queue_delay_interval_ns = WEIR_NS_PER_MS)));
	assert_true(stress_run(threads, submit_or_switch, &shared, fixture_seed("gate")));
	assert_int_equal(shared.overcommits, 0);
	assert_ok(weir_pool_drain(shared.pool));
	weir_admission_counts counts = {.size = sizeof(counts)};
	/* Who ended the last task may still be looking at the room. */
	do
		assert_ok(weir_admission_counts_get(weir_pool_admission(shared.pool), &counts));
	while (counts.waiting);
	assert_int_equal(shared.ran + shared.without_grant + (long long)counts.expired, shared.taken);
	assert_int_equal(counts.granted_later + counts.cancelled + counts.expired, counts.verdict[WEIR_QUEUED]);
	print_message("%lld with a grant, %lld without, %lld refused, %llu given up\n", (long long)shared.ran,
		      (long long)shared.without_grant, (long long)shared.refused, (unsigned long long)counts.expired);
	/* As if nothing had been. */
	weir_group *group = hostile_group(shared.pool);
	for (int i = 0; i < 50; i++)
		assert_ok(weir_submit(group, hold, &shared, WEIR_DEMAND(.cores = 1, .task_class = WEIR_BEST_EFFORT)));
	assert_ok(weir_group_wait(group));
	assert_ok(weir_group_destroy(group));
	end_pool(shared.pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_whatever_is_switched),
	};
	stress_alarm();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
