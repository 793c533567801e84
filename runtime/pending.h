/* SPDX-License-Identifier: MIT */
/*
 * pending.h - how many tasks of a group are pending, counted without a locked instruction for each of them.
 *
 * A thread that submits to one group again and again takes a stock of counts at once and pays for its tasks from that; a
 * worker that ends one task of a group after another tells of many at once. Both are argued in pending.c.
 */
#ifndef WEIR_RUNTIME_PENDING_H
#define WEIR_RUNTIME_PENDING_H

#include "runtime/pool.h"

enum {
	STOCK_COUNTS = 64, /* what a thread takes at once */
	UNTOLD_MAX = 64	   /* ends that a worker keeps to itself */
};

/* What a thread number has taken of a group's pending and not paid for tasks. Only its holder takes and pays. */
struct stock {
	CACHE_ALIGNED _Atomic(weir_group *) group; /* whose; NULL: none, and left means nothing */
	_Atomic(uint32_t) left;			   /* at least 1 while there is a group and the holder is not busy */
	_Atomic(uint32_t) busy;			   /* the holder is looking at it */
	_Atomic(weir_pool *) leaving;		   /* the holder gives a stock back, and may still look at its pool */
	/* The holder's. */
	const weir_group *last; /* that it submitted to */
	uint32_t streak;	/* how often in a row */
	uint32_t enough;	/* of these, before it takes a stock; 0: never had one */
	bool took;		/* and has not given it back */
};

extern struct stock stocks[THREADS_MAX + 1];

/* One task more, from the calling thread's stock. False: it has none of this group, or only one count left. */
static ALWAYS_INLINE bool stock_pay(struct stock *stock, const weir_group *group)
{
	bool paid = false;
	at_store(&stock->busy, 1, relaxed, none);
	at_signal_fence();
	if (likely(at_load(&stock->group, relaxed, none) == group)) {
		uint32_t left = at_load(&stock->left, relaxed, none);
		paid = left > 1;
		if (likely(paid))
			at_store(&stock->left, left - 1, relaxed, none);
	}
	/* ORDER(stock): release, pairs with the acquire in collect(): who sees us gone sees what is left. */
	at_store(&stock->busy, 0, release, stock);
	return paid;
}

void group_count_in_slow(weir_group *group, uint32_t n);

/* n tasks more. Before anybody can see them. */
static ALWAYS_INLINE void group_count_in(weir_group *group, uint32_t n)
{
	if (n != 1 || !stock_pay(&stocks[thread_index()], group))
		group_count_in_slow(group, n);
}

/* One task more, of a group that its thread submits to but once: no stock. */
static inline void group_count_one(weir_group *group)
{
	at_add(&group->state, 1, relaxed, none);
}

/* One task less, told at once. The last one wakes who waits and starts who comes after. */
void group_task_done(weir_group *group);

/* Tell of the ends, and the grants, that the worker has not told of yet. */
void worker_tell_slow(struct worker *worker);

static ALWAYS_INLINE void worker_tell(struct worker *worker)
{
	if (at_load(&worker->untold.group, relaxed, none))
		worker_tell_slow(worker);
}

/* Before the worker runs a task of the group, or a child of one. */
static ALWAYS_INLINE void worker_tell_others(struct worker *worker, const weir_group *group)
{
	if (at_load(&worker->untold.group, relaxed, none) != group)
		worker_tell(worker);
}

/* One task less, ended by the calling worker, which tells of it in worker_tell() at the latest. Until then it may run only
 * what the group cannot be done without. */
static ALWAYS_INLINE void group_task_ended(struct worker *worker, weir_group *group)
{
	struct untold *untold = &worker->untold;
	worker_tell_others(worker, group);
	uint32_t ended = at_load(&untold->ended, relaxed, none) + 1;
	/* ORDER(untold): release, pairs with the acquire in untold_ends(): ends of the group before are told. */
	at_store(&untold->ended, ended, release, untold);
	/* ORDER(untold): release, pairs with the acquire in untold_grants(): grants of the group before are told. */
	at_store(&untold->group, group, release, untold);
	if (ended >= UNTOLD_MAX || group_pending(at_load(&group->state, relaxed, none)) <= ended)
		worker_tell_slow(worker);
}

/* Give back what the calling thread has in stock, before it does nothing for a while. */
void group_stock_back(void);

/* Until nobody who gave a stock back looks at the pool any more: such a thread need not be one of its own, nor be in a call on it,
 * and its last count may end the group that the caller waited for. Before the pool is freed. */
void stocks_await_leaving(const weir_pool *pool);

/* From here to the end of this epoch nobody takes a stock, and those that were out are back, or somebody else is at it. For
 * who is about to rely on being told that the group is done. False: nothing is pending, and nothing happened. */
bool group_close(weir_group *group);

/* Are the tasks that were there in this epoch done? Takes stocks back. */
bool group_is_done(weir_group *group, uint32_t epoch);

/* Tasks that are pending. Exact at rest: while nobody submits, and no task begins or ends. 0 is always true. */
uint32_t group_pending_now(weir_group *group);

/* n of the tasks counted in wait for a grant; before the look at the group's holders. */
void group_count_ungranted(weir_group *group, uint32_t n);
/* One of them no longer does: it was granted, or ends without. */
void group_granted_slow(weir_group *group);

/* The same, by a worker, or by a thread that is none (NULL). */
static ALWAYS_INLINE void group_granted_by(struct worker *worker, weir_group *group)
{
	if (unlikely(!worker || at_load(&worker->untold.group, relaxed, none) != group || !worker->pool->asymmetric)) {
		group_granted_slow(group);
		return;
	}
	uint32_t granted = at_load(&worker->untold.granted, relaxed, none) + 1;
	/* ORDER(untold): release, pairs with the acquire in untold_grants(): who sees it sees it counted before. */
	at_store(&worker->untold.granted, granted, release, untold);
}

static inline void group_granted(weir_group *group)
{
	group_granted_by(worker_self, group);
}
/* Does any? No false no to who has raised the group's holders before; no false yes but while one is being told of. */
bool group_any_ungranted(weir_group *group);

#endif
