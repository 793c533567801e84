/* SPDX-License-Identifier: MIT */
/*
 * counts.h - what admission decided, counted: one private counter set per thread, summed by who asks.
 */
#ifndef WEIR_RUNTIME_COUNTS_H
#define WEIR_RUNTIME_COUNTS_H

#include <weir/admission.h>

#include "private/tally.h"
#include "runtime/histogram.h"
#include "runtime/strategy.h"

/* Where the tally counts what. */
enum admission_counter {
	COUNT_DECISIONS = 0, /* [class][verdict][cause]; the class of an invalid demand may be none */
	COUNT_GRANTED_LATER = COUNT_DECISIONS + (WEIR_CLASSES + 1) * WEIR_VERDICTS * WEIR_CAUSES,
	COUNT_CANCELLED,
	COUNT_EXPIRED,
	COUNT_INFEASIBLE_LATER,
	COUNT_OVERTAKES,
	COUNT_CLAIMS,
	COUNT_STALLS,
	COUNT_FIRST_TRIES, /* of demands that do not wait */
	COUNT_RETRIES,	   /* those that say that they are */
	COUNT_RESERVATIONS,
	COUNT_RESERVATIONS_BOUND,
	COUNT_RESERVATIONS_RELEASED, /* before they were bound */
	COUNT_RESERVATIONS_EXPIRED,
	COUNT_WAIT,							 /* [class][HISTOGRAM_COUNTERS] */
	COUNT_DECIDING = COUNT_WAIT + WEIR_CLASSES * HISTOGRAM_COUNTERS, /* [HISTOGRAM_COUNTERS] */
	COUNT_GRANTS = COUNT_DECIDING + HISTOGRAM_COUNTERS,		 /* [node][kind of strategy]: grants there */
};

static inline uint32_t count_of_decision(uint32_t task_class, weir_verdict verdict, weir_cause cause)
{
	uint32_t row = task_class < WEIR_CLASSES ? task_class : WEIR_CLASSES;
	return COUNT_DECISIONS + (row * WEIR_VERDICTS + (uint32_t)verdict) * WEIR_CAUSES + (uint32_t)cause;
}

/* The decisions part of the public counts. */
void counts_sum_decisions(struct tally *tally, weir_admission_counts *out);

#endif
