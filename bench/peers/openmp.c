/* SPDX-License-Identifier: MIT */
/*
 * openmp.c - OpenMP tasks and loops. Built by gcc it measures libgomp, by clang libomp; PEER is the name.
 *
 * There is no submission from outside a team, so none is measured.
 */
#include <omp.h>

#include "../peer.h"
#include "../tree.h"

static struct tree tree;

static void start(uint32_t threads, bool outside)
{
	(void)outside;
	omp_set_dynamic(0);
	omp_set_num_threads((int)threads);
	tree_make(&tree);
}

static void stop(void)
{
}

static uint64_t fib(int n)
{
	if (n < 2)
		return (uint64_t)n;
	uint64_t a;
#pragma omp task shared(a) firstprivate(n)
	a = fib(n - 1);
	uint64_t b = fib(n - 2);
#pragma omp taskwait
	return a + b;
}

static uint64_t run_fib(int n)
{
	uint64_t found = 0;
#pragma omp parallel
#pragma omp single
	found = fib(n);
	return found;
}

static uint64_t count(uint64_t state, unsigned depth)
{
	uint64_t below[TREE_CHILDREN], nodes = 1;
	unsigned children = tree_children(&tree, state, depth);
	for (unsigned i = 0; i < children; i++)
#pragma omp task shared(below) firstprivate(state, depth, i)
		below[i] = count(tree_child(state, i), depth + 1);
#pragma omp taskwait
	for (unsigned i = 0; i < children; i++)
		nodes += below[i];
	return nodes;
}

static uint64_t run_tree(void)
{
	uint64_t nodes = 0;
#pragma omp parallel
#pragma omp single
	nodes = count(tree_root(), 0);
	return nodes;
}

static void loop_grain1(uint32_t *array, int64_t length)
{
#pragma omp parallel for schedule(dynamic, 1)
	for (int64_t i = 0; i < length; i++)
		peer_step(array, i);
}

enum { BLOCK = 4096 };

static void loop_auto(uint32_t *array, int64_t length)
{
#pragma omp parallel for schedule(static)
	for (int64_t i = 0; i < length; i += BLOCK)
		peer_steps(array, i, i + BLOCK < length ? i + BLOCK : length);
}

const struct peer peer = {
	.name = PEER,
	.fib_n = 27,
	.start = start,
	.stop = stop,
	.fib = run_fib,
	.tree = run_tree,
	.loop_grain1 = loop_grain1,
	.loop_auto = loop_auto,
};
