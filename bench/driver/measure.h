/* SPDX-License-Identifier: MIT */
/*
 * measure.h - which programs are run beside which, how often, and in which order.
 */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include "noise.h"
#include "programs.h"
#include "promises.h"
#include "samples.h"

/* Run what the options choose (and begin to look for noise), all programs of a workload in turn in each round, telling on
 * standard error how far it is; what is promised is run in JUDGED_ROUNDS at least, unless the options say fewer.
 * Owns: *samples until samples_free(), also after an error. False: nothing to run; *why says what is wrong. */
bool measure(struct samples *samples, const struct programs *programs, const struct promises *promises,
	     const struct options *options, struct noise *noise, char why[static WHY_BYTES]);

#endif
