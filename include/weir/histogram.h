/* SPDX-License-Identifier: MIT */
/*
 * histogram.h - how long things took: counts by powers of two.
 */
#ifndef WEIR_HISTOGRAM_H
#define WEIR_HISTOGRAM_H

#include <weir/base.h>

WEIR_BEGIN_DECLS

#define WEIR_BUCKETS 32
#define WEIR_BUCKET_NS UINT64_C(128) /* the bound of bucket 0: each next one is twice as wide; the last has none */

typedef struct weir_histogram {
	uint64_t count; /* the sum of the buckets */
	uint64_t sum_ns;
	uint64_t bucket[WEIR_BUCKETS]; /* bucket[i]: times below weir_histogram_bound_ns(i) and not in an earlier one */
} weir_histogram;

/* The upper bound of a bucket: 128 ns, 256 ns, ... 4.6 min; UINT64_MAX for the last. Thread: any. */
WEIR_API uint64_t weir_histogram_bound_ns(uint32_t bucket);

/* An upper bound of the given quantile, 0.99 for the 99th percentile: the bound of the bucket in which it lies, so at
 * most twice the true one. 0 where nothing was counted. Thread: any. */
WEIR_API uint64_t weir_histogram_quantile_ns(const weir_histogram *histogram, double quantile);

WEIR_END_DECLS

#endif
