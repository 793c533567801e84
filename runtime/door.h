/* SPDX-License-Identifier: MIT */
/*
 * door.h - what the holder of the room's token does, in several files: the scan (kick.c), who leaves without a grant (leave.c),
 * whom room is kept for (claim.c), who is lent to whom grants are handed on (chain.c). Nobody else may call these.
 */
#ifndef WEIR_RUNTIME_DOOR_H
#define WEIR_RUNTIME_DOOR_H

#include "runtime/admission.h"

/* kick.c: a waiter was decided, and goes into the batch; it is out of the lists already. */
void door_deliver(struct weir_admission *admission, struct waiter *waiter, struct batch *batch);

/* kick.c: out of the room's lists, and of all that is noted about it. */
void door_unlist(struct weir_admission *admission, struct waiter *waiter);

/* kick.c: the holder's note to himself: credits came back that may be room for somebody who was tried before. */
void door_look_again(struct weir_admission *admission);

/* kick.c, for chain.c: fill a hand with those who need just what a grant on a place holds, or else give it back.
 * *kick: call admission_settle_rest(). Takes the token by itself. */
enum handing {
	HANDING_ON,    /* there is somebody in the hand */
	HANDING_GIVEN, /* there is not, and the grant was given back */
	HANDING_STALE, /* it was not live */
	HANDING_BUSY,  /* somebody else has the token, nothing was done */
};
enum handing door_fill_hand(struct weir_admission *admission, struct hand *hand, uint32_t place, weir_grant grant,
			    struct batch *batch, bool *kick);

/* leave.c: fetch what arrived, and send away who leaves without a grant. */
void leave_and_fetch(struct weir_admission *admission, struct batch *batch);

/* leave.c: if a waiter in the lists was cancelled, by itself or with its group, take it out. */
bool leave_if_cancelled(struct weir_admission *admission, struct waiter *waiter, struct batch *batch);

/* claim.c: forget the claim, if there is one. */
void claim_drop(struct weir_admission *admission);

/* claim.c: before a scan's tries: the place may be permitted no more, or the limits have come down there. */
void claim_check(struct weir_admission *admission);

/* claim.c: after a scan's tries: whom is room kept for? True: it was kept for another, and what that one had is open. */
bool claim_update(struct weir_admission *admission);

/* claim.c: grant those whom holders of grants wait for, if only the claim keeps their room from them. */
void claim_let_pass(struct weir_admission *admission, struct batch *batch);

/* claim.c: somebody of a class was granted, past the heads of all classes. */
void claim_note_overtaken(struct weir_admission *admission, uint32_t service, const struct waiter *granted);

/* claim.c: so many of a class were handed a grant: before all of their own class and of higher ones, past those of lower. */
void claim_note_handed(struct weir_admission *admission, uint32_t service, uint32_t times);

#endif
