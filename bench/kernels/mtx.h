/* SPDX-License-Identifier: MIT */
/*
 * mtx.h - sparse matrices from Matrix Market files (Boisvert, Pozo, Remington, "The Matrix Market Exchange Formats", 1996).
 *
 * Read are coordinate matrices, real, integer or pattern, general or symmetric. The other half of a symmetric one is filled
 * in, a pattern's entries are 1, entries of the same place stay beside each other (a product adds them up).
 */
#ifndef KERNELS_MTX_H
#define KERNELS_MTX_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* By rows, in a row as in the file. */
struct mtx {
	int64_t rows, columns, entries;
	int64_t *row_begin; /* rows + 1 of them: row r has entries [row_begin[r], row_begin[r + 1]) */
	int32_t *column;    /* from 0 */
	double *value;
};

/* More is refused before memory is asked for. 0: the default. */
struct mtx_limits {
	int64_t rows_max;    /* and columns; 100,000,000; at most 2,147,483,647 */
	int64_t entries_max; /* after symmetric ones are filled in; 1,000,000,000 */
};

/* Read a matrix. name: of the file, for messages. limits: NULL for the defaults.
 * Owns:    *out until mtx_free().
 * Returns: 0; else -1, and `error` says what is wrong in which line and what would do. *out is then empty. */
int mtx_read(FILE *file, const char *name, const struct mtx_limits *limits, struct mtx *out, char *error, size_t size);

void mtx_free(struct mtx *matrix);

#endif
