/* SPDX-License-Identifier: MIT */
/*
 * promises.c - read the file of promises.
 *
 * Invariant: what is returned can be judged: a ratio has a peer, a limit is above 0.
 * Together:  one thread.
 * Not here:  whether they are kept (report.c).
 */
#include "promises.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "1.05" or "1/0.97". False: neither, or not above 0. */
static bool parse_limit(const char *text, double *limit)
{
	char *end;
	*limit = strtod(text, &end);
	if (end != text && *end == '/') {
		const char *below = end + 1;
		double divisor = strtod(below, &end);
		if (end == below || !(divisor > 0))
			return false;
		*limit /= divisor;
	}
	return end != text && !*end && isfinite(*limit) && *limit > 0;
}

static bool copy_name(const char *text, char out[static NAME_BYTES])
{
	if (!protocol_is_name(text, strlen(text)))
		return false;
	strcpy(out, text);
	return true;
}

/* NULL, or what is wrong. */
static const char *parse_promise(char *line, struct promise *promise)
{
	char *field[5], *rest = line;
	for (int i = 0; i < 5; i++) {
		rest += strspn(rest, " \t");
		field[i] = rest;
		rest += strcspn(rest, " \t");
		if (rest == field[i])
			return "workload, threads, against, what, at most";
		if (*rest)
			*rest++ = '\0';
	}
	rest += strspn(rest, " \t");
	uint32_t count = 1;
	*promise = (struct promise){.ratio = strcmp(field[3], "ratio") == 0};
	if (!copy_name(field[0], promise->workload))
		return "no name of a workload";
	if (strcmp(field[1], "*") != 0 &&
	    (!protocol_parse_counts(field[1], strlen(field[1]), &promise->threads, &count, NULL) || count != 1))
		return "threads are a count, or *";
	if (strcmp(field[2], "-") != 0 && !copy_name(field[2], promise->peer))
		return "no name of a peer, and not -";
	if (!promise->ratio && strcmp(field[3], "value") != 0)
		return "neither ratio nor value";
	if (promise->ratio != (promise->peer[0] != '\0'))
		return "a ratio is against a peer, a value against none";
	if (!parse_limit(field[4], &promise->most))
		return "the limit is no number above 0, and no quotient";
	if (strlen(rest) >= UNIT_BYTES)
		return "the unit is too long";
	strcpy(promise->unit, *rest ? rest : "ns");
	return NULL;
}

bool promises_read(struct promises *out, const char *file, char why[static WHY_BYTES])
{
	*out = (struct promises){0};
	FILE *in = fopen(file, "r");
	if (!in) {
		snprintf(why, WHY_BYTES, "%s: %s", file, strerror(errno));
		return false;
	}
	char *line = NULL;
	size_t room = 0, number = 0;
	const char *wrong = NULL;
	while (!wrong && getline(&line, &room, in) >= 0) {
		number++;
		size_t bytes = strcspn(line, "#\n");
		while (bytes && isspace((unsigned char)line[bytes - 1]))
			bytes--;
		line[bytes] = '\0';
		if (!*line)
			continue;
		struct promise *more = realloc(out->all, (out->count + 1) * sizeof(*more));
		if (!more)
			abort();
		out->all = more;
		wrong = parse_promise(line, &more[out->count]);
		out->count += !wrong;
	}
	free(line);
	fclose(in);
	if (wrong)
		snprintf(why, WHY_BYTES, "%s:%zu: %s", file, number, wrong);
	return !wrong;
}
