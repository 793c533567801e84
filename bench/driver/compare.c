/* SPDX-License-Identifier: MIT */
/*
 * compare.c - is B slower than A?
 *
 * The spread of a median is taken as its quartiles' distance; two medians differ where they lie further apart than both
 * spreads, added as squares, and than COMPARE_LEAST.
 *
 * Together: one thread.
 */
#include "compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "show.h"
#include "stats.h"

static bool is_same(const struct kept_row *a, const struct kept_row *b, bool with_peer)
{
	return a->threads == b->threads && strcmp(a->workload, b->workload) == 0 && strcmp(a->unit, b->unit) == 0 &&
	       (!with_peer || strcmp(a->peer, b->peer) == 0);
}

/* The row with a value, from `at` on. */
static const struct kept_row *find(const struct kept *in, const struct kept_row *like, bool by_ratio, size_t most)
{
	for (size_t i = 0; i < most; i++)
		if (is_same(&in->rows[i], like, by_ratio) && !isnan(by_ratio ? in->rows[i].ratio : in->rows[i].weir))
			return &in->rows[i];
	return NULL;
}

static double spread_of(const struct kept_row *row, bool by_ratio)
{
	return by_ratio ? row->spread : row->weir_spread;
}

/* -1: faster, 0: the same, 1: slower. */
static int tell(const struct kept_row *a, const struct kept_row *b, bool by_ratio, FILE *out)
{
	double before = by_ratio ? a->ratio : a->weir, after = by_ratio ? b->ratio : b->weir;
	double change = before > 0 ? after / before - 1 : after > 0 ? INFINITY : 0;
	double joint = stats_joint_spread(spread_of(a, by_ratio), spread_of(b, by_ratio));
	double least = isnan(joint) ? NAN : fmax(joint, COMPARE_LEAST);
	int verdict = change > least ? 1 : change < -least ? -1 : 0;
	char first[24], second[24], spread[24] = "-";
	show_number(before, first);
	show_number(after, second);
	if (!isnan(least))
		snprintf(spread, sizeof(spread), "+-%.1f %%", 100 * least);
	fprintf(out, "%-19s %3u %-15s %-13s %9s %9s  %+7.1f %%  %9s%s%s\n", a->workload, a->threads, a->unit,
		by_ratio ? a->peer : "", first, second, 100 * change, spread,
		verdict > 0    ? "  SLOWER"
		: verdict < 0  ? "  faster"
		: isnan(least) ? "  one round says nothing"
			       : "",
		a->noisy || b->noisy ? "  (noisy)" : "");
	return verdict;
}

/* What is told once: with a value, and not with another peer's row before. */
static bool is_told(const struct kept *in, size_t at, bool by_ratio)
{
	const struct kept_row *row = &in->rows[at];
	return !isnan(by_ratio ? row->ratio : row->weir) && !find(in, row, by_ratio, at);
}

/* Of one report alone. */
static void tell_alone(const struct kept_row *row, bool by_ratio, bool is_new, FILE *out)
{
	char value[24];
	show_number(by_ratio ? row->ratio : row->weir, value);
	fprintf(out, "%-19s %3u %-15s %-13s %9s %9s  %s\n", row->workload, row->threads, row->unit,
		by_ratio ? row->peer : "", is_new ? "-" : value, is_new ? value : "-", is_new ? "new" : "gone");
}

struct compared compare(const struct kept *a, const struct kept *b, FILE *out)
{
	bool by_ratio = strcmp(a->machine, b->machine) != 0;
	fprintf(out, "A: %s, commit %s, %s\nB: %s, commit %s, %s\n", a->date, a->commit, a->machine, b->date, b->commit,
		b->machine);
	fprintf(out, by_ratio ? "Not the same machine: weir's ratios to its peers are compared, not its times.\n"
			      : "The same machine: weir's values are compared.\n");
	fprintf(out, "\n%-19s %3s %-15s %-13s %9s %9s  %9s  %9s\n", "workload", "thr", "unit",
		by_ratio ? "weir over" : "", "A", "B", "change", "spread");
	struct compared result = {0};
	for (size_t i = 0; i < a->count; i++) {
		const struct kept_row *row = &a->rows[i];
		if (!is_told(a, i, by_ratio))
			continue;
		const struct kept_row *other = find(b, row, by_ratio, b->count);
		if (!other) {
			tell_alone(row, by_ratio, false, out);
			result.gone++;
			continue;
		}
		int verdict = tell(row, other, by_ratio, out);
		result.both++;
		result.slower += verdict > 0;
		result.faster += verdict < 0;
	}
	for (size_t i = 0; i < b->count; i++)
		if (is_told(b, i, by_ratio) && !find(a, &b->rows[i], by_ratio, a->count)) {
			tell_alone(&b->rows[i], by_ratio, true, out);
			result.news++;
		}
	fprintf(out, "\n%zu compared: %zu slower, %zu faster; %zu gone (in A alone), %zu new (in B alone)\n",
		result.both, result.slower, result.faster, result.gone, result.news);
	return result;
}

int compare_main(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0)) {
		printf("Usage: bench compare A.json B.json\nTell what is slower in B than in A by more than the spread "
		       "of "
		       "both. Exit status: 0 nothing, 1 something, 2 no such reports, or nothing that is in both.\n");
		return 0;
	}
	if (argc != 3) {
		fprintf(stderr, "bench: compare: give two reports: compare A.json B.json\n");
		return EXIT_WRONG;
	}
	struct kept kept[2];
	memset(kept, 0, sizeof(kept));
	char why[WHY_BYTES];
	int status = 0;
	for (int i = 0; i < 2 && !status; i++)
		if (!kept_read(&kept[i], argv[i + 1], why)) {
			fprintf(stderr, "bench: compare: %s\n", why);
			status = EXIT_WRONG;
		}
	if (!status) {
		struct compared result = compare(&kept[0], &kept[1], stdout);
		status = !show_arrived() || !result.both ? EXIT_WRONG : result.slower ? EXIT_MISSED : 0;
	}
	free(kept[0].rows);
	free(kept[1].rows);
	return status;
}
