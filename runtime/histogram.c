/* SPDX-License-Identifier: MIT */
/*
 * histogram.c - times by powers of two, summed and asked for quantiles.
 *
 * Holds:     nothing.
 * Invariant: U1  a histogram's count is the sum of its buckets.
 */
#include "runtime/histogram.h"

#include <math.h>

void histogram_sum(struct tally *tally, uint32_t first, weir_histogram *out)
{
	*out = (weir_histogram){.sum_ns = tally_sum(tally, first + WEIR_BUCKETS)};
	for (uint32_t i = 0; i < WEIR_BUCKETS; i++) {
		out->bucket[i] = tally_sum(tally, first + i);
		out->count += out->bucket[i];
	}
}

uint64_t weir_histogram_bound_ns(uint32_t bucket)
{
	return bucket < WEIR_BUCKETS - 1 ? WEIR_BUCKET_NS << bucket : UINT64_MAX;
}

uint64_t weir_histogram_quantile_ns(const weir_histogram *histogram, double quantile)
{
	if (!histogram || !histogram->count)
		return 0;
	double wanted = ceil(quantile * (double)histogram->count);
	uint64_t seen = 0;
	for (uint32_t i = 0; i < WEIR_BUCKETS; i++) {
		seen += histogram->bucket[i];
		if (seen && (double)seen >= wanted)
			return weir_histogram_bound_ns(i);
	}
	return UINT64_MAX;
}
