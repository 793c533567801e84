/* SPDX-License-Identifier: MIT */
/*
 * reduce.c - sums over a range: as spans fall, or as a tree whose shape depends on the range alone.
 *
 * Holds:     nothing.
 * Invariant: F6  sums of neighbours are combined, left with right: in the order of the range.
 *            F7  a deterministic reduction does the same operations on the same operands, whoever runs them.
 * Not here:  spans that fall as workers are hungry (spans.c).
 */
#include <stdlib.h>

#include "private/error.h"
#include "runtime/spans.h"

enum { AUTO_LEAVES = 1024 };

static void run_tree(weir_worker *face, weir_fork_slot *head, weir_fork_slot *slot);

/* As many accumulators as a subtree of n leaves needs: its own, and one for the right half at each level below. */
static size_t sums_of(int64_t leaves)
{
	size_t levels = 1;
	for (int64_t n = leaves; n > 1; n -= n / 2)
		levels++;
	return levels;
}

static void leaf(struct worker *worker, weir_fork_slot *head, struct ranging *r, int64_t number, unsigned char *sum)
{
	int64_t begin = r->begin + number * r->grain;
	int64_t end = r->end - begin > r->grain ? begin + r->grain : r->end;
	memcpy(sum, r->sum.identity, r->sum.bytes);
	span_run_piece(worker, head, r, begin, end, sum);
}

/* Leaves [first, end) into sums[0]; the rest of sums is for the levels below. */
static void tree(struct worker *worker, weir_fork_slot *head, struct ranging *r, int64_t first, int64_t end,
		 unsigned char *sums)
{
	if (ranging_failed(r))
		return;
	if (end - first == 1) {
		leaf(worker, head, r, first, sums);
		return;
	}
	int64_t middle = first + (end - first) / 2;
	struct span right = {.ranging = r, .begin = middle, .end = end};
	bool forked = span_fork(worker, head, run_tree, &right);
	tree(worker, head + forked, r, first, middle, sums);
	const struct span *theirs = forked ? span_join(worker, head) : NULL;
	unsigned char *sum = sums + r->stride;
	void *stolen = theirs ? theirs->sum : NULL;
	if (!theirs)
		tree(worker, head, r, middle, end, sum);
	if (!ranging_failed(r))
		r->sum.combine(sums, stolen ? stolen : sum, r->sum.argument);
	free(stolen);
}

static void run_tree(weir_worker *face, weir_fork_slot *head, weir_fork_slot *slot)
{
	struct worker *worker = worker_of(container_of(face, struct forks, face));
	struct span span;
	memcpy(&span, slot->data, sizeof(span));
	if (!ranging_failed(span.ranging)) {
		span.sum = ranging_sums(span.ranging, sums_of(span.end - span.begin));
		if (span.sum)
			tree(worker, head, span.ranging, span.begin, span.end, span.sum);
	}
	memcpy(slot->data, &span, sizeof(span));
}

struct reducing {
	struct ranging ranging;
	void *result;
};

static weir_status run_reduction(weir_task *task, void *argument)
{
	(void)task;
	struct reducing *reducing = argument;
	struct ranging *r = &reducing->ranging;
	struct worker *worker = worker_self;
	weir_fork_slot *head = worker->forks.face.head;
	int64_t leaves = r->sum.deterministic ? (r->end - r->begin - 1) / r->grain + 1 : 1;
	void *sums = ranging_sums(r, sums_of(leaves));
	if (!sums)
		return WEIR_ENOMEM;
	if (r->sum.deterministic) {
		tree(worker, head, r, 0, leaves, sums);
	} else {
		memcpy(sums, r->sum.identity, r->sum.bytes);
		span_walk(worker, head, r, r->begin, r->end, sums);
	}
	weir_status status = at_load(&r->error, relaxed, none);
	if (!status)
		memcpy(reducing->result, sums, r->sum.bytes);
	free(sums);
	return status;
}

static weir_status check(const weir_pool *pool, const weir_reduction *how, const void *result)
{
	if (!pool || !how || !result)
		return error_set(WEIR_EINVAL, "pool, how or result is NULL");
	if (how->size != sizeof(*how))
		return error_set(WEIR_EVERSION, "size is %zu, not %zu: set it by WEIR_REDUCTION()", how->size,
				 sizeof(*how));
	const char *missing = !how->identity ? "identity" : !how->fold ? "fold" : !how->combine ? "combine" : NULL;
	if (missing)
		return error_set(WEIR_EINVAL, "%s is NULL: a reduction has identity, fold and combine", missing);
	if (how->bytes == 0 || how->bytes > WEIR_ACCUMULATOR_BYTES_MAX)
		return error_set(WEIR_EINVAL, "bytes is %zu: give 1 to %zu", how->bytes, WEIR_ACCUMULATOR_BYTES_MAX);
	return WEIR_OK;
}

weir_status weir_parallel_reduce(weir_pool *pool, int64_t begin, int64_t end, const weir_reduction *how, void *result)
{
	int64_t length;
	weir_status status = check(pool, how, result);
	if (!status)
		status = span_check(begin, end, how->grain, &length);
	if (status)
		return status;
	if (!length) {
		memcpy(result, how->identity, how->bytes);
		return WEIR_OK;
	}
	int64_t grain = how->grain;
	if (!grain)
		grain = how->deterministic ? (length - 1) / AUTO_LEAVES + 1 : span_auto_grain(pool, length);
	struct reducing reducing = {.ranging = {.sum = *how,
						.stride = (how->bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1),
						.begin = begin,
						.end = end,
						.grain = grain},
				    .result = result};
	status = weir_pool_run(pool, run_reduction, &reducing, NULL);
	if (at_load(&reducing.ranging.no_memory, relaxed, none))
		return error_set(WEIR_ENOMEM, "no memory for accumulators of %zu bytes", how->bytes);
	return status;
}
