// SPDX-License-Identifier: MIT
// onetbb.cc - oneTBB: task_group and parallel_for inside, task_arena::enqueue from outside.
#include <oneapi/tbb.h>

#include <optional>

#include "../peer.h"
#include "../tree.h"

namespace
{
namespace tbb = oneapi::tbb;

tree nodes_of;
std::optional<tbb::global_control> most;
std::optional<tbb::task_arena> arena;
std::optional<tbb::task_group> submitted;

// Inside, the calling thread takes one of the arena's places; outside all are workers'.
void start(uint32_t threads, bool outside)
{
	tree_make(&nodes_of);
	most.emplace(tbb::global_control::max_allowed_parallelism, threads + (outside ? 1 : 0));
	arena.emplace(static_cast<int>(threads), outside ? 0 : 1);
	arena->initialize();
	submitted.emplace();
}

void stop()
{
	submitted.reset();
	arena.reset();
	most.reset();
}

uint64_t fib(int n)
{
	if (n < 2)
		return static_cast<uint64_t>(n);
	uint64_t a, b;
	tbb::task_group group;
	group.run([&a, n] { a = fib(n - 1); });
	b = fib(n - 2);
	group.wait();
	return a + b;
}

uint64_t run_fib(int n)
{
	return arena->execute([n] { return fib(n); });
}

uint64_t count(uint64_t state, unsigned depth)
{
	unsigned children = tree_children(&nodes_of, state, depth);
	if (!children)
		return 1;
	uint64_t below[TREE_CHILDREN], nodes = 1;
	tbb::task_group group;
	for (unsigned i = 0; i < children; i++)
		group.run([&below, state, depth, i] { below[i] = count(tree_child(state, i), depth + 1); });
	group.wait();
	for (unsigned i = 0; i < children; i++)
		nodes += below[i];
	return nodes;
}

uint64_t run_tree()
{
	return arena->execute([] { return count(tree_root(), 0); });
}

void loop_grain1(uint32_t *array, int64_t length)
{
	auto step = [array](const tbb::blocked_range<int64_t> &r) { peer_steps(array, r.begin(), r.end()); };
	arena->execute(
		[&] { tbb::parallel_for(tbb::blocked_range<int64_t>(0, length, 1), step, tbb::simple_partitioner()); });
}

void loop_auto(uint32_t *array, int64_t length)
{
	auto step = [array](const tbb::blocked_range<int64_t> &r) { peer_steps(array, r.begin(), r.end()); };
	arena->execute(
		[&] { tbb::parallel_for(tbb::blocked_range<int64_t>(0, length), step, tbb::auto_partitioner()); });
}

void submit(unsigned, uint32_t length, peer_body body)
{
	if (body == PEER_EMPTY) {
		for (uint32_t i = 0; i < length; i++)
			arena->enqueue(submitted->defer([] {}));
	} else {
		for (uint32_t i = 0; i < length; i++)
			arena->enqueue(submitted->defer([body] { peer_run(body); }));
	}
}

void finish()
{
	submitted->wait();
}
} // namespace

const struct peer peer = {
	.name = "onetbb",
	.fib_n = 28,
	.start = start,
	.stop = stop,
	.fib = run_fib,
	.tree = run_tree,
	.loop_grain1 = loop_grain1,
	.loop_auto = loop_auto,
	.submit = submit,
	.wait = finish,
};
