/* SPDX-License-Identifier: MIT */
/*
 * reserve.h - room that is held ahead of a task, for a time.
 */
#ifndef WEIR_RESERVE_H
#define WEIR_RESERVE_H

#include <weir/admission.h>

WEIR_BEGIN_DECLS

/* Where a reservation is: HELD -> BOUND -> RELEASED, or HELD -> RELEASED, or HELD -> EXPIRED. */
typedef enum weir_reserved_state {
	WEIR_RESERVED_HELD = 0,	    /* its room is taken, and for nobody else */
	WEIR_RESERVED_BOUND = 1,    /* a task, or a grant, has it */
	WEIR_RESERVED_RELEASED = 2, /* its room is back: given back before it was used, or by whom it was bound to */
	WEIR_RESERVED_EXPIRED = 3   /* its time was over before it was used; its room is back */
} weir_reserved_state;

typedef struct weir_reserved {
	weir_reserved_state state;
	uint32_t node;	     /* its room is there, and so will its task be */
	weir_amount amount;  /* as it was taken */
	uint64_t expires_ns; /* by the admission's clock; UINT64_MAX: never */
} weir_reserved;

/* Take room for a demand now, to be used by a demand that names it (demand.reservation): that one starts at once, with all of
 * the room where it gives no amount, or as much as it says, which must not be more; the rest goes back. The class counts:
 * higher ones may use what floors keep from lower ones. When ttl_ns is over it goes back by itself.
 * demand: never waits, whatever it says. ttl_ns: from now, by the admission's clock; UINT64_MAX: until it is used or released.
 * Owns:    the room, in *out, until it is bound, released or expired; zero on error.
 * Errors:  WEIR_EAGAIN (no room now: the text says what is short), WEIR_EINFEASIBLE, WEIR_EFULL (reservations_max, or the
 *          tracker's grants_max), WEIR_EINVAL, WEIR_ESHUTDOWN (the pool was shut down, in either way), WEIR_ENOMEM.
 * Thread:  any; never blocks. */
WEIR_API WEIR_MUST_USE weir_status weir_reserve(weir_admission *admission, const weir_demand *demand, uint64_t ttl_ns,
						weir_reservation *out);

/* Give back what is held. Errors: WEIR_ESTALE (it has expired, or was released, before), WEIR_EBUSY (it is bound: it ends with
 * its task, or its grant), WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_reservation_release(weir_admission *admission, weir_reservation reservation);

/* What became of it. Errors: WEIR_ESTALE: it is over, and its place is used by another one; WEIR_EINVAL. Thread: any. */
WEIR_API weir_status weir_reservation_state(weir_admission *admission, weir_reservation reservation,
					    weir_reserved *out);

/* "held", "bound", "released", "expired". Thread: any. */
WEIR_API const char *weir_reserved_state_name(weir_reserved_state state);

WEIR_END_DECLS

#endif
