/* SPDX-License-Identifier: MIT */
/*
 * form.h - weir's forms of the kernels, and the pool that they run in.
 */
#ifndef KERNELS_WEIR_FORM_H
#define KERNELS_WEIR_FORM_H

#include <weir/weir.h>

#include "../kernel.h"

extern weir_pool *crew;

/* 0 for WEIR_OK; else says what weir answered, and 1. */
int answered(weir_status status);

int weir_matmul(struct matmul *matmul);
int weir_stencil(struct stencil *stencil);
int weir_queens(struct queens *queens);
int weir_uts(struct uts *tree);
int weir_sort(struct sort *sort);
int weir_cholesky(struct cholesky *cholesky);
int weir_spmv(struct spmv *spmv);
int weir_pipeline(struct pipeline *pipeline);

#endif
