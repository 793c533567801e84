/* SPDX-License-Identifier: MIT */
/*
 * stall.h - what is said when the room has been full for long.
 */
#ifndef WEIR_RUNTIME_STALL_H
#define WEIR_RUNTIME_STALL_H

#include <stdbool.h>
#include <stdint.h>

#define STALL_NS WEIR_NS_PER_S

struct weir_admission;

/* Belongs to whoever ticks. */
struct stall {
	uint64_t since_ns; /* somebody has waited at every look since then; 0: nobody waits */
	bool said;
};

/* A look, once a period. */
void stall_look(struct weir_admission *admission, uint64_t now_ns);

#endif
