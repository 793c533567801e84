/* SPDX-License-Identifier: MIT */
/*
 * pending.c - counting the tasks of groups in and out.
 *
 * Holds:     the stocks of all threads, by their numbers.
 * Invariant: G1  pending == tasks submitted and not told of + what is left in stocks.
 *            G5  while the word says that no stock is out, none is.
 * Progress:  counting in and out is lock-free. Who takes stocks back waits for owners in the middle of stock_pay().
 * Together:  everything.
 * Not here:  what follows when a group is done (group.c).
 *
 * Out. A worker that ended a task of group G may keep that to itself while it runs only tasks of G, and forked children of
 * tasks of G: G is not done meanwhile anyway. It tells before anything else: another group, a look for work that found none,
 * sleep, rest, a wait, a blocking section; and every UNTOLD_MAX; and at once if nothing else of G seems to be pending. What a
 * task waits for it tells of before it spins, as it may have helped.
 *
 * In. A stock is counts that are in the group's pending already; its owner pays for a task by a plain store. So a group with a
 * stock out is not done, and is not destroyed. Whoever waits for it takes the stocks back:
 *
 *	owner	pay	busy = 1				other	close	state |= CLOSED; any STOCKS in it?
 *			group == mine, left > 1?			claim	group: mine -> CLAIMED, each by exchange
 *			then left - 1					a barrier in all threads
 *			busy = 0 (release)				of each: wait until busy == 0 (acquire)
 *		take	state: not CLOSED?				left -> state; group = NULL (release)
 *			+ STOCK_COUNTS, + 1 stock, in one exchange
 *			left; group = mine (seq_cst)
 *			CLOSED now? then drop
 *		drop	group: mine -> NULL by exchange
 *			left -> state, - 1 stock
 *
 * An owner that looked at group before it was claimed had set busy before the barrier: the other waits for it. One that looks
 * after the barrier sees it claimed, and counts in by itself. Only who turned `group` away from mine touches what is left, so
 * it goes back once; and while it is CLAIMED the owner takes no other stock, so the other never takes from the wrong one. A
 * stock that is counted in the word and not shown yet is missed by the other's walk: take and close are seq_cst, so its owner
 * sees CLOSED and drops it. The last count of a stock is never paid while it is out (left >= 1): pending does not come down
 * to 0 before STOCKS does. CLOSED goes when the group is done. tests/models/stock.pml has it, with what fails when a part is
 * left out.
 *
 * A thread's stock belongs to its number: who gets the number after it goes on with it (edge thread_index), and who waits
 * takes it back from an ended thread as from any other. Where the kernel has no membarrier, nobody takes any.
 *
 * Grants. A worker also keeps how many of the same group's members were granted by it (`ungranted` in group.h). Who sees
 * ungranted above 0 and is about to say WEIR_EDEADLK for it has a barrier put in all threads, and subtracts what the workers
 * have not told: `telling` is odd, and another afterwards, while a worker moves its count, so that nothing is missed or
 * subtracted twice.
 */
#include "runtime/pending.h"

#include "private/check.h"
#include "private/clock.h"
#include "private/membarrier.h"
#include "runtime/worker.h"

enum {
	STREAK_MIN = 16,      /* tasks for one group in a row, before a thread takes a stock */
	STREAK_MAX = 1 << 14, /* doubled whenever a stock is taken back from it */
	READ_TRIES = 8
};

struct stock stocks[THREADS_MAX + 1];
static _Atomic(uint32_t) stocks_end; /* no stock was ever taken by a number from here on */
static weir_group claimed;	     /* the group of a stock that somebody takes back */

/* Lower the count of a group. Down to 0 the epoch goes up in the same exchange. */
static void count_out(weir_group *group, uint64_t less)
{
	weir_pool *pool = group->pool;
	uint64_t state = at_load(&group->state, relaxed, none);
	uint64_t wanted;
	do {
		wanted = state - less;
		if (!group_pending(wanted)) {
			CHECK("G5", !(wanted & GROUP_STOCKS));
			wanted = (uint64_t)(group_epoch(state) + 1) << GROUP_EPOCH_SHIFT;
		}
		/* ORDER(group_done): release, pairs with the acquire of who waits: it sees what the tasks wrote.
		 * ORDER(successor): seq_cst, see G2 in group.c. */
	} while (!at_cas_weak(&group->state, &state, wanted, seq_cst, relaxed, group_done));
	/* From here on the group may be destroyed and used again: its slot is still a group. */
	if (!group_pending(wanted))
		group_ended(group);
	if (unlikely(at_load(&pool->drainers, seq_cst, announce)))
		park_wake(&pool->drained);
}

void group_task_done(weir_group *group)
{
	count_out(group, 1);
}

/* Out, by workers. ------------------------------------------------------------------------------------------------ */

static void tell_grants(struct untold *untold, weir_group *group)
{
	uint32_t granted = at_load(&untold->granted, relaxed, none);
	if (!granted)
		return;
	uint32_t telling = at_load(&untold->telling, relaxed, none);
	at_store(&untold->telling, telling + 1, relaxed, none);
	/* ORDER(ungranted): seq_cst, with waits.c and ask(); release of `telling`, for who reads the sum. */
	at_sub(&group->ungranted, granted, seq_cst, ungranted);
	/* ORDER(untold): release, pairs with the acquire in untold_grants(): who sees it gone sees it subtracted. */
	at_store(&untold->granted, 0, release, untold);
	at_store(&untold->telling, telling + 2, release, untold);
}

void worker_tell_slow(struct worker *worker)
{
	struct untold *untold = &worker->untold;
	weir_group *group = at_load(&untold->group, relaxed, none);
	uint32_t ended = at_load(&untold->ended, relaxed, none);
	tell_grants(untold, group);
	/* ORDER(untold): release, as in group_task_ended(). */
	at_store(&untold->group, NULL, release, untold);
	at_store(&untold->ended, 0, relaxed, none);
	if (ended)
		count_out(group, ended);
}

/* In, by stocks. -------------------------------------------------------------------------------------------------- */

/* Give back what the calling thread has. Whoever turned `group` away gets what is left. */
static void drop(struct stock *stock)
{
	weir_group *group = at_load(&stock->group, relaxed, none);
	/* Relaxed: all of it is our own. Fails if somebody claims it: then that one gives it back. */
	if (!group || group == &claimed || !at_cas(&stock->group, &group, NULL, relaxed, relaxed, none))
		return;
	stock->took = false;
	stock->streak = 0;
	uint64_t left = at_load(&stock->left, relaxed, none);
	weir_pool *outer = at_load(&stock->leaving, relaxed, none);
	at_store(&stock->leaving, group->pool, relaxed, none);
	count_out(group, left + GROUP_ONE_STOCK);
	/* ORDER(leaving): release, pairs with the acquire in stocks_await_leaving(): we do not look at the pool any more. */
	at_store(&stock->leaving, outer, release, leaving);
}

void stocks_await_leaving(const weir_pool *pool)
{
	/* ORDER(stock): acquire, pairs with the release in show_up_to(). */
	uint32_t end = at_load(&stocks_end, acquire, stock);
	for (uint32_t i = 0; i < end; i++)
		/* ORDER(leaving): acquire, pairs with the release in drop(). Who ended the last group had stored it before the count
		 * that we have seen. */
		for (uint32_t looks = 0; unlikely(at_load(&stocks[i].leaving, acquire, leaving) == pool); looks++)
			clock_give_way(looks);
}

/* Will the thread take a stock, having submitted to this group for the streak-th time? */
static bool wants_stock(struct stock *stock, const weir_group *group)
{
	if (stock->took && !at_load(&stock->group, relaxed, none)) {
		stock->took = false; /* it was taken back, before it was used up */
		stock->enough = 2 * stock->enough < STREAK_MAX ? 2 * stock->enough : STREAK_MAX;
		stock->streak = 0;
	}
	stock->streak = stock->last == group ? stock->streak + 1 : 0;
	stock->last = group;
	if (likely(stock->streak < STREAK_MIN))
		return false;
	if (!stock->enough)
		stock->enough = membarrier_ready() ? STREAK_MIN : UINT32_MAX;
	/* ORDER(stock): acquire, pairs with the release in collect(): what was left is out of it. */
	return stock->streak >= stock->enough && !at_load(&stock->group, acquire, stock);
}

/* One task, and a stock with it. False: the group is closed, and nothing happened. */
static bool count_in_with(weir_group *group, uint64_t more)
{
	uint64_t state = at_load(&group->state, relaxed, none);
	do {
		if (state & GROUP_CLOSED)
			return false;
		/* ORDER(stock): seq_cst: before the stock is shown; with group_close(), see above. */
	} while (!at_cas_weak(&group->state, &state, state + more, seq_cst, relaxed, stock));
	return true;
}

static void show_up_to(uint32_t number)
{
	uint32_t end = at_load(&stocks_end, relaxed, none);
	/* ORDER(stock): release: before the exchange that counts the stock, which who walks has read. */
	while (end <= number && !at_cas_weak(&stocks_end, &end, number + 1, release, relaxed, stock))
		;
}

static bool take(struct stock *stock, weir_group *group)
{
	show_up_to((uint32_t)(stock - stocks));
	if (!count_in_with(group, 1 + STOCK_COUNTS + GROUP_ONE_STOCK))
		return false;
	at_store(&stock->left, STOCK_COUNTS, relaxed, none);
	stock->took = true;
	/* ORDER(stock): seq_cst, before the look at CLOSED; release of `left`. */
	at_store(&stock->group, group, seq_cst, stock);
	if (unlikely(at_load(&group->state, seq_cst, stock) & GROUP_CLOSED))
		drop(stock);
	return true;
}

/* It has one count left. False: it was taken back, or the group is closed and it was dropped. */
static bool refill(struct stock *stock, weir_group *group)
{
	bool done = false;
	at_store(&stock->busy, 1, relaxed, none);
	at_signal_fence();
	if (at_load(&stock->group, relaxed, none) == group && count_in_with(group, STOCK_COUNTS)) {
		at_store(&stock->left, STOCK_COUNTS, relaxed, none);
		done = true;
	}
	/* ORDER(stock): release, as in stock_pay(). */
	at_store(&stock->busy, 0, release, stock);
	if (done)
		stock->enough = stock->enough > 2 * STREAK_MIN ? stock->enough / 2 : STREAK_MIN;
	else
		drop(stock);
	return done;
}

COLD void group_count_in_slow(weir_group *group, uint32_t n)
{
	uint32_t number = thread_index();
	struct stock *stock = number < THREADS_MAX ? &stocks[number] : NULL;
	weir_group *mine = stock ? at_load(&stock->group, relaxed, none) : NULL;
	/* The last count of it would be ours, but then it is refilled, or dropped with the rest. */
	if (mine == group && n == 1 && refill(stock, group))
		return;
	if (mine && mine != group)
		drop(stock);
	if (n == 1 && stock && wants_stock(stock, group) && take(stock, group))
		return;
	at_add(&group->state, n, relaxed, none);
}

void group_stock_back(void)
{
	uint32_t number = thread_index();
	if (number < THREADS_MAX && at_load(&stocks[number].group, relaxed, none))
		drop(&stocks[number]);
}

/* Claim the stocks of a group, and give back what is left in them. */
static void collect(weir_group *group)
{
	uint64_t taken[THREADS_MAX / 64] = {0};
	/* ORDER(stock): acquire, pairs with the release in show_up_to(). */
	uint32_t end = at_load(&stocks_end, acquire, stock);
	bool any = false;
	for (uint32_t i = 0; i < end; i++) {
		weir_group *whose = group;
		/* ORDER(stock): seq_cst, after CLOSED; acquire, pairs with the store in take(): `left` is its. */
		if (at_load(&stocks[i].group, seq_cst, stock) != group ||
		    !at_cas(&stocks[i].group, &whose, &claimed, seq_cst, relaxed, stock))
			continue;
		taken[i / 64] |= UINT64_C(1) << i % 64;
		any = true;
	}
	if (!any)
		return;
	membarrier_all();
	uint64_t less = 0;
	for (uint32_t i = 0; i < end; i++) {
		if (!(taken[i / 64] >> i % 64 & 1))
			continue;
		/* ORDER(stock): acquire, pairs with the release in stock_pay(). */
		for (uint32_t looks = 0; at_load(&stocks[i].busy, acquire, stock); looks++)
			clock_give_way(looks);
		less += at_load(&stocks[i].left, relaxed, none) + GROUP_ONE_STOCK;
		/* ORDER(stock): release, pairs with the acquire in wants_stock(). */
		at_store(&stocks[i].group, NULL, release, stock);
	}
	count_out(group, less);
}

bool group_close(weir_group *group)
{
	uint32_t number = thread_index();
	if (number < THREADS_MAX && at_load(&stocks[number].group, relaxed, none) == group)
		drop(&stocks[number]);
	/* ORDER(group_done): acquire, here and where the exchange fails, pairs with the release in count_out(): who finds nothing
	 * pending goes on. */
	uint64_t state = at_load(&group->state, acquire, group_done);
	do {
		if (!group_pending(state))
			return false;
		/* ORDER(stock): seq_cst, before the walk over the stocks, see above. Even where it is set already: the
		 * walk comes after it. */
	} while (!at_cas_weak(&group->state, &state, state | GROUP_CLOSED, seq_cst, acquire, stock));
	if (unlikely(state & GROUP_STOCKS))
		collect(group);
	return true;
}

/* Reading. -------------------------------------------------------------------------------------------------------- */

bool group_is_done(weir_group *group, uint32_t epoch)
{
	/* ORDER(group_done): acquire, pairs with the release in count_out(). */
	uint64_t state = at_load(&group->state, acquire, group_done);
	if (!group_pending(state) || group_epoch(state) != epoch)
		return true;
	if (likely(!(state & GROUP_STOCKS)))
		return false;
	(void)group_close(group);
	/* ORDER(group_done): acquire, as above. */
	state = at_load(&group->state, acquire, group_done);
	return !group_pending(state) || group_epoch(state) != epoch;
}

static uint32_t untold_ends(const weir_group *group)
{
	uint32_t ended = 0;
	uint32_t count = at_load(&group->pool->worker_count, relaxed, none);
	for (uint32_t i = 0; i < count; i++) {
		struct worker *worker = pool_worker(group->pool, i);
		/* ORDER(untold): acquire, both, pairs with the releases in group_task_ended(): if these are another group's, those of
		 * this one were told, and its state is another at our next look. */
		if (worker && at_load(&worker->untold.group, acquire, untold) == group)
			ended += at_load(&worker->untold.ended, acquire, untold);
	}
	return ended;
}

uint32_t group_pending_now(weir_group *group)
{
	/* ORDER(group_done): acquire, pairs with the release in count_out(). */
	uint64_t state = at_load(&group->state, acquire, group_done);
	if (state & GROUP_STOCKS) {
		(void)group_close(group);
		state = at_load(&group->state, acquire, group_done);
	}
	uint32_t pending = group_pending(state);
	for (int i = 0; pending > 1 && i < READ_TRIES; i++) {
		uint32_t ended = untold_ends(group);
		uint64_t after = at_load(&group->state, acquire, group_done);
		pending = group_pending(after);
		if (after == state)
			return pending > ended ? pending - ended : 1;
		state = after;
	}
	return pending;
}

/* Grants. --------------------------------------------------------------------------------------------------------- */

void group_count_ungranted(weir_group *group, uint32_t n)
{
	/* ORDER(ungranted): seq_cst on all four, with waits.c and the look at the holders in ask(): of adder and holder one
	 * sees the other. */
	at_add(&group->ungranted, n, seq_cst, ungranted);
}

void group_granted_slow(weir_group *group)
{
	/* ORDER(ungranted): seq_cst, as above. */
	at_sub(&group->ungranted, 1, seq_cst, ungranted);
}

/* What workers have not told of. *changes: differs in a later call if anybody told between. False: somebody is at it. */
static bool untold_grants(const weir_group *group, uint32_t *granted, uint32_t *changes)
{
	uint32_t count = at_load(&group->pool->worker_count, relaxed, none);
	*granted = *changes = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct worker *worker = pool_worker(group->pool, i);
		if (!worker)
			continue;
		/* ORDER(untold): acquire, pairs with the releases in tell_grants() and group_granted_by(). */
		uint32_t telling = at_load(&worker->untold.telling, acquire, untold);
		uint32_t one = at_load(&worker->untold.granted, acquire, untold);
		if (telling & 1)
			return false;
		*changes += telling;
		if (at_load(&worker->untold.group, acquire, untold) == group)
			*granted += one;
	}
	return true;
}

bool group_any_ungranted(weir_group *group)
{
	/* ORDER(ungranted): seq_cst, see G3 in waits.c. */
	if (!at_load(&group->ungranted, seq_cst, ungranted))
		return false;
	if (!group->pool->asymmetric)
		return true;
	membarrier_all();
	for (uint32_t looks = 0;; looks++) {
		uint32_t granted, again, before, after;
		if (untold_grants(group, &granted, &before)) {
			/* ORDER(ungranted): seq_cst, as above; acquire of the sum's `telling`. */
			uint32_t ungranted = at_load(&group->ungranted, seq_cst, ungranted);
			if (untold_grants(group, &again, &after) && before == after)
				return ungranted > granted;
		}
		clock_give_way(looks);
	}
}
