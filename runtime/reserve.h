/* SPDX-License-Identifier: MIT */
/*
 * reserve.h - room that is held ahead of a task. A reservation's room is a grant in the book from the beginning.
 */
#ifndef WEIR_RUNTIME_RESERVE_H
#define WEIR_RUNTIME_RESERVE_H

#include <weir/reserve.h>

#include "runtime/admission.h"

/* The waiter's demand names a reservation: it becomes the waiter's grant, cut down to the demand's amounts if it has any; the
 * waiter's units are then what it got. decision is ADMITTED, or REJECTED as INVALID. *kick: as admission_ask().
 * Errors:  WEIR_ESTALE (expired, released or bound before), WEIR_EINVAL (it does not fit in it; its home is another). */
weir_status reserve_bind(struct weir_admission *admission, struct waiter *waiter, weir_decision *decision, bool *kick);

/* Give back all whose time is over; say when the next one's is. */
void reserve_expire(struct weir_admission *admission);

/* Give back all that are held, and make no more: the pool is shut down. Settles. */
void reserve_close(struct weir_admission *admission);

/* Give back all that are held: nobody uses admission any more. */
void reserve_fini(struct weir_admission *admission);

#endif
