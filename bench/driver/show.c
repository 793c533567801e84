/* SPDX-License-Identifier: MIT */
/*
 * show.c - the table on the terminal and in the kept text.
 *
 * A block for each workload and unit; in it a line for weir and for each peer; in it a column for each thread count: the
 * median with half the quartiles' distance, and weir's time over the peer's.
 *
 * Together: one thread.
 */
#include "show.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MOST = COUNTS_MOST, NAME_WIDTH = 18, VALUE_WIDTH = 16 };

void show_number(double value, char text[static 24])
{
	if (isnan(value))
		snprintf(text, 24, "-");
	else if (value >= 99.95)
		snprintf(text, 24, "%.0f", value);
	else if (value >= 9.995)
		snprintf(text, 24, "%.1f", value);
	else
		snprintf(text, 24, value >= 0.0995 || value == 0 ? "%.2f" : "%.3g", value);
}

struct block {
	const struct report *report;
	const char *workload;
	const char *unit;
	uint32_t threads[COLUMNS_MOST];
	size_t columns;
};

static bool in_block(const struct block *block, const struct row *row)
{
	return strcmp(row->workload, block->workload) == 0 && strcmp(row->unit, block->unit) == 0;
}

static const struct row *find(const struct block *block, uint32_t threads, const char *peer)
{
	for (size_t i = 0; i < block->report->rows_count; i++) {
		const struct row *row = &block->report->rows[i];
		if (in_block(block, row) && row->threads == threads && (!peer || strcmp(row->peer, peer) == 0))
			return row;
	}
	return NULL;
}

static void print_value(const struct summary *s, FILE *out)
{
	char text[24];
	show_number(s->median, text);
	char spread[24] = "";
	if (s->count && !isnan(s->spread))
		snprintf(spread, sizeof(spread), "+-%2.0f%%", 50 * s->spread);
	fprintf(out, "%9s %-6s", text, spread);
}

static void print_head(const struct block *block, FILE *out)
{
	char title[NAME_BYTES + UNIT_BYTES + 4], head[40];
	snprintf(title, sizeof(title), "%s, %s ", block->workload, block->unit);
	int at = fprintf(out, "\n%s", title) - 1;
	for (size_t c = 0; c < block->columns; c++) {
		snprintf(head, sizeof(head), "%u thread%s", block->threads[c], block->threads[c] == 1 ? "" : "s");
		fprintf(out, "%*s  %-19s", c ? VALUE_WIDTH : NAME_WIDTH + 2 + VALUE_WIDTH - at, head,
			find(block, block->threads[c], NULL)->noisy ? "weir / it  (noisy)" : "weir / it");
	}
	fprintf(out, "\n");
}

static void print_weir(const struct block *block, FILE *out)
{
	fprintf(out, "  %-*s", NAME_WIDTH, "weir");
	for (size_t c = 0; c < block->columns; c++) {
		const struct row *row = find(block, block->threads[c], NULL);
		print_value(&row->weir, out);
		const struct judgement *j = NULL;
		for (size_t i = 0; i < block->report->judgements_count && !j; i++) {
			const struct judgement *each = &block->report->judgements[i];
			if (!each->promise->ratio && each->threads == row->threads &&
			    strcmp(each->promise->workload, row->workload) == 0 &&
			    strcmp(each->promise->unit, row->unit) == 0)
				j = each;
		}
		char note[40] = "", most[24];
		if (j) {
			snprintf(most, sizeof(most), "%.4g", j->promise->most);
			snprintf(note, sizeof(note), "<= %s %s", most, report_verdict_text(j->verdict));
		}
		fprintf(out, "  %-19s", note);
	}
	fprintf(out, "\n");
}

static void print_peer(const struct block *block, const char *peer, FILE *out)
{
	const char *reason = "";
	fprintf(out, "  %-*s", NAME_WIDTH, peer);
	for (size_t c = 0; c < block->columns; c++) {
		const struct row *row = find(block, block->threads[c], peer);
		if (!row) {
			fprintf(out, "%9s %6s  %-19s", "-", "", "");
			continue;
		}
		if (row->state != ROW_MEASURED) {
			fprintf(out, "%9s %6s  %-19s", row->state == ROW_FAILED ? "failed" : "not run", "", "");
			reason = row->state == ROW_FAILED ? row->reason : reason;
			continue;
		}
		print_value(&row->other, out);
		const struct judgement *j = report_judgement(block->report, row);
		char ratio[24], note[72];
		show_number(row->ratio.median, ratio);
		snprintf(note, sizeof(note), "%s", ratio);
		if (j && j->promise->ratio) {
			char most[24];
			snprintf(most, sizeof(most), "%.4g", j->promise->most);
			snprintf(note, sizeof(note), "%s <=%s %s", ratio, most, report_verdict_text(j->verdict));
		}
		fprintf(out, "  %-19s", note);
	}
	fprintf(out, "%s\n", reason);
}

static void print_block(const struct report *report, const struct row *first, FILE *out)
{
	struct block block = {.report = report, .workload = first->workload, .unit = first->unit};
	for (const struct row *row = first; row < report->rows + report->rows_count; row++) {
		bool known = !in_block(&block, row) || block.columns == COLUMNS_MOST;
		for (size_t c = 0; c < block.columns && !known; c++)
			known = block.threads[c] == row->threads;
		if (!known)
			block.threads[block.columns++] = row->threads;
	}
	print_head(&block, out);
	print_weir(&block, out);
	for (const struct row *row = first; row < report->rows + report->rows_count; row++) {
		bool told = !in_block(&block, row) || !*row->peer;
		for (const struct row *before = first; before < row && !told; before++)
			told = in_block(&block, before) && strcmp(before->peer, row->peer) == 0;
		if (!told)
			print_peer(&block, row->peer, out);
	}
}

static void print_promises(const struct report *report, FILE *out)
{
	fprintf(out, "\nPromises: %zu kept, %zu missed, %zu not judged\n", report_count(report, KEPT),
		report_count(report, MISSED), report_count(report, NOT_JUDGED));
	for (size_t i = 0; i < report->judgements_count; i++) {
		const struct judgement *j = &report->judgements[i];
		char most[96], measured[24];
		if (j->verdict == KEPT)
			continue;
		report_promise_text(j->promise, most, sizeof(most));
		show_number(j->measured, measured);
		fprintf(out, "  %-14s %2u thread%s  at most %s: ", j->promise->workload, j->threads,
			j->threads == 1 ? " " : "s", most);
		if (j->verdict == MISSED)
			fprintf(out, "%s, missed%s\n", measured, j->noisy ? " (noisy)" : "");
		else
			fprintf(out, "not judged (%s)\n", j->reason);
	}
}

static void print_peers(const struct report *report, FILE *out)
{
	for (size_t i = 0; i < report->peers_count; i++)
		if (report->peers[i].state == ROW_NOT_RUN)
			fprintf(out, "not run: %s (%s)\n", report->peers[i].name, report->peers[i].reason);
	for (size_t i = 0; i < report->failures_count; i++) {
		const struct failure *f = &report->failures[i];
		if (*f->workload)
			fprintf(out, "failed: %s, %s, %u threads: %s\n", f->peer, f->workload, f->threads, f->why);
		else
			fprintf(out, "failed: %s: %s\n", f->peer, f->why);
	}
}

static void print_all(const struct report *report, FILE *out)
{
	fprintf(out, "%s\ncommit %s, weir %s\n%s\nload before: %.2f %.2f %.2f\n", report->date, report->commit,
		report->version, report->machine, report->load_before[0], report->load_before[1],
		report->load_before[2]);
	if (report->noisy)
		fprintf(out,
			"The machine was disturbed, by up to %.0f %%: rows marked noisy are not to be relied on.\n",
			100 * report->disturbed);
	for (size_t i = 0; i < report->rows_count; i++) {
		const struct row *row = &report->rows[i];
		bool told = false;
		for (size_t b = 0; b < i && !told; b++)
			told = strcmp(report->rows[b].workload, row->workload) == 0 &&
			       strcmp(report->rows[b].unit, row->unit) == 0;
		if (!told)
			print_block(report, row, out);
	}
	if (report->judgements_count)
		print_promises(report, out);
	fprintf(out, "\n");
	print_peers(report, out);
	fprintf(out, "Medians over rounds of A B A B%s; +- half the quartiles' distance; less is better.\n",
		report->quick ? " (quick)" : "");
}

/* Columns are padded; what is kept in a file does not end in blanks. */
static void print_trimmed(const char *text, FILE *out)
{
	for (const char *line = text; *line;) {
		size_t bytes = strcspn(line, "\n"), used = bytes;
		while (used && line[used - 1] == ' ')
			used--;
		fprintf(out, "%.*s\n", (int)used, line);
		line += bytes + (line[bytes] == '\n');
	}
}

void show_table(const struct report *report, FILE *out)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *memory = open_memstream(&text, &bytes);
	if (!memory)
		abort();
	print_all(report, memory);
	if (fclose(memory))
		abort();
	print_trimmed(text, out);
	free(text);
}
