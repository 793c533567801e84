/* SPDX-License-Identifier: MIT */
/*
 * json.h - report.json.
 */
#ifndef BENCH_JSON_H
#define BENCH_JSON_H

#include "report.h"

/* False: errno says why not. */
bool report_write_json(const struct report *report, const char *file);

/* What `compare` needs of a report that was kept. */
struct kept_row {
	char workload[NAME_BYTES];
	char peer[NAME_BYTES]; /* empty: none */
	char unit[UNIT_BYTES];
	uint32_t threads;
	double weir; /* NaN where it was not measured, here and below */
	double weir_spread;
	double ratio;
	double spread;
	bool noisy;
};

struct kept {
	char machine[320];
	char date[32];
	char commit[80];
	struct kept_row *rows;
	size_t count;
};

/* Owns: out->rows until free(), also after an error. False: *why says what is wrong. */
bool kept_read(struct kept *out, const char *file, char why[static WHY_BYTES]);

#endif
