/* SPDX-License-Identifier: MIT */
/* stress.h - for tests with many threads: how long, from which seed, and counters that know nothing of the ledger. */
#ifndef TESTS_STRESS_H
#define TESTS_STRESS_H

#include <pthread.h>

#include "fixture.h"
#include "hostile.h"

enum { STRESS_THREADS = 8, STRESS_NODES = 2 };

#define MIB ((uint64_t)1 << 20)

/* WEIR_TEST_SECONDS=n makes a test longer. */
static inline uint64_t stress_until_ns(void)
{
	const char *given = getenv("WEIR_TEST_SECONDS");
	double seconds = given ? strtod(given, NULL) : 0.7;
	return weir_clock_monotonic_ns() + (uint64_t)(seconds * 1e9);
}

/* A net, also for longer runs. */
static inline void stress_alarm(void)
{
	const char *given = getenv("WEIR_TEST_SECONDS");
	alarm(HANG_SECONDS + 20 * (unsigned)(given ? strtoul(given, NULL, 10) : 1));
}

/* Two nodes of 4 cores; memory binds in total, gpus are per node, licences a stock. */
static const weir_node_limit stress_node[STRESS_NODES] = {
	{.memory_bytes = 96 * MIB, .bandwidth_bytes_s = 400, .counted = {3}},
	{.memory_bytes = 64 * MIB, .bandwidth_bytes_s = 500, .counted = {2}}};
static const char stress_machine[] = "numa:2 core:4 pu:1";
#define STRESS_LIMITS                                                                                 \
	WEIR_LIMITS(.memory_bytes = 128 * MIB, .counted = {0, 5}, .counted_name = {"gpu", "licence"}, \
		    .node = stress_node, .nodes = STRESS_NODES)

/* What the callers hold, added after a take and taken off before the give: never more than the limits. */
struct held {
	atomic_llong cores[STRESS_NODES]; /* 1/64 */
	atomic_llong memory[STRESS_NODES];
	atomic_llong bandwidth[STRESS_NODES];
	atomic_llong gpus[STRESS_NODES];
	atomic_llong memory_total;
	atomic_llong licences;
	atomic_int overcommits;
};

static inline void held_add(struct held *held, atomic_llong *what, long long amount, uint64_t limit)
{
	if (atomic_fetch_add(what, amount) + amount > (long long)limit)
		atomic_fetch_add(&held->overcommits, 1);
}

static inline long long round_up(uint64_t amount, uint64_t unit)
{
	return (long long)((amount + unit - 1) / unit * unit);
}

/* sign 1: taken, -1: about to be given. */
static inline void held_change(struct held *held, const weir_demand *demand, uint32_t node, uint64_t memory_unit,
			       int sign)
{
	long long memory = sign * round_up(demand->memory_bytes, memory_unit);
	const weir_node_limit *limit = &stress_node[node];
	held_add(held, &held->cores[node], sign * (long long)(demand->cores * 64), 4 * 64);
	held_add(held, &held->memory[node], memory, limit->memory_bytes);
	held_add(held, &held->bandwidth[node], sign * (long long)demand->bandwidth_bytes_s, limit->bandwidth_bytes_s);
	held_add(held, &held->gpus[node], sign * (long long)demand->counted[0], limit->counted[0]);
	held_add(held, &held->memory_total, memory, 128 * MIB);
	held_add(held, &held->licences, sign * (long long)demand->counted[1], 5);
}

/* Any mixture, always feasible, in whole 1/64 of a core. */
static inline weir_demand random_demand(uint64_t *random)
{
	uint64_t r = fixture_random(random);
	weir_demand demand = {.size = sizeof(demand)};
	if (r & 1)
		demand.cores = (double)(1 + (r >> 8) % 256) / 64;
	if (r & 2)
		demand.memory_bytes = 1 + (r >> 16) % (r & 4 ? 64 * MIB : MIB);
	if (!(r & 0x38))
		demand.bandwidth_bytes_s = 1 + (r >> 24) % 300;
	if (!(r & 0x1c0))
		demand.counted[0] = 1 + (r >> 32) % 2;
	if (!(r & 0xe00))
		demand.counted[1] = 1 + (r >> 40) % 3;
	if (!(r & 3))
		demand.memory_bytes = 4096;
	if (!(r >> 60 & 3)) {
		demand.home = WEIR_NODE((r >> 50) % STRESS_NODES);
		demand.home_only = r >> 49 & 1;
	}
	demand.task_class = (weir_class)(r >> 44 & 3);
	demand.priority = (int32_t)(r >> 46 & 1);
	return demand;
}

struct stress_thread {
	pthread_t thread;
	uint32_t number;
	uint64_t random;
	uint64_t until_ns;
	void *shared;
	uint64_t operations;
	uint64_t refusals;
	char wrong[256]; /* what a thread found; only the main thread asserts */
};

/* Run body in all threads; false: one found something wrong, which is printed. */
static inline bool stress_run(struct stress_thread threads[STRESS_THREADS], void *(*body)(void *), void *shared,
			      uint64_t seed)
{
	uint64_t until_ns = stress_until_ns();
	bool right = true;
	for (uint32_t t = 0; t < STRESS_THREADS; t++) {
		threads[t] =
			(struct stress_thread){.number = t, .random = seed + t, .until_ns = until_ns, .shared = shared};
		if (pthread_create(&threads[t].thread, NULL, body, &threads[t]))
			abort();
	}
	for (uint32_t t = 0; t < STRESS_THREADS; t++) {
		pthread_join(threads[t].thread, NULL);
		if (threads[t].wrong[0]) {
			print_error("thread %u: %s\n", t, threads[t].wrong);
			right = false;
		}
	}
	return right;
}

static inline uint64_t operations_of(const struct stress_thread threads[STRESS_THREADS])
{
	uint64_t sum = 0;
	for (uint32_t t = 0; t < STRESS_THREADS; t++)
		sum += threads[t].operations;
	return sum;
}

#endif
