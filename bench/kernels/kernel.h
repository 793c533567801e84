/* SPDX-License-Identifier: MIT */
/*
 * kernel.h - what a kernel gives to the program around it, and what a runtime gives to the kernels.
 *
 * Holds:     a kernel has an input, the answer it must come to, and the serial pieces that all runtimes call. A form is
 *            one runtime's way to put the pieces together; each program links one form.
 * Invariant: an answer is compared with the reference after each measurement, outside the time that is measured.
 */
#ifndef KERNELS_KERNEL_H
#define KERNELS_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct matmul;
struct stencil;
struct queens;
struct uts;
struct sort;
struct cholesky;
struct spmv;
struct pipeline;

/* Each returns 0, or says on stderr what went wrong and returns 1. NULL: this runtime has no such kernel. */
struct form {
	const char *peer;
	const char *threads; /* what it is measured with, "1"; NULL: what the kernel says */
	bool admits;	     /* keeps within budget_bytes */
	/* budget_bytes: what tasks may hold together; 0: the kernel needs no memory to speak of */
	int (*open)(unsigned threads, uint64_t budget_bytes);
	void (*close)(void);
	int (*matmul)(struct matmul *matmul);
	int (*stencil)(struct stencil *stencil);
	int (*queens)(struct queens *queens);
	int (*uts)(struct uts *tree);
	int (*sort)(struct sort *sort);
	int (*cholesky)(struct cholesky *cholesky);
	int (*spmv)(struct spmv *spmv);
	int (*pipeline)(struct pipeline *pipeline);
};

extern const struct form form;

struct kernel {
	const char *name;
	const char *unit;
	const char *threads;	    /* what it is measured with, "1,2" */
	bool (*has)(void);	    /* has the form that is linked this kernel? */
	int (*prepare)(bool quick); /* make the input and the reference */
	void (*reset)(void);	    /* the input as it was, the answer of the last run gone; not measured */
	int (*run)(void);	    /* what is measured */
	int (*check)(void);	    /* 0: the answer is right */
	double (*units)(void);	    /* of work in a run; the value is ns by this */
	/* NULL, where there is nothing more: */
	uint64_t (*budget_bytes)(void);
	double (*also)(void); /* a second number, after all runs */
	const char *also_unit;
};

extern const struct kernel kernel_matmul, kernel_stencil, kernel_nqueens, kernel_uts_t1, kernel_uts_t3, kernel_sort,
	kernel_cholesky, kernel_spmv, kernel_pipeline;

/* For inputs: the n-th number of a sequence (splitmix64), the same on all machines. */
static inline uint64_t seeded(uint64_t seed, uint64_t n)
{
	uint64_t x = seed + (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Memory for inputs and answers, for the program's life; the program ends where there is none. */
void *lasting(uint64_t count, uint64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
