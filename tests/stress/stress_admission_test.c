/* SPDX-License-Identifier: MIT */
/* stress_admission_test.c - eight threads ask, queue, cancel, give up and release on one controller while strategy and
 * rule change: every ticket is decided exactly once (A1, C1), verdicts sum up (A3), no limit is passed (L1), the room
 * is empty at the end (A2: whoever was left waiting would hang the test). */
#include "stress.h"

enum { ASKS_MAX = 64 };

struct shared {
	weir_tracker *tracker;
	weir_admission *admission;
	uint64_t memory_unit;
	struct held held;
	atomic_int decided_twice;
};

struct ask {
	struct shared *shared;
	weir_demand demand;
	uint64_t ticket;
	weir_grant grant;
	uint32_t node;
	weir_cause cause;
	atomic_int decided; /* by the callback, or at once */
	bool in_use;
	bool cancelled;
};

static void on_decided(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	struct ask *ask = context;
	(void)ticket;
	ask->grant = grant;
	ask->cause = cause;
	ask->node = node;
	if (grant.handle)
		held_change(&ask->shared->held, &ask->demand, node, ask->shared->memory_unit, 1);
	if (atomic_fetch_add(&ask->decided, 1))
		atomic_fetch_add(&ask->shared->decided_twice, 1);
}

/* Never on any node: what it is asked about waits until the next switch. */
static int64_t veto(const weir_demand *demand, const weir_snapshot *snapshot, uint32_t node, void *context)
{
	(void)demand;
	(void)snapshot;
	(void)node;
	(void)context;
	return WEIR_SCORE_NEVER;
}

static void start(struct stress_thread *self, struct shared *shared, struct ask *ask)
{
	ask->shared = shared;
	ask->demand = random_demand(&self->random);
	uint64_t r = fixture_random(&self->random);
	ask->demand.when_short = r % 8 ? WEIR_QUEUE : r & 8 ? WEIR_DEFER : WEIR_FAIL;
	if (!(r & 0x70))
		ask->demand.wait_ns_max = 1 + (r >> 8) % 1000000;
	if (!(r & 0x30080))
		ask->demand.deadline_ns = 1000 + (r >> 20) % 1000000;
	ask->cancelled = false;
	atomic_store(&ask->decided, 0);
	weir_decision decision = weir_admission_admit(shared->admission, &ask->demand, on_decided, ask);
	ask->in_use = decision.verdict == WEIR_ADMITTED || decision.verdict == WEIR_QUEUED;
	ask->ticket = decision.ticket;
	if (decision.verdict == WEIR_ADMITTED)
		on_decided(0, decision.grant, decision.node, decision.cause, ask);
	bool refusable = ask->demand.when_short == WEIR_FAIL || decision.cause == WEIR_CAUSE_DEADLINE;
	if ((decision.verdict == WEIR_REJECTED && !refusable) ||
	    (decision.verdict == WEIR_DEFERRED && ask->demand.when_short == WEIR_QUEUE))
		weir_decision_text(&decision, self->wrong, sizeof(self->wrong));
	self->refusals += !ask->in_use;
}

static void finish(struct stress_thread *self, struct shared *shared, struct ask *ask)
{
	ask->in_use = false;
	if (!ask->grant.handle) {
		bool may_give_up = ask->demand.wait_ns_max || ask->demand.deadline_ns;
		if (ask->cancelled ? ask->cause != WEIR_CAUSE_NONE : !may_give_up || ask->cause != WEIR_CAUSE_DEADLINE)
			snprintf(self->wrong, sizeof(self->wrong), "decided without a grant: %s",
				 weir_cause_name(ask->cause));
		return;
	}
	held_change(&shared->held, &ask->demand, ask->node, shared->memory_unit, -1);
	if (weir_admission_release(shared->admission, ask->grant))
		snprintf(self->wrong, sizeof(self->wrong), "%s", weir_error_text());
}

static void cancel(struct stress_thread *self, struct shared *shared, struct ask *ask)
{
	weir_status status = weir_admission_cancel(shared->admission, ask->ticket);
	if (status == WEIR_OK)
		ask->cancelled = true;
	else if (status != WEIR_ESTALE)
		snprintf(self->wrong, sizeof(self->wrong), "%s", weir_error_text());
}

static void switch_something(struct stress_thread *self, struct shared *shared)
{
	static const weir_strategy vetoing = {.score = veto, .name = "veto"};
	const weir_strategy *const strategies[] = {WEIR_FIRST_FIT, WEIR_BEST_FIT, WEIR_WORST_FIT, &vetoing};
	uint64_t r = fixture_random(&self->random);
	weir_status status =
		r & 1 ? weir_admission_set_strategy(shared->admission, strategies[r >> 12 & 15 ? (r >> 8) % 3 : 3])
		      : weir_admission_set_rule(shared->admission, (weir_admission_rule)(r >> 8 & 1));
	if (status)
		snprintf(self->wrong, sizeof(self->wrong), "%s", weir_error_text());
}

static void *ask_and_release(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	struct ask *asks = calloc(ASKS_MAX, sizeof(*asks));
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		for (int i = 0; i < 64; i++, self->operations++) {
			uint64_t r = fixture_random(&self->random);
			struct ask *ask = &asks[r % ASKS_MAX];
			if (!ask->in_use)
				start(self, shared, ask);
			else if (atomic_load(&ask->decided))
				finish(self, shared, ask);
			else if (r >> 32 & 1)
				cancel(self, shared, ask);
		}
		if (self->number == 0)
			switch_something(self, shared);
		if (self->number == 1 && weir_admission_tick(shared->admission, NULL))
			snprintf(self->wrong, sizeof(self->wrong), "%s", weir_error_text());
	}
	if (self->number == 0 && (weir_admission_set_strategy(shared->admission, WEIR_FIRST_FIT) ||
				  weir_admission_set_rule(shared->admission, WEIR_ADMIT_HARD)))
		snprintf(self->wrong, sizeof(self->wrong), "%s", weir_error_text());
	/* Whoever waits is let in by releases alone. */
	for (bool left = true; left;) {
		left = false;
		for (int i = 0; i < ASKS_MAX; i++) {
			if (asks[i].in_use && atomic_load(&asks[i].decided))
				finish(self, shared, &asks[i]);
			left |= asks[i].in_use;
		}
		usleep(50);
	}
	free(asks);
	return NULL;
}

static void every_ticket_is_decided_once(void **state)
{
	(void)state;
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {0};
	assert_ok(weir_tracker_create(&shared.tracker,
				      WEIR_TRACKER_OPTIONS(.machine = stress_machine, .limits = STRESS_LIMITS)));
	assert_ok(weir_admission_create(&shared.admission, shared.tracker, WEIR_ADMISSION_OPTIONS(.overtakes_max = 8)));
	weir_tracker_units(shared.tracker, NULL, &shared.memory_unit, NULL);
	assert_true(stress_run(threads, ask_and_release, &shared, fixture_seed("admission")));
	assert_int_equal(shared.held.overcommits, 0);
	assert_int_equal(shared.decided_twice, 0);
	assert_ok(weir_tracker_audit(shared.tracker));
	weir_admission_counts counts = {.size = sizeof(counts)};
	assert_ok(weir_admission_counts_get(shared.admission, &counts));
	assert_int_equal(counts.waiting, 0);
	assert_int_equal(counts.verdict[WEIR_QUEUED], counts.granted_later + counts.cancelled + counts.expired);
	assert_int_equal(counts.asked, counts.verdict[WEIR_ADMITTED] + counts.verdict[WEIR_QUEUED] +
					       counts.verdict[WEIR_DEFERRED] + counts.verdict[WEIR_REJECTED]);
	print_message("%llu operations: %llu asked, %llu queued, %llu granted later, %llu cancelled, %llu gave up, "
		      "%llu claims\n",
		      (unsigned long long)operations_of(threads), (unsigned long long)counts.asked,
		      (unsigned long long)counts.verdict[WEIR_QUEUED], (unsigned long long)counts.granted_later,
		      (unsigned long long)counts.cancelled, (unsigned long long)counts.expired,
		      (unsigned long long)counts.claims);
	assert_ok(weir_admission_destroy(shared.admission));
	assert_ok(weir_tracker_destroy(shared.tracker));
}

int main(void)
{
	stress_alarm();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_ticket_is_decided_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
