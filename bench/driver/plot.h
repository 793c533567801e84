/* SPDX-License-Identifier: MIT */
/*
 * plot.h - bars of all peers for a workload, as SVG inside a page.
 */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include <stdio.h>

#include "report.h"

/* All rows of the first one's workload and unit, fastest on top, a group for each thread count; with the quartiles as
 * whiskers. Beyond a factor of 20 between them the scale is logarithmic, and says so. */
void plot_write(const struct report *report, const struct row *first, FILE *out);

#endif
