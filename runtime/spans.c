/* SPDX-License-Identifier: MIT */
/*
 * spans.c - ranges that are halved when somebody is hungry, and only then.
 *
 * Who has a range runs it in pieces that double, up to an eighth of what is left. Between two pieces it looks whether a
 * worker has asked for work (`limit` of forks.h) or sleeps; then it forks half of what is left and makes that public. So
 * a range costs some hundred pieces at most however small the grain is, nobody who asks waits longer than an eighth
 * of what is left takes, and what is given away is always half. Who runs a long piece has the rest of its range with
 * it until the piece ends.
 */
#include "runtime/spans.h"

#include <stdlib.h>

#include "private/error.h"

enum {
	PIECES_LEFT = 8,
	GRAINS_PER_WORKER = 256, /* WEIR_AUTO */
};

void *ranging_sums(struct ranging *r, size_t count)
{
	void *sums = aligned_alloc(CACHE_LINE, r->stride * count);
	if (!sums && ranging_fail(r, WEIR_ENOMEM))
		at_store(&r->no_memory, 1, relaxed, none);
	return sums;
}

void span_run_piece(struct worker *worker, weir_fork_slot *head, struct ranging *r, int64_t begin, int64_t end,
		    void *sum)
{
	weir_fork_slot *outer_head = worker->task_head;
	worker->task_head = head;
	weir_status status = r->fn ? r->fn(begin, end, r->argument) : r->sum.fold(begin, end, sum, r->sum.argument);
	worker_join_rest(worker, head);
	worker->task_head = outer_head;
	if (unlikely(status))
		(void)ranging_fail(r, status);
}

/* What a thief does with a span: a sum of its own, which the owner adds to the one on the left of it. */
static void run_stolen(weir_worker *face, weir_fork_slot *head, weir_fork_slot *slot)
{
	struct worker *worker = worker_of(container_of(face, struct forks, face));
	struct span span;
	memcpy(&span, slot->data, sizeof(span));
	struct ranging *r = span.ranging;
	if (r->stride && !ranging_failed(r)) {
		span.sum = ranging_sums(r, 1);
		if (span.sum)
			memcpy(span.sum, r->sum.identity, r->sum.bytes);
	}
	span_walk(worker, head, r, span.begin, span.end, span.sum);
	memcpy(slot->data, &span, sizeof(span));
}

/* Half of the rest of a range, where somebody wants it. */
static bool give_half(struct worker *worker, weir_fork_slot *head, const struct span *rest)
{
	bool asked = forks_wants_attention(&worker->forks, head);
	if (!asked && !route_sleeper_for(worker))
		return false;
	if (!span_fork(worker, head, run_stolen, rest))
		return false;
	if (!asked)
		worker_share(worker);
	return true;
}

/* How long the next piece is, after one of `piece`. */
static int64_t next_piece(const struct ranging *r, int64_t piece, int64_t left)
{
	int64_t most = left / PIECES_LEFT > r->grain ? left / PIECES_LEFT : r->grain;
	piece = !piece ? r->grain : piece < most / 2 ? piece * 2 : most;
	return left - r->grain < piece ? left : piece;
}

static void join_spans(struct worker *worker, weir_fork_slot *first, weir_fork_slot *head, struct ranging *r, void *sum)
{
	while (head > first) {
		const struct span *theirs = span_join(worker, --head);
		if (!theirs) {
			struct span mine;
			memcpy(&mine, head->data, sizeof(mine));
			span_walk(worker, head, r, mine.begin, mine.end, sum);
		} else if (theirs->sum) {
			void *right = theirs->sum;
			if (!ranging_failed(r))
				r->sum.combine(sum, right, r->sum.argument);
			free(right);
		}
	}
}

void span_walk(struct worker *worker, weir_fork_slot *head, struct ranging *r, int64_t begin, int64_t end, void *sum)
{
	weir_fork_slot *first = head;
	int64_t piece = 0;
	while (begin < end && !ranging_failed(r)) {
		int64_t left = end - begin;
		struct span half = {.ranging = r, .begin = begin + left / 2, .end = end};
		if (left / 2 >= r->grain && give_half(worker, head, &half)) {
			head++;
			end = half.begin;
			continue;
		}
		piece = next_piece(r, piece, left);
		span_run_piece(worker, head, r, begin, begin + piece, sum);
		begin += piece;
	}
	join_spans(worker, first, head, r, sum);
}

weir_status span_check(int64_t begin, int64_t end, int64_t grain, int64_t *length)
{
	if (grain < 0)
		return error_set(WEIR_EINVAL, "grain is %lld: give WEIR_AUTO (0) or more", (long long)grain);
	*length = 0;
	if (end > begin && __builtin_sub_overflow(end, begin, length))
		return error_set(WEIR_EINVAL, "the range from %lld to %lld has more than 2^63 - 1 numbers",
				 (long long)begin, (long long)end);
	return WEIR_OK;
}

int64_t span_auto_grain(const weir_pool *pool, int64_t length)
{
	int64_t grain = length / ((int64_t)pool->workers * GRAINS_PER_WORKER);
	return grain ? grain : 1;
}
