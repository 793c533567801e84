/* SPDX-License-Identifier: MIT */
/*
 * task.h - a task: one cache line in a type-stable slot; its demand, if it has one, in another.
 *
 * States (who owns it):  NEW (submitter) -> WAITING (room) | HELD (group) -> READY (one queue) -> RUNNING (one worker) -> free.
 * The state is where the task is: each move hands it over by a release that the next owner acquires.
 */
#ifndef WEIR_RUNTIME_TASK_H
#define WEIR_RUNTIME_TASK_H

#include <weir/task.h>

#include "numa/arena.h"
#include "runtime/inbox.h"
#include "runtime/slots.h"

struct task_need;

/* A block of memory of a task; the memory follows the header. */
struct task_block {
	CACHE_ALIGNED struct task_block *next;
	size_t bytes; /* with the header */
	uint32_t node;
};

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
	uint32_t node; /* where it should run; once it runs, where it does */
	uint8_t service;
	uint8_t flags;
	uint16_t padding;
};

_Static_assert(sizeof(struct weir_task) == CACHE_LINE, "a task is one cache line");

/* Memory on a node, pushed on the task's list; freed by task_free_blocks(). NULL: none. */
void *task_add_block(struct weir_task *task, struct arenas *arenas, uint32_t node, size_t bytes);
void task_free_blocks(struct weir_task *task, struct arenas *arenas);

#endif
