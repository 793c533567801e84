/* SPDX-License-Identifier: MIT */
/*
 * check.h - invariants that hold or end the program.
 *
 * CHECK stays in release builds: it stands where going on would hand out what is not there. DEBUG_CHECK is for the dear
 * ones. Both name the invariant (docs/invariants.md).
 */
#ifndef WEIR_PRIVATE_CHECK_H
#define WEIR_PRIVATE_CHECK_H

#include "private/compiler.h"

_Noreturn COLD void check_failed(const char *invariant, const char *condition, const char *file, int line);

#define CHECK(invariant, condition)                                                                                    \
	do {                                                                                                           \
		if (unlikely(!(condition)))                                                                            \
			check_failed(invariant, #condition, __FILE__, __LINE__);                                       \
	} while (0)

#ifdef NDEBUG
#define DEBUG_CHECK(invariant, condition) ((void)0)
#else
#define DEBUG_CHECK(invariant, condition) CHECK(invariant, condition)
#endif

#endif
