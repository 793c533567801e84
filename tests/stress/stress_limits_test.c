/* SPDX-License-Identifier: MIT */
/* stress_limits_test.c - seven threads take and give while an eighth sets limits: by counters of their own nobody takes
 * above a limit that stood while he took (L1), what is lowered below use is only waited for, and at rest spare + grants ==
 * limit + debt in every word (L2). It would fail if a take by a look from before a change went through, if what pays a debt
 * were taken meanwhile, or if a debt were paid twice or never. */
#include "stress.h"

#include <sched.h>

enum { HELD_MAX = 4, LEVELS = 4 };

/* Cores of both nodes and in all, at each level; the first is the highest. */
static const double level_node[LEVELS] = {4, 2, 3, 0.5}, level_total[LEVELS] = {6, 5, 2, 1};

struct shared {
	weir_tracker *tracker;
	atomic_ullong epoch; /* odd while limits are being set; the level is epoch / 2 % LEVELS */
	atomic_llong node[STRESS_NODES];
	atomic_llong total;
	atomic_int overcommits;
	atomic_ullong stable; /* takes that no change overlapped */
};

static void set_level(struct stress_thread *self, struct shared *shared, unsigned level)
{
	weir_node_limit node[STRESS_NODES];
	for (int n = 0; n < STRESS_NODES; n++)
		node[n] = (weir_node_limit){.cores = level_node[level]};
	if (weir_tracker_set_limits(shared->tracker,
				    WEIR_LIMITS(.cores = level_total[level], .node = node, .nodes = STRESS_NODES)))
		snprintf(self->wrong, sizeof(self->wrong), "%s", weir_error_text());
}

static void change_limits(struct stress_thread *self, struct shared *shared)
{
	for (uint64_t level = 0; weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]; self->operations++) {
		level = (level + 1 + fixture_random(&self->random) % (LEVELS - 1)) % LEVELS;
		atomic_store(&shared->epoch, atomic_load(&shared->epoch) + 1);
		set_level(self, shared, (unsigned)level);
		uint64_t epoch = atomic_load(&shared->epoch) + 1;
		atomic_store(&shared->epoch, epoch - epoch % (2 * LEVELS) + 2 * LEVELS + 2 * level);
		for (uint64_t i = fixture_random(&self->random) % 8; i; i--)
			sched_yield();
	}
}

static void check(struct shared *shared, atomic_llong *what, long long amount, const double *limits, uint64_t epoch)
{
	long long now = atomic_fetch_add(what, amount) + amount;
	if (epoch % 2 || atomic_load(&shared->epoch) != epoch)
		return;
	atomic_fetch_add(&shared->stable, 1);
	if (now > (long long)(64 * limits[epoch / 2 % LEVELS]))
		atomic_fetch_add(&shared->overcommits, 1);
}

struct holding {
	weir_grant grant;
	uint32_t node;
	long long units;
};

static weir_status take_one(struct stress_thread *self, struct shared *shared, struct holding *one)
{
	uint64_t epoch = atomic_load(&shared->epoch);
	one->units = 1 + (long long)(fixture_random(&self->random) % 128);
	weir_demand demand = {.size = sizeof(demand), .cores = (double)one->units / 64};
	weir_status status = weir_tracker_take(shared->tracker, &demand, &one->grant, &one->node);
	if (status)
		return status;
	check(shared, &shared->node[one->node], one->units, level_node, epoch);
	check(shared, &shared->total, one->units, level_total, epoch);
	return WEIR_OK;
}

static weir_status give_one(struct shared *shared, struct holding *one)
{
	atomic_fetch_sub(&shared->node[one->node], one->units);
	atomic_fetch_sub(&shared->total, one->units);
	return weir_tracker_give(shared->tracker, one->grant);
}

static void take_and_give(struct stress_thread *self, struct shared *shared)
{
	struct holding holding[HELD_MAX];
	uint32_t count = 0;
	weir_status status = WEIR_OK;
	while (!status && weir_clock_monotonic_ns() < self->until_ns) {
		sched_yield(); /* or the one who sets limits would not get far on few cores */
		for (int i = 0; i < 64 && !status; i++, self->operations++) {
			if (count < HELD_MAX && fixture_random(&self->random) % 2) {
				status = take_one(self, shared, &holding[count]);
				count += status == WEIR_OK;
				self->refusals += status != WEIR_OK;
				if (status == WEIR_EAGAIN || status == WEIR_EINFEASIBLE)
					status = WEIR_OK;
			} else if (count) {
				status = give_one(shared, &holding[--count]);
			}
		}
	}
	if (status)
		snprintf(self->wrong, sizeof(self->wrong), "%s: %s", weir_status_text(status), weir_error_text());
	while (count)
		(void)give_one(shared, &holding[--count]);
}

static void *run(void *argument)
{
	struct stress_thread *self = argument;
	struct shared *shared = self->shared;
	if (self->number)
		take_and_give(self, shared);
	else
		change_limits(self, shared);
	return NULL;
}

static void nobody_takes_above_a_limit_that_stands(void **state)
{
	(void)state;
	struct stress_thread threads[STRESS_THREADS];
	struct shared shared = {0};
	assert_ok(weir_tracker_create(
		&shared.tracker, WEIR_TRACKER_OPTIONS(.machine = stress_machine, .limits = WEIR_LIMITS(.cores = 6))));
	assert_true(stress_run(threads, run, &shared, fixture_seed("nobody takes above a limit")));
	assert_int_equal(shared.overcommits, 0);
	assert_ok(weir_tracker_audit(shared.tracker));
	/* All debts are paid, since all is back; and the highest limits again hold what they held. */
	for (unsigned level = LEVELS; level--;) {
		set_level(&threads[0], &shared, level);
		weir_usage usage;
		assert_ok(weir_tracker_usage(shared.tracker, WEIR_ALL_NODES, &usage));
		assert_true(usage.held.cores == 0);
		double most = level_total[level] < level_node[level] ? level_total[level] : level_node[level];
		weir_grant grant;
		assert_ok(weir_tracker_take(shared.tracker, WEIR_DEMAND(.cores = most), &grant, NULL));
		assert_ok(weir_tracker_give(shared.tracker, grant));
	}
	assert_ok(weir_tracker_audit(shared.tracker));
	print_message("%llu operations, %llu changes of limits, %llu takes while they stood\n",
		      (unsigned long long)operations_of(threads), (unsigned long long)threads[0].operations,
		      (unsigned long long)shared.stable);
	assert_ok(weir_tracker_destroy(shared.tracker));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_takes_above_a_limit_that_stands)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
