/* SPDX-License-Identifier: MIT */
/*
 * keeper.h - a thread that does what is due, and sleeps until something is.
 */
#ifndef WEIR_RUNTIME_KEEPER_H
#define WEIR_RUNTIME_KEEPER_H

#include "runtime/admission.h"

struct keeper;

/* Start it, named weir/keeper. period_ns: between looks at rates and pressure while something is held or waits.
 * Owns:    *out until keeper_stop(). Errors: WEIR_ENOMEM, WEIR_ESYSTEM. */
weir_status keeper_start(struct keeper **out, struct weir_admission *admission, uint64_t period_ns);

/* Returns when it has ended. NULL: nothing happens. */
void keeper_stop(struct keeper *keeper);

#endif
