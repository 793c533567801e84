/* SPDX-License-Identifier: MIT */
/*
 * task.h - a task: one cache line in a type-stable slot; its demand, if it has one, in another.
 *
 * States (who owns it):  NEW (submitter) -> WAITING (room) | HELD (group) -> READY (one queue) -> RUNNING (one worker)
 *                        -> free.
 * The state is where the task is: each move hands it over by a release that the next owner acquires.
 */
#ifndef WEIR_RUNTIME_TASK_H
#define WEIR_RUNTIME_TASK_H

#include <weir/task.h>

#include "numa/arena.h"
#include "private/atomics.h"
#include "runtime/inbox.h"
#include "runtime/slots.h"

struct task_need;

/* A block of memory of a task; the memory follows the header. */
struct task_block {
	CACHE_ALIGNED struct task_block *next;
	size_t bytes; /* with the header */
	uint32_t node;
};

/* The index of a task that has no slot: a worker's own. */
#define TASK_NO_SLOT UINT32_MAX

enum task_flag {
	TASK_BOUND = 1, /* runs on its node only: that is where its grant is */
	TASK_HOMED = 2, /* has a preferred node */
};

struct weir_task {
	struct slot_link slot;
	struct inbox_link link; /* in an inbox, or in its group's list of held tasks */
	uint32_t index;
	weir_task_fn fn;
	void *argument;
	weir_group *group;
	struct task_need *need; /* NULL: a plain task */
	_Atomic(struct task_block *) blocks;
	uint8_t service;
	uint8_t flags;
	_Atomic(uint16_t) node; /* where it should run; once it runs, where it does */
	_Atomic(uint32_t) help; /* use << 16 | how many more workers may run its children; see task_helper_in() */
};

_Static_assert(sizeof(struct weir_task) == CACHE_LINE, "a task is one cache line");

/* Thieves look at tasks that may have ended, and be in use again, as they look: hence atomics, all relaxed. What they
 * take is decided by the slot of the child; the use number makes a helper that counted itself into a task that ended
 * count out of nothing. */
#define TASK_HELP_ANY UINT32_C(0xffff)
/* Below this is how many more may come; from it up, less ANY, how many there are too many. */
#define TASK_HELP_NEGATIVE UINT32_C(0x8000)

static inline uint32_t task_node(const weir_task *task)
{
	return at_load(&((weir_task *)task)->node, relaxed, none);
}

static inline void task_set_node(weir_task *task, uint32_t node)
{
	at_store(&task->node, (uint16_t)node, relaxed, none);
}

/* more: TASK_HELP_ANY for no bound, and no counting. The owner's, before the task runs. */
static inline void task_open_help(weir_task *task, uint32_t more)
{
	uint32_t use = (at_load(&task->help, relaxed, none) >> 16) + 1;
	at_store(&task->help, use << 16 | (more < TASK_HELP_NEGATIVE ? more : TASK_HELP_ANY), relaxed, none);
}

static inline uint32_t task_help_add(uint32_t help, int change)
{
	uint32_t left = help & TASK_HELP_ANY;
	int more = (left < TASK_HELP_NEGATIVE ? (int)left : (int)left - (int)TASK_HELP_ANY) + change;
	return (help & ~TASK_HELP_ANY) | (uint32_t)(more < 0 ? more + (int)TASK_HELP_ANY : more);
}

static inline uint32_t task_help_left(const weir_task *task)
{
	uint32_t left = at_load(&((weir_task *)task)->help, relaxed, none) & TASK_HELP_ANY;
	return left == TASK_HELP_ANY || left < TASK_HELP_NEGATIVE ? left : 0;
}

/* More or fewer may help from now on; those who do go on. The running task's. */
static inline void task_change_help(weir_task *task, int change)
{
	uint32_t help = at_load(&task->help, relaxed, none);
	while ((help & TASK_HELP_ANY) != TASK_HELP_ANY &&
	       !at_cas_weak(&task->help, &help, task_help_add(help, change), relaxed, relaxed, none))
		;
}

/* One more helper. False: no more may. *counted: what task_helper_out() takes back, 0: nothing. */
static inline bool task_helper_in(weir_task *task, uint32_t *counted)
{
	uint32_t help = at_load(&task->help, relaxed, none);
	*counted = 0;
	do {
		if ((help & TASK_HELP_ANY) == TASK_HELP_ANY)
			return true;
		if (!(help & TASK_HELP_ANY) || (help & TASK_HELP_NEGATIVE))
			return false;
	} while (!at_cas_weak(&task->help, &help, help - 1, relaxed, relaxed, none));
	*counted = help;
	return true;
}

static inline void task_helper_out(weir_task *task, uint32_t counted)
{
	uint32_t help = at_load(&task->help, relaxed, none);
	while (counted && help >> 16 == counted >> 16 &&
	       !at_cas_weak(&task->help, &help, task_help_add(help, 1), relaxed, relaxed, none))
		;
}

/* Memory on a node, pushed on the task's list; freed by task_free_blocks(). NULL: none. */
void *task_add_block(struct weir_task *task, struct arenas *arenas, uint32_t node, size_t bytes);
void task_free_blocks(struct weir_task *task, struct arenas *arenas);

#endif
