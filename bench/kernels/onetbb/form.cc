/* SPDX-License-Identifier: MIT */
/*
 * form.cc - the kernels in oneTBB.
 */
#include <memory>

#include <oneapi/tbb.h>

#include "../matmul.h"
#include "../queens.h"
#include "../stencil.h"

namespace tbb = oneapi::tbb;

static std::unique_ptr<tbb::global_control> limit;
static std::unique_ptr<tbb::task_arena> arena;

static int open_arena(unsigned threads)
{
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

extern const struct form form = {"onetbb", nullptr, open_arena, close_arena, matmul, stencil, queens};
