/* SPDX-License-Identifier: MIT */
/*
 * tracker_bench.c - what it costs to take and give back room, beside its floor and beside a lock.
 *
 * Each operation is a pair: take and give, or allocate and release. All threads work on one node of one tracker, which
 * never is full. By id: each thread uses 1,024 ids of its own in turn. Prints a table and whether the two promises
 * hold.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <weir/tracker.h>

#include "floor.h"
#include "harness.h"
#include "peers/rwlock_tracker.h"

enum { THREADS_MAX = 8, IDS = 1024, ID_BYTES = 32 };

/* The promises: by handle, at most this many times the bare pair, and where a credit covers it, at most that part of it;
 * two and eight threads, at most that part of the lock's time; by id, below the lock. */
static const double handle_most = 1.6, credit_most = 0.6, two_most = 1.0 / 5, eight_most = 1.0 / 8, id_most = 1.0;

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

static const struct {
	const char *name;
	bench_fn fn;
	const char *text;
} kinds[] = {
	{"pair", bare_pair, "bare pair: bounded compare-and-swap, fetch_sub"},
	{"packed", by_packed_handle, "weir by handle, packed demand"},
	{"handle", by_handle, "weir by handle"},
	{"credit", by_credit, "weir by handle, packed demand, with credits"},
	{"index", rwlock_by_index, "rwlock by index"},
	{"id", by_id, "weir by id"},
	{"rwlock", rwlock_by_id, "rwlock + hash table by id"},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const int thread_counts[] = {1, 2, THREADS_MAX};

enum { COUNTS = sizeof(thread_counts) / sizeof(thread_counts[0]) };

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
		exit(2);
	}
	for (int t = 0; t < THREADS_MAX; t++)
		for (int i = 0; i < IDS; i++)
			snprintf(ids[t][i], ID_BYTES, "job-%d-%d", t, i);
}

static const char *name_of(const char *kind, int threads)
{
	static char names[4][32];
	static unsigned next;
	char *name = names[next++ % 4];
	snprintf(name, sizeof(names[0]), "%s/%d", kind, threads);
	return name;
}

static void print_table(void)
{
	printf("%-48s", "ns for take and give, over all threads");
	for (int c = 0; c < COUNTS; c++)
		printf("%5d thread%s", thread_counts[c], thread_counts[c] == 1 ? " " : "s");
	printf("\n");
	for (int k = 0; k < KINDS; k++) {
		printf("%-48s", kinds[k].text);
		for (int c = 0; c < COUNTS; c++) {
			const char *name = name_of(kinds[k].name, thread_counts[c]);
			if (isnan(bench_ns(name)))
				printf("%13s", "-");
			else
				printf("%8.1f+-%2.0f%%", bench_ns(name), 50 * bench_spread(name));
		}
		printf("\n");
	}
}

/* False: a promise is missed. What a filter left out is not judged. */
static bool print_ratio(const char *a, const char *b, int threads, double most)
{
	double ratio = bench_ratio(name_of(a, threads), name_of(b, threads));
	if (isnan(ratio))
		return true;
	bool kept = !(most > 0) || (most < 1 || most > 1 ? ratio <= most : ratio < most);
	printf("%-8s / %-8s %d thread%s %6.3f", a, b, threads, threads == 1 ? " " : "s", ratio);
	if (most > 0)
		printf("   promised: %s %.3f   %s", most < 1 || most > 1 ? "at most" : "below", most,
		       kept ? "kept" : "MISSED");
	printf("\n");
	return kept;
}

int main(int argc, char **argv)
{
	set_up();
	for (int c = 0; c < COUNTS; c++)
		for (int k = 0; k < KINDS; k++)
			bench_register(name_of(kinds[k].name, thread_counts[c]), kinds[k].fn, NULL, thread_counts[c]);
	if (!bench_main(argc, argv))
		return 2;
	printf("%s\nweir %s\n\n", bench_machine(), weir_version());
	print_table();
	printf("\nmedians over rounds of A B A B; one thread: CPU time, more: elapsed time; +- half the quartiles' "
	       "distance\n\n");
	bool kept = print_ratio("packed", "pair", 1, handle_most);
	kept &= print_ratio("credit", "pair", 1, credit_most);
	kept &= print_ratio("packed", "index", 2, two_most);
	kept &= print_ratio("packed", "index", THREADS_MAX, eight_most);
	print_ratio("credit", "index", 2, 0);
	print_ratio("credit", "index", THREADS_MAX, 0);
	for (int c = 0; c < COUNTS; c++)
		kept &= print_ratio("id", "rwlock", thread_counts[c], id_most);
	print_ratio("handle", "pair", 1, 0);
	for (int c = 0; c < COUNTS; c++)
		print_ratio("handle", "index", thread_counts[c], 0);
	rwlock_tracker_destroy(rwlock);
	return weir_tracker_destroy(credited) || weir_tracker_destroy(tracker) || !kept;
}
