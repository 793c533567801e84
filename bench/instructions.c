/* SPDX-License-Identifier: MIT */
/*
 * instructions.c - how many instructions weir's operations take, counted by callgrind in the thread that does them.
 *
 * Run by tools/count-instructions under valgrind: each row turns collecting on around its operations, and then has the count
 * written down under its name. Without valgrind it only does them. What a worker does between two tasks is counted from the end of
 * one body to the beginning of the next, so nothing of the library has to be known.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <valgrind/callgrind.h>

#include <weir/weir.h>

enum { OPERATIONS = 512, WARM = 64 };

static weir_pool *pool;
static weir_group *group;
static weir_tracker *tracker;
static weir_packed packed;
static const weir_demand one_core = {.size = sizeof(weir_demand), .cores = 1};

static void check(weir_status status)
{
	if (status) {
		fprintf(stderr, "instructions: %s\n", weir_error_text());
		exit(1);
	}
}

/* Per thread: on and off. */
static void toggle(void)
{
	CALLGRIND_TOGGLE_COLLECT;
}

/* What was collected since the last one is the row's. */
static void row(const char *name, unsigned long parameter, unsigned long operations)
{
	char text[64];
	snprintf(text, sizeof(text), "%s %lu %lu", name, parameter, operations);
	CALLGRIND_DUMP_STATS_AT(text);
	(void)text;
}

static void build(uint32_t nodes, uint32_t workers, bool aware, uint32_t room)
{
	char machine[64];
	snprintf(machine, sizeof(machine), "numa:%u core:64 pu:1", nodes);
	/* Nobody looks on, so who has nothing to do sleeps, and what is counted is a submitter's whole work. */
	check(weir_pool_create(&pool, WEIR_OPTIONS(.machine = machine, .workers = workers, .resource_aware = aware,
						   .no_pinning = true, .no_environment = true, .idle = WEIR_IDLE_BLOCK,
						   .limits = aware ? WEIR_LIMITS(.cores = room) : NULL)));
	check(weir_group_create(&group, pool));
}

static void pull_down(void)
{
	check(weir_group_destroy(group));
	check(weir_pool_destroy(pool));
}

/* Fork-join. ------------------------------------------------------------------------------------------------------ */

WEIR_FORK_1(int, fib, int, n)
{
	if (n < 2)
		return n;
	WEIR_SPAWN(fib, n - 1);
	int b = WEIR_CALL(fib, n - 2);
	return WEIR_JOIN(fib) + b;
}

static weir_status forks_inside(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	int found;
	toggle();
	weir_status status = WEIR_RUN(pool, fib, &found, 16);
	toggle();
	return status;
}

static void count_private(unsigned long workers)
{
	build(1, (uint32_t)workers, false, 0);
	check(weir_pool_run(pool, forks_inside, NULL, NULL));
	row("spawn_join", workers, 1596); /* F(17) - 1 */
	pull_down();
}

/* One worker makes all its children public and joins them when the other has run them. Both sides are counted. */
static atomic_uint ran;
static _Thread_local bool in_between;

static weir_status stolen_child(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	if (in_between)
		toggle();
	in_between = true;
	if (atomic_fetch_add(&ran, 1) < OPERATIONS - 1)
		toggle();
	else
		in_between = false;
	return WEIR_OK;
}

static weir_status give_all_away(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	for (int i = 0; i < OPERATIONS; i++)
		check(weir_fork(stolen_child, NULL));
	weir_share();
	while (atomic_load(&ran) < OPERATIONS)
		sched_yield();
	row("steal_run", 2, OPERATIONS - 1);
	toggle();
	for (int i = 0; i < OPERATIONS; i++)
		(void)weir_join();
	toggle();
	row("join_stolen", 2, OPERATIONS);
	return WEIR_OK;
}

static void count_stolen(void)
{
	build(1, 2, false, 0);
	check(weir_pool_run(pool, give_all_away, NULL, NULL));
	pull_down();
}

/* Loops. */
static weir_status nothing(int64_t begin, int64_t end, void *argument)
{
	(void)begin;
	(void)end;
	(void)argument;
	return WEIR_OK;
}

static const int64_t loop_lengths[] = {1, 1000, 1000000};

static weir_status loop_inside(weir_task *task, void *argument)
{
	(void)task;
	toggle();
	weir_status status = weir_parallel_for(pool, 0, *(const int64_t *)argument, 1, nothing, NULL);
	toggle();
	return status;
}

static void count_loops(void)
{
	for (size_t i = 0; i < sizeof(loop_lengths) / sizeof(loop_lengths[0]); i++) {
		build(1, 1, false, 0);
		check(weir_pool_run(pool, loop_inside, (void *)&loop_lengths[i], NULL));
		row("loop_iterations", (unsigned long)loop_lengths[i], 1);
		pull_down();
	}
}

/* Submission. ----------------------------------------------------------------------------------------------------- */

/* Holds its worker until the gate is open for its number. */
static atomic_uint at_gate;
static atomic_uint gate_open;

static weir_status hold(weir_task *task, void *argument)
{
	(void)task;
	atomic_fetch_add(&at_gate, 1);
	while (atomic_load(&gate_open) <= (uintptr_t)argument)
		sched_yield();
	return WEIR_OK;
}

static void close_gate(uint32_t count, const weir_demand *demand)
{
	atomic_store(&at_gate, 0);
	atomic_store(&gate_open, 0);
	for (uint32_t i = 0; i < count; i++)
		check(weir_submit(group, hold, (void *)(uintptr_t)i, demand));
	while (atomic_load(&at_gate) < count)
		sched_yield();
}

static void open_gate(void)
{
	atomic_store(&gate_open, UINT32_MAX);
	check(weir_group_wait(group));
}

/* Counts from the end of each body to the beginning of the next. */
static weir_status body(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	if (in_between)
		toggle();
	in_between = atomic_fetch_add(&ran, 1) < OPERATIONS - 1;
	if (in_between)
		toggle();
	return WEIR_OK;
}

/* All workers are held while one thread submits; then one of them runs all, and the others stay. */
static void count_submit(const char *submit, const char *run, uint32_t nodes, uint32_t workers,
			 const weir_demand *demand)
{
	build(nodes, workers, demand, workers);
	close_gate(workers, demand);
	for (int i = 0; i < WARM; i++)
		check(weir_submit(group, hold, NULL, demand));
	atomic_store(&ran, 0);
	toggle();
	for (int i = 0; i < OPERATIONS; i++)
		check(weir_submit(group, body, NULL, demand));
	toggle();
	row(submit, workers, OPERATIONS);
	atomic_store(&gate_open, 1);
	while (atomic_load(&ran) < OPERATIONS)
		sched_yield();
	row(run, workers, OPERATIONS - 1);
	open_gate();
	pull_down();
}

static void count_batch(void)
{
	build(1, 1, false, 0);
	close_gate(1, NULL);
	toggle();
	check(weir_submit_batch(group, hold, NULL, 0, OPERATIONS, NULL, NULL));
	toggle();
	row("submit_batch", 1, OPERATIONS);
	open_gate();
	pull_down();
}

static weir_status submit_inside(weir_task *task, void *argument)
{
	(void)task;
	(void)argument;
	atomic_store(&ran, OPERATIONS);
	for (int i = 0; i < WARM; i++)
		check(weir_submit(group, body, NULL, NULL));
	toggle();
	for (int i = 0; i < OPERATIONS; i++)
		check(weir_submit(group, body, NULL, NULL));
	toggle();
	return WEIR_OK;
}

static void count_inside(void)
{
	build(1, 1, false, 0);
	check(weir_pool_run(pool, submit_inside, NULL, NULL));
	row("submit_inside", 1, OPERATIONS);
	check(weir_group_wait(group));
	pull_down();
}

/* A demand that is granted at once, and one that waits behind others. */
static void count_granted(uint32_t nodes)
{
	build(nodes, 64, true, 0);
	atomic_store(&ran, OPERATIONS);
	for (int i = 0; i < 2 * WARM; i++) {
		if (i >= WARM)
			toggle();
		check(weir_submit(group, body, NULL, &one_core));
		if (i >= WARM)
			toggle();
		check(weir_group_wait(group));
	}
	row("submit_granted", nodes, WARM);
	pull_down();
}

static void count_waiting(unsigned long waiters)
{
	build(1, 1, true, 1);
	close_gate(1, &one_core);
	for (unsigned long i = 0; i < waiters; i++)
		check(weir_submit(group, hold, NULL, &one_core));
	toggle();
	for (int i = 0; i < OPERATIONS; i++)
		check(weir_submit(group, hold, NULL, &one_core));
	toggle();
	row("submit_behind", waiters, OPERATIONS);
	open_gate();
	pull_down();
}

/* The tracker. ---------------------------------------------------------------------------------------------------- */

static void make_tracker(unsigned long nodes, bool credits)
{
	char machine[64];
	snprintf(machine, sizeof(machine), "numa:%lu core:64 pu:1", nodes);
	check(weir_tracker_create(&tracker, WEIR_TRACKER_OPTIONS(.machine = machine, .no_credits = !credits)));
	check(weir_tracker_pack(tracker, &one_core, &packed));
}

static void pair_packed(void)
{
	weir_grant grant;
	check(weir_tracker_take_packed(tracker, &packed, &grant, NULL));
	check(weir_tracker_give(tracker, grant));
}

static void pair(void)
{
	weir_grant grant;
	check(weir_tracker_take(tracker, &one_core, &grant, NULL));
	check(weir_tracker_give(tracker, grant));
}

static void pair_by_id(void)
{
	check(weir_tracker_allocate(tracker, "one", &one_core, NULL));
	check(weir_tracker_release(tracker, "one"));
}

static void would_fit(void)
{
	if (!weir_tracker_can_allocate(tracker, &one_core))
		abort();
}

static void count_tracker(const char *name, unsigned long nodes, bool credits, void (*operation)(void))
{
	make_tracker(nodes, credits);
	for (int i = 0; i < WARM; i++)
		operation();
	toggle();
	for (int i = 0; i < OPERATIONS; i++)
		operation();
	toggle();
	row(name, nodes, OPERATIONS);
	check(weir_tracker_destroy(tracker));
}

/* Where to put a demand: all nodes are looked at, so it grows with them. */
static void count_strategy(const char *name, const weir_strategy *strategy, unsigned long nodes)
{
	make_tracker(nodes, false);
	weir_admission *admission;
	check(weir_admission_create(&admission, tracker, WEIR_ADMISSION_OPTIONS(.strategy = strategy)));
	for (int i = 0; i < WARM + OPERATIONS; i++) {
		if (i == WARM)
			toggle();
		weir_decision decision = weir_admission_admit(admission, &one_core, NULL, NULL);
		if (!decision.allowed || weir_admission_release(admission, decision.grant))
			abort();
	}
	toggle();
	row(name, nodes, OPERATIONS);
	check(weir_admission_destroy(admission));
	check(weir_tracker_destroy(tracker));
}

static void count_group(void)
{
	build(1, 1, false, 0);
	for (int i = 0; i < WARM + OPERATIONS; i++) {
		weir_group *one;
		if (i == WARM)
			toggle();
		check(weir_group_create(&one, pool));
		check(weir_group_wait(one));
		check(weir_group_destroy(one));
	}
	toggle();
	row("group_empty", 1, OPERATIONS);
	pull_down();
}

int main(void)
{
	static const uint32_t some_workers[] = {1, 8, 64};
	static const unsigned long some_nodes[] = {1, 8, 64}, some_waiters[] = {1, 100, 10000};
	count_private(1);
	count_stolen();
	count_loops();
	for (int i = 0; i < 3; i++) {
		count_submit("submit", "run_settle", 1, some_workers[i], NULL);
		count_submit("submit_waits", "handed_on", 1, some_workers[i], &one_core);
	}
	count_batch();
	count_inside();
	for (int i = 0; i < 3; i++)
		count_waiting(some_waiters[i]);
	for (int i = 0; i < 3; i++) {
		count_granted((uint32_t)some_nodes[i]);
		count_tracker("take_give", some_nodes[i], false, pair_packed);
		count_tracker("take_give_credit", some_nodes[i], true, pair_packed);
		count_tracker("take_give_unpacked", some_nodes[i], false, pair);
		count_tracker("by_id", some_nodes[i], false, pair_by_id);
		count_tracker("can_allocate", some_nodes[i], false, would_fit);
		count_strategy("admit_first_fit", WEIR_FIRST_FIT, some_nodes[i]);
		count_strategy("admit_best_fit", WEIR_BEST_FIT, some_nodes[i]);
		count_strategy("admit_worst_fit", WEIR_WORST_FIT, some_nodes[i]);
	}
	count_group();
	return 0;
}
