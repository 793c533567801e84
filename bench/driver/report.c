/* SPDX-License-Identifier: MIT */
/*
 * report.c - from samples to rows and judgements.
 *
 * Invariant: each series of a peer is in exactly one row; weir's is in the rows of all peers of its workload, threads and
 *            unit, or in one without a peer. A judgement is made by a row that was measured in
 *            three rounds at least, or not at all.
 * Together:  one thread.
 * Not here:  how it is shown (show.c, json.c, html.c).
 */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char ours[] = "weir";

static void *grown(void *all, size_t count, size_t bytes)
{
	void *more = realloc(all, (count + 1) * bytes);
	if (!more)
		abort();
	return more;
}

static const struct summary nothing = {0, NAN, NAN, NAN, NAN};

static struct row *add_row(struct report *report, const struct cell *cell, const char *unit, const char *peer)
{
	report->rows = grown(report->rows, report->rows_count, sizeof(*report->rows));
	struct row *row = &report->rows[report->rows_count++];
	*row = (struct row){.workload = cell->workload,
			    .unit = unit,
			    .peer = peer,
			    .threads = cell->threads,
			    .reason = "",
			    .weir = nothing,
			    .other = nothing,
			    .ratio = nothing,
			    .rounds = cell->rounds,
			    .noisy_rounds = cell->noisy_rounds,
			    .noisy = 4 * cell->noisy_rounds > cell->rounds};
	report->noisy = report->noisy || row->noisy;
	return row;
}

static bool in_cell(const struct series *series, const struct cell *cell)
{
	return series->threads == cell->threads && strcmp(series->workload, cell->workload) == 0;
}

static void add_unit(struct report *report, const struct samples *samples, const struct cell *cell, const char *unit)
{
	const struct series *weir = samples_find(samples, cell->workload, cell->threads, unit, ours);
	bool beside = false;
	for (size_t i = 0; i < samples->series_count; i++) {
		const struct series *s = &samples->series[i];
		if (!in_cell(s, cell) || strcmp(s->unit, unit) != 0 || s == weir)
			continue;
		struct row *row = add_row(report, cell, unit, s->peer);
		row->other = stats_summary(s->value, cell->rounds);
		if (weir) {
			row->weir = stats_summary(weir->value, cell->rounds);
			row->ratio = stats_ratio(weir->value, s->value, cell->rounds);
		}
		beside = true;
	}
	if (weir && !beside)
		add_row(report, cell, unit, "")->weir = stats_summary(weir->value, cell->rounds);
}

/* Who has the workload, but was not run or failed: a row that says so, in the first unit. */
static void add_absent(struct report *report, const struct samples *samples, const struct programs *programs,
		       const struct cell *cell, const char *unit)
{
	const struct series *weir = samples_find(samples, cell->workload, cell->threads, unit, ours);
	for (size_t i = 0; i < programs->missing_count; i++)
		if (*programs->missing[i].workloads &&
		    programs_listed(programs->missing[i].workloads, cell->workload) &&
		    strcmp(programs->missing[i].peer, ours) != 0) {
			struct row *row = add_row(report, cell, unit, programs->missing[i].peer);
			row->state = ROW_NOT_RUN;
			row->reason = programs->missing[i].reason;
			if (weir)
				row->weir = stats_summary(weir->value, cell->rounds);
		}
	for (size_t i = 0; i < samples->failures_count; i++) {
		const struct failure *failure = &samples->failures[i];
		if (failure->threads != cell->threads || strcmp(failure->workload, cell->workload) != 0 ||
		    strcmp(failure->peer, ours) == 0 ||
		    samples_find(samples, cell->workload, cell->threads, unit, failure->peer))
			continue;
		struct row *row = add_row(report, cell, unit, failure->peer);
		row->state = ROW_FAILED;
		row->reason = failure->why;
		if (weir)
			row->weir = stats_summary(weir->value, cell->rounds);
	}
}

static void add_cell(struct report *report, const struct samples *samples, const struct programs *programs,
		     const struct cell *cell)
{
	const char *units[OUTPUT_ROWS_MOST];
	size_t count = 0;
	for (size_t i = 0; i < samples->series_count; i++) {
		bool known = !in_cell(&samples->series[i], cell) || count == OUTPUT_ROWS_MOST;
		for (size_t u = 0; u < count && !known; u++)
			known = strcmp(units[u], samples->series[i].unit) == 0;
		if (!known)
			units[count++] = samples->series[i].unit;
	}
	for (size_t u = 0; u < count; u++)
		add_unit(report, samples, cell, units[u]);
	add_absent(report, samples, programs, cell, count ? units[0] : "ns");
}

static void add_judgement(struct report *report, const struct promise *promise, uint32_t threads, const struct row *row,
			  const char *reason)
{
	report->judgements = grown(report->judgements, report->judgements_count, sizeof(*report->judgements));
	struct judgement *j = &report->judgements[report->judgements_count++];
	*j = (struct judgement){.promise = promise,
				.threads = threads,
				.measured = NAN,
				.verdict = NOT_JUDGED,
				.reason = reason,
				.noisy = row && row->noisy};
	if (row)
		j->measured = promise->ratio ? row->ratio.median : row->weir.median;
	if (isnan(j->measured)) {
		if (row && row->state != ROW_MEASURED)
			j->reason = row->reason;
		return;
	}
	if ((promise->ratio ? row->ratio.count : row->weir.count) < JUDGED_ROUNDS) {
		j->reason = "fewer than 3 rounds";
		return;
	}
	j->reason = "";
	j->verdict = j->measured <= promise->most ? KEPT : MISSED;
}

/* The row that the promise is about; of a promise without a peer, any of weir's. */
static const struct row *row_of(const struct report *report, const struct promise *promise, uint32_t threads)
{
	for (size_t i = 0; i < report->rows_count; i++) {
		const struct row *row = &report->rows[i];
		if (row->threads == threads && strcmp(row->workload, promise->workload) == 0 &&
		    (!*promise->peer || strcmp(row->peer, promise->peer) == 0) &&
		    (strcmp(row->unit, promise->unit) == 0 || (*promise->peer && row->state != ROW_MEASURED)))
			return row;
	}
	return NULL;
}

/* Only of what was asked for: a promise about a workload that was left out is not told. */
static void judge(struct report *report, const struct samples *samples, const struct promise *promise)
{
	for (size_t i = 0; i < samples->cells_count; i++) {
		const struct cell *cell = &samples->cells[i];
		if (strcmp(cell->workload, promise->workload) != 0 ||
		    (promise->threads && promise->threads != cell->threads))
			continue;
		const struct row *row = row_of(report, promise, cell->threads);
		add_judgement(report, promise, cell->threads, row,
			      row && !row->weir.count ? "weir was not measured"
			      : *promise->peer	      ? "that peer was not measured"
						      : "not measured");
	}
}

static void add_peer(struct report *report, const char *name, enum row_state state, const char *reason)
{
	for (size_t i = 0; i < report->peers_count; i++)
		if (strcmp(report->peers[i].name, name) == 0)
			return;
	report->peers = grown(report->peers, report->peers_count, sizeof(*report->peers));
	report->peers[report->peers_count++] = (struct peer){name, state, reason};
}

void report_make(struct report *out, const struct samples *samples, const struct programs *programs,
		 const struct promises *promises, const struct options *options, const struct noise *noise)
{
	out->quick = options->quick;
	out->commit = options->commit;
	out->disturbed = noise->worst;
	out->failures = samples->failures;
	out->failures_count = samples->failures_count;
	for (size_t i = 0; i < samples->cells_count; i++)
		add_cell(out, samples, programs, &samples->cells[i]);
	for (size_t i = 0; i < promises->count; i++)
		judge(out, samples, &promises->all[i]);
	for (size_t i = 0; i < samples->series_count; i++)
		add_peer(out, samples->series[i].peer, ROW_MEASURED, "");
	for (size_t i = 0; i < samples->failures_count; i++)
		add_peer(out, samples->failures[i].peer, ROW_FAILED, samples->failures[i].why);
	for (size_t i = 0; i < programs->missing_count; i++)
		add_peer(out, programs->missing[i].peer, ROW_NOT_RUN, programs->missing[i].reason);
}

void report_promise_text(const struct promise *promise, char *text, size_t bytes)
{
	if (promise->ratio)
		snprintf(text, bytes, "%.4g x %s", promise->most, promise->peer);
	else
		snprintf(text, bytes, "%.4g %s", promise->most, promise->unit);
}

const char *report_verdict_text(enum verdict verdict)
{
	static const char *const texts[] = {"kept", "missed", "not judged"};
	return texts[verdict];
}

const struct judgement *report_judgement(const struct report *report, const struct row *row)
{
	for (size_t i = 0; i < report->judgements_count; i++) {
		const struct judgement *j = &report->judgements[i];
		if (j->threads == row->threads && strcmp(j->promise->workload, row->workload) == 0 &&
		    strcmp(j->promise->unit, row->unit) == 0 &&
		    (!*j->promise->peer || strcmp(j->promise->peer, row->peer) == 0))
			return j;
	}
	return NULL;
}

size_t report_count(const struct report *report, enum verdict verdict)
{
	size_t count = 0;
	for (size_t i = 0; i < report->judgements_count; i++)
		count += report->judgements[i].verdict == verdict;
	return count;
}

void report_free(struct report *report)
{
	free(report->rows);
	free(report->judgements);
	free(report->peers);
}
