/* SPDX-License-Identifier: MIT */
/*
 * tick.c - what admission does when a time has come, rather than when somebody asks or gives back.
 *
 * Holds:     the next time of each kind of thing, and the token of who does them.
 * Invariant: X3  a time that was said to be due is not passed over: it stays in due_ns until somebody who saw it does it.
 * Progress:  a tick never waits for another: who does not get the token leaves a note for its holder, as in kick.c.
 * Together:  tick and due, from any thread.
 * Not here:  who sleeps until then (keeper.c), the things themselves.
 *
 * A time is only ever made earlier (admission_due()), which wakes the sleeper; doing a thing takes its time out first, and it
 * says the next one. So what became due earlier meanwhile is either seen by who does the thing, or stays for the next look.
 * A thing that looks at plain state orders it by a token of its own (the room), and says its time at the end of every look.
 * What is not due any more (a waiter that was granted in time) costs one look for nothing.
 *
 * The period (rates, pressure) goes on while something is held or waits, or a delay is shown. It ends after two periods without:
 * the first clears `awake`, and whoever takes room and finds it so starts the period again; who took before that store was
 * visible shows as held at the second.
 */
#include "private/error.h"
#include "runtime/reserve.h"

#define PERIOD_NS_DEFAULT (100 * WEIR_NS_PER_MS)

enum { TICK_IDLE, TICK_BUSY, TICK_AGAIN };

void admission_tick_init(struct weir_admission *admission)
{
	for (int what = 0; what < DUES; what++)
		at_init(&admission->due_ns[what], UINT64_MAX);
	at_init(&admission->ticking, TICK_IDLE);
	at_init(&admission->awake, 0);
	park_init(&admission->alarm);
	admission->period_ns = PERIOD_NS_DEFAULT;
}

void admission_due(struct weir_admission *admission, enum admission_due what, uint64_t when_ns)
{
	/* ORDER(due): seq_cst, with do_what_is_due(): what the thing looks at was changed before, its time is taken out before it
	 * looks: so it sees our change, or we see that its time is gone. Relaxed on success: the wake that follows orders it for
	 * the sleeper, whose next ticket sees it (P1). */
	uint64_t due_ns = at_load(&admission->due_ns[what], seq_cst, due);
	while (when_ns < due_ns)
		if (at_cas_weak(&admission->due_ns[what], &due_ns, when_ns, relaxed, relaxed, none)) {
			park_wake(&admission->alarm);
			return;
		}
}

uint64_t admission_next_ns(const struct weir_admission *admission)
{
	uint64_t next = UINT64_MAX;
	for (int what = 0; what < DUES; what++) {
		uint64_t due_ns = at_load(&admission->due_ns[what], relaxed, none);
		next = due_ns < next ? due_ns : next;
	}
	return next;
}

void admission_rouse(struct weir_admission *admission)
{
	/* ORDER(awake): acquire, pairs with the release in do_period(): if it ended the period, we see its time gone. */
	if (!at_swap(&admission->awake, 1, acquire, awake))
		admission_due(admission, DUE_PERIOD, clock_now_ns(&admission->clock) + admission->period_ns);
}

static bool is_idle(struct weir_admission *admission)
{
	return !at_load(&admission->waiting, relaxed, none) && !book_count(admission->tracker->book);
}

/* The sums are not read at one instant: a mean may be off by what was granted between. Returns whether a delay is shown: whoever
 * was granted after they were read is told in the next period, and that is not to stay. */
static bool tell_monitor(struct weir_admission *admission)
{
	if (!admission->monitor)
		return false;
	uint64_t granted = tally_sum(&admission->tally, COUNT_GRANTED_LATER), waited_ns = 0;
	for (uint32_t k = 0; k < WEIR_CLASSES; k++)
		waited_ns += tally_sum(&admission->tally, COUNT_WAIT + k * HISTOGRAM_COUNTERS + WEIR_BUCKETS);
	uint64_t delay_ns = queue_delay_next(&admission->queue_delay, granted, waited_ns,
					     at_load(&admission->waiting, relaxed, none), admission->period_ns);
	weir_monitor_note_queue_delay(admission->monitor, delay_ns);
	return delay_ns != 0;
}

static void do_period(struct weir_admission *admission, uint64_t now_ns)
{
	rates_sample(&admission->rates, admission->tracker->book, now_ns);
	bool delayed = tell_monitor(admission);
	gate_period(admission);
	stall_look(admission, now_ns);
	bool idle = !delayed && is_idle(admission) && gate_is_at_rest(admission);
	/* ORDER(awake): release, pairs with the acquire in admission_rouse(): who finds the period ended starts it. */
	if (at_swap(&admission->awake, !idle, release, awake) || !idle)
		admission_due(admission, DUE_PERIOD, now_ns + admission->period_ns);
}

static void do_thing(struct weir_admission *admission, enum admission_due what, uint64_t now_ns)
{
	switch (what) {
	case DUE_ROOM:
		admission_settle(admission);
		break;
	case DUE_RESERVATIONS:
		reserve_expire(admission);
		break;
	case DUE_PERIOD:
		do_period(admission, now_ns);
		break;
	case DUES:
		break;
	}
}

static void do_what_is_due(struct weir_admission *admission)
{
	uint64_t now_ns = clock_now_ns(&admission->clock);
	for (int what = 0; what < DUES; what++) {
		if (at_load(&admission->due_ns[what], relaxed, none) > now_ns)
			continue;
		/* ORDER(due): seq_cst, with admission_due(): its time goes before the thing is looked at. */
		at_swap(&admission->due_ns[what], UINT64_MAX, seq_cst, due);
		do_thing(admission, (enum admission_due)what, now_ns);
	}
}

void admission_tick(struct weir_admission *admission)
{
	/* ORDER(tick): acq_rel, on all: what the last holder did is seen by the next, and a note's time by who acts on it. */
	if (at_swap(&admission->ticking, TICK_AGAIN, acq_rel, tick) != TICK_IDLE)
		return;
	uint32_t busy;
	do {
		at_swap(&admission->ticking, TICK_BUSY, acq_rel, tick);
		do_what_is_due(admission);
		busy = TICK_BUSY;
	} while (!at_cas(&admission->ticking, &busy, TICK_IDLE, acq_rel, acquire, tick));
}

weir_status weir_admission_tick(weir_admission *admission, uint64_t *next_ns)
{
	if (!admission)
		return error_set(WEIR_EINVAL, "admission is NULL");
	admission_tick(admission);
	if (next_ns)
		*next_ns = admission_next_ns(admission);
	return WEIR_OK;
}
