/* SPDX-License-Identifier: MIT */
/*
 * controller.c - admission's public face, usable without a pool: tickets, switches.
 *
 * Holds:     tickets: waiters that are no tasks, in type-stable slots. A ticket's number is slot and generation, so
 *            that an old one is known for what it is.
 * Invariant: C1  a ticket's function is called exactly once, with a grant or without.
 * Not here:  deciding (admission.c), the room (kick.c), decisions in words (words.c).
 */
#include <stdlib.h>
#include <string.h>

#include "private/error.h"
#include "runtime/reserve.h"
#include "runtime/slots.h"
#include "runtime/why.h"

enum { TICKET_BYTES = 512, TICKETS_MAX = 1 << 20 };

struct ticket {
	struct slot_link slot;
	uint32_t index;
	struct waiter waiter;
	struct weir_admission *admission;
	weir_granted_fn granted;
	void *context;
};

_Static_assert(sizeof(struct ticket) <= TICKET_BYTES, "a ticket fits its slot");

static void init_ticket(void *slot, uint32_t number, uint64_t generation)
{
	struct ticket *ticket = slot;
	ticket->index = number;
	at_init(&ticket->waiter.state, generation * WAITER_STATES + WAITER_NEW);
}

weir_status weir_admission_create(weir_admission **out, weir_tracker *tracker, const weir_admission_options *options)
{
	static const weir_admission_options none = {.size = sizeof(weir_admission_options)};
	if (!out)
		return error_set(WEIR_EINVAL, "out is NULL");
	*out = NULL;
	if (!tracker)
		return error_set(WEIR_EINVAL, "tracker is NULL");
	struct weir_admission *admission = aligned_alloc(CACHE_LINE, sizeof(*admission));
	if (!admission)
		return error_set(WEIR_ENOMEM, "no memory for admission");
	weir_status status = admission_init(admission, tracker, options ? options : &none);
	if (status) {
		free(admission);
		return status;
	}
	status = slots_create(&admission->tickets, TICKETS_MAX, TICKET_BYTES, init_ticket);
	admission->waiters[0].slots = admission->tickets;
	admission->waiters[0].offset = offsetof(struct ticket, waiter);
	struct weir_admission *nobody = NULL;
	/* ORDER(attach): release, pairs with the acquire in tracker_api.c: whoever kicks sees it made. */
	if (!status && !at_cas(&tracker->admission, &nobody, admission, release, relaxed, attach))
		status = error_set(WEIR_EBUSY, "the tracker has an admission controller already");
	if (status) {
		slots_destroy(admission->tickets);
		admission_fini(admission);
		free(admission);
		return status;
	}
	*out = admission;
	return WEIR_OK;
}

weir_status weir_admission_destroy(weir_admission *admission)
{
	if (!admission)
		return WEIR_OK;
	uint64_t waiting = at_load(&admission->waiting, relaxed, none);
	if (waiting)
		return error_set(WEIR_EBUSY, "%llu demands wait: cancel them first", (unsigned long long)waiting);
	if (at_load(&admission->users, relaxed, none))
		return error_set(WEIR_EBUSY, "a pool or a scheduler is built on it: destroy that first");
	at_store(&admission->tracker->admission, NULL, relaxed, none);
	reserve_fini(admission);
	slots_destroy(admission->tickets);
	admission_fini(admission);
	free(admission);
	return WEIR_OK;
}

/* Tickets. ------------------------------------------------------------------------------------------------------- */

static void ticket_decided(struct waiter *waiter)
{
	struct ticket *ticket = container_of(waiter, struct ticket, waiter);
	bool granted = waiter_state(waiter) == WAITER_GRANTED;
	weir_granted_fn fn = ticket->granted;
	void *context = ticket->context;
	uint64_t number = waiter_ticket(&ticket->waiter, ticket->index);
	weir_grant grant = granted ? waiter->grant : (weir_grant){0};
	weir_cause cause = waiter->cause;
	uint32_t node = waiter->node;
	slots_put(ticket->admission->tickets, ticket->index);
	fn(number, grant, node, cause, context);
}

static struct ticket *make_ticket(struct weir_admission *admission, weir_granted_fn granted, void *context)
{
	uint32_t index = slots_get(admission->tickets);
	if (index == SLOTS_NONE)
		return NULL;
	struct ticket *ticket = slots_at(admission->tickets, index, admission->tickets->slot_shift);
	ticket->admission = admission;
	ticket->granted = granted;
	ticket->context = context;
	return ticket;
}

static weir_decision refuse(struct weir_admission *admission, const weir_demand *demand, weir_cause cause)
{
	weir_decision decision = {.verdict = WEIR_REJECTED, .cause = cause, .retry_after_ns = UINT64_MAX};
	if (admission)
		admission_count(admission, demand ? demand->task_class : WEIR_NORMAL, &decision);
	return decision;
}

weir_decision weir_admission_admit(weir_admission *admission, const weir_demand *demand, weir_granted_fn granted,
				   void *context)
{
	if (!admission) {
		(void)error_set(WEIR_EINVAL, "admission is NULL");
		return refuse(NULL, NULL, WEIR_CAUSE_INVALID);
	}
	struct ticket *ticket = make_ticket(admission, granted, context);
	if (!ticket)
		return refuse(admission, demand, WEIR_CAUSE_QUEUE_FULL);
	if (admission_prepare(admission, &ticket->waiter, demand)) {
		slots_put(admission->tickets, ticket->index);
		return refuse(admission, demand, WEIR_CAUSE_INVALID);
	}
	ticket->waiter.decided = ticket_decided;
	waiter_renew(&ticket->waiter);
	uint64_t number = waiter_ticket(&ticket->waiter, ticket->index);
	weir_decision decision;
	bool kick;
	if (unlikely(demand->reservation.handle))
		(void)reserve_bind(admission, &ticket->waiter, &decision, &kick);
	else
		admission_ask(admission, &ticket->waiter, granted != NULL, &decision, &kick);
	if (decision.verdict == WEIR_QUEUED)
		decision.ticket = number;
	else
		slots_put(admission->tickets, ticket->index);
	if (kick)
		admission_settle(admission);
	return decision;
}

weir_status weir_admission_release(weir_admission *admission, weir_grant grant)
{
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	bool waiters = false;
	weir_status status = admission_give(admission, grant, &waiters);
	if (waiters)
		admission_settle(admission);
	return status;
}

weir_status weir_admission_cancel(weir_admission *admission, uint64_t number)
{
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	struct ticket *ticket = slots_find(admission->tickets, ticket_slot(number), admission->tickets->slot_shift);
	if (!ticket || !admission_cancel(admission, &ticket->waiter, number))
		return error_set(WEIR_ESTALE,
				 "ticket %#llx does not wait: it was granted, cancelled or given up before, or is not "
				 "of this admission",
				 (unsigned long long)number);
	admission_settle(admission);
	return WEIR_OK;
}

weir_status weir_admission_why_pending(weir_admission *admission, uint64_t ticket, weir_why *out)
{
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	struct ticket *one = slots_find(admission->tickets, ticket_slot(ticket), admission->tickets->slot_shift);
	return why_pending(admission, one ? &one->waiter : NULL, ticket, out);
}

/* Switches. ------------------------------------------------------------------------------------------------------ */

weir_status weir_admission_set_strategy(weir_admission *admission, const weir_strategy *strategy)
{
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	weir_status status = admission_set_strategy(admission, strategy);
	if (!status)
		admission_settle(admission);
	return status;
}

weir_tracker *weir_admission_tracker(weir_admission *admission)
{
	return admission ? admission->tracker : NULL;
}
