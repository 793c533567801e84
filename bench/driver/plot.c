/* SPDX-License-Identifier: MIT */
/*
 * plot.c - one plot. Colours are the page's, so that it is readable in light and dark.
 *
 * Together: one thread.
 */
#include "plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "show.h"

enum { WIDTH = 760, LEFT = 130, RIGHT = 90, LINE = 22, HEAD = 24, FOOT = 26, LOG_FACTOR = 20, NAME_FITS = 17 };

struct bar {
	const char *name;
	uint32_t threads;
	const struct summary *summary;
	bool ours;
};

struct plot {
	struct bar *bars;
	size_t count;
	size_t groups; /* of thread counts */
	double low;    /* of the axis */
	double high;
	bool logarithmic;
};

static int by_threads_and_value(const void *a, const void *b)
{
	const struct bar *x = a, *y = b;
	if (x->threads != y->threads)
		return x->threads < y->threads ? -1 : 1;
	return (x->summary->median > y->summary->median) - (x->summary->median < y->summary->median);
}

static void add_bar(struct plot *plot, const char *name, const struct row *row, const struct summary *summary,
		    bool ours)
{
	if (!summary->count)
		return;
	for (size_t i = 0; i < plot->count; i++)
		if (plot->bars[i].threads == row->threads && plot->bars[i].ours && ours)
			return;
	plot->bars[plot->count++] = (struct bar){name, row->threads, summary, ours};
}

static void scale(struct plot *plot)
{
	double least = INFINITY, most = 0;
	for (size_t i = 0; i < plot->count; i++) {
		if (plot->bars[i].summary->median > 0)
			least = fmin(least, plot->bars[i].summary->median);
		most = fmax(most, plot->bars[i].summary->high);
	}
	plot->logarithmic = isfinite(least) && most / least > LOG_FACTOR;
	plot->high = most > 0 ? most : 1;
	if (plot->logarithmic)
		plot->low = pow(10, floor(log10(least / 1.5)));
	else
		plot->low = 0;
}

static double x_of(const struct plot *plot, double value)
{
	double part = plot->logarithmic ? value > plot->low ? log(value / plot->low) / log(plot->high / plot->low) : 0
					: value / plot->high;
	return LEFT + fmin(fmax(part, 0), 1) * (WIDTH - LEFT - RIGHT);
}

static void tick(const struct plot *plot, double value, double bottom, FILE *out)
{
	char text[24];
	double x = x_of(plot, value);
	show_number(value, text);
	fprintf(out,
		"<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"4\" y2=\"%.1f\"/><text class=\"soft\" x=\"%.1f\" "
		"y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
		x, x, bottom, x, bottom + 14, text);
}

static void axis(const struct plot *plot, double bottom, FILE *out)
{
	if (plot->logarithmic) {
		for (double value = plot->low; value <= plot->high; value *= 10)
			tick(plot, value, bottom, out);
		fprintf(out, "<text class=\"soft\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">logarithmic</text>\n",
			WIDTH - 2, bottom + 14);
		return;
	}
	double step = pow(10, floor(log10(plot->high)));
	if (plot->high / step < 2)
		step /= 4;
	else if (plot->high / step < 5)
		step /= 2;
	for (int i = 0; step * i <= plot->high; i++)
		tick(plot, step * i, bottom, out);
}

static void draw_bar(const struct plot *plot, const struct bar *bar, double y, FILE *out)
{
	char value[24];
	double from = LEFT, to = x_of(plot, bar->summary->median), end = x_of(plot, bar->summary->high);
	show_number(bar->summary->median, value);
	fprintf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\"%s", LEFT - 8, y + 14,
		bar->ours ? " font-weight=\"700\"" : "");
	if (strlen(bar->name) > NAME_FITS) /* squeezed, or it would leave the picture */
		fprintf(out, " textLength=\"%d\" lengthAdjust=\"spacingAndGlyphs\"", LEFT - 10);
	fputs(">", out);
	html_escape(bar->name, out);
	fprintf(out, "</text><rect class=\"bar%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>",
		bar->ours			  ? " weir"
		: strcmp(bar->name, "floor") == 0 ? " floor"
						  : "",
		from, y + 3, fmax(to - from, 1), LINE - 7);
	if (bar->summary->high > bar->summary->low)
		fprintf(out, "<line class=\"whisker\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
			x_of(plot, bar->summary->low), end, y + 10.5, y + 10.5);
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\">%s</text>\n", fmax(to, end) + 6, y + 14, value);
}

static void draw(const struct plot *plot, FILE *out)
{
	double height = (double)(plot->count * LINE + plot->groups * HEAD + FOOT);
	fprintf(out, "<svg viewBox=\"0 0 %d %.0f\" role=\"img\" aria-label=\"bars\">\n", WIDTH, height);
	axis(plot, height - FOOT, out);
	double y = 0;
	for (size_t i = 0; i < plot->count; i++) {
		if (!i || plot->bars[i].threads != plot->bars[i - 1].threads) {
			fprintf(out, "<text class=\"soft\" x=\"0\" y=\"%.1f\">%u thread%s</text>\n", y + 17,
				plot->bars[i].threads, plot->bars[i].threads == 1 ? "" : "s");
			y += HEAD;
		}
		draw_bar(plot, &plot->bars[i], y, out);
		y += LINE;
	}
	fputs("</svg>\n", out);
}

void plot_write(const struct report *report, const struct row *first, FILE *out)
{
	struct plot plot = {.bars = calloc(2 * report->rows_count, sizeof(*plot.bars))};
	if (!plot.bars)
		abort();
	for (const struct row *row = first; row < report->rows + report->rows_count; row++) {
		if (strcmp(row->workload, first->workload) != 0 || strcmp(row->unit, first->unit) != 0)
			continue;
		add_bar(&plot, "weir", row, &row->weir, true);
		if (*row->peer)
			add_bar(&plot, row->peer, row, &row->other, false);
	}
	qsort(plot.bars, plot.count, sizeof(*plot.bars), by_threads_and_value);
	for (size_t i = 0; i < plot.count; i++)
		plot.groups += !i || plot.bars[i].threads != plot.bars[i - 1].threads;
	scale(&plot);
	if (plot.count)
		draw(&plot, out);
	free(plot.bars);
}
