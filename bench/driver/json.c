/* SPDX-License-Identifier: MIT */
/*
 * json.c - a report as JSON, and back as far as it is compared. A number that there is not is null.
 *
 * Invariant: what report_write_json() writes, kept_read() reads; what it does not understand it refuses, and says what.
 * Together:  one thread.
 */
#include "json.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT = 1 };

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

/* Not UTF-8, as a program's message may be: what can be shown of it. */
static json_t *text(const char *bytes)
{
	json_t *string = json_string(bytes);
	if (string)
		return string;
	char *plain = strdup(bytes);
	for (char *c = plain; c && *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	string = plain ? json_string(plain) : json_null();
	free(plain);
	return string;
}

static const char *state_text(enum row_state state)
{
	static const char *const texts[] = {"measured", "not run", "failed"};
	return texts[state];
}

static json_t *row_object(const struct row *row)
{
	json_t *object = json_pack("{s:s, s:o, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:i, s:i, s:b}", "workload",
				   row->workload, "peer", *row->peer ? text(row->peer) : json_null(), "threads",
				   (int)row->threads, "unit", row->unit, "weir_ns", number(row->weir.median), "peer_ns",
				   number(row->other.median), "ratio", number(row->ratio.median), "spread",
				   number(row->ratio.spread), "weir_spread", number(row->weir.spread), "peer_spread",
				   number(row->other.spread), "state", state_text(row->state), "rounds",
				   (int)row->rounds, "noisy_rounds", (int)row->noisy_rounds, "noisy", row->noisy);
	if (object && *row->reason)
		json_object_set_new(object, "reason", text(row->reason));
	return object;
}

static json_t *judgement_object(const struct judgement *j)
{
	const struct promise *p = j->promise;
	json_t *object =
		json_pack("{s:s, s:i, s:o, s:s, s:s, s:o, s:o, s:s, s:b}", "workload", p->workload, "threads",
			  (int)j->threads, "peer", *p->peer ? text(p->peer) : json_null(), "of",
			  p->ratio ? "ratio" : "value", "unit", p->unit, "at_most", number(p->most), "measured",
			  number(j->measured), "verdict", report_verdict_text(j->verdict), "noisy", j->noisy);
	if (object && *j->reason)
		json_object_set_new(object, "reason", text(j->reason));
	return object;
}

static json_t *lists(const struct report *report)
{
	json_t *rows = json_array(), *judgements = json_array(), *peers = json_array(), *failures = json_array();
	for (size_t i = 0; i < report->rows_count; i++)
		json_array_append_new(rows, row_object(&report->rows[i]));
	for (size_t i = 0; i < report->judgements_count; i++)
		json_array_append_new(judgements, judgement_object(&report->judgements[i]));
	for (size_t i = 0; i < report->peers_count; i++)
		json_array_append_new(
			peers, json_pack("{s:s, s:s, s:o}", "name", report->peers[i].name, "state",
					 state_text(report->peers[i].state), "reason",
					 *report->peers[i].reason ? text(report->peers[i].reason) : json_null()));
	for (size_t i = 0; i < report->failures_count; i++) {
		const struct failure *f = &report->failures[i];
		json_array_append_new(failures,
				      json_pack("{s:s, s:s, s:i, s:o}", "peer", f->peer, "workload", f->workload,
						"threads", (int)f->threads, "reason", text(f->why)));
	}
	return json_pack("{s:o, s:o, s:o, s:o}", "rows", rows, "promises", judgements, "peers", peers, "failures",
			 failures);
}

bool report_write_json(const struct report *report, const char *file)
{
	const double *load = report->load_before;
	json_t *all = json_pack("{s:i, s:o, s:o, s:o, s:o, s:b, s:[o, o, o], s:b, s:o}", "format", FORMAT, "date",
				text(report->date), "machine", text(report->machine), "commit", text(report->commit),
				"weir", text(report->version), "quick", report->quick, "load_before", number(load[0]),
				number(load[1]), number(load[2]), "noisy", report->noisy, "disturbed",
				number(report->disturbed));
	json_t *rest = lists(report);
	if (!all || !rest || json_object_update(all, rest)) {
		json_decref(all);
		json_decref(rest);
		errno = ENOMEM;
		return false;
	}
	errno = 0;
	FILE *out = fopen(file, "w");
	bool good =
		out && json_dumpf(all, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) == 0 && fputc('\n', out) != EOF;
	if (out && fclose(out))
		good = false;
	json_decref(all);
	json_decref(rest);
	return good;
}

/* A number from 0 on; NAN where the report says that there is none. */
static bool number_at(const json_t *object, const char *key, double *out)
{
	const json_t *value = json_object_get(object, key);
	*out = json_is_number(value) ? json_number_value(value) : NAN;
	return !value || json_is_null(value) || *out >= 0;
}

static bool copy_at(const json_t *object, const char *key, char *out, size_t bytes)
{
	const char *string = json_string_value(json_object_get(object, key));
	return string && snprintf(out, bytes, "%s", string) < (int)bytes;
}

/* Returns NULL, or what is wrong with the row. */
static const char *read_row(const json_t *object, struct kept_row *row)
{
	const json_t *threads = json_object_get(object, "threads"), *peer = json_object_get(object, "peer");
	*row = (struct kept_row){.noisy = json_is_true(json_object_get(object, "noisy"))};
	if (!number_at(object, "weir_ns", &row->weir) || !number_at(object, "weir_spread", &row->weir_spread) ||
	    !number_at(object, "ratio", &row->ratio) || !number_at(object, "spread", &row->spread))
		return "has a weir_ns, weir_spread, ratio or spread that is no number from 0 on";
	if (!json_is_integer(threads) || json_integer_value(threads) < 1 || json_integer_value(threads) > THREADS_MOST)
		return "has no threads";
	row->threads = (uint32_t)json_integer_value(threads);
	if (!copy_at(object, "workload", row->workload, sizeof(row->workload)) ||
	    !copy_at(object, "unit", row->unit, sizeof(row->unit)) ||
	    (!json_is_null(peer) && !copy_at(object, "peer", row->peer, sizeof(row->peer))))
		return "has no workload, peer or unit";
	return NULL;
}

static bool read_rows(const json_t *all, struct kept *out, const char *file, char why[static WHY_BYTES])
{
	const json_t *rows = json_object_get(all, "rows");
	out->rows = calloc(json_array_size(rows) + 1, sizeof(*out->rows));
	if (!out->rows)
		abort();
	for (size_t i = 0; i < json_array_size(rows); i++) {
		const char *wrong = read_row(json_array_get(rows, i), &out->rows[out->count++]);
		if (wrong) {
			snprintf(why, WHY_BYTES, "%s: row %zu %s", file, i, wrong);
			return false;
		}
	}
	return true;
}

bool kept_read(struct kept *out, const char *file, char why[static WHY_BYTES])
{
	*out = (struct kept){0};
	json_error_t error;
	json_t *all = json_load_file(file, JSON_REJECT_DUPLICATES, &error);
	bool good = false;
	if (!all && error.line < 0)
		snprintf(why, WHY_BYTES, "%.160s: %.120s", file, error.text);
	else if (!all)
		snprintf(why, WHY_BYTES, "%.160s:%d: %.120s", file, error.line, error.text);
	else if (json_integer_value(json_object_get(all, "format")) != FORMAT ||
		 !json_is_array(json_object_get(all, "rows")) ||
		 !copy_at(all, "machine", out->machine, sizeof(out->machine)) ||
		 !copy_at(all, "date", out->date, sizeof(out->date)) ||
		 !copy_at(all, "commit", out->commit, sizeof(out->commit)))
		snprintf(why, WHY_BYTES, "%.160s: no report of tools/bench, or of another version", file);
	else
		good = read_rows(all, out, file, why);
	json_decref(all);
	return good;
}
