/* SPDX-License-Identifier: MIT */
/*
 * program.c - weir's operations on the machine of model.h, counted.
 *
 *	cores_bench list                          workloads
 *	cores_bench WORKLOAD CORES [NAME=VALUE]...  one row: what an operation takes with so many threads on as many cores
 *
 * Names: places=N, the places in the program that took the most time; work=NS, how long a task of the workload works;
 * each=N, how many operations there are of each thread; access, locked, transfer, keep, fills, pause, call, barrier, wake, slack: other costs
 * than those of model.c, in ps.
 * A row: workload, cores, operations; for each of them accesses, locked instructions, failed exchanges, lines fetched and taken, calls
 * to sleep and to wake, membarriers; and the model's time: elapsed ns for an operation times cores, so that it stays what it is where all scales.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weir/weir.h>

#include "model.h"
#include "../floor.h"
#include "../tree.h"

enum { CORES_MAX = 64 };

static uint32_t cores;
static uint64_t places, each = 1024, work_ns = 1000;
static weir_pool *pool;
static weir_group *group;
static uint64_t begun_ns;

static void check(weir_status status)
{
	if (status) {
		fprintf(stderr, "cores: %s\n", weir_error_text());
		exit(1);
	}
}

static void count_on(void)
{
	begun_ns = model_now_ns();
	model_count(true);
}

static void count_off(const char *name, uint64_t operations)
{
	uint64_t took_ns = model_now_ns() - begun_ns;
	model_count(false);
	struct model_counts c = model_counts_get();
	double n = (double)operations;
	printf("%-14s %5u %8" PRIu64 " %9.2f %8.3f %8.4f %8.3f %8.3f %8.4f %8.4f %8.4f %10.2f\n", name, cores,
	       operations, (double)c.accesses / n, (double)c.locked / n, (double)c.failed / n, (double)c.fetched / n,
	       (double)c.taken / n, (double)c.waits / n, (double)c.wakes / n, (double)c.barriers / n,
	       (double)took_ns * cores / n);
}

/* A pool with a worker for each core. It is a machine of our own, so nobody is pinned. */
static void build(bool aware, const char *machine)
{
	check(weir_pool_create(&pool, WEIR_OPTIONS(.machine = machine, .workers = cores, .resource_aware = aware,
						   .no_pinning = true, .no_environment = true,
						   .limits = aware ? WEIR_LIMITS(.cores = cores) : NULL)));
	check(weir_group_create(&group, pool));
}

static const char *one_node(void)
{
	static char text[64];
	snprintf(text, sizeof(text), "numa:1 core:%u pu:1", cores);
	return text;
}

static void pull_down(void)
{
	check(weir_group_destroy(group));
	check(weir_pool_destroy(pool));
}

/* So many threads that do the same, all at once. */
struct crew {
	void (*fn)(uint32_t number);
	atomic_uint ready;
	atomic_uint go;
	atomic_uint done;
};

static struct crew crew;

static void *join_crew(void *argument)
{
	atomic_fetch_add(&crew.ready, 1);
	while (!atomic_load_explicit(&crew.go, memory_order_acquire))
		model_work(100);
	crew.fn((uint32_t)(uintptr_t)argument);
	atomic_fetch_add(&crew.done, 1);
	return NULL;
}

/* From the start to the end of the last one is counted. each: operations of one. */
static void run_crew(const char *name, uint32_t count, uint64_t operations, void (*fn)(uint32_t number),
		     void (*after)(void))
{
	pthread_t thread[CORES_MAX];
	crew.fn = fn;
	for (uint32_t i = 0; i < count; i++)
		if (pthread_create(&thread[i], NULL, join_crew, (void *)(uintptr_t)i))
			abort();
	while (atomic_load(&crew.ready) < count)
		model_work(1000);
	count_on();
	atomic_store_explicit(&crew.go, 1, memory_order_release);
	for (uint32_t i = 0; i < count; i++)
		pthread_join(thread[i], NULL);
	if (after)
		after();
	count_off(name, count * operations);
}

/* Fork-join. ------------------------------------------------------------------------------------------------------ */

WEIR_FORK_1(uint64_t, fib, int, n)
{
	if (n < 2)
		return (uint64_t)n;
	WEIR_SPAWN(fib, n - 1);
	uint64_t b = WEIR_CALL(fib, n - 2);
	return WEIR_JOIN(fib) + b;
}

static struct tree tree;

WEIR_FORK_2(uint64_t, nodes_of, uint64_t, state, unsigned, depth)
{
	unsigned children = tree_children(&tree, state, depth);
	for (unsigned i = 0; i < children; i++)
		WEIR_SPAWN(nodes_of, tree_child(state, i), depth + 1);
	uint64_t nodes = 1;
	for (unsigned i = 0; i < children; i++)
		nodes += WEIR_JOIN(nodes_of);
	return nodes;
}

static void say_forks(void)
{
	weir_pool_counts counts = {.size = sizeof(counts)};
	check(weir_pool_counts_get(pool, &counts));
	printf("# made public %" PRIu64 ", stolen %" PRIu64 ", slept %" PRIu64 "\n", counts.forked_shared,
	       counts.forked_stolen, counts.parked);
}

static void run_fib(const char *name)
{
	uint64_t found;
	build(false, one_node());
	check(WEIR_RUN(pool, fib, &found, 16));
	count_on();
	check(WEIR_RUN(pool, fib, &found, 27));
	count_off(name, 317810); /* F(28) - 1 spawns */
	if (found != 196418)
		abort();
	say_forks();
	pull_down();
}

static void run_tree(const char *name)
{
	uint64_t found;
	tree_make(&tree);
	build(false, one_node());
	check(WEIR_RUN(pool, fib, &found, 16));
	count_on();
	check(WEIR_RUN(pool, nodes_of, &found, tree_root(), 1));
	count_off(name, found);
	say_forks();
	pull_down();
}

static weir_status piece(int64_t begin, int64_t end, void *argument)
{
	(void)argument;
	model_work((uint64_t)(end - begin) / 2); /* half a nanosecond each */
	return WEIR_OK;
}

static weir_status loops(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	return weir_parallel_for(pool, 0, 1000000, 1, piece, NULL);
}

static void run_loop(const char *name)
{
	build(false, one_node());
	check(weir_pool_run(pool, loops, NULL, NULL));
	count_on();
	check(weir_pool_run(pool, loops, NULL, NULL));
	count_off(name, 1000000);
	say_forks();
	pull_down();
}

/* Submission. ----------------------------------------------------------------------------------------------------- */

static const weir_demand one_core = {.size = sizeof(weir_demand), .cores = 1};

static weir_status empty(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	return WEIR_OK;
}

static weir_status work(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	model_work(work_ns);
	return WEIR_OK;
}

static void submit(uint32_t number)
{
	(void)number;
	for (uint32_t i = 0; i < each; i++)
		check(weir_submit(group, empty, NULL, NULL));
}

static void wait_all(void)
{
	check(weir_group_wait(group));
}

/* As many threads outside as workers, all to one group. */
static void run_submit(const char *name)
{
	build(false, one_node());
	run_crew(name, cores, each, submit, wait_all);
	pull_down();
}

static void batch(uint32_t number)
{
	(void)number;
	check(weir_submit_batch(group, empty, NULL, 0, each, NULL, NULL));
}

static void run_batch(const char *name)
{
	build(false, one_node());
	run_crew(name, cores, each, batch, wait_all);
	pull_down();
}

/* From inside: one task for each worker, which submits the others. */
static weir_status submit_inside(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	for (uint32_t i = 0; i < each; i++)
		check(weir_submit(group, empty, NULL, NULL));
	return WEIR_OK;
}

static void run_inside(const char *name)
{
	build(false, one_node());
	count_on();
	for (uint32_t i = 0; i < cores; i++)
		check(weir_submit(group, submit_inside, NULL, NULL));
	wait_all();
	count_off(name, (uint64_t)cores * each);
	pull_down();
}

/* A backlog, drained: queued while all workers are held at a gate. */
static atomic_uint at_gate;
static atomic_uint gate_open;

static weir_status hold(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	atomic_fetch_add(&at_gate, 1);
	while (!atomic_load_explicit(&gate_open, memory_order_acquire))
		model_work(1000);
	return WEIR_OK;
}

static void drain(const char *name, bool aware, const weir_demand *demand)
{
	build(aware, one_node());
	for (uint32_t i = 0; i < cores; i++)
		check(weir_submit(group, hold, NULL, demand));
	while (atomic_load(&at_gate) < cores)
		model_work(1000);
	for (uint32_t i = 0; i < cores * each / 4; i++)
		check(weir_submit(group, work, NULL, demand));
	count_on();
	atomic_store_explicit(&gate_open, 1, memory_order_release);
	wait_all();
	count_off(name, (uint64_t)cores * each / 4);
	pull_down();
}

static void run_drain_plain(const char *name)
{
	drain(name, false, NULL);
}

static void run_drain_aware(const char *name)
{
	drain(name, true, &one_core);
}

/* Tasks with demands from all sides, which mostly find no room and are handed it. */
static void submit_with_demand(uint32_t number)
{
	(void)number;
	for (uint32_t i = 0; i < each / 4; i++)
		check(weir_submit(group, work, NULL, &one_core));
}

static void run_submit_aware(const char *name)
{
	build(true, one_node());
	run_crew(name, cores, each / 4, submit_with_demand, wait_all);
	pull_down();
}

/* The tracker. ---------------------------------------------------------------------------------------------------- */

static weir_tracker *tracker;
static weir_packed packed;

static void take_and_give(uint32_t number)
{
	(void)number;
	for (uint32_t i = 0; i < each; i++) {
		weir_grant grant;
		check(weir_tracker_take_packed(tracker, &packed, &grant, NULL));
		check(weir_tracker_give(tracker, grant));
	}
}

static void by_id(uint32_t number)
{
	char id[16];
	snprintf(id, sizeof(id), "id-%u", number);
	for (uint32_t i = 0; i < each; i++) {
		check(weir_tracker_allocate(tracker, id, &one_core, NULL));
		check(weir_tracker_release(tracker, id));
	}
}

static void would_fit(uint32_t number)
{
	(void)number;
	for (uint32_t i = 0; i < each; i++)
		if (!weir_tracker_can_allocate(tracker, &one_core))
			abort();
}

static void track(const char *name, bool no_credits, void (*fn)(uint32_t number))
{
	check(weir_tracker_create(&tracker,
				  WEIR_TRACKER_OPTIONS(.machine = "numa:1 core:1024 pu:1", .no_credits = no_credits)));
	check(weir_tracker_pack(tracker, &one_core, &packed));
	run_crew(name, cores, each, fn, NULL);
	check(weir_tracker_destroy(tracker));
}

static void run_take(const char *name)
{
	track(name, true, take_and_give);
}

static void run_take_credit(const char *name)
{
	track(name, false, take_and_give);
}

static void run_id(const char *name)
{
	track(name, true, by_id);
}

static void run_fits(const char *name)
{
	track(name, true, would_fit);
}

/* What nobody can go below with one word: the bare pair. */
static struct floor_word bare;

static void bare_pair(uint32_t number)
{
	(void)number;
	for (uint32_t i = 0; i < each; i++) {
		if (!floor_take(&bare, 1, 1 << 20))
			abort();
		floor_give(&bare, 1);
	}
}

static void run_bare(const char *name)
{
	run_crew(name, cores, each, bare_pair, NULL);
}

/* Groups: each thread outside makes one, submits a task, waits, and lets it go. ------------------------------------------ */

static void groups(uint32_t number)
{
	(void)number;
	for (uint32_t i = 0; i < each / 16; i++) {
		weir_group *own;
		check(weir_group_create(&own, pool));
		check(weir_submit(own, empty, NULL, NULL));
		check(weir_group_wait(own));
		check(weir_group_destroy(own));
	}
}

static void run_groups(const char *name)
{
	build(false, one_node());
	run_crew(name, cores, each / 16, groups, NULL);
	pull_down();
}

/* ----------------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(const char *name);
} workloads[] = {
	{"fib", run_fib},
	{"uts", run_tree},
	{"loop_grain1", run_loop},
	{"submit", run_submit},
	{"submit_batch", run_batch},
	{"submit_inside", run_inside},
	{"group", run_groups},
	{"bare_pair", run_bare},
	{"take_give", run_take},
	{"take_credit", run_take_credit},
	{"by_id", run_id},
	{"can_allocate", run_fits},
	{"drain_plain", run_drain_plain},
	{"drain_aware", run_drain_aware},
	{"submit_aware", run_submit_aware},
};

static const struct {
	const char *name;
	uint64_t *value;
} settings[] = {
	{"places", &places},
	{"each", &each},
	{"work", &work_ns},
	{"access", &model_costs.access_ps},
	{"locked", &model_costs.locked_ps},
	{"transfer", &model_costs.transfer_ps},
	{"keep", &model_costs.keep_ps},
	{"fills", &model_costs.fills},
	{"pause", &model_costs.pause_ps},
	{"call", &model_costs.call_ps},
	{"barrier", &model_costs.barrier_ps},
	{"wake", &model_costs.wake_ps},
	{"slack", &model_costs.slack_ps},
};

static bool set(const char *word)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		size_t length = strlen(settings[i].name);
		if (!strncmp(word, settings[i].name, length) && word[length] == '=') {
			*settings[i].value = strtoull(word + length + 1, NULL, 10);
			return true;
		}
	}
	return false;
}

static int usage(void)
{
	fprintf(stderr, "usage: cores_bench list | WORKLOAD CORES [NAME=VALUE]...\n");
	return 2;
}

int main(int argc, char **argv)
{
	size_t which = 0, count = sizeof(workloads) / sizeof(workloads[0]);
	if (argc == 2 && !strcmp(argv[1], "list")) {
		for (; which < count; which++)
			puts(workloads[which].name);
		return 0;
	}
	cores = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	while (argc > 1 && which < count && strcmp(argv[1], workloads[which].name) != 0)
		which++;
	if (!cores || cores > CORES_MAX || which == count)
		return usage();
	for (int i = 3; i < argc; i++)
		if (!set(argv[i]))
			return usage();
	model_begin();
	workloads[which].run(workloads[which].name);
	if (places)
		model_print_places((unsigned)places);
	return 0;
}
