/* SPDX-License-Identifier: MIT */
/*
 * cholesky.c - tasks that start when others are done: a group for each task, which comes after the groups of the last tasks
 * that wrote what it reads or overwrites.
 */
#include <stdlib.h>

#include "../cholesky.h"
#include "form.h"

struct step {
	const struct cholesky *cholesky;
	int32_t i, j, k;
	weir_group *group;
};

struct plan {
	struct step *step;
	int32_t steps;
	weir_group **wrote; /* the last so far, of each tile */
};

static weir_group **wrote(const struct plan *plan, int32_t i, int32_t j)
{
	return &plan->wrote[i * (i + 1) / 2 + j];
}

static weir_status do_step(weir_task *task, void *argument)
{
	(void)task;
	const struct step *step = argument;
	if (step->i == step->k)
		cholesky_factor(step->cholesky, step->k);
	else if (step->j == step->k)
		cholesky_solve(step->cholesky, step->i, step->k);
	else
		cholesky_update(step->cholesky, step->i, step->j, step->k);
	return WEIR_OK;
}

static weir_status after(const struct step *step, weir_group *first)
{
	return first ? weir_group_after(step->group, first) : WEIR_OK;
}

/* Submit what makes tile (i, j) of column k, to run after whoever wrote (i, k), (j, k) and (i, j). */
static weir_status add_step(struct plan *plan, const struct cholesky *c, int32_t i, int32_t j, int32_t k)
{
	struct step *step = &plan->step[plan->steps++];
	*step = (struct step){.cholesky = c, .i = i, .j = j, .k = k};
	weir_status status = weir_group_create(&step->group, crew);
	if (!status)
		status = after(step, *wrote(plan, i, j));
	if (!status && j != k)
		status = after(step, *wrote(plan, i, k));
	if (!status && i != j)
		status = after(step, *wrote(plan, j, k));
	if (!status)
		status = weir_submit(step->group, do_step, step, NULL);
	*wrote(plan, i, j) = step->group;
	return status;
}

static weir_status add_column(struct plan *plan, const struct cholesky *c, int32_t k)
{
	weir_status status = add_step(plan, c, k, k, k);
	for (int32_t i = k + 1; i < c->tiles && !status; i++)
		status = add_step(plan, c, i, k, k);
	for (int32_t i = k + 1; i < c->tiles; i++)
		for (int32_t j = k + 1; j <= i && !status; j++)
			status = add_step(plan, c, i, j, k);
	return status;
}

int weir_cholesky(struct cholesky *c)
{
	int64_t n = c->tiles, steps = n * (n + 1) * (n + 2) / 6;
	struct plan plan = {.step = calloc((size_t)steps, sizeof(struct step)),
			    .wrote = calloc((size_t)(n * (n + 1) / 2), sizeof(weir_group *))};
	weir_status status = plan.step && plan.wrote ? WEIR_OK : WEIR_ENOMEM;
	for (int32_t k = 0; k < n && !status; k++)
		status = add_column(&plan, c, k);
	for (int32_t i = plan.steps - 1; i >= 0; i--) { /* the last first, as it comes after all others */
		weir_status ended = weir_group_wait(plan.step[i].group);
		status = status ? status : ended;
	}
	for (int32_t i = 0; i < plan.steps; i++)
		(void)answered(weir_group_destroy(plan.step[i].group));
	free(plan.step);
	free(plan.wrote);
	return answered(status);
}
