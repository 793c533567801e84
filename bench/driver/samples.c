/* SPDX-License-Identifier: MIT */
/*
 * samples.c - growing tables of what was measured.
 *
 * Together: one thread.
 */
#include "samples.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grown(void *all, size_t count, size_t bytes)
{
	void *more = realloc(all, (count + 1) * bytes);
	if (!more)
		abort();
	return more;
}

const struct series *samples_find(const struct samples *samples, const char *workload, uint32_t threads,
				  const char *unit, const char *peer)
{
	for (size_t i = 0; i < samples->series_count; i++) {
		const struct series *s = &samples->series[i];
		if (s->threads == threads && strcmp(s->workload, workload) == 0 && strcmp(s->unit, unit) == 0 &&
		    strcmp(s->peer, peer) == 0)
			return s;
	}
	return NULL;
}

bool samples_add(struct samples *samples, const struct measured *row, uint32_t round)
{
	struct series *s = (struct series *)samples_find(samples, row->workload, row->threads, row->unit, row->peer);
	if (!s) {
		samples->series = grown(samples->series, samples->series_count, sizeof(*s));
		s = &samples->series[samples->series_count++];
		memcpy(s->workload, row->workload, sizeof(s->workload));
		memcpy(s->peer, row->peer, sizeof(s->peer));
		memcpy(s->unit, row->unit, sizeof(s->unit));
		s->threads = row->threads;
		for (uint32_t i = 0; i < ROUNDS_MOST; i++)
			s->value[i] = NAN;
	}
	if (!isnan(s->value[round]))
		return false;
	s->value[round] = row->value;
	return true;
}

struct cell *samples_begin_cell(struct samples *samples, const char *workload, uint32_t threads)
{
	samples->cells = grown(samples->cells, samples->cells_count, sizeof(*samples->cells));
	struct cell *cell = &samples->cells[samples->cells_count++];
	*cell = (struct cell){.threads = threads};
	snprintf(cell->workload, sizeof(cell->workload), "%s", workload);
	return cell;
}

void samples_fail(struct samples *samples, const char *peer, const char *workload, uint32_t threads, const char *why)
{
	samples->failures = grown(samples->failures, samples->failures_count, sizeof(*samples->failures));
	struct failure *failure = &samples->failures[samples->failures_count++];
	*failure = (struct failure){.threads = threads};
	snprintf(failure->peer, sizeof(failure->peer), "%s", peer);
	snprintf(failure->workload, sizeof(failure->workload), "%s", workload);
	snprintf(failure->why, sizeof(failure->why), "%s", why);
}

void samples_free(struct samples *samples)
{
	free(samples->series);
	free(samples->cells);
	free(samples->failures);
	*samples = (struct samples){0};
}
