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

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MOST = COUNTS_MOST, NAME_WIDTH = 18, VALUE_WIDTH = 16, NOTE_WIDTH = 19, NOTE_BYTES = 80 };

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
	/* As wide as what stands in them. */
	int name_width;
	int note_width;
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
	double half = s->spread / 2;
	if (s->count && half < 9.995)
		snprintf(spread, sizeof(spread), "+-%2.0f%%", 100 * half);
	else if (s->count && half < 999.5)
		snprintf(spread, sizeof(spread), "+-%.0fx", half);
	else if (s->count && !isnan(half))
		snprintf(spread, sizeof(spread), "> 999x");
	fprintf(out, "%9s %-6s", text, spread);
}

static const char *head_note(const struct block *block, uint32_t threads)
{
	return find(block, threads, NULL)->noisy ? "weir / it  (noisy)" : "weir / it";
}

/* Beside weir's value: what is promised of it alone. */
static void weir_note(const struct block *block, const struct row *row, char note[static NOTE_BYTES])
{
	*note = '\0';
	for (size_t i = 0; i < block->report->judgements_count; i++) {
		const struct judgement *j = &block->report->judgements[i];
		if (!j->promise->ratio && j->threads == row->threads &&
		    strcmp(j->promise->workload, row->workload) == 0 && strcmp(j->promise->unit, row->unit) == 0) {
			snprintf(note, NOTE_BYTES, "<= %.4g %s", j->promise->most, report_verdict_text(j->verdict));
			return;
		}
	}
}

/* Beside a peer's value: weir's over it, and what is promised of that. */
static void peer_note(const struct block *block, const struct row *row, char note[static NOTE_BYTES])
{
	const struct judgement *j = report_judgement(block->report, row);
	char ratio[24];
	show_number(row->ratio.median, ratio);
	snprintf(note, NOTE_BYTES, "%s", ratio);
	if (j && j->promise->ratio)
		snprintf(note, NOTE_BYTES, "%s <=%.4g %s", ratio, j->promise->most, report_verdict_text(j->verdict));
}

static void widen(int *width, size_t bytes)
{
	*width = (int)bytes > *width ? (int)bytes : *width;
}

static void measure_block(struct block *block)
{
	block->name_width = NAME_WIDTH;
	block->note_width = NOTE_WIDTH;
	/* The title has the room of the name and of the first value's number. */
	size_t title = strlen(block->workload) + strlen(block->unit) + 2, threads = sizeof("65535 threads");
	if (title + threads > NAME_WIDTH + VALUE_WIDTH)
		widen(&block->name_width, title + threads - VALUE_WIDTH);
	for (size_t i = 0; i < block->report->rows_count; i++) {
		const struct row *row = &block->report->rows[i];
		char note[NOTE_BYTES];
		if (!in_block(block, row))
			continue;
		widen(&block->name_width, strlen(row->peer));
		weir_note(block, row, note);
		widen(&block->note_width, strlen(note));
		peer_note(block, row, note);
		widen(&block->note_width, strlen(note));
	}
}

static void print_head(const struct block *block, FILE *out)
{
	char head[40];
	int at = fprintf(out, "\n%s, %s", block->workload, block->unit) - 1;
	for (size_t c = 0; c < block->columns; c++) {
		snprintf(head, sizeof(head), "%u thread%s", block->threads[c], block->threads[c] == 1 ? "" : "s");
		fprintf(out, "%*s  %-*s", c ? VALUE_WIDTH : block->name_width + 2 + VALUE_WIDTH - at, head,
			block->note_width, head_note(block, block->threads[c]));
	}
	fprintf(out, "\n");
}

static void print_weir(const struct block *block, FILE *out)
{
	fprintf(out, "  %-*s", block->name_width, "weir");
	for (size_t c = 0; c < block->columns; c++) {
		const struct row *row = find(block, block->threads[c], NULL);
		char note[NOTE_BYTES];
		weir_note(block, row, note);
		print_value(&row->weir, out);
		fprintf(out, "  %-*s", block->note_width, note);
	}
	fprintf(out, "\n");
}

static void print_peer(const struct block *block, const char *peer, FILE *out)
{
	const char *reason = "";
	fprintf(out, "  %-*s", block->name_width, peer);
	for (size_t c = 0; c < block->columns; c++) {
		const struct row *row = find(block, block->threads[c], peer);
		char note[NOTE_BYTES] = "";
		if (row && row->state == ROW_MEASURED) {
			peer_note(block, row, note);
			print_value(&row->other, out);
		} else {
			fprintf(out, "%9s %6s", !row ? "-" : row->state == ROW_FAILED ? "failed" : "not run", "");
			reason = row && row->state == ROW_FAILED ? row->reason : reason;
		}
		fprintf(out, "  %-*s", block->note_width, note);
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
	measure_block(&block);
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
			fprintf(out, "failed: %s, %s, %u thread%s: %s\n", f->peer, f->workload, f->threads,
				f->threads == 1 ? "" : "s", f->why);
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

bool show_arrived(void)
{
	errno = 0;
	if (!fflush(stdout) && !ferror(stdout))
		return true;
	fprintf(stderr, "bench: standard output: %s\n", strerror(errno ? errno : EIO));
	return false;
}
