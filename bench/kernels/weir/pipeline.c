/* SPDX-License-Identifier: MIT */
/*
 * pipeline.c - each stage is a task that says how much memory it needs, and submits the next. The pool's limit is the
 * budget: a stage whose block does not fit beside those that run waits, and others run meanwhile.
 */
#include "../pipeline.h"
#include "form.h"

static weir_status stage(weir_task *task, void *argument);

static weir_status submit_stage(struct chunk *chunk)
{
	return weir_submit(chunk->owner, stage, chunk, WEIR_DEMAND(.memory_bytes = chunk_bytes(chunk), .memory_drawn = true));
}

static weir_status stage(weir_task *task, void *argument)
{
	struct chunk *chunk = argument;
	void *block = weir_task_alloc(task, chunk_bytes(chunk));
	if (!block)
		return WEIR_ENOMEM;
	chunk_stage(chunk, block);
	return chunk_done(chunk) ? WEIR_OK : submit_stage(chunk);
}

int weir_pipeline(struct pipeline *p)
{
	weir_group *group;
	weir_status status = weir_group_create(&group, crew);
	if (status)
		return answered(status);
	for (int32_t i = 0; i < p->chunks && !status; i++) {
		p->chunk[i].owner = group;
		status = submit_stage(&p->chunk[i]);
	}
	weir_status ended = weir_group_wait(group);
	(void)answered(weir_group_destroy(group));
	return answered(status ? status : ended);
}
