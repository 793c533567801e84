/* SPDX-License-Identifier: MIT */
/*
 * waits.c - who cannot end before whom, so that a wait that could never end is an error instead.
 *
 * Holds:     edges between groups: a task of `from` waits for `to`, or `from` is chained after `to`.
 * Invariant: G3  no task that holds a grant waits for one that waits for room, however many groups are between them:
 *                the waiter or the adder gets WEIR_EDEADLK.
 *            G4  edges make no ring.
 * Progress:  a mutex, taken only by who is about to sleep, by who waits with a grant, and around chains.
 * Together:  all.
 * Not here:  waiting (group.c), asking for room (submit.c).
 *
 * G3: a group's `holders` counts the edges into it behind which somebody holds a grant. Who registers such an edge
 * raises the count of everything that it leads to, then looks at their `ungranted`; who adds a demand raises
 * `ungranted`, then looks at `holders`; all seq_cst: one of them sees the other.
 * Who waits with a grant for those who wait for room has the room looked at first: room that is kept for a claimant is given to
 * them all the same (waiter_is_waited_for()), for the claimant waits for what the holder holds. A model of it is m5 of the
 * design; only who does not fit all the same is an error.
 * A wait that is helping itself (it runs members of the group on its own stack) is registered by whoever sleeps on top
 * of it.
 */
#include "runtime/waits.h"

#include "private/clock.h"
#include "private/error.h"
#include "runtime/pending.h"

enum { TOLD_TRIES = 1000 };

/* Waited for no longer, though its waiter may not have come round yet. */
static bool is_stale(const struct wait_edge *edge)
{
	/* ORDER(group_done): acquire, as in is_done(). */
	uint64_t state = at_load(&edge->to->state, acquire, group_done);
	return !group_pending(state) || group_epoch(state) != edge->epoch;
}

/* Is the group waited in, here or further down this stack? */
static bool is_waited_in(const struct wait_edge *edge, const weir_group *group)
{
	for (; edge; edge = edge->below)
		if (edge->from == group)
			return true;
	return false;
}

/* Walk all that must be done before the edge's target is. */
struct walk {
	bool ring;	/* meets a group that the edge, or one below it, waits in */
	bool ungranted; /* meets one that waits for room */
};

static struct walk walk_from(weir_pool *pool, const struct wait_edge *edge)
{
	struct walk walk = {0};
	uint32_t round = ++pool->waits_round;
	weir_group *todo = edge->to;
	todo->waits_todo = NULL;
	todo->waits_round = round;
	while (todo) {
		weir_group *group = todo;
		todo = group->waits_todo;
		walk.ring |= is_waited_in(edge, group);
		walk.ungranted = walk.ungranted || group_any_ungranted(group);
		for (struct wait_edge *out = group->waits; out; out = out->next) {
			if (is_stale(out) || out->to->waits_round == round)
				continue;
			out->to->waits_round = round;
			out->to->waits_todo = todo;
			todo = out->to;
		}
	}
	return walk;
}

/* Count an edge, and all that follow from it, as holding, or no longer. There is no ring, so this ends. */
static void propagate(struct wait_edge *edge, bool holding)
{
	struct wait_edge *todo = edge;
	edge->todo = NULL;
	while (todo) {
		struct wait_edge *one = todo;
		todo = one->todo;
		if (one->holding == holding)
			continue;
		one->holding = holding;
		/* ORDER(ungranted): seq_cst, see G3 above. */
		uint32_t was = at_add(&one->to->holders, holding ? 1 : UINT32_MAX, seq_cst, ungranted);
		if (was != (holding ? 0 : 1))
			continue;
		for (struct wait_edge *out = one->to->waits; out; out = out->next) {
			if (out->grant)
				continue;
			out->todo = todo;
			todo = out;
		}
	}
}

static void link_edge(struct wait_edge *edge)
{
	edge->link = &edge->from->waits;
	edge->next = *edge->link;
	*edge->link = edge;
	if (edge->next)
		edge->next->link = &edge->next;
	edge->to->waits_in++;
	edge->registered = true;
}

static void unlink_edge(struct wait_edge *edge)
{
	if (edge->holding)
		propagate(edge, false);
	*edge->link = edge->next;
	if (edge->next)
		edge->next->link = edge->link;
	edge->to->waits_in--;
	edge->registered = false;
}

/* Nobody waits for who waits here: no ring can come of it. */
static bool may_close_ring(const struct wait_edge *edge)
{
	for (; edge; edge = edge->below)
		if (edge->from->waits_in)
			return true;
	return false;
}

/* *ungranted: it is known now that a holder of a grant waits, but there are those before it that wait for room. */
static weir_status register_one(weir_pool *pool, struct wait_edge *edge, bool *ungranted)
{
	*ungranted = false;
	if (edge->registered)
		return WEIR_OK;
	if (may_close_ring(edge) && walk_from(pool, edge).ring)
		return error_set(WEIR_EDEADLK,
				 "the group is not done before this one is: a task of it, or a group before it, waits "
				 "for this one");
	link_edge(edge);
	if (!edge->grant && !at_load(&edge->from->holders, relaxed, none))
		return WEIR_OK;
	propagate(edge, true);
	*ungranted = walk_from(pool, edge).ungranted;
	return WEIR_OK;
}

/* They were looked at since: those for whom there is room have it, though it may have been kept for others. */
static weir_status check_again(weir_pool *pool, struct wait_edge *edge)
{
	if (!walk_from(pool, edge).ungranted)
		return WEIR_OK;
	unlink_edge(edge);
	return error_set(WEIR_EDEADLK,
			 "%s holds a grant, and tasks of the group, or of one before it, wait for theirs: they might "
			 "wait for what it holds",
			 edge->grant ? "this task" : "a task that waits for this one");
}

/* Register, look at the room without the lock, check: all together, or not at all. */
static weir_status register_edge(weir_pool *pool, struct wait_edge *edge)
{
	bool ungranted;
	weir_status status = register_one(pool, edge, &ungranted);
	if (status || !ungranted)
		return status;
	pthread_mutex_unlock(&pool->waits_lock);
	bool others = admission_let_pass(pool->admission);
	pthread_mutex_lock(&pool->waits_lock);
	/* Who was granted is told by who looked: that may take a moment. */
	for (int tries = 0; others && tries < TOLD_TRIES && walk_from(pool, edge).ungranted; tries++) {
		pthread_mutex_unlock(&pool->waits_lock);
		clock_give_way((uint32_t)tries);
		pthread_mutex_lock(&pool->waits_lock);
	}
	return check_again(pool, edge);
}

weir_status waits_register(weir_pool *pool, struct wait_edge *edge)
{
	pthread_mutex_lock(&pool->waits_lock);
	/* One below that fails will fail again when its own turn comes, so its order does not matter. */
	for (struct wait_edge *one = edge->below; one; one = one->below)
		(void)register_edge(pool, one);
	weir_status status = register_edge(pool, edge);
	pthread_mutex_unlock(&pool->waits_lock);
	return status;
}

void waits_forget(weir_pool *pool, struct wait_edge *edge)
{
	if (!edge->registered)
		return;
	pthread_mutex_lock(&pool->waits_lock);
	unlink_edge(edge);
	pthread_mutex_unlock(&pool->waits_lock);
}
