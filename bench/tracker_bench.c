/* SPDX-License-Identifier: MIT */
/*
 * tracker_bench.c - what it costs to take and give back room, beside its floor and beside a lock.
 *
 * Each operation is a pair: take and give, or allocate and release. All threads work on one node of one tracker, which
 * never is full. By id: each thread uses 1,024 ids of its own in turn. Speaks bench/PROTOCOL.md: all kinds of a workload
 * are measured in turn in one process, three times, and the rows are medians.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/tracker.h>

#include "floor.h"
#include "harness.h"
#include "peers/rwlock_tracker.h"

enum { THREADS_MAX = 8, IDS = 1024, ID_BYTES = 32 };

static weir_tracker *tracker; /* without credits */
static weir_tracker *credited;
static struct rwlock_tracker *rwlock;
static struct floor_word word;
static char ids[THREADS_MAX][IDS][ID_BYTES];

static void bare_pair(struct bench_run *run)
{
	while (bench_next(run)) {
		if (!floor_take(&word, 3, 1000000))
			abort();
		floor_give(&word, 3);
	}
}

static const weir_demand demand = {.size = sizeof(weir_demand), .cores = 0.25, .memory_bytes = 1 << 20};

static void packed_pairs(struct bench_run *run, weir_tracker *of)
{
	weir_packed packed;
	if (weir_tracker_pack(of, &demand, &packed))
		bench_fail(run, weir_error_text());
	while (bench_next(run)) {
		weir_grant grant;
		if (weir_tracker_take_packed(of, &packed, &grant, NULL) || weir_tracker_give(of, grant))
			abort();
	}
}

static void by_packed_handle(struct bench_run *run)
{
	packed_pairs(run, tracker);
}

static void by_credit(struct bench_run *run)
{
	packed_pairs(run, credited);
}

static void by_handle(struct bench_run *run)
{
	while (bench_next(run)) {
		weir_grant grant;
		if (weir_tracker_take(tracker, &demand, &grant, NULL) || weir_tracker_give(tracker, grant))
			abort();
	}
}

static void by_id(struct bench_run *run)
{
	unsigned i = 0;
	while (bench_next(run)) {
		const char *id = ids[run->thread][i++ % IDS];
		if (weir_tracker_allocate(tracker, id, &demand, NULL) || weir_tracker_release(tracker, id))
			abort();
	}
}

static void rwlock_by_id(struct bench_run *run)
{
	unsigned i = 0;
	while (bench_next(run)) {
		const char *id = ids[run->thread][i++ % IDS];
		if (rwlock_tracker_allocate(rwlock, id, &demand) || rwlock_tracker_release(rwlock, id))
			abort();
	}
}

static void rwlock_by_index(struct bench_run *run)
{
	while (bench_next(run)) {
		uint32_t index;
		if (rwlock_tracker_take(rwlock, &demand, &index) || rwlock_tracker_give(rwlock, index))
			abort();
	}
}

/* What is measured under a workload, as which peer and in which unit. Each runs in turn in each round. */
static const struct kind {
	const char *workload;
	const char *peer;
	const char *unit;
	bench_fn fn;
} kinds[] = {
	{"tracker_1t", "weir", "ns", by_packed_handle},
	{"tracker_1t", "floor", "ns", bare_pair},
	{"tracker_1t", "rwlock", "ns", rwlock_by_index},
	{"tracker_1t", "weir_unpacked", "ns", by_handle},
	{"tracker_1t", "weir_credits", "ns", by_credit},
	{"tracker_1t", "weir", "ns by id", by_id},
	{"tracker_1t", "rwlock", "ns by id", rwlock_by_id},
	{"tracker_id_1t", "weir", "ns", by_id},
	{"tracker_id_1t", "floor", "ns", bare_pair},
	{"tracker_id_1t", "rwlock", "ns", rwlock_by_id},
	{"credit_1t", "weir", "ns", by_credit},
	{"credit_1t", "floor", "ns", bare_pair},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

/* tracker_2t and tracker_8t are tracker_1t with more threads. */
static bool is_of(const struct kind *kind, const char *workload, uint32_t threads)
{
	return strcmp(kind->workload, threads > 1 ? "tracker_1t" : workload) == 0 &&
	       (threads > 1 || strcmp(kind->unit, "ns") == 0);
}

static void set_up(void)
{
	/* A machine of our own and explicit limits, so that numbers do not depend on what this process may use. */
	weir_node_limit node = {.cores = 64, .memory_bytes = UINT64_C(1) << 30};
	weir_tracker_options options = {.size = sizeof(options),
					.machine = "node:1 core:64 pu:1",
					.limits = WEIR_LIMITS(.node = &node, .nodes = 1)};
	weir_status status = weir_tracker_create(&credited, &options);
	options.no_credits = true;
	if (!status)
		status = weir_tracker_create(&tracker, &options);
	rwlock = rwlock_tracker_create(1, &node);
	if (status || !rwlock) {
		fprintf(stderr, "tracker_bench: %s\n", status ? weir_error_text() : "no memory");
		exit(1);
	}
	for (int t = 0; t < THREADS_MAX; t++)
		for (int i = 0; i < IDS; i++)
			snprintf(ids[t][i], ID_BYTES, "job-%d-%d", t, i);
}

/* The reference: when all is given back, all is there, and a node-sized demand fits. */
static bool is_whole(weir_tracker *of)
{
	const weir_demand all = {.size = sizeof(all), .cores = 64, .memory_bytes = UINT64_C(1) << 30};
	weir_grant grant;
	return !weir_tracker_take(of, &all, &grant, NULL) && !weir_tracker_give(of, grant);
}

static bool run(const char *workload, uint32_t threads, bool quick)
{
	set_up();
	char names[KINDS][64];
	for (int k = 0; k < KINDS; k++) {
		snprintf(names[k], sizeof(names[k]), "%d %s %s", k, kinds[k].peer, kinds[k].unit);
		if (is_of(&kinds[k], workload, threads))
			bench_register(names[k], kinds[k].fn, NULL, (int)threads);
	}
	if (!bench_rounds(3, quick ? 0.01 : 0.02))
		return false;
	if (!is_whole(tracker) || !is_whole(credited)) {
		fprintf(stderr, "tracker_bench: not all came back: %s\n", weir_error_text());
		return false;
	}
	for (int k = 0; k < KINDS; k++)
		if (is_of(&kinds[k], workload, threads))
			bench_row(workload, kinds[k].peer, threads, bench_ns(names[k]), kinds[k].unit);
	rwlock_tracker_destroy(rwlock);
	return !weir_tracker_destroy(credited) && !weir_tracker_destroy(tracker);
}

int main(int argc, char **argv)
{
	static const struct bench_workload workloads[] = {
		{"tracker_1t", "1", run},    {"tracker_2t", "2", run}, {"tracker_8t", "8", run},
		{"tracker_id_1t", "1", run}, {"credit_1t", "1", run},
	};
	return bench_program(argc, argv, workloads, sizeof(workloads) / sizeof(workloads[0]));
}
