/* SPDX-License-Identifier: MIT */
/*
 * html.c - the page: head, promises, and for each workload and unit a plot and its table. The plots are plot.c's.
 *
 * Invariant: whatever comes from outside (names, units, reasons, machine, commit) goes through html_escape().
 * Together:  one thread.
 */
#include "html.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plot.h"
#include "show.h"

void html_escape(const char *text, FILE *out)
{
	for (const char *c = text; *c; c++) {
		if (*c == '&')
			fputs("&amp;", out);
		else if (*c == '<')
			fputs("&lt;", out);
		else if (*c == '>')
			fputs("&gt;", out);
		else if (*c == '"')
			fputs("&quot;", out);
		else if (*c == '\'')
			fputs("&#39;", out);
		else
			fputc((unsigned char)*c < ' ' || *c == 127 ? ' ' : *c, out);
	}
}

static const char style[] =
	":root{color-scheme:light dark;--back:#fdfdfc;--ink:#1c1c1a;--soft:#6b6b66;--line:#dcdcd6;--bar:#9aa5b1;"
	"--weir:#2b6cb0;--floor:#c9b458;--good:#2f7d32;--bad:#b3261e;--card:#f4f4f0}"
	"@media(prefers-color-scheme:dark){:root{--back:#161618;--ink:#e8e8e4;--soft:#9c9c96;--line:#38383c;"
	"--bar:#5d6875;--weir:#63a4e8;--floor:#a8943a;--good:#7cc47f;--bad:#f2857d;--card:#1f1f23}}"
	"body{background:var(--back);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem "
	"auto;"
	"padding:0 1rem}h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin:2.2rem 0 .3rem}"
	"p{margin:.3rem 0}.soft{color:var(--soft)}.kept{color:var(--good)}.missed{color:var(--bad);font-weight:600}"
	".warn{background:var(--card);border-left:4px solid var(--bad);padding:.5rem .8rem}"
	"table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem;margin:.4rem 0}"
	"th,td{padding:.15rem .8rem .15rem 0;text-align:right;border-bottom:1px solid var(--line)}"
	"th:first-child,td:first-child{text-align:left}th{font-weight:600}.scroll{overflow-x:auto}"
	"summary{cursor:pointer;color:var(--soft)}nav a{margin-right:.8rem;color:var(--weir)}"
	"svg{width:100%;height:auto;font:12px system-ui,sans-serif}svg text{fill:var(--ink)}"
	"svg .soft{fill:var(--soft)}.grid{stroke:var(--line)}.bar{fill:var(--bar)}.bar.weir{fill:var(--weir)}"
	".bar.floor{fill:var(--floor)}.whisker{stroke:var(--ink);stroke-width:1.5}";

static void paragraph(FILE *out, const char *kind, const char *before, const char *text)
{
	fprintf(out, "<p class=\"%s\">%s", kind, before);
	html_escape(text, out);
	fputs("</p>\n", out);
}

static void head(const struct report *report, FILE *out)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
	      "<title>weir beside other runtimes</title>\n<style>",
	      out);
	fputs(style, out);
	fputs("</style></head><body>\n<h1>weir beside other runtimes</h1>\n", out);
	paragraph(out, "", "", report->machine);
	fputs("<p class=\"soft\">", out);
	html_escape(report->date, out);
	fputs(", commit ", out);
	html_escape(report->commit, out);
	fputs(", weir ", out);
	html_escape(report->version, out);
	fprintf(out, "; load before: %.2f %.2f %.2f%s</p>\n", report->load_before[0], report->load_before[1],
		report->load_before[2], report->quick ? "; quick" : "");
	fputs("<p class=\"soft\">Medians over rounds in which all ran in turn; less is better. Whiskers are the "
	      "quartiles. A "
	      "ratio is weir's value over the peer's, round by round: below 1, weir is faster.</p>\n",
	      out);
	if (report->noisy)
		fprintf(out,
			"<p class=\"warn\">The machine was disturbed, by up to %.0f %%: what is marked noisy is not to "
			"be "
			"relied on.</p>\n",
			100 * report->disturbed);
}

static void promises(const struct report *report, FILE *out)
{
	if (!report->judgements_count)
		return;
	fprintf(out, "<h2>Promises: %zu kept, %zu missed, %zu not judged</h2>\n", report_count(report, KEPT),
		report_count(report, MISSED), report_count(report, NOT_JUDGED));
	fputs("<div class=\"scroll\"><table><tr><th>workload</th><th>threads</th><th>at most</th><th>measured</th>"
	      "<th></th></tr>\n",
	      out);
	for (size_t i = 0; i < report->judgements_count; i++) {
		const struct judgement *j = &report->judgements[i];
		char most[96], measured[24];
		report_promise_text(j->promise, most, sizeof(most));
		show_number(j->measured, measured);
		fputs("<tr><td>", out);
		html_escape(j->promise->workload, out);
		fprintf(out, "</td><td>%u</td><td>", j->threads);
		html_escape(most, out);
		fprintf(out, "</td><td>%s</td><td class=\"%s\">%s%s", measured,
			j->verdict == KEPT     ? "kept"
			: j->verdict == MISSED ? "missed"
					       : "soft",
			report_verdict_text(j->verdict), j->noisy && j->verdict != NOT_JUDGED ? " (noisy)" : "");
		if (*j->reason) {
			fputs(": ", out);
			html_escape(j->reason, out);
		}
		fputs("</td></tr>\n", out);
	}
	fputs("</table></div>\n", out);
}

static bool same_block(const struct row *a, const struct row *b)
{
	return strcmp(a->workload, b->workload) == 0 && strcmp(a->unit, b->unit) == 0;
}

static bool is_first(const struct report *report, const struct row *row)
{
	for (const struct row *before = report->rows; before < row; before++)
		if (same_block(before, row))
			return false;
	return true;
}

static void cell_of(const struct summary *s, FILE *out)
{
	char value[24];
	show_number(s->median, value);
	if (s->count && !isnan(s->spread))
		fprintf(out, "<td>%s <span class=\"soft\">&#177;%.0f %%</span></td>", value, 50 * s->spread);
	else if (s->count)
		fprintf(out, "<td>%s</td>", value);
	else
		fputs("<td>-</td>", out);
}

static void table(const struct report *report, const struct row *first, FILE *out)
{
	fputs("<details><summary>numbers</summary><div "
	      "class=\"scroll\"><table><tr><th>peer</th><th>threads</th><th>weir</th>"
	      "<th>peer</th><th>weir / peer</th><th>rounds</th><th></th></tr>\n",
	      out);
	for (const struct row *row = first; row < report->rows + report->rows_count; row++) {
		if (!same_block(first, row))
			continue;
		const struct judgement *j = report_judgement(report, row);
		fputs("<tr><td>", out);
		html_escape(*row->peer ? row->peer : "(nobody)", out);
		fprintf(out, "</td><td>%u</td>", row->threads);
		cell_of(&row->weir, out);
		cell_of(&row->other, out);
		cell_of(&row->ratio, out);
		fprintf(out, "<td>%u%s</td><td class=\"%s\">", row->rounds, row->noisy ? ", noisy" : "",
			j && j->verdict == MISSED ? "missed"
			: j && j->verdict == KEPT ? "kept"
						  : "soft");
		if (row->state != ROW_MEASURED) {
			fputs(row->state == ROW_FAILED ? "failed: " : "not run: ", out);
			html_escape(row->reason, out);
		} else if (j) {
			fputs(report_verdict_text(j->verdict), out);
		}
		fputs("</td></tr>\n", out);
	}
	fputs("</table></div></details>\n", out);
}

static void workload(const struct report *report, const struct row *first, FILE *out)
{
	fputs("<h2 id=\"", out);
	html_escape(first->workload, out);
	fputs("\">", out);
	html_escape(first->workload, out);
	fputs(" <span class=\"soft\">", out);
	html_escape(first->unit, out);
	fputs("</span></h2>\n", out);
	plot_write(report, first, out);
	table(report, first, out);
}

static void foot(const struct report *report, FILE *out)
{
	fputs("<h2>Not run, failed</h2>\n", out);
	bool any = false;
	for (size_t i = 0; i < report->peers_count; i++)
		if (report->peers[i].state == ROW_NOT_RUN) {
			fputs("<p>not run: ", out);
			html_escape(report->peers[i].name, out);
			paragraph(out, "soft", "", report->peers[i].reason);
			any = true;
		}
	for (size_t i = 0; i < report->failures_count; i++) {
		fputs("<p class=\"missed\">failed: ", out);
		html_escape(report->failures[i].peer, out);
		fputs(" ", out);
		html_escape(report->failures[i].workload, out);
		paragraph(out, "soft", "", report->failures[i].why);
		any = true;
	}
	if (!any)
		paragraph(out, "soft", "", "All programs ran.");
	fputs("</body></html>\n", out);
}

bool html_write(const struct report *report, const char *file)
{
	errno = 0;
	FILE *out = fopen(file, "w");
	if (!out)
		return false;
	head(report, out);
	fputs("<nav>", out);
	for (size_t i = 0; i < report->rows_count; i++)
		if (is_first(report, &report->rows[i]) &&
		    (!i || strcmp(report->rows[i - 1].workload, report->rows[i].workload) != 0)) {
			fputs("<a href=\"#", out);
			html_escape(report->rows[i].workload, out);
			fputs("\">", out);
			html_escape(report->rows[i].workload, out);
			fputs("</a>\n", out); /* a blank, so that the line can break */
		}
	fputs("</nav>\n", out);
	promises(report, out);
	for (size_t i = 0; i < report->rows_count; i++)
		if (is_first(report, &report->rows[i]))
			workload(report, &report->rows[i], out);
	foot(report, out);
	bool good = !ferror(out);
	return fclose(out) == 0 && good;
}
