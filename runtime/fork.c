/* SPDX-License-Identifier: MIT */
/*
 * fork.c - fork-join's slow paths: attention, overflow, joins of stolen children; and the untyped form.
 *
 * Holds:     nothing; works on the calling worker.
 * Progress:  a joiner waits only for a child that a thief is running; meanwhile it helps that thief and nobody else
 *            (leapfrogging, Wagner & Calder 1993), so its stack holds descendants of what it waits for only.
 * Not here:  the split stack (forks.c), how inlined code gets here (fork_entry.c).
 */
#include <weir/fork.h>

#include <string.h>

#include "private/error.h"
#include "runtime/worker.h"

enum { JOIN_SPINS = 4000 };

static struct worker *of_face(weir_worker *face)
{
	return worker_of(container_of(face, struct forks, face));
}

static uintptr_t root_tag(const struct worker *worker)
{
	return (uintptr_t)at_load(&worker->root, relaxed, none);
}

bool fork_attend(struct worker *worker, weir_fork_slot *head)
{
	bool full = forks_attend(&worker->forks, head, root_tag(worker));
	if (worker_wake_helpers(worker))
		tally_add(&worker->pool->tally, POOL_FORKED_SHARED, 1);
	return full;
}

__attribute__((used)) void fork_spawn_slow(weir_worker *face, weir_fork_slot *head)
{
	struct worker *worker = of_face(face);
	weir_fork_slot child = face->spare;
	if (unlikely(fork_attend(worker, head))) {
		child.run(face, head, &child);
		forks_keep(&worker->forks, child.data, sizeof(child.data));
		return;
	}
	head->run = child.run;
	memcpy(head->data, child.data, sizeof(child.data));
	face->head = head + 1;
	/* Again, so that this child can be made public too: it may be the first of a lone branch. */
	(void)fork_attend(worker, head + 1);
}

/* Run something that the thief of our child left to steal. */
static bool leapfrog(struct worker *worker, weir_fork_slot *slot)
{
	uint32_t thief = forks_thief(slot);
	if (thief == FORK_NOBODY)
		return false;
	struct worker *victim = pool_worker(worker->pool, thief);
	struct found found;
	if (!victim || !route_take_fork(worker, victim, slot, &found))
		return false;
	worker_run_found(worker, &found);
	return true;
}

/* Whether the thief of our child has something for us, with no false "no" where nobody else takes from it. */
static bool thief_has_more(struct worker *worker, weir_fork_slot *slot, const weir_task *root)
{
	uint32_t number = forks_thief(slot);
	struct worker *thief = number == FORK_NOBODY ? NULL : pool_worker(worker->pool, number);
	return thief && forks_public(&thief->forks) && at_load(&thief->root, relaxed, none) == root;
}

/* Look for a while, then sleep until the slot is done, or until its thief makes something public that we may run. */
static void wait_for_thief(struct worker *worker, weir_fork_slot *slot)
{
	const weir_task *root = at_load(&worker->root, relaxed, none);
	for (;;) {
		for (int spins = 0; spins < JOIN_SPINS; spins++) {
			if (forks_done(slot))
				return;
			if (leapfrog(worker, slot))
				spins = 0;
			else
				at_pause();
		}
		uint32_t ticket = park_ticket(&worker->park);
		if (!forks_await(slot))
			return;
		/* R of the argument in park.h, forks_await() being A; and the thief knows that we want more. */
		if (!leapfrog(worker, slot) && !thief_has_more(worker, slot, root))
			worker_sleep_in_join(worker, ticket);
	}
}

void *fork_join(struct worker *worker, weir_fork_slot *slot)
{
	void *result = NULL;
	const weir_fork_slot *split = worker->forks.split;
	enum fork_joined joined = forks_join(&worker->forks, slot, root_tag(worker), &result);
	/* It made something public for who asked. */
	if (worker->forks.split > split)
		(void)worker_wake_helpers(worker);
	switch (joined) {
	case FORK_MINE:
		return NULL;
	case FORK_DONE:
		return result;
	case FORK_STOLEN:
		break;
	}
	wait_for_thief(worker, slot);
	return forks_join_stolen(&worker->forks, slot);
}

__attribute__((used)) void *fork_join_slow(weir_worker *face, weir_fork_slot *slot)
{
	void *result = fork_join(of_face(face), slot);
	face->head = slot;
	if (result)
		return result;
	slot->run(face, slot, slot);
	return slot->data;
}

weir_worker *weir_fork_self(void)
{
	return worker_self && at_load(&worker_self->root, relaxed, none) ? &worker_self->forks.face : NULL;
}

void weir_share(void)
{
	if (weir_fork_self())
		worker_share(worker_self);
}

/* The untyped form: function and argument in, status out. -------------------------------------------------------- */

union untyped {
	struct {
		weir_task_fn fn;
		void *argument;
	} in;
	weir_status out;
};

/* A child, wherever it runs: it joins what it forked itself, and nothing of its parent's. */
static weir_status run_child(struct worker *worker, weir_task_fn fn, void *argument)
{
	weir_fork_slot *outer_head = worker->task_head;
	weir_fork_slot *head = worker->forks.face.head;
	worker->task_head = head;
	weir_status status = fn(at_load(&worker->root, relaxed, none), argument);
	worker_join_rest(worker, head);
	worker->task_head = outer_head;
	return status;
}

static void run_untyped(weir_worker *face, weir_fork_slot *head, weir_fork_slot *slot)
{
	(void)head;
	union untyped data;
	memcpy(&data, slot->data, sizeof(data));
	data.out = run_child(of_face(face), data.in.fn, data.in.argument);
	memcpy(slot->data, &data, sizeof(data));
}

weir_status weir_fork(weir_task_fn fn, void *argument)
{
	weir_worker *face = weir_fork_self();
	if (!face)
		return error_set(WEIR_EINVAL, "weir_fork() is for tasks: this thread runs none");
	if (!fn)
		return error_set(WEIR_EINVAL, "fn is NULL");
	struct worker *worker = of_face(face);
	weir_fork_slot *head = face->head;
	union untyped data = {.in = {.fn = fn, .argument = argument}};
	if (unlikely(head >= worker->forks.end)) {
		data.out = run_child(worker, fn, argument);
		forks_keep(&worker->forks, &data, sizeof(data));
		face->head = head + 1;
		return WEIR_OK;
	}
	head->run = run_untyped;
	memcpy(head->data, &data, sizeof(data));
	face->head = head + 1;
	if (unlikely(forks_wants_attention(&worker->forks, head)))
		(void)fork_attend(worker, head + 1);
	return WEIR_OK;
}

weir_status weir_join(void)
{
	weir_worker *face = weir_fork_self();
	if (!face)
		return error_set(WEIR_EINVAL, "weir_join() is for tasks: this thread runs none");
	struct worker *worker = of_face(face);
	if (face->head <= worker->task_head)
		return error_set(WEIR_EINVAL, "weir_join() without a weir_fork()");
	weir_fork_slot *slot = face->head - 1;
	if (slot < worker->forks.end && slot->run != run_untyped)
		return error_set(WEIR_EINVAL, "weir_join() meets a child of WEIR_SPAWN(): join that by WEIR_JOIN()");
	union untyped data;
	void *result = fork_join(worker, slot);
	face->head = slot;
	if (result) {
		memcpy(&data, result, sizeof(data));
		return data.out;
	}
	memcpy(&data, slot->data, sizeof(data));
	return run_child(worker, data.in.fn, data.in.argument);
}
