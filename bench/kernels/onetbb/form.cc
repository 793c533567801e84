/* SPDX-License-Identifier: MIT */
/*
 * form.cc - the kernels in oneTBB.
 */
#include <deque>
#include <memory>
#include <numeric>
#include <vector>

#include <oneapi/tbb.h>

#include "../cholesky.h"
#include "../matmul.h"
#include "../pipeline.h"
#include "../queens.h"
#include "../sort.h"
#include "../spmv.h"
#include "../stencil.h"
#include "../uts.h"

static std::unique_ptr<tbb::global_control> limit;
static std::unique_ptr<tbb::task_arena> arena;

static int open_arena(unsigned threads, uint64_t budget_bytes)
{
	(void)budget_bytes;
	limit = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism, threads);
	arena = std::make_unique<tbb::task_arena>(static_cast<int>(threads));
	return 0;
}

static void close_arena(void)
{
	arena.reset();
	limit.reset();
}

static int matmul(struct matmul *m)
{
	arena->execute([m] {
		tbb::parallel_for(tbb::blocked_range2d<int64_t>(0, m->tiles, 1, 0, m->tiles, 1), [m](const auto &some) {
			for (int64_t row = some.rows().begin(); row < some.rows().end(); row++)
				for (int64_t column = some.cols().begin(); column < some.cols().end(); column++)
					matmul_tile(m, row, column);
		});
	});
	return 0;
}

static int stencil(struct stencil *s)
{
	arena->execute([s] {
		for (int64_t sweep = 0; sweep < s->sweeps; sweep++)
			tbb::parallel_for(tbb::blocked_range<int64_t>(1, s->n - 1), [s, sweep](const auto &rows) {
				stencil_rows(s, sweep, rows.begin(), rows.end());
			});
	});
	return 0;
}

static uint64_t solutions(struct board board)
{
	if (board.rows <= QUEENS_SERIAL_ROWS)
		return queens_serial(board);
	uint64_t part[QUEENS_MAX], found = 0;
	int children = 0;
	tbb::task_group group;
	for (uint32_t left = board_free(board); left; left &= left - 1, children++) {
		struct board next = board_place(board, left & -left);
		group.run([&part, children, next] { part[children] = solutions(next); });
	}
	group.wait();
	for (int i = 0; i < children; i++)
		found += part[i];
	return found;
}

static int queens(struct queens *q)
{
	arena->execute([q] { q->solutions = solutions(q->empty); });
	return 0;
}

static uint64_t count(const struct uts *tree, const struct uts_node &node)
{
	uint32_t children = uts_children(tree, &node);
	if (children == 0)
		return 1;
	std::vector<uint64_t> part(children);
	tbb::task_group group;
	for (uint32_t i = 0; i < children; i++)
		group.run([tree, i, &part, child = uts_child(&node, i)] { part[i] = count(tree, child); });
	group.wait();
	return std::accumulate(part.begin(), part.end(), uint64_t(1));
}

static int uts(struct uts *tree)
{
	arena->execute([tree] { tree->nodes = count(tree, tree->root); });
	return 0;
}

static void merge(struct merge all)
{
	if (all.a_count + all.b_count <= SORT_SERIAL) {
		merge_serial(all);
		return;
	}
	struct merge first, second;
	merge_halve(all, &first, &second);
	tbb::parallel_invoke([=] { merge(first); }, [=] { merge(second); });
}

static void sort_some(int64_t *numbers, int64_t *spare, int64_t n, bool into_spare)
{
	if (n <= SORT_SERIAL) {
		sort_serial(numbers, spare, n, into_spare);
		return;
	}
	tbb::parallel_invoke([=] { sort_some(numbers, spare, n / 2, !into_spare); },
			     [=] { sort_some(numbers + n / 2, spare + n / 2, n - n / 2, !into_spare); });
	merge(into_spare ? merge_halves(numbers, n, spare) : merge_halves(spare, n, numbers));
}

static int sort(struct sort *s)
{
	arena->execute([s] { sort_some(s->numbers, s->spare, s->n, false); });
	return 0;
}

/* A node for each step, with an edge from each node that wrote last what it reads or overwrites. */
class plan
{
      public:
	using node = tbb::flow::continue_node<tbb::flow::continue_msg>;

	explicit plan(const struct cholesky *cholesky) : c(cholesky), wrote(c->tiles * (c->tiles + 1) / 2)
	{
		for (int32_t k = 0; k < c->tiles; k++) {
			add(k, k, k, [this, k] { cholesky_factor(c, k); });
			for (int32_t i = k + 1; i < c->tiles; i++)
				add(i, k, k, [this, i, k] { cholesky_solve(c, i, k); });
			for (int32_t i = k + 1; i < c->tiles; i++)
				for (int32_t j = k + 1; j <= i; j++)
					add(i, j, k, [this, i, j, k] { cholesky_update(c, i, j, k); });
		}
	}

	void run()
	{
		nodes.front().try_put(tbb::flow::continue_msg());
		graph.wait_for_all();
	}

      private:
	node *&last(int32_t i, int32_t j)
	{
		return wrote[i * (i + 1) / 2 + j];
	}

	void after(node &later, node *first)
	{
		if (first)
			tbb::flow::make_edge(*first, later);
	}

	template <class Body> void add(int32_t i, int32_t j, int32_t k, Body body)
	{
		node &step = nodes.emplace_back(graph, [body](tbb::flow::continue_msg) { body(); });
		after(step, last(i, j));
		if (j != k)
			after(step, last(i, k));
		if (i != j)
			after(step, last(j, k));
		last(i, j) = &step;
	}

	const struct cholesky *c;
	tbb::flow::graph graph;
	std::deque<node> nodes;
	std::vector<node *> wrote;
};

static int cholesky(struct cholesky *c)
{
	arena->execute([c] { plan(c).run(); });
	return 0;
}

static int spmv(struct spmv *s)
{
	arena->execute([s] {
		for (int64_t product = 0; product < s->products; product++)
			tbb::parallel_for(tbb::blocked_range<int64_t>(0, s->rows),
					  [s](const auto &rows) { spmv_rows(s, rows.begin(), rows.end()); });
	});
	return 0;
}

/* As many tokens as a pipeline is usually given; they count chunks, not bytes. */
static void flow(struct pipeline *p, size_t tokens)
{
	int32_t next = 0;
	auto source = [ p, &next ](tbb::flow_control & control) -> struct chunk *
	{
		if (next < p->chunks)
			return &p->chunk[next++];
		control.stop();
		return nullptr;
	};
	constexpr auto parallel = tbb::filter_mode::parallel;
	auto one_stage = [](struct chunk *chunk) {
		if (chunk_stage_malloc(chunk))
			throw std::bad_alloc();
		return chunk;
	};
	auto stage = tbb::make_filter<struct chunk *, struct chunk *>(parallel, one_stage);
	static_assert(PIPELINE_STAGES == 4, "four filters");
	tbb::parallel_pipeline(
		tokens, tbb::make_filter<void, struct chunk *>(tbb::filter_mode::serial_in_order, source) & stage &
				stage & stage & tbb::make_filter<struct chunk *, void>(parallel, one_stage));
}

static int pipeline(struct pipeline *p)
{
	try {
		arena->execute([p] { flow(p, 2 * static_cast<size_t>(arena->max_concurrency())); });
	} catch (const std::bad_alloc &) {
		return 1;
	}
	return 0;
}

extern const struct form form = {"onetbb", nullptr, false, open_arena, close_arena, matmul,  stencil,
				 queens,   uts,	    sort,  cholesky,   spmv,	    pipeline};