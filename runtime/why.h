/* SPDX-License-Identifier: MIT */
/*
 * why.h - why a waiter waits.
 */
#ifndef WEIR_RUNTIME_WHY_H
#define WEIR_RUNTIME_WHY_H

#include <weir/why.h>

#include "runtime/admission.h"

/* Fill in *out for the waiter, if it waits, or is held back, in the use that the ticket names. Errors: WEIR_ESTALE, WEIR_EINVAL
 * (out). Thread: any; never blocks. */
weir_status why_pending(struct weir_admission *admission, struct waiter *waiter, uint64_t ticket, weir_why *out);

/* The same of whoever is served next. False: nobody waits. */
bool why_first(struct weir_admission *admission, weir_why *out);

#endif
