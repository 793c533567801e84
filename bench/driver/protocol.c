/* SPDX-License-Identifier: MIT */
/*
 * protocol.c - the two outputs of a benchmark program, taken apart word by word: nothing in them is trusted.
 *
 * Invariant: what is returned has names of the form that PROTOCOL.md says, finite values, and the workload and thread
 *            count that were asked for.
 * Together:  one thread.
 */
#include "protocol.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool protocol_is_name(const char *text, size_t bytes)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	return bytes > 0 && bytes < NAME_BYTES && strspn(text, allowed) >= bytes;
}

bool protocol_parse_counts(const char *text, size_t bytes, uint32_t *counts, uint32_t *count, bool *more)
{
	*count = 0;
	if (more)
		*more = false;
	for (size_t at = 0; at < bytes;) {
		uint64_t value = 0;
		size_t digits = 0;
		for (; at < bytes && text[at] >= '0' && text[at] <= '9' && value <= THREADS_MOST; at++, digits++)
			value = value * 10 + (uint64_t)(text[at] - '0');
		if (!digits || !value || value > THREADS_MOST || *count == COUNTS_MOST)
			return false;
		counts[(*count)++] = (uint32_t)value;
		if (more && at + 1 == bytes && text[at] == '+') {
			*more = true;
			return true;
		}
		if (at == bytes)
			return true;
		if (text[at++] != ',')
			return false;
	}
	return false;
}

static bool parse_offer(const char *line, size_t bytes, struct offer *offer)
{
	const char *space = memchr(line, ' ', bytes);
	if (!space || !protocol_is_name(line, (size_t)(space - line)))
		return false;
	memcpy(offer->workload, line, (size_t)(space - line));
	offer->workload[space - line] = '\0';
	const char *counts = space + 1;
	return protocol_parse_counts(counts, bytes - (size_t)(counts - line), offer->counts, &offer->counts_count,
				     &offer->more);
}

bool protocol_parse_list(const char *text, struct offers *offers, char why[static WHY_BYTES])
{
	*offers = (struct offers){0};
	for (const char *line = text; *line;) {
		size_t bytes = strcspn(line, "\n");
		struct offer *all = realloc(offers->all, (offers->count + 1) * sizeof(*all));
		if (!all)
			abort();
		offers->all = all;
		if (!parse_offer(line, bytes, &all[offers->count])) {
			snprintf(why, WHY_BYTES, "list: '%.*s' is no WORKLOAD THREADS[,THREADS...]",
				 bytes > 80 ? 80 : (int)bytes, line);
			free(offers->all);
			*offers = (struct offers){0};
			return false;
		}
		offers->count++;
		line += bytes + (line[bytes] == '\n');
	}
	if (!offers->count) {
		snprintf(why, WHY_BYTES, "list: it names no workload");
		return false;
	}
	return true;
}

bool protocol_offers(const struct offer *offer, uint32_t threads)
{
	for (uint32_t i = 0; i < offer->counts_count; i++)
		if (offer->counts[i] == threads)
			return true;
	return offer->more && threads > offer->counts[offer->counts_count - 1];
}

static bool copy_unit(const json_t *unit, char out[static UNIT_BYTES])
{
	const char *text = unit ? json_string_value(unit) : "ns";
	if (!text || !*text || strlen(text) >= UNIT_BYTES)
		return false;
	for (const char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			return false;
	strcpy(out, text);
	return true;
}

/* NULL, or what is wrong. */
static const char *take_row(const json_t *object, const char *workload, uint32_t threads, struct measured *row)
{
	const char *name = json_string_value(json_object_get(object, "workload"));
	const char *peer = json_string_value(json_object_get(object, "peer"));
	const json_t *count = json_object_get(object, "threads"), *value = json_object_get(object, "value");
	if (!name || strcmp(name, workload) != 0)
		return "not the workload that was asked for";
	if (!json_is_integer(count) || json_integer_value(count) != threads)
		return "not the threads that were asked for";
	if (!peer || !protocol_is_name(peer, strlen(peer)))
		return "no peer, or not a name";
	if (!json_is_number(value) || !isfinite(json_number_value(value)) || json_number_value(value) < 0)
		return "no value, or not a finite number that is not negative";
	if (!copy_unit(json_object_get(object, "unit"), row->unit))
		return "the unit is no short text";
	strcpy(row->workload, name);
	strcpy(row->peer, peer);
	row->threads = threads;
	row->value = json_number_value(value);
	return NULL;
}

bool protocol_parse_rows(const char *text, const char *workload, uint32_t threads, struct measured *rows, size_t *count,
			 char why[static WHY_BYTES])
{
	*count = 0;
	for (const char *line = text; *line;) {
		size_t bytes = strcspn(line, "\n");
		json_error_t error;
		json_t *object = json_loadb(line, bytes, JSON_REJECT_DUPLICATES, &error);
		const char *wrong = !json_is_object(object)	? "no JSON object"
				    : *count < OUTPUT_ROWS_MOST ? take_row(object, workload, threads, &rows[*count])
								: "too many rows";
		json_decref(object);
		if (wrong) {
			snprintf(why, WHY_BYTES, "%s: '%.*s'", wrong, bytes > 120 ? 120 : (int)bytes, line);
			return false;
		}
		(*count)++;
		line += bytes + (line[bytes] == '\n');
	}
	if (!*count)
		snprintf(why, WHY_BYTES, "ended well without a row");
	return *count > 0;
}
