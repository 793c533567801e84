/* SPDX-License-Identifier: MIT */
/*
 * replay_body.c - a job's body: take the memory it was granted, touch every page, compute over it until its time is up,
 * look whether the memory is still what it wrote (it is freed with the task); and count all along what bodies hold.
 *
 * Holds:     four counters for each node and four in all.
 * Invariant: V4  held == the sum of the demands of the bodies between body_enter() and body_leave().
 *            A body enters after its grant was taken and leaves before it goes back, so held <= granted: held above a
 *            limit proves that the limit was broken.
 * Progress:  counting is lock-free.
 * Not here:  who may start (the pool), what is a job's demand (replay_scale.c).
 *
 * The counters are relaxed: a grant that goes back happens before the take that it makes room for, so the order of
 * their bodies' additions to one counter is that of their grants.
 */
#include "replay_body.h"

#include <linux/mempolicy.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PAGE_BYTES = 4096, ROUNDS_PER_PAGE = 64, BURST_NS = 100000 };

/* Counting. ------------------------------------------------------------------------------------------------------ */

static uint64_t held_add(_Atomic(uint64_t) *held, _Atomic(uint64_t) *peak, uint64_t amount)
{
	uint64_t now = atomic_fetch_add_explicit(held, amount, memory_order_relaxed) + amount;
	uint64_t seen = atomic_load_explicit(peak, memory_order_relaxed);
	while (seen < now &&
	       !atomic_compare_exchange_weak_explicit(peak, &seen, now, memory_order_relaxed, memory_order_relaxed))
		;
	return now;
}

static void cpu_enter(struct bodies *all, uint32_t place, uint64_t limit, uint64_t amount)
{
	struct body_held *held = &all->held[place];
	if (held_add(&held->cpu, &held->cpu_peak, amount) > limit)
		atomic_fetch_add_explicit(&all->overcommit_events, 1, memory_order_relaxed);
}

static void memory_enter(struct bodies *all, uint32_t place, uint64_t limit, uint64_t amount)
{
	struct body_held *held = &all->held[place];
	if (held_add(&held->memory, &held->memory_peak, amount) > limit)
		atomic_fetch_add_explicit(&all->overcommit_events, 1, memory_order_relaxed);
}

static void body_enter(struct body *body, uint32_t node, uint32_t memory_node)
{
	struct bodies *all = body->all;
	const struct scale_target *target = all->target;
	struct scale_units demand = body->job.demand;
	cpu_enter(all, node, target->node[node].cpu, demand.cpu);
	cpu_enter(all, target->nodes, target->total.cpu, demand.cpu);
	memory_enter(all, memory_node, target->node[memory_node].memory, demand.memory);
	memory_enter(all, target->nodes, target->total.memory, demand.memory);
}

static void body_leave(struct body *body, uint32_t node, uint32_t memory_node)
{
	struct body_held *held = body->all->held;
	uint32_t total = body->all->target->nodes;
	struct scale_units demand = body->job.demand;
	atomic_fetch_sub_explicit(&held[node].cpu, demand.cpu, memory_order_relaxed);
	atomic_fetch_sub_explicit(&held[total].cpu, demand.cpu, memory_order_relaxed);
	atomic_fetch_sub_explicit(&held[memory_node].memory, demand.memory, memory_order_relaxed);
	atomic_fetch_sub_explicit(&held[total].memory, demand.memory, memory_order_relaxed);
}

/* Working. ------------------------------------------------------------------------------------------------------- */

/* The finaliser of splitmix64: any two inputs give outputs that look unrelated. */
static uint64_t mixed(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* A job's pages in the order in which it visits them: a step without a common divisor with their number visits all. */
struct pages {
	char *base;
	uint64_t count;
	uint64_t first;
	uint64_t step;
	uint64_t key;
};

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

static struct pages pages_of(void *base, uint64_t bytes, uint64_t key)
{
	struct pages pages = {.base = base, .count = bytes / PAGE_BYTES, .key = key};
	pages.first = mixed(key) % pages.count;
	pages.step = mixed(key + 1) % pages.count + 1;
	while (common_divisor(pages.step, pages.count) != 1)
		pages.step++;
	return pages;
}

static uint64_t *page_word(const struct pages *pages, uint64_t visit)
{
	uint64_t page = (uint64_t)((pages->first + (unsigned __int128)visit * pages->step) % pages->count);
	return (uint64_t *)(void *)(pages->base + page * PAGE_BYTES);
}

static void pages_touch(const struct pages *pages)
{
	for (uint64_t visit = 0; visit < pages->count; visit++)
		*page_word(pages, visit) = mixed(pages->key ^ visit);
}

static bool pages_intact(const struct pages *pages)
{
	for (uint64_t visit = 0; visit < pages->count; visit++) {
		if (*page_word(pages, visit) != mixed(pages->key ^ visit))
			return false;
	}
	return true;
}

/* Compute over the pages, one after the other, until a time; *visit goes on where it was. */
static void compute_until(const struct pages *pages, uint64_t until_ns, uint64_t *visit, uint64_t *digest)
{
	do {
		uint64_t x = *page_word(pages, *visit) + *digest;
		for (int round = 0; round < ROUNDS_PER_PAGE; round++)
			x = mixed(x);
		*digest = x;
		*visit = (*visit + 1) % pages->count;
	} while (weir_clock_monotonic_ns() < until_ns);
}

static void sleep_until(uint64_t until_ns)
{
	struct timespec until = {.tv_sec = (time_t)(until_ns / WEIR_NS_PER_S),
				 .tv_nsec = (long)(until_ns % WEIR_NS_PER_S)};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Use the cores that the job has until its time is up: of half a core, half the time; of more than one, one. So bodies
 * that keep to limits of this host's size do not take its processors from each other. */
static enum body_end pages_work(const struct pages *pages, const weir_task *task, double cores, uint64_t until_ns,
				uint64_t *digest)
{
	uint64_t period_ns = cores < 1 ? (uint64_t)((double)BURST_NS / cores) : BURST_NS;
	uint64_t visit = 0;
	for (uint64_t now_ns; (now_ns = weir_clock_monotonic_ns()) < until_ns;) {
		if (weir_task_cancelled(task))
			return BODY_CANCELLED;
		compute_until(pages, earlier(now_ns + BURST_NS, until_ns), &visit, digest);
		if (period_ns > BURST_NS)
			sleep_until(earlier(now_ns + period_ns, until_ns));
	}
	return BODY_COMPLETED;
}

/* Ask the kernel on which nodes this thread runs and a page of ours lies. */
static enum body_place body_placed(const struct bodies *all, void *page, uint32_t node, uint32_t memory_node)
{
	unsigned cpu, cpu_node;
	int page_node;
	if (!all->physical_index || syscall(SYS_getcpu, &cpu, &cpu_node, NULL) ||
	    syscall(SYS_get_mempolicy, &page_node, NULL, 0ul, page, (unsigned long)(MPOL_F_NODE | MPOL_F_ADDR)))
		return BODY_PLACE_UNKNOWN;
	bool home = cpu_node == all->physical_index[node] && (uint32_t)page_node == all->physical_index[memory_node];
	return home ? BODY_AT_HOME : BODY_AWAY;
}

static enum body_end body_work(struct body *body, weir_task *task, uint32_t node, uint32_t memory_node)
{
	uint64_t bytes;
	if (__builtin_mul_overflow(body->job.demand.memory, body->all->target->memory_unit_bytes, &bytes))
		return BODY_NO_MEMORY;
	void *base = weir_task_alloc(task, bytes);
	if (!base)
		return BODY_NO_MEMORY;
	struct pages pages = pages_of(base, bytes, mixed(body->all->seed) ^ (uint64_t)body->job.from->number);
	pages_touch(&pages);
	body->place = body_placed(body->all, page_word(&pages, 0), node, memory_node);
	double cores = (double)body->job.demand.cpu / body->all->target->units_per_core;
	enum body_end end = pages_work(&pages, task, cores, body->start_ns + body->job.run_ns, &body->digest);
	if (!pages_intact(&pages))
		end = BODY_CORRUPT;
	return end;
}

weir_status body_run(weir_task *task, void *argument)
{
	struct body *body = argument;
	struct bodies *all = body->all;
	uint32_t node = weir_task_node(task), memory_node = weir_task_memory_node(task);
	body->start_ns = weir_clock_monotonic_ns();
	atomic_fetch_add_explicit(&all->started, 1, memory_order_relaxed);
	body_enter(body, node, memory_node);
	body->end = body_work(body, task, node, memory_node);
	body_leave(body, node, memory_node);
	body->end_ns = weir_clock_monotonic_ns();
	atomic_fetch_add_explicit(&all->ended, 1, memory_order_relaxed);
	switch (body->end) {
	case BODY_COMPLETED:
		return WEIR_OK;
	case BODY_CANCELLED:
		return WEIR_ECANCELED;
	case BODY_NO_MEMORY:
		return WEIR_ENOMEM;
	default:
		return WEIR_EUSER;
	}
}

/* Setting up. ---------------------------------------------------------------------------------------------------- */

int bodies_init(struct bodies *out, const struct scale_target *target, const weir_machine *machine, uint64_t seed)
{
	*out = (struct bodies){.target = target, .seed = seed};
	size_t held_bytes = ((size_t)target->nodes + 1) * sizeof(*out->held);
	out->held = aligned_alloc(_Alignof(struct body_held), held_bytes);
	if (weir_machine_is_this(machine))
		out->physical_index = calloc(target->nodes, sizeof(*out->physical_index));
	if (!out->held || (weir_machine_is_this(machine) && !out->physical_index)) {
		bodies_fini(out);
		return -1;
	}
	for (uint32_t n = 0; n <= target->nodes; n++) {
		atomic_init(&out->held[n].cpu, 0);
		atomic_init(&out->held[n].memory, 0);
		atomic_init(&out->held[n].cpu_peak, 0);
		atomic_init(&out->held[n].memory_peak, 0);
	}
	for (uint32_t n = 0; out->physical_index && n < target->nodes; n++) {
		weir_node_info info;
		out->physical_index[n] = weir_machine_node(machine, n, &info) ? UINT32_MAX : info.physical_index;
	}
	return 0;
}

void bodies_fini(struct bodies *bodies)
{
	free(bodies->held);
	free(bodies->physical_index);
	*bodies = (struct bodies){0};
}
