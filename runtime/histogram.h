/* SPDX-License-Identifier: MIT */
/*
 * histogram.h - times by powers of two, kept in a tally.
 */
#ifndef WEIR_RUNTIME_HISTOGRAM_H
#define WEIR_RUNTIME_HISTOGRAM_H

#include <weir/histogram.h>

#include "private/tally.h"

enum { HISTOGRAM_COUNTERS = WEIR_BUCKETS + 1 }; /* the buckets, then the sum */

/* Bucket i holds times below WEIR_BUCKET_NS << i that are not below the bound before. */
static inline uint32_t histogram_bucket(uint64_t ns)
{
	if (ns < WEIR_BUCKET_NS)
		return 0;
	uint32_t bucket = 64 - (uint32_t)__builtin_clzll(ns / WEIR_BUCKET_NS);
	return bucket < WEIR_BUCKETS ? bucket : WEIR_BUCKETS - 1;
}

/* first: the tally's counter of bucket 0. */
static inline void histogram_add(struct tally *tally, uint32_t first, uint64_t ns)
{
	tally_add(tally, first + histogram_bucket(ns), 1);
	tally_add(tally, first + WEIR_BUCKETS, ns);
}

void histogram_sum(struct tally *tally, uint32_t first, weir_histogram *out);

#endif
