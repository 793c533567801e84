/* SPDX-License-Identifier: MIT */
/*
 * membarrier.h - the only home of the membarrier system call: a full memory barrier in every thread of this process, which
 * the caller alone pays for. So an owner may store and then load without any, where somebody else seldom looks.
 *
 * The owner:          store mine; at_signal_fence(); load theirs.
 * Who looks, seldom:  store theirs; membarrier_all(); load mine.
 * One of the two loads sees the other's store. The owner's fence keeps the compiler from turning the two round.
 */
#ifndef WEIR_PRIVATE_MEMBARRIER_H
#define WEIR_PRIVATE_MEMBARRIER_H

#include <stdbool.h>

/* May this process use it? Asks the kernel and registers, once. False (EPERM, ENOSYS): who would do without a barrier must
 * not. Thread: any. */
bool membarrier_ready(void);

/* Only where membarrier_ready() said true. Ends the program if the kernel has changed its mind since, as liburcu does: what
 * was built on it cannot be had otherwise. Takes microseconds: every running thread of the process is interrupted. */
void membarrier_all(void);

#endif
