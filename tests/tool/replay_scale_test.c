/* SPDX-License-Identifier: MIT */
/*
 * replay_scale_test.c - a workload's jobs as demands on another machine.
 * Covers V3: a demand covers the job's part of its machine, by less than one unit more. It fails by a demand that
 * rounds down (jobs would over-use their grants) or by a whole unit too much (feasible jobs would be refused).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tools/weir/replay_scale.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define SECOND INT64_C(1000000000)

static struct swf_job job_of(int64_t processors, int64_t requested, int64_t memory_used_kb, int64_t memory_requested_kb)
{
	struct swf_job job = SWF_JOB_UNKNOWN;
	job.run_ns = SECOND;
	job.processors = processors;
	job.processors_requested = requested;
	job.memory_used_kb = memory_used_kb;
	job.memory_requested_kb = memory_requested_kb;
	return job;
}

static void the_workloads_machine_comes_from_the_best_header_there_is(void **state)
{
	(void)state;
	static const char two_clusters[] =
		"two, a (20 nodes of 80 cores, 529426432 KB each) and b (48 nodes of 12 cores, "
		"94035968 KB each)";
	static const struct {
		const char *key[3], *value[3];
		int64_t processors, memory_kb;
	} cases[] = {
		{{"MaxProcs", "WeirMachineMemory", "MaxMemory"}, {"8", "4000", "7"}, 8, 4000},
		{{"MaxProcs", "Computer", "MaxMemory"}, {"2176", two_clusters, "7"}, 2176, 15102255104},
		{{"MaxProcs", "Computer", "MaxMemory"},
		 {"2175", two_clusters, "7"},
		 2175,
		 2175 * 7}, /* cores disagree */
		{{"MaxProcs", "Computer"}, {"4", "box (2 nodes of 2 cores, 100 KB each"}, 4, 200},
		{{"MaxProcs", "Computer"}, {"4", "2 nodes of 2 cores, 100 MB each"}, 4, 4 * 60},
		{{"MaxProcs", "Computer"}, {"4", "99999999999999999999 nodes"}, 4, 4 * 60},
		{{"MaxProcs", "MaxNodes"}, {"8", "2"}, 8, 8 * 60},
		{{"MaxProcs", "MaxNodes"}, {"-1", "2"}, 2, 2 * 60},
		{{"Note"}, {"nothing"}, 5, 5 * 60},
	};
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct swf w = SWF_EMPTY;
		for (size_t k = 0; k < 3 && cases[i].key[k]; k++)
			assert_int_equal(swf_header_add(&w, cases[i].key[k], "%s", cases[i].value[k]), 0);
		/* 5 processors are the most that a job has; 60 KB the most for a processor. */
		const struct swf_job jobs[] = {job_of(3, 9, 60, -1), job_of(-1, 5, -1, 50), job_of(0, 0, 90000, 20)};
		for (size_t j = 0; j < LENGTH(jobs); j++)
			assert_int_equal(swf_job_add(&w, &jobs[j]), 0);
		struct scale_origin origin;
		assert_int_equal(scale_origin_read(&origin, &w), 0);
		if (origin.processors != cases[i].processors || origin.memory_kb != cases[i].memory_kb)
			fail_msg("case %zu: %lld processors (%s), %lld KB (%s)", i, (long long)origin.processors,
				 origin.processors_from, (long long)origin.memory_kb, origin.memory_from);
		swf_free(&w);
	}
}

static void a_workload_without_processors_or_memory_says_so(void **state)
{
	(void)state;
	struct swf w = SWF_EMPTY;
	struct swf_job job = job_of(-1, 0, -1, -1);
	struct scale_origin origin;
	assert_int_equal(swf_job_add(&w, &job), 0);
	assert_int_equal(scale_origin_read(&origin, &w), -1);
	w.job[0].processors = 4;
	assert_int_equal(scale_origin_read(&origin, &w), 0);
	assert_int_equal(origin.memory_kb, SWF_UNKNOWN);
	swf_free(&w);
}

static void a_demand_is_the_jobs_part_rounded_up(void **state)
{
	(void)state;
	struct scale_units nodes[2] = {{64, 500}, {64, 500}};
	const struct scale_target target = {64, 4096, 2, nodes, {128, 1000}, NULL};
	const struct scale_origin origin = {.processors = 100, .memory_kb = 100000};
	static const struct {
		int64_t processors, requested, used_kb, requested_kb;
		uint64_t cpu, memory;
		bool fits;
	} cases[] = {
		{50, 1, -1, 1000, 64, 500, true},
		{50, 1, -1, 1001, 64, 501, false},
		{51, 1, -1, 1, 66, 1, false},	/* 65.28 units of a core */
		{1, -1, -1, -1, 2, 10, true},	/* missing memory: the processors' share */
		{-1, 1, -1, -1, 2, 10, true},	/* requested processors where it is not known what it had */
		{1, -1, 2000, -1, 2, 20, true}, /* used memory where none was requested */
		{1, -1, 2000, 100, 2, 1, true},
		{1, -1, 0, 0, 2, 10, true},		/* nothing is not an amount */
		{1000, -1, -1, -1, 1280, 10000, false}, /* more than its own machine */
		{INT64_MAX, -1, -1, INT64_MAX, UINT64_MAX, UINT64_MAX, false},
	};
	for (size_t i = 0; i < LENGTH(cases); i++) {
		struct swf_job job =
			job_of(cases[i].processors, cases[i].requested, cases[i].used_kb, cases[i].requested_kb);
		struct scale_units d = scale_demand(&target, &origin, &job);
		if (i + 1 == LENGTH(cases)) {
			assert_true(d.cpu > UINT64_C(1) << 50);
			d.cpu = UINT64_MAX;
		}
		if (d.cpu != cases[i].cpu || d.memory != cases[i].memory || scale_fits(&target, d) != cases[i].fits)
			fail_msg("case %zu: %llu units of a core, %llu of memory, fits: %d", i,
				 (unsigned long long)d.cpu, (unsigned long long)d.memory, scale_fits(&target, d));
	}
}

static void room_for_it_must_be_on_one_node(void **state)
{
	(void)state;
	struct scale_units nodes[3] = {{64, 10}, {8, 500}, {0, 900}};
	const struct scale_target target = {64, 4096, 3, nodes, {72, 1410}, NULL};
	assert_true(scale_fits(&target, (struct scale_units){64, 10}));
	assert_true(scale_fits(&target, (struct scale_units){8, 500}));
	assert_false(scale_fits(&target, (struct scale_units){9, 11}));
	assert_false(scale_fits(&target, (struct scale_units){65, 1}));
}

static void a_node_without_memory_uses_that_of_the_nearest(void **state)
{
	(void)state;
	struct scale_units nodes[3] = {{64, 0}, {8, 500}, {0, 900}};
	struct scale_place places[3] = {{0, 2}, {1, 1}, {1, 2}};
	const struct scale_target target = {64, 4096, 3, nodes, {72, 1400}, places};
	assert_true(scale_fits(&target, (struct scale_units){64, 900}));
	assert_true(scale_fits(&target, (struct scale_units){8, 900}));
	assert_false(scale_fits(&target, (struct scale_units){1, 901}));
}

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static void a_demand_covers_the_part_by_less_than_one_unit_more(void **state)
{
	(void)state;
	const char *given = getenv("WEIR_TEST_SEED");
	uint64_t random = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) << 1 | 1;
	random = random ? random : 1;
	print_message("WEIR_TEST_SEED=%llu\n", (unsigned long long)random);
	for (int round = 0; round < 100000; round++) {
		struct scale_units node = {1 + random_next(&random) % 30000, 1 + random_next(&random) % (1 << 28)};
		const struct scale_target target = {64, 4096, 1, &node, node, NULL};
		const struct scale_origin origin = {.processors = 1 + (int64_t)(random_next(&random) % 100000),
						    .memory_kb = 1 + (int64_t)(random_next(&random) % (1ull << 40))};
		struct swf_job job = job_of(1 + (int64_t)(random_next(&random) % 200000), -1, -1,
					    1 + (int64_t)(random_next(&random) % (1 << 30)));
		struct scale_units d = scale_demand(&target, &origin, &job);
		/* (d - 1) / limit < part <= d / limit, without dividing. */
		unsigned __int128 part = (unsigned __int128)(uint64_t)job.processors * node.cpu;
		assert_true((unsigned __int128)d.cpu * (uint64_t)origin.processors >= part);
		assert_true((unsigned __int128)(d.cpu - 1) * (uint64_t)origin.processors < part);
		part = (unsigned __int128)(uint64_t)(job.processors * job.memory_requested_kb) * node.memory;
		assert_true((unsigned __int128)d.memory * (uint64_t)origin.memory_kb >= part);
		assert_true((unsigned __int128)(d.memory - 1) * (uint64_t)origin.memory_kb < part);
	}
}

static struct swf workload_of_times(const int64_t (*times)[2], size_t count)
{
	struct swf w = SWF_EMPTY;
	for (size_t i = 0; i < count; i++) {
		struct swf_job job = job_of(1, -1, -1, -1);
		job.number = (int64_t)i;
		job.submit_ns = times[i][0];
		job.run_ns = times[i][1];
		assert_int_equal(swf_job_add(&w, &job), 0);
	}
	return w;
}

static void jobs_come_by_arrival_and_those_that_never_ran_are_counted(void **state)
{
	(void)state;
	static const int64_t times[][2] = {{50 * SECOND, SECOND},      {20 * SECOND, 5},
					   {20 * SECOND, 30 * SECOND}, {0, -1},
					   {30 * SECOND, 0},	       {21 * SECOND, SECOND}};
	struct swf w = workload_of_times(times, LENGTH(times));
	struct scale_units node = {64, 100};
	const struct scale_target target = {64, 4096, 1, &node, node, NULL};
	const struct scale_origin origin = {.processors = 1, .memory_kb = SWF_UNKNOWN};
	size_t count, skipped;
	struct scale_job *jobs = scale_jobs(&w, &target, &origin, 10, 3, &count, &skipped);
	assert_non_null(jobs);
	assert_int_equal(count, 3);
	assert_int_equal(skipped, 2);
	static const struct {
		int64_t number;
		uint64_t arrive_ns, run_ns;
	} due[] = {{1, 0, 1}, {2, 0, 3 * SECOND}, {5, SECOND / 10, SECOND / 10}};
	for (size_t i = 0; i < LENGTH(due); i++) {
		assert_int_equal(jobs[i].from->number, due[i].number);
		assert_int_equal(jobs[i].arrive_ns, due[i].arrive_ns);
		assert_int_equal(jobs[i].run_ns, due[i].run_ns);
		assert_int_equal(jobs[i].demand.memory, 100);
	}
	free(jobs);
	swf_free(&w);
}

static void a_workload_of_jobs_that_never_ran_has_none(void **state)
{
	(void)state;
	static const int64_t times[][2] = {{0, -1}, {1, 0}};
	struct swf w = workload_of_times(times, LENGTH(times));
	struct scale_units node = {64, 100};
	const struct scale_target target = {64, 4096, 1, &node, node, NULL};
	const struct scale_origin origin = {.processors = 1, .memory_kb = SWF_UNKNOWN};
	size_t count, skipped;
	assert_null(scale_jobs(&w, &target, &origin, 1, SIZE_MAX, &count, &skipped));
	assert_int_equal(count, 0);
	assert_int_equal(skipped, 2);
	swf_free(&w);
}

static void the_chosen_speedup_keeps_arrivals_and_work_within_the_time(void **state)
{
	(void)state;
	static const int64_t arrivals[][2] = {{100 * SECOND, SECOND}, {1100 * SECOND, SECOND}, {0, -1}};
	static const int64_t work[][2] = {{0, 300 * SECOND}, {SECOND, 500 * SECOND}};
	static const int64_t little[][2] = {{0, SECOND}, {SECOND, SECOND}};
	struct swf w = workload_of_times(arrivals, LENGTH(arrivals));
	assert_float_equal(scale_speedup(&w, 4, 10 * SECOND), 100, 1e-9);
	swf_free(&w);
	w = workload_of_times(work, LENGTH(work));
	assert_float_equal(scale_speedup(&w, 4, 10 * SECOND), 20, 1e-9);
	swf_free(&w);
	w = workload_of_times(little, LENGTH(little));
	assert_float_equal(scale_speedup(&w, 4, 10 * SECOND), 1, 1e-9);
	swf_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_workloads_machine_comes_from_the_best_header_there_is),
		cmocka_unit_test(a_workload_without_processors_or_memory_says_so),
		cmocka_unit_test(a_demand_is_the_jobs_part_rounded_up),
		cmocka_unit_test(room_for_it_must_be_on_one_node),
		cmocka_unit_test(a_node_without_memory_uses_that_of_the_nearest),
		cmocka_unit_test(a_demand_covers_the_part_by_less_than_one_unit_more),
		cmocka_unit_test(jobs_come_by_arrival_and_those_that_never_ran_are_counted),
		cmocka_unit_test(a_workload_of_jobs_that_never_ran_has_none),
		cmocka_unit_test(the_chosen_speedup_keeps_arrivals_and_work_within_the_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
