/* SPDX-License-Identifier: MIT */
/*
 * machine.h - where and when something was measured.
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stddef.h>

/* "2 x AMD EPYC, Linux 6.1.0, gcc 12.2.0": cores that this process may use, processor, kernel, compiler of this program. */
void machine_line(char *text, size_t bytes);

/* "2026-11-23T20:03:00Z" */
void machine_date(char *text, size_t bytes);

/* The load averages of 1, 5 and 15 minutes; NaN where the system does not say. */
void machine_load(double load[static 3]);

#endif
