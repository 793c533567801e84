/* SPDX-License-Identifier: MIT */
/*
 * show.h - a report, as a table for people.
 */
#ifndef BENCH_SHOW_H
#define BENCH_SHOW_H

#include <stdio.h>

#include "report.h"

/* "1.71", "12.3", "1234": three digits, or all before the point. "-": not a number. */
void show_number(double value, char text[static 24]);

void show_table(const struct report *report, FILE *out);

/* Has all that was printed to standard output so far arrived? Says on standard error why not. */
bool show_arrived(void);

#endif
