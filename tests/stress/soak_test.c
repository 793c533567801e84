/* SPDX-License-Identifier: MIT */
/*
 * soak_test.c - everything at once, at random: submitters with every kind of demand, and a stir that moves limits, rules,
 * strategies, breakers and the host's pressure, reserves, cancels, asks why, and takes from the tracker beside it all.
 * L2 conservation, no over-commit, W1 no task run twice, W5 none lost; a lost wake-up is a hang. Fails if any of the parts
 * loses or doubles a unit, a task, or a wake-up when another part moves under it.
 *
 * WEIR_TEST_SECONDS and WEIR_TEST_SEED as for all stress tests; tools/soak runs it for minutes under each sanitizer.
 */
#include "stress.h"

#include <weir/weir.h>

enum { SUBMITTERS = 3, BATCH = 48, TICKETS = 64, RESERVATIONS = 16 };

struct soak {
	weir_pool *pool;
	weir_tracker *tracker;
	weir_admission *admission;
	struct held held;
	uint64_t memory_unit;
	_Atomic(uint64_t) ticket[TICKETS];	  /* of late; for who cancels and asks why */
	_Atomic(uint64_t) reserved[RESERVATIONS]; /* for who submits */
	atomic_uint pressure;			  /* permille of memory in use that nobody granted */
	atomic_bool over;
	atomic_ullong ran, lost, twice, shrunk, grown, bound, cancelled, expired;
};

struct work {
	struct soak *soak;
	uint64_t random;
	atomic_int runs;
	weir_demand demand;
};

static struct soak soak;

/* What the grant of the running task holds now, into the counters and out of them. ------------------------------- */

static weir_demand as_demand(const weir_amount *held)
{
	weir_demand demand = {
		.cores = held->cores, .memory_bytes = held->memory_bytes, .bandwidth_bytes_s = held->bandwidth_bytes_s};
	memcpy(demand.counted, held->counted, sizeof(demand.counted));
	return demand;
}

static void change(const weir_allocation *held, int sign)
{
	weir_demand demand = as_demand(&held->held);
	held_change(&soak.held, &demand, held->node, soak.memory_unit, sign);
}

/* Half of it back, or a little more: the counters go down before and up after. */
static void resize(weir_task *task, weir_allocation *held, uint64_t random)
{
	weir_allocation before = *held;
	if (random & 1) {
		weir_amount half = held->held;
		half.cores /= 2;
		half.memory_bytes /= 2;
		change(held, -1);
		if (!weir_task_shrink(task, &half))
			atomic_fetch_add(&soak.shrunk, 1);
	} else {
		weir_amount more = {.cores = 0.25, .memory_bytes = 1 * MIB};
		change(held, -1);
		if (!weir_task_grow(task, &more))
			atomic_fetch_add(&soak.grown, 1);
	}
	if (weir_tracker_look(soak.tracker, before.grant, held)) {
		atomic_fetch_add(&soak.lost, 1);
		*held = before;
	}
	change(held, 1);
}

static weir_status body(weir_task *task, void *argument)
{
	struct work *work = argument;
	weir_grant grant = weir_task_grant(task);
	weir_allocation held;
	if (atomic_fetch_add(&work->runs, 1))
		atomic_fetch_add(&soak.twice, 1);
	bool granted = grant.handle != 0; /* not under WEIR_ADMIT_OBSERVE, nor without a demand */
	if (granted && weir_tracker_look(soak.tracker, grant, &held)) {
		atomic_fetch_add(&soak.lost, 1);
		granted = false;
	}
	if (granted)
		change(&held, 1);
	uint64_t random = fixture_random(&work->random);
	if (granted && !(random & 6))
		resize(task, &held, random >> 8);
	if (random & 8) {
		char *block = weir_task_alloc(task, 64 + (random >> 16) % 4096);
		if (block)
			memset(block, 1, 64);
	}
	uint64_t until = weir_clock_monotonic_ns() + (random >> 32) % 60000;
	while (weir_clock_monotonic_ns() < until)
		;
	if (granted)
		change(&held, -1);
	atomic_fetch_add(&soak.ran, 1);
	return WEIR_OK;
}

/* Submitters. ---------------------------------------------------------------------------------------------------- */

static weir_demand any_demand(uint64_t *random)
{
	weir_demand demand = random_demand(random);
	uint64_t r = fixture_random(random);
	if (demand.cores > 0.5 && !(r & 3)) {
		demand.cores_min = demand.cores / 4;
		demand.memory_min_bytes = demand.memory_bytes / 2;
	}
	if (!(r & 0xc))
		demand.run_ns = (r >> 32) % 100000;
	if (!(r & 0x30))
		demand.wait_ns_max = 1 + (r >> 40) % 3000000;
	if (!(r & 0xc0))
		demand.deadline_ns = 1 + (r >> 44) % 9000000;
	if (!(r & 0x700))
		demand.when_short = r & 0x800 ? WEIR_DEFER : WEIR_FAIL;
	if (!(r & 0x7000))
		demand.attempt = 1;
	if (!(r & 0x38000)) {
		demand.reservation.handle = atomic_exchange(&soak.reserved[(r >> 20) % RESERVATIONS], 0);
		if (demand.reservation.handle)
			demand = (weir_demand){.size = sizeof(demand), .reservation = demand.reservation};
	}
	return demand;
}

/* The demand as it was random, or none; a refusal must leave nothing behind. True: the task is the pool's. */
static bool submit(weir_group *group, struct work *work, uint64_t *random)
{
	weir_decision decision;
	bool plain = !(fixture_random(random) & 15);
	work->demand = any_demand(random);
	weir_status status = weir_submit_decision(group, body, work, plain ? NULL : &work->demand, &decision);
	if (!status && decision.verdict == WEIR_QUEUED)
		atomic_store(&soak.ticket[fixture_random(random) % TICKETS], decision.ticket);
	if (!status && work->demand.reservation.handle && !plain)
		atomic_fetch_add(&soak.bound, 1);
	return status == WEIR_OK;
}

/* A group's tasks ran once each, or its error says why not. */
static bool check_batch(struct stress_thread *self, weir_status status, const struct work *work, const bool *accepted)
{
	unsigned missing = 0;
	for (int i = 0; i < BATCH; i++) {
		int runs = atomic_load(&work[i].runs);
		if (runs > accepted[i]) {
			snprintf(self->wrong, sizeof(self->wrong), "a task that was %s ran %d times",
				 accepted[i] ? "accepted" : "refused", runs);
			return false;
		}
		missing += accepted[i] && !runs;
	}
	if (missing && status != WEIR_ECANCELED && status != WEIR_ETIME && status != WEIR_EINFEASIBLE) {
		snprintf(self->wrong, sizeof(self->wrong), "%u tasks did not run and the group says \"%s\"", missing,
			 weir_status_text(status));
		return false;
	}
	return true;
}

static void *submitter(void *argument)
{
	struct stress_thread *self = argument;
	struct work *work = calloc(BATCH, sizeof(*work));
	weir_group *group;
	if (!work || weir_group_create(&group, soak.pool)) {
		snprintf(self->wrong, sizeof(self->wrong), "no memory");
		free(work);
		return NULL;
	}
	while (weir_clock_monotonic_ns() < self->until_ns && !self->wrong[0]) {
		bool accepted[BATCH];
		for (int i = 0; i < BATCH; i++) {
			work[i].random = fixture_random(&self->random);
			atomic_init(&work[i].runs, 0);
			accepted[i] = submit(group, &work[i], &self->random);
			self->refusals += !accepted[i];
		}
		if (!(fixture_random(&self->random) & 15))
			weir_group_cancel(group);
		weir_status status = weir_group_wait(group);
		if (check_batch(self, status, work, accepted) && weir_group_reset(group))
			snprintf(self->wrong, sizeof(self->wrong), "reset: %s", weir_error_text());
		self->operations += BATCH;
	}
	(void)weir_group_destroy(group);
	free(work);
	return NULL;
}

/* The stir. ------------------------------------------------------------------------------------------------------ */

static void stir_limits(uint64_t random)
{
	weir_node_limit node[STRESS_NODES];
	memcpy(node, stress_node, sizeof(node));
	for (uint32_t n = 0; n < STRESS_NODES && random & 1; n++) {
		uint64_t part = 25 + (random >> (8 + 8 * n)) % 75;
		node[n].cores = (double)(4 * 64 * part / 100) / 64;
		node[n].memory_bytes = stress_node[n].memory_bytes * part / 100;
	}
	(void)weir_pool_set_limits(soak.pool,
				   WEIR_LIMITS(.memory_bytes = random & 2 ? 96 * MIB : 128 * MIB,
					       .counted = {0, random & 4 ? 3 : 5}, .counted_name = {"gpu", "licence"},
					       .node = node, .nodes = STRESS_NODES));
}

static void stir_reservations(uint64_t *random)
{
	uint64_t r = fixture_random(random);
	weir_demand demand = random_demand(random);
	weir_reservation reservation;
	_Atomic(uint64_t) *place = &soak.reserved[r % RESERVATIONS];
	if (r >> 8 & 1) {
		reservation.handle = atomic_exchange(place, 0);
		if (reservation.handle)
			(void)weir_reservation_release(soak.admission, reservation);
	} else if (!weir_reserve(soak.admission, &demand, (r >> 16) % 2000000, &reservation)) {
		/* The one that was there is left to expire. */
		atomic_store(place, reservation.handle);
	}
}

/* Beside the pool: by name, by handle. */
static void stir_tracker(uint64_t *random)
{
	weir_demand demand = random_demand(random);
	weir_grant grant;
	weir_allocation held;
	if (weir_tracker_take(soak.tracker, &demand, &grant, NULL))
		return;
	if (weir_tracker_look(soak.tracker, grant, &held)) {
		atomic_fetch_add(&soak.lost, 1);
		return;
	}
	change(&held, 1);
	change(&held, -1);
	if (weir_tracker_give(soak.tracker, grant))
		atomic_fetch_add(&soak.lost, 1);
}

static void stir_rules(uint64_t random)
{
	static const weir_strategy *const *const strategy[] = {&WEIR_FIRST_FIT, &WEIR_BEST_FIT, &WEIR_WORST_FIT};
	switch (random % 4) {
	case 0:
		(void)weir_pool_set_strategy(soak.pool, *strategy[(random >> 8) % 3]);
		break;
	case 1: /* observing lets tasks run without grants: seldom */
		(void)weir_admission_set_rule(soak.admission,
					      (uint32_t)(random >> 8) & WEIR_ADMISSION_RULES &
						      (random & 0x7000 ? ~(uint32_t)WEIR_ADMIT_OBSERVE : ~0u));
		break;
	case 2:
		(void)weir_admission_breaker_set(soak.admission, (weir_class)(random >> 8 & 3),
						 (weir_breaker_mode)((random >> 16) % WEIR_BREAKER_MODES));
		break;
	default:
		atomic_store(&soak.pressure, random >> 8 & 3 ? 0 : (unsigned)(random >> 16) % 1100);
		break;
	}
}

static void stir_tickets(uint64_t random)
{
	uint64_t ticket = atomic_load(&soak.ticket[(random >> 8) % TICKETS]);
	if (!ticket)
		return;
	if (random & 1) {
		if (!weir_task_cancel(soak.pool, ticket))
			atomic_fetch_add(&soak.cancelled, 1);
		return;
	}
	weir_why why = {.size = sizeof(why)};
	if (!weir_why_pending(soak.pool, ticket, &why)) {
		char text[512];
		(void)weir_why_text(&why, text, sizeof(text));
	}
}

static void calm_down(void)
{
	static const weir_strategy *const *const strategy = &WEIR_FIRST_FIT;
	atomic_store(&soak.pressure, 0);
	stir_limits(0);
	(void)weir_admission_set_rule(soak.admission, WEIR_ADMIT_HARD);
	(void)weir_pool_set_strategy(soak.pool, *strategy);
	for (int k = 0; k < WEIR_CLASSES; k++)
		(void)weir_admission_breaker_set(soak.admission, (weir_class)k, WEIR_BREAKER_OFF);
}

static void *stirrer(void *argument)
{
	struct stress_thread *self = argument;
	while (weir_clock_monotonic_ns() < self->until_ns) {
		uint64_t random = fixture_random(&self->random);
		switch (random >> 32 & 7) {
		case 0:
			stir_limits(random);
			break;
		case 1:
			stir_rules(random);
			break;
		case 2:
		case 3:
			stir_reservations(&self->random);
			break;
		case 4:
		case 5:
			stir_tracker(&self->random);
			break;
		default:
			stir_tickets(random);
			break;
		}
		self->operations++;
		if (random & 3)
			sched_yield();
	}
	/* Whoever waits for what a limit or a level forbids waits until it changes. */
	calm_down();
	return NULL;
}

static void *body_of(void *argument)
{
	struct stress_thread *self = argument;
	return self->number < SUBMITTERS ? submitter(self) : stirrer(self);
}

/* The host, as random as the rest: what is in use beyond grants decides the level. */
static weir_status read_host(void *context, weir_reading *out)
{
	static atomic_uint readings;
	(void)context;
	bool first = atomic_fetch_add(&readings, 1) == 0;
	out->known = WEIR_KNOWN_PROCESS;
	out->process_rss_bytes = first ? 0 : 160 * MIB * atomic_load(&soak.pressure) / 1000;
	return WEIR_OK;
}

static void open_pool(void)
{
	static const weir_monitor_source source = {.size = sizeof(source), .read = read_host};
	weir_status status = weir_pool_create(
		&soak.pool, WEIR_OPTIONS(.machine = stress_machine, .resource_aware = true, .no_environment = true,
					 .limits = STRESS_LIMITS, .waiting_max = 100, .monitor = &source,
					 .monitoring_interval_ns = 2 * WEIR_NS_PER_MS));
	if (status)
		fail_msg("%s", weir_error_text());
	soak.tracker = weir_pool_tracker(soak.pool);
	soak.admission = weir_pool_admission(soak.pool);
	weir_tracker_units(soak.tracker, NULL, &soak.memory_unit, NULL);
}

static void nothing_is_lost_doubled_or_forgotten(void **state)
{
	(void)state;
	stress_alarm();
	open_pool();
	struct stress_thread threads[STRESS_THREADS];
	uint64_t seed = fixture_seed("soak");
	bool right = stress_run(threads, body_of, NULL, seed);
	assert_true(right);
	calm_down();
	assert_int_equal(weir_pool_drain(soak.pool), WEIR_OK);
	for (int i = 0; i < RESERVATIONS; i++) {
		weir_reservation rest = {.handle = atomic_load(&soak.reserved[i])};
		if (rest.handle)
			(void)weir_reservation_release(soak.admission, rest);
	}
	/* Those that nobody knows of any more expire by themselves. */
	weir_usage usage;
	do
		assert_int_equal(weir_tracker_usage(soak.tracker, WEIR_ALL_NODES, &usage), WEIR_OK);
	while (usage.grants);
	assert_int_equal(usage.held.memory_bytes, 0);
	assert_true(usage.held.cores == 0);
	assert_int_equal(weir_tracker_audit(soak.tracker), WEIR_OK);
	assert_int_equal(atomic_load(&soak.held.overcommits), 0);
	assert_int_equal(atomic_load(&soak.lost), 0);
	assert_int_equal(atomic_load(&soak.twice), 0);
	weir_admission_counts counts = {.size = sizeof(counts)};
	assert_int_equal(weir_admission_counts_get(soak.admission, &counts), WEIR_OK);
	assert_int_equal(counts.waiting, 0);
	printf("soak: %llu tasks submitted, %llu ran, %llu shrank, %llu grew, %llu started in reservations, %llu "
	       "cancelled by ticket; %llu claims\n",
	       (unsigned long long)operations_of(threads), (unsigned long long)atomic_load(&soak.ran),
	       (unsigned long long)atomic_load(&soak.shrunk), (unsigned long long)atomic_load(&soak.grown),
	       (unsigned long long)atomic_load(&soak.bound), (unsigned long long)atomic_load(&soak.cancelled),
	       (unsigned long long)counts.claims);
	assert_int_equal(weir_pool_destroy(soak.pool), WEIR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost_doubled_or_forgotten)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
