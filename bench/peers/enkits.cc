// SPDX-License-Identifier: MIT
// enkits.cc - enkiTS: task sets, the calling thread works along when it waits.
//
// A task set is the caller's own object, and a full pipe makes the submitter run it: nothing can be held back, so there
// is no row for the memory of what is queued.
#include <TaskScheduler.h>

#include <memory>

#include "../peer.h"
#include "../tree.h"

namespace
{
// Of these a producer has in turn: many more than a pipe holds.
constexpr uint32_t ring = 4096;

enki::TaskScheduler scheduler;
tree nodes_of;

struct job final : enki::ITaskSet {
	peer_body body = PEER_EMPTY;
	void ExecuteRange(enki::TaskSetPartition, uint32_t) override
	{
		if (body != PEER_EMPTY)
			peer_run(body);
	}
};

std::unique_ptr<job[]> jobs[2];
uint32_t used[2];

void start(uint32_t threads, bool outside)
{
	tree_make(&nodes_of);
	enki::TaskSchedulerConfig config;
	config.numTaskThreadsToCreate = outside ? threads : threads - 1;
	config.numExternalTaskThreads = outside ? 1 : 0;
	scheduler.Initialize(config);
}

void stop()
{
	scheduler.WaitforAllAndShutdown();
}

struct fib final : enki::ITaskSet {
	int n;
	uint64_t found = 0;
	explicit fib(int of) : n(of)
	{
	}
	static uint64_t of(int n)
	{
		if (n < 2)
			return static_cast<uint64_t>(n);
		fib child(n - 1);
		scheduler.AddTaskSetToPipe(&child);
		uint64_t b = of(n - 2);
		scheduler.WaitforTask(&child);
		return child.found + b;
	}
	void ExecuteRange(enki::TaskSetPartition, uint32_t) override
	{
		found = of(n);
	}
};

// The children of a node are one set of tasks.
struct children final : enki::ITaskSet {
	uint64_t state;
	unsigned depth;
	uint64_t below[TREE_CHILDREN];
	children(uint64_t of, unsigned at, unsigned many) : enki::ITaskSet(many), state(of), depth(at)
	{
	}
	static uint64_t count(uint64_t state, unsigned depth)
	{
		unsigned many = tree_children(&nodes_of, state, depth);
		if (!many)
			return 1;
		children set(state, depth, many);
		scheduler.AddTaskSetToPipe(&set);
		scheduler.WaitforTask(&set);
		uint64_t nodes = 1;
		for (unsigned i = 0; i < many; i++)
			nodes += set.below[i];
		return nodes;
	}
	void ExecuteRange(enki::TaskSetPartition range, uint32_t) override
	{
		for (uint32_t i = range.start; i < range.end; i++)
			below[i] = count(tree_child(state, i), depth + 1);
	}
};

struct loop final : enki::ITaskSet {
	uint32_t *array;
	loop(uint32_t *of, int64_t length) : enki::ITaskSet(static_cast<uint32_t>(length), 1), array(of)
	{
	}
	void ExecuteRange(enki::TaskSetPartition range, uint32_t) override
	{
		peer_steps(array, range.start, range.end);
	}
};

uint64_t run_fib(int n)
{
	return fib::of(n);
}

uint64_t run_tree()
{
	return children::count(tree_root(), 0);
}

void run_loop(uint32_t *array, int64_t length)
{
	loop set(array, length);
	scheduler.AddTaskSetToPipe(&set);
	scheduler.WaitforTask(&set);
}

void submit(unsigned producer, uint32_t length, peer_body body)
{
	if (producer && scheduler.GetThreadNum() == enki::NO_THREAD_NUM)
		scheduler.RegisterExternalTaskThread();
	if (!jobs[producer])
		jobs[producer] = std::make_unique<job[]>(ring);
	for (uint32_t i = 0; i < length; i++) {
		job *next = &jobs[producer][used[producer]++ % ring];
		while (!next->GetIsComplete())
			peer_relax();
		next->body = body;
		scheduler.AddTaskSetToPipe(next);
	}
}

void finish()
{
	scheduler.WaitforAll();
}
} // namespace

const struct peer peer = {
	.name = "enkits",
	.fib_n = 28,
	.never_queues = true,
	.start = start,
	.stop = stop,
	.fib = run_fib,
	.tree = run_tree,
	.loop_grain1 = run_loop,
	.loop_auto = run_loop,
	.submit = submit,
	.wait = finish,
};
