/* SPDX-License-Identifier: MIT */
/*
 * admission_bench.c - tasks of 1 us, each with a demand, in a saturated pool, beside the same tasks in a plain pool.
 *
 * Both pools have the same workers; the resource-aware one may use as many cores as it has workers, and each task demands
 * one, so each end of a task hands its room to the next. Work is a loop of so many turns that one thread takes 1 us of
 * CPU time for it. Three forms, in rounds of plain, aware, plain, aware:
 *
 *	drain    a backlog is queued while one gate task for each worker blocks; then the time from its opening to the end
 *	inside   so many tasks go round: each submits its successor, so the submission is a part of the time
 *	outside  one thread keeps the backlog at a bounded depth, submission included
 *
 * Elapsed time is what the promise is about; CPU time of the whole process is what other load disturbs less (it counts
 * the submitting thread and whoever looks for work). Both are shown as the plain pool's time over the aware pool's: the
 * throughput of the aware pool as a part of the plain one's.
 *
 * `run admission_1us` (bench/PROTOCOL.md) is the first form alone; without it, all forms with a table and the promise.
 */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <weir/task.h>

#include "harness.h"

enum { WORKERS_MOST = 2, ROUND_TASKS = 64, DEPTH = 512, NAME_BYTES = 48 };

/* The promise: drained by the aware pool at least at this part of the plain pool's throughput. */
static const double drain_least = 0.97;

static uint32_t tasks = 100000;
static uint32_t rounds = 9;
static uint64_t turns; /* of the loop that are 1 us */

static const weir_demand one_core = {.size = sizeof(weir_demand), .cores = 1};

static double now_ns(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void check(weir_status status)
{
	if (status) {
		fprintf(stderr, "admission_bench: %s\n", weir_error_text());
		exit(2);
	}
}

static uint64_t work(uint64_t count)
{
	uint64_t x = count;
	for (uint64_t i = 0; i < count; i++) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

static void calibrate(void)
{
	double best = INFINITY;
	const uint64_t probe = 200000;
	for (int i = 0; i < 20; i++) {
		double start = now_ns(CLOCK_THREAD_CPUTIME_ID);
		(void)work(probe);
		double took = now_ns(CLOCK_THREAD_CPUTIME_ID) - start;
		best = took < best ? took : best;
	}
	turns = (uint64_t)(1000 * (double)probe / best + 0.5);
}

/* Time between two calls, as ns for a task. */
struct span {
	double elapsed;
	double cpu;
};

static void span_start(struct span *span)
{
	span->elapsed = now_ns(CLOCK_MONOTONIC);
	span->cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static void span_end(struct span *span, const char *form, const char *pool, uint32_t workers, uint32_t count)
{
	double elapsed = (now_ns(CLOCK_MONOTONIC) - span->elapsed) / count;
	double cpu = (now_ns(CLOCK_PROCESS_CPUTIME_ID) - span->cpu) / count;
	char name[NAME_BYTES];
	snprintf(name, sizeof(name), "%s/%s/%u elapsed", form, pool, workers);
	bench_note(name, elapsed);
	snprintf(name, sizeof(name), "%s/%s/%u CPU", form, pool, workers);
	bench_note(name, cpu);
}

/* One pool at work. */
struct house {
	weir_pool *pool;
	const char *name;
	uint32_t workers;
	const weir_demand *demand;
	weir_group *group;
	sem_t gate;
	sem_t at_gate;
	atomic_uint at;	  /* workers at the gate, ever */
	atomic_uint left; /* of those that go round */
};

/* Each worker on a CPU of its own, as far as there are any: two that happen to share one measure nothing. */
static void pin_worker(struct house *house)
{
	cpu_set_t allowed, mine;
	unsigned which = atomic_fetch_add(&house->at, 1) % house->workers;
	if (pthread_getaffinity_np(pthread_self(), sizeof(allowed), &allowed) || CPU_COUNT(&allowed) < WORKERS_MOST)
		return;
	CPU_ZERO(&mine);
	for (size_t cpu = 0, seen = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && seen++ == which)
			CPU_SET(cpu, &mine);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(mine), &mine);
}

static weir_status just_work(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	(void)work(turns);
	return WEIR_OK;
}

static weir_status block_at_gate(weir_task *task, void *argument)
{
	(void)task;
	struct house *house = argument;
	pin_worker(house);
	sem_post(&house->at_gate);
	while (sem_wait(&house->gate))
		;
	return WEIR_OK;
}

static weir_status work_and_go_on(weir_task *task, void *argument)
{
	(void)task;
	struct house *house = argument;
	(void)work(turns);
	if (atomic_fetch_sub_explicit(&house->left, 1, memory_order_relaxed) > ROUND_TASKS)
		return weir_submit(house->group, work_and_go_on, house, house->demand);
	return WEIR_OK;
}

static void close_gate(struct house *house)
{
	for (uint32_t i = 0; i < house->workers; i++)
		check(weir_submit(house->group, block_at_gate, house, house->demand));
	for (uint32_t i = 0; i < house->workers; i++)
		while (sem_wait(&house->at_gate))
			;
}

static void open_gate(struct house *house)
{
	for (uint32_t i = 0; i < house->workers; i++)
		sem_post(&house->gate);
}

static void run_drain(struct house *house)
{
	close_gate(house);
	double start = now_ns(CLOCK_THREAD_CPUTIME_ID);
	for (uint32_t i = 0; i < tasks; i++)
		check(weir_submit(house->group, just_work, NULL, house->demand));
	char name[NAME_BYTES];
	snprintf(name, sizeof(name), "submit/%s/%u CPU", house->name, house->workers);
	bench_note(name, (now_ns(CLOCK_THREAD_CPUTIME_ID) - start) / tasks);
	struct span span;
	span_start(&span);
	open_gate(house);
	check(weir_group_wait(house->group));
	span_end(&span, "drain", house->name, house->workers, tasks);
}

static void run_inside(struct house *house)
{
	atomic_store(&house->left, tasks);
	close_gate(house);
	for (uint32_t i = 0; i < ROUND_TASKS; i++)
		check(weir_submit(house->group, work_and_go_on, house, house->demand));
	struct span span;
	span_start(&span);
	open_gate(house);
	check(weir_group_wait(house->group));
	span_end(&span, "inside", house->name, house->workers, tasks);
}

static void run_outside(struct house *house)
{
	const struct timespec pause = {.tv_nsec = 50000};
	struct span span;
	span_start(&span);
	for (uint32_t i = 0; i < tasks;) {
		while (i < tasks && weir_group_pending(house->group) < DEPTH) {
			check(weir_submit(house->group, just_work, NULL, house->demand));
			i++;
		}
		if (i < tasks)
			nanosleep(&pause, NULL);
	}
	check(weir_group_wait(house->group));
	span_end(&span, "outside", house->name, house->workers, tasks);
}

static void build(struct house *house, bool aware, uint32_t workers)
{
	*house = (struct house){.name = aware ? "aware" : "plain", .workers = workers};
	house->demand = aware ? &one_core : NULL;
	/* A machine of our own, so that threads are not pinned beside what else this one does. */
	check(weir_pool_create(&house->pool, WEIR_OPTIONS(.machine = "numa:1 core:2 pu:1", .workers = workers,
							  .resource_aware = aware, .no_environment = true,
							  .limits = aware ? WEIR_LIMITS(.cores = workers) : NULL)));
	check(weir_group_create(&house->group, house->pool));
	if (sem_init(&house->gate, 0, 0) || sem_init(&house->at_gate, 0, 0))
		abort();
}

static void pull_down(struct house *house)
{
	check(weir_group_destroy(house->group));
	check(weir_pool_destroy(house->pool));
	sem_destroy(&house->gate);
	sem_destroy(&house->at_gate);
}

static const char *name_of(const char *form, const char *pool, uint32_t workers, const char *kind)
{
	static char names[4][NAME_BYTES];
	static unsigned next;
	char *name = names[next++ % 4];
	snprintf(name, sizeof(names[0]), "%s/%s/%u %s", form, pool, workers, kind);
	return name;
}

static const struct {
	const char *name;
	void (*run)(struct house *house);
	const char *text;
	double least;
} forms[] = {
	{"drain", run_drain, "a backlog, drained", drain_least},
	{"inside", run_inside, "each task submits the next", 0},
	{"outside", run_outside, "one thread submits", 0},
};

enum { FORMS = sizeof(forms) / sizeof(forms[0]) };

static const char *const kinds[] = {"elapsed", "CPU"};

static void print_ratio(const char *form, uint32_t workers, const char *kind)
{
	const char *plain = name_of(form, "plain", workers, kind), *aware = name_of(form, "aware", workers, kind);
	printf("  %-8s %8.0f %8.0f %10.3f+-%.0f%%\n", kind, bench_ns(plain), bench_ns(aware), bench_ratio(plain, aware),
	       50 * fmax(bench_spread(plain), bench_spread(aware)));
}

/* Judged by CPU time for one worker, as the harness does; by elapsed time for more. */
static bool judge(const char *form, uint32_t workers, double least)
{
	const char *kind = kinds[workers == 1];
	double ratio = bench_ratio(name_of(form, "plain", workers, kind), name_of(form, "aware", workers, kind));
	bool kept = ratio >= least;
	printf("  promised: at least %.2f (%s)   %.3f   %s\n", least, kind, ratio, kept ? "kept" : "MISSED");
	return kept;
}

/* The workload of bench/PROTOCOL.md: drained, plain and aware in turn; CPU time with one worker, elapsed with more. */
static bool run_workload(const char *workload, uint32_t workers, bool quick)
{
	tasks = quick ? 20000 : 100000;
	calibrate();
	struct house plain, aware;
	build(&plain, false, workers);
	build(&aware, true, workers);
	for (uint32_t r = 0; r < 2; r++) {
		run_drain(&plain);
		run_drain(&aware);
	}
	pull_down(&plain);
	pull_down(&aware);
	const char *kind = kinds[workers == 1];
	bench_row(workload, "weir", workers, bench_ns(name_of("drain", "aware", workers, kind)), "ns");
	bench_row(workload, "plain", workers, bench_ns(name_of("drain", "plain", workers, kind)), "ns");
	return true;
}

static bool parse(int argc, char **argv, const char **only)
{
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--tasks=", 8))
			tasks = (uint32_t)strtoul(argv[i] + 8, NULL, 10);
		else if (!strncmp(argv[i], "--rounds=", 9))
			rounds = (uint32_t)strtoul(argv[i] + 9, NULL, 10);
		else if (!strncmp(argv[i], "--form=", 7))
			*only = argv[i] + 7;
		else
			return false;
	}
	return tasks > ROUND_TASKS && tasks <= 1000000 && rounds > 0;
}

int main(int argc, char **argv)
{
	static const struct bench_workload workload = {"admission_1us", "1,2", run_workload};
	if (argc > 1 && argv[1][0] != '-')
		return bench_program(argc, argv, &workload, 1);
	const char *only = NULL;
	if (!parse(argc, argv, &only)) {
		fprintf(stderr, "options: --rounds=N, --tasks=N (%d to 1000000), --form=drain|inside|outside\n",
			ROUND_TASKS + 1);
		return 2;
	}
	calibrate();
	for (uint32_t workers = 1; workers <= WORKERS_MOST; workers++) {
		struct house plain, aware;
		build(&plain, false, workers);
		build(&aware, true, workers);
		for (uint32_t r = 0; r < rounds; r++)
			for (int f = 0; f < FORMS; f++) {
				if (only && strcmp(only, forms[f].name) != 0)
					continue;
				forms[f].run(&plain);
				forms[f].run(&aware);
			}
		pull_down(&plain);
		pull_down(&aware);
	}
	printf("%s\nweir %s\n%u tasks of 1 us in each round, medians of %u rounds; +- half the quartiles' distance\n",
	       bench_machine(), weir_version(), tasks, rounds);
	bool kept = true;
	for (int f = 0; f < FORMS; f++)
		for (uint32_t workers = 1; workers <= WORKERS_MOST; workers++) {
			if (only && strcmp(only, forms[f].name) != 0)
				continue;
			printf("\n%s, %u worker%s\n  %-8s %8s %8s %10s\n", forms[f].text, workers,
			       workers == 1 ? "" : "s", "ns/task", "plain", "aware", "throughput");
			for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
				print_ratio(forms[f].name, workers, kinds[k]);
			if (!f)
				printf("  submit   %8.0f %8.0f\n", bench_ns(name_of("submit", "plain", workers, "CPU")),
				       bench_ns(name_of("submit", "aware", workers, "CPU")));
			if (forms[f].least > 0)
				kept &= judge(forms[f].name, workers, forms[f].least);
		}
	return !kept;
}
