/* SPDX-License-Identifier: MIT */
/*
 * counts.c - what admission decided, counted.
 *
 * Holds:     nothing; the tally is admission's.
 * Invariant: A3  every ask ends in exactly one counted first verdict.
 */
#include "runtime/counts.h"

#include <string.h>

#include "private/error.h"
#include "private/log.h"
#include "private/rcu.h"
#include "runtime/admission.h"

void admission_count(struct weir_admission *admission, weir_class task_class, const weir_decision *decision)
{
	tally_add(&admission->tally, count_of_decision((uint32_t)task_class, decision->verdict, decision->cause), 1);
	if (decision->verdict != WEIR_ADMITTED && unlikely(at_load(&log_level, relaxed, none) >= WEIR_LOG_DEBUG)) {
		char text[256];
		weir_decision_text(decision, text, sizeof(text));
		log_write(WEIR_LOG_DEBUG, "admission: %s", text);
	}
}

void counts_sum_decisions(struct tally *tally, weir_admission_counts *out)
{
	for (uint32_t k = 0; k <= WEIR_CLASSES; k++)
		for (uint32_t v = 0; v < WEIR_VERDICTS; v++)
			for (uint32_t c = 0; c < WEIR_CAUSES; c++) {
				uint64_t count = tally_sum(tally, count_of_decision(k, (weir_verdict)v, (weir_cause)c));
				out->cause[v][c] += count;
				out->verdict[v] += count;
				out->asked += count;
				if (k < WEIR_CLASSES)
					out->by_class[k][v] += count;
			}
}

weir_status weir_admission_counts_get(weir_admission *admission, weir_admission_counts *out)
{
	if (!admission || !out)
		return error_set(WEIR_EINVAL, "%s is NULL", admission ? "out" : "admission");
	if (out->size != sizeof(*out))
		return error_set(WEIR_EINVAL, "out->size is %zu: set it to sizeof(weir_admission_counts), %zu",
				 out->size, sizeof(*out));
	*out = (weir_admission_counts){.size = sizeof(*out)};
	struct tally *tally = &admission->tally;
	counts_sum_decisions(tally, out);
	out->cancelled = tally_sum(tally, COUNT_CANCELLED);
	out->expired = tally_sum(tally, COUNT_EXPIRED);
	out->infeasible_later = tally_sum(tally, COUNT_INFEASIBLE_LATER);
	out->overtakes = tally_sum(tally, COUNT_OVERTAKES);
	out->claims = tally_sum(tally, COUNT_CLAIMS);
	out->stalls = tally_sum(tally, COUNT_STALLS);
	out->first_tries = tally_sum(tally, COUNT_FIRST_TRIES);
	out->retries = tally_sum(tally, COUNT_RETRIES);
	out->reservations = tally_sum(tally, COUNT_RESERVATIONS);
	out->reservations_bound = tally_sum(tally, COUNT_RESERVATIONS_BOUND);
	out->reservations_released = tally_sum(tally, COUNT_RESERVATIONS_RELEASED);
	out->reservations_expired = tally_sum(tally, COUNT_RESERVATIONS_EXPIRED);
	uint64_t waiting = at_load(&admission->waiting, relaxed, none), taken = chains_taken(admission);
	out->granted_later = tally_sum(tally, COUNT_GRANTED_LATER) + taken;
	out->waiting = waiting > taken ? waiting - taken : 0;
	out->waiting_max_seen = at_load(&admission->waiting_max_seen, relaxed, none);
	rcu_enter();
	/* ORDER(strategy): acquire, as in admission_rank(). */
	out->strategy_epoch = at_load(&admission->strategy, acquire, strategy)->epoch;
	rcu_leave();
	return WEIR_OK;
}
