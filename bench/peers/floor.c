/* SPDX-License-Identifier: MIT */
/*
 * floor.c - what no runtime can go below: the bare calls, the serial loop dealt out evenly, a plain array as the queue, one
 * cache line between two threads.
 *
 * fib and the tree run whole in each thread at once: perfect scaling, with what the cores share.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../peer.h"
#include "../tree.h"

enum { THREADS_MOST = 1024, PRODUCERS = 2, QUEUE = 1 << 20, SPIN_NS = 20000 };

static struct tree tree;

/* One thread besides the caller: runs what is put into its line, sleeps when nothing came for SPIN_NS. */
enum { LOOKING, ASLEEP, CALLED, ENDING };

struct helper {
	_Alignas(64) atomic_int state;
	_Alignas(64) atomic_bool done;
	void (*call)(uint32_t me);
	uint32_t me;
	sem_t wake;
	pthread_t thread;
};

static sem_t asked, answered;
static pthread_t dozer;
static struct helper helper[THREADS_MOST];
static uint32_t helpers;

static double now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* What it is called for: CALLED or ENDING. */
static int look(struct helper *own)
{
	for (double end = now_ns() + SPIN_NS; now_ns() < end;)
		for (int i = 0; i < 1000; i++) {
			int state = atomic_load_explicit(&own->state, memory_order_acquire);
			if (state != LOOKING)
				return state;
			peer_relax();
		}
	int looking = LOOKING;
	if (atomic_compare_exchange_strong_explicit(&own->state, &looking, ASLEEP, memory_order_acquire,
						    memory_order_acquire))
		while (sem_wait(&own->wake))
			;
	return atomic_load_explicit(&own->state, memory_order_acquire);
}

static void *help(void *argument)
{
	struct helper *own = argument;
	while (look(own) == CALLED) {
		own->call(own->me);
		atomic_store_explicit(&own->state, LOOKING, memory_order_relaxed);
		atomic_store_explicit(&own->done, true, memory_order_release);
	}
	return NULL;
}

static void call(struct helper *it, void (*fn)(uint32_t me))
{
	it->call = fn;
	atomic_store_explicit(&it->done, false, memory_order_relaxed);
	if (atomic_exchange_explicit(&it->state, CALLED, memory_order_acq_rel) == ASLEEP)
		sem_post(&it->wake);
}

static void await(struct helper *it)
{
	while (!atomic_load_explicit(&it->done, memory_order_acquire))
		peer_relax();
}

/* fn in the caller and in all helpers but the first, which is there for round trips. */
static void together(void (*fn)(uint32_t me))
{
	for (uint32_t i = 1; i < helpers; i++)
		call(&helper[i], fn);
	fn(0);
	for (uint32_t i = 1; i < helpers; i++)
		await(&helper[i]);
}

/* Never looks around before it sleeps, so the kernel keeps it by the thread that calls it. */
static void *doze(void *argument)
{
	for (;;) {
		while (sem_wait(&asked))
			;
		sem_post(&answered);
	}
	return argument;
}

static void start(uint32_t threads, bool outside)
{
	(void)outside;
	tree_make(&tree);
	helpers = threads;
	sem_init(&asked, 0, 0);
	sem_init(&answered, 0, 0);
	if (pthread_create(&dozer, NULL, doze, NULL))
		peer_fail("no thread");
	for (uint32_t i = 0; i < threads; i++) {
		helper[i].me = i;
		sem_init(&helper[i].wake, 0, 0);
		if (pthread_create(&helper[i].thread, NULL, help, &helper[i]))
			peer_fail("no thread");
	}
}

static void stop(void)
{
	pthread_cancel(dozer);
	pthread_join(dozer, NULL);
	for (uint32_t i = 0; i < helpers; i++) {
		if (atomic_exchange_explicit(&helper[i].state, ENDING, memory_order_acq_rel) == ASLEEP)
			sem_post(&helper[i].wake);
		pthread_join(helper[i].thread, NULL);
	}
}

static int fib_n;
static uint64_t answer[THREADS_MOST];

static uint64_t fib(int n)
{
	return n < 2 ? (uint64_t)n : fib(n - 1) + fib(n - 2);
}

static uint64_t count(uint64_t state, unsigned depth)
{
	uint64_t nodes = 1;
	unsigned children = tree_children(&tree, state, depth);
	for (unsigned i = 0; i < children; i++)
		nodes += count(tree_child(state, i), depth + 1);
	return nodes;
}

static void fib_part(uint32_t me)
{
	answer[me] = fib(fib_n);
}

static void tree_part(uint32_t me)
{
	answer[me] = count(tree_root(), 0);
}

static uint64_t answers(void)
{
	for (uint32_t i = 1; i < helpers; i++)
		if (answer[i] != answer[0])
			peer_fail("two threads disagree");
	return answer[0];
}

static uint64_t run_fib(int n)
{
	fib_n = n;
	together(fib_part);
	return answers();
}

static uint64_t run_tree(void)
{
	together(tree_part);
	return answers();
}

static uint32_t *array;
static int64_t length;

static void loop_part(uint32_t me)
{
	peer_steps(array, length * me / helpers, length * (me + 1) / helpers);
}

static void loop(uint32_t *elements, int64_t elements_count)
{
	array = elements;
	length = elements_count;
	together(loop_part);
}

/* A queue is an array for each producer, filled and then emptied. */
struct item {
	void (*run)(enum peer_body body);
	uintptr_t argument;
};

static struct {
	_Alignas(64) struct item *items;
	uint32_t count;
} queue[PRODUCERS];

static pthread_t held;
static bool is_held;

static void empty(enum peer_body body)
{
	(void)body;
}

static void *hold(void *argument)
{
	peer_run(PEER_HELD);
	return argument;
}

static void submit(unsigned producer, uint32_t submitted, enum peer_body body)
{
	if (body == PEER_HELD) {
		is_held = !pthread_create(&held, NULL, hold, NULL);
		return;
	}
	if (!queue[producer].items)
		queue[producer].items = malloc(QUEUE * sizeof(struct item));
	struct item *items = queue[producer].items;
	if (!items || submitted > QUEUE - queue[producer].count)
		peer_fail("no room");
	for (uint32_t i = 0; i < submitted; i++) {
		/* As if each came from somewhere else. */
		__asm__ volatile("" ::: "memory");
		items[queue[producer].count++] = (struct item){body == PEER_EMPTY ? empty : peer_run, body};
	}
}

static void finish(void)
{
	if (is_held)
		pthread_join(held, NULL);
	is_held = false;
	for (int p = 0; p < PRODUCERS; p++) {
		for (uint32_t i = 0; i < queue[p].count; i++)
			queue[p].items[i].run((enum peer_body)queue[p].items[i].argument);
		queue[p].count = 0;
	}
}

static void nothing(uint32_t me)
{
	(void)me;
}

static void round_trip(bool spin)
{
	if (spin) {
		call(&helper[0], nothing);
		await(&helper[0]);
		return;
	}
	sem_post(&asked);
	while (sem_wait(&answered))
		;
}

static void submit_batch(uint32_t submitted, enum peer_body body)
{
	submit(0, submitted, body);
}

const struct peer peer = {
	.name = "floor",
	.fib_n = 38,
	.one_worker = true,
	.copies = true,
	.start = start,
	.stop = stop,
	.fib = run_fib,
	.tree = run_tree,
	.loop_grain1 = loop,
	.loop_auto = loop,
	.submit = submit,
	.submit_batch = submit_batch,
	.wait = finish,
	.round_trip = round_trip,
};
