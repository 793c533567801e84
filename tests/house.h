/* SPDX-License-Identifier: MIT */
/* house.h - for tests: a tracker and its admission on a clock that stands still unless a test moves it, and who was
 * told what. */
#ifndef TESTS_HOUSE_H
#define TESTS_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture.h"
#include "runtime/admission.h"

#define MIB (UINT64_C(1) << 20)
#define BIT(resource) (UINT32_C(1) << (resource))

static const char two_nodes[] = "numa:2 core:4 pu:1";

static uint64_t now_ns;

static inline uint64_t virtual_now(void *context)
{
	(void)context;
	return now_ns;
}

struct house {
	weir_tracker *tracker;
	weir_admission *admission;
};

static inline void build(struct house *house, const weir_tracker_options *on, weir_admission_options options)
{
	now_ns = 1;
	options.size = sizeof(options);
	options.clock = (weir_clock){.now_ns = virtual_now};
	if (weir_tracker_create(&house->tracker, on) ||
	    weir_admission_create(&house->admission, house->tracker, &options))
		fail_msg("%s", weir_error_text());
}

static inline weir_admission_counts counts_of(const struct house *house)
{
	weir_admission_counts counts = {.size = sizeof(counts)};
	assert_int_equal(weir_admission_counts_get(house->admission, &counts), WEIR_OK);
	return counts;
}

/* A3: the first verdicts sum to what was asked, by cause and by class; whoever queued was granted, was
 * cancelled, gave up or waits. And at the end A2: nobody waits, so no word says so; L2: everything is back. */
static inline void pull_down(struct house *house, uint64_t asked)
{
	weir_admission_counts counts = counts_of(house);
	uint64_t verdicts = 0, classes = 0, invalid = counts.cause[WEIR_REJECTED][WEIR_CAUSE_INVALID];
	for (int v = 0; v < WEIR_VERDICTS; v++) {
		uint64_t causes = 0;
		for (int c = 0; c < WEIR_CAUSES; c++)
			causes += counts.cause[v][c];
		assert_int_equal(causes, counts.verdict[v]);
		verdicts += counts.verdict[v];
		for (int k = 0; k < WEIR_CLASSES; k++)
			classes += counts.by_class[k][v];
	}
	assert_int_equal(verdicts, counts.asked);
	assert_int_equal(counts.asked, asked);
	assert_in_range(classes, counts.asked - invalid, counts.asked);
	assert_int_equal(counts.granted_later + counts.cancelled + counts.expired + counts.infeasible_later +
				 counts.waiting,
			 counts.verdict[WEIR_QUEUED]);
	assert_int_equal(counts.waiting, 0);
	const struct ledger *ledger = &house->tracker->ledger;
	for (uint32_t w = 0; w < ledger->words; w++)
		assert_int_equal(at_load(&ledger->word[w].spare, relaxed, none) & ~WORD_SEQ, ledger->word[w].limit);
	assert_int_equal(weir_tracker_audit(house->tracker), WEIR_OK);
	assert_int_equal(weir_admission_destroy(house->admission), WEIR_OK);
	assert_int_equal(weir_tracker_destroy(house->tracker), WEIR_OK);
}

static inline weir_grant admit(struct house *house, const weir_demand *demand)
{
	weir_decision decision = weir_admission_admit(house->admission, demand, NULL, NULL);
	if (!decision.allowed) {
		char text[256];
		weir_decision_text(&decision, text, sizeof(text));
		fail_msg("%s", text);
	}
	return decision.grant;
}

static inline void release(struct house *house, weir_grant grant)
{
	assert_int_equal(weir_admission_release(house->admission, grant), WEIR_OK);
}

/* Those who waited, in the order in which they were told. */
enum { TOLD_MAX = 512 };

struct told {
	uint64_t ticket;
	weir_grant grant;
	uint32_t node;
	weir_cause cause;
	const void *context;
};

static struct told told[TOLD_MAX];
static uint32_t told_count;

static inline void tell(uint64_t ticket, weir_grant grant, uint32_t node, weir_cause cause, void *context)
{
	assert_true(told_count < TOLD_MAX);
	told[told_count++] = (struct told){ticket, grant, node, cause, context};
}

static inline weir_decision queue(struct house *house, const weir_demand *demand, void *context)
{
	weir_decision decision = weir_admission_admit(house->admission, demand, tell, context);
	assert_int_equal(decision.verdict, WEIR_QUEUED);
	assert_false(decision.allowed);
	assert_int_equal(decision.retry_after_ns, 0);
	return decision;
}

static inline void assert_says(const weir_decision *decision, const char *words)
{
	char text[256];
	size_t length = weir_decision_text(decision, text, sizeof(text));
	assert_int_equal(length, strlen(text));
	if (!strstr(text, words))
		fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static inline void assert_refused(weir_decision decision, weir_verdict verdict, weir_cause cause, const char *words)
{
	if (decision.verdict != verdict || decision.cause != cause)
		fail_msg("%s: %s, not %s: %s", weir_verdict_name(decision.verdict), weir_cause_name(decision.cause),
			 weir_verdict_name(verdict), weir_cause_name(cause));
	assert_false(decision.allowed);
	assert_int_equal(decision.grant.handle, 0);
	assert_says(&decision, weir_verdict_name(verdict));
	assert_says(&decision, words);
}

static inline weir_decision ask(struct house *house, const weir_demand *demand)
{
	return weir_admission_admit(house->admission, demand, NULL, NULL);
}

#endif
