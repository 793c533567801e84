/* SPDX-License-Identifier: MIT */
/*
 * inside.c - what a running task may ask for: itself, its node and cores, memory out of its grant.
 *
 * Holds:     nothing.
 * Invariant: W7  a task's blocks are never more than its grant's memory.
 * Progress:  lock-free but for the host's allocator.
 * Not here:  the end of the blocks (task.c, at task_settle()).
 */
#include "private/error.h"
#include "runtime/leftover.h"
#include "runtime/worker.h"

weir_task *weir_task_self(void)
{
	return worker_self ? at_load(&worker_self->root, relaxed, none) : NULL;
}

/* What it uses is known from now on. */
static void show(struct task_need *need)
{
	at_store(&need->shown_grant, need->waiter.grant.handle, relaxed, none);
}

void *weir_task_alloc(weir_task *task, size_t bytes)
{
	if (!task) {
		error_set(WEIR_EINVAL, "task is NULL");
		return NULL;
	}
	weir_pool *pool = task->group->pool;
	struct task_need *need = task->need;
	if (bytes > SIZE_MAX - CACHE_LINE) {
		error_set(WEIR_ENOMEM, "%zu bytes are more than there can be", bytes);
		return NULL;
	}
	size_t charge = (bytes + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
	uint32_t node = need ? need_memory_node(pool, need) : pool->machine->memory_near[task_node(task)];
	if (need && need_is_granted(need)) {
		uint64_t left = at_load(&need->memory_left_bytes, relaxed, none);
		do {
			if (charge > left) {
				error_set(WEIR_ENOMEM,
					  "%zu bytes are more than the %llu that are left of the task's grant", bytes,
					  (unsigned long long)left);
				return NULL;
			}
		} while (!at_cas_weak(&need->memory_left_bytes, &left, left - charge, relaxed, relaxed, none));
		leftover_count(pool, need, -charge);
	}
	void *block = task_add_block(task, pool->arenas, node, bytes);
	if (!block) {
		if (need && need_is_granted(need)) {
			at_add(&need->memory_left_bytes, charge, relaxed, none);
			leftover_count(pool, need, charge);
			at_store(&need->memory_refused, 1, relaxed, none);
		}
		error_set(WEIR_ENOMEM, "the host has no %zu bytes on node %u", bytes, node);
	} else if (need && need_is_granted(need)) {
		at_add(&need->used_bytes, charge, relaxed, none);
		show(need);
		/* Before it touches what was not free pages: there is room for it. unused_bytes() has barriers put between. */
		at_signal_fence();
		if (need->undrawn)
			leftover_yield(pool, need);
	}
	return block;
}

void weir_task_declare(weir_task *task, uint64_t bytes)
{
	if (!task || !task->need)
		return;
	at_store(&task->need->declared_bytes, bytes, relaxed, none);
	show(task->need);
}

/* Slots are type-stable, so all of them can be looked at while tasks come and go; what a handle was granted is the book's to
 * say, and it knows a handle that is gone. */
bool inside_largest(void *context, weir_over_user *out)
{
	weir_pool *pool = context;
	uint64_t most = 0;
	uint32_t made = slots_made(pool->needs);
	for (uint32_t i = 0; i < made; i++) {
		struct task_need *need = slots_at(pool->needs, i, pool->needs->slot_shift);
		uint64_t handle = at_load(&need->shown_grant, relaxed, none);
		uint64_t used = at_load(&need->used_bytes, relaxed, none);
		uint64_t declared = at_load(&need->declared_bytes, relaxed, none);
		used = declared < UINT64_MAX - used ? used + declared : UINT64_MAX;
		weir_allocation info;
		if (!handle || used <= most || weir_tracker_look(pool->tracker, (weir_grant){handle}, &info))
			continue;
		if (used <= info.held.memory_bytes || used - info.held.memory_bytes <= most)
			continue;
		most = used - info.held.memory_bytes;
		*out = (weir_over_user){.grant = {handle},
					.node = info.node,
					.used_bytes = used,
					.granted_bytes = info.held.memory_bytes};
	}
	return most > 0;
}

uint32_t weir_task_cores(const weir_task *task)
{
	return task && task->need ? at_load(&task->need->cores, relaxed, none) : 1;
}

uint32_t weir_task_node(const weir_task *task)
{
	return task ? task_node(task) : 0;
}

uint32_t weir_task_memory_node(const weir_task *task)
{
	if (!task)
		return 0;
	const weir_pool *pool = task->group->pool;
	return task->need ? need_memory_node(pool, task->need) : pool->machine->memory_near[task_node(task)];
}

weir_grant weir_task_grant(const weir_task *task)
{
	return task && task->need && need_is_granted(task->need) ? task->need->waiter.grant : (weir_grant){0};
}

bool weir_task_cancelled(const weir_task *task)
{
	return task && task_is_cancelled(task);
}
