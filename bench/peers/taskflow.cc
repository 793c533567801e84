// SPDX-License-Identifier: MIT
// taskflow.cc - Taskflow 4: task groups and index loops inside, silent_async from outside.
#include <taskflow/algorithm/for_each.hpp>
#include <taskflow/taskflow.hpp>

#include <memory>

#include "../peer.h"
#include "../tree.h"

namespace
{
std::unique_ptr<tf::Executor> executor;
tree nodes_of;

void start(uint32_t threads, bool)
{
	tree_make(&nodes_of);
	executor = std::make_unique<tf::Executor>(threads);
}

void stop()
{
	executor.reset();
}

uint64_t fib(int n)
{
	if (n < 2)
		return static_cast<uint64_t>(n);
	uint64_t a, b;
	tf::TaskGroup group = executor->task_group();
	group.silent_async([n, &a] { a = fib(n - 1); });
	b = fib(n - 2);
	group.corun();
	return a + b;
}

uint64_t run_fib(int n)
{
	return executor->async([n] { return fib(n); }).get();
}

uint64_t count(uint64_t state, unsigned depth)
{
	unsigned children = tree_children(&nodes_of, state, depth);
	if (!children)
		return 1;
	uint64_t below[TREE_CHILDREN], nodes = 1;
	tf::TaskGroup group = executor->task_group();
	for (unsigned i = 0; i < children; i++)
		group.silent_async([&below, state, depth, i] { below[i] = count(tree_child(state, i), depth + 1); });
	group.corun();
	for (unsigned i = 0; i < children; i++)
		nodes += below[i];
	return nodes;
}

uint64_t run_tree()
{
	return executor->async([] { return count(tree_root(), 0); }).get();
}

template <typename Partitioner> void run_loop(uint32_t *array, int64_t length, Partitioner partitioner)
{
	tf::Taskflow flow;
	flow.for_each_by_index(
		tf::IndexRange<int64_t>(0, length, 1),
		[array](tf::IndexRange<int64_t> r) { peer_steps(array, r.begin(), r.end()); }, partitioner);
	executor->run(flow).wait();
}

void loop_grain1(uint32_t *array, int64_t length)
{
	run_loop(array, length, tf::DynamicPartitioner(1));
}

void loop_auto(uint32_t *array, int64_t length)
{
	run_loop(array, length, tf::GuidedPartitioner());
}

void submit(unsigned, uint32_t length, peer_body body)
{
	if (body == PEER_EMPTY) {
		for (uint32_t i = 0; i < length; i++)
			executor->silent_async([] {});
	} else {
		for (uint32_t i = 0; i < length; i++)
			executor->silent_async([body] { peer_run(body); });
	}
}

void finish()
{
	executor->wait_for_all();
}
} // namespace

const struct peer peer = {
	.name = "taskflow",
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
