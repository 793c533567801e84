/* SPDX-License-Identifier: MIT */
/*
 * tracker.c - refusals that stand: what the ledger says, once nothing lies in a credit.
 *
 * Holds:     nothing.
 * Invariant: L5  a refusal is true (ledger.c), with credits recalled (credits.c, K3).
 * Progress:  lock-free: looks again as often as others have ended what was under way; who is stopped in the middle of it is waited
 *            for by a bounded number of looks, then it is "contended".
 */
#include "runtime/tracker.h"

enum { LOOKS_MAX = 64 };

/* What is asked of the ledger. */
struct ask {
	struct weir_tracker *tracker;
	const struct packed *units;
	const struct elastic *elastic; /* NULL: just that much */
	const struct taken *more;      /* of a grant that grows; NULL: it is no such */
	const struct packed *floor;
	uint32_t place;
	int flags;
	struct taken *taken; /* NULL: only look */
	struct shortage *why;
	bool *waiters;
};

static enum ledger_answer ask_ledger(const struct ask *ask)
{
	struct ledger *ledger = &ask->tracker->ledger;
	if (ask->more)
		return ledger_take_more(ledger, ask->more, ask->floor, ask->waiters);
	if (ask->elastic)
		return ledger_take_elastic(ledger, ask->units, ask->elastic, ask->floor, ask->place, ask->flags,
					   ask->taken, ask->why, ask->waiters);
	if (ask->taken)
		return ledger_take(ledger, ask->units, ask->floor, ask->place, ask->flags, ask->taken, ask->why,
				   ask->waiters);
	return ledger_look(ledger, ask->units, ask->floor, ask->place, ask->why);
}

/* One look after another until one is worth something: the ledger takes, or refuses while the mode is ON and stays so. That
 * credits were in use again meanwhile was somebody's progress, and does not count against us. */
static enum ledger_answer ask_recalled(const struct ask *ask)
{
	struct credits *credits = &ask->tracker->credits;
	bool back = false;
	enum ledger_answer answer = LEDGER_CONTENDED;
	uint64_t turn = 0;
	for (int looks = 0; looks < LOOKS_MAX; looks++) {
		uint64_t mode = credits_recall(credits, &ask->tracker->ledger, &back);
		answer = ask_ledger(ask);
		if (!tracker_is_refusal(answer) || tracker_refusal_stands(ask->tracker, mode))
			break;
		answer = LEDGER_CONTENDED;
		looks = mode / (CREDITS_MODES + 1) == turn ? looks : 0;
		turn = mode / (CREDITS_MODES + 1);
		at_pause();
	}
	if (ask->why)
		ask->why->recalled = back;
	*ask->waiters |= back;
	return answer;
}

NOINLINE enum ledger_answer tracker_take_recalled(struct weir_tracker *tracker, const struct packed *units,
						  const struct elastic *elastic, const struct packed *floor,
						  uint32_t place, int flags, struct taken *taken, struct shortage *why,
						  bool *waiters)
{
	struct ask ask = {.tracker = tracker,
			  .units = units,
			  .elastic = elastic,
			  .floor = floor,
			  .place = place,
			  .flags = flags,
			  .taken = taken,
			  .why = why,
			  .waiters = waiters};
	return ask_recalled(&ask);
}

enum ledger_answer tracker_take_more(struct weir_tracker *tracker, const struct taken *more, const struct packed *floor,
				     bool *waiters)
{
	uint64_t mode = credits_mode(&tracker->credits);
	enum ledger_answer answer = ledger_take_more(&tracker->ledger, more, floor, waiters);
	if (!tracker_is_refusal(answer) || tracker_refusal_stands(tracker, mode))
		return answer;
	struct ask ask = {.tracker = tracker, .more = more, .floor = floor, .waiters = waiters};
	return ask_recalled(&ask);
}

enum ledger_answer tracker_look(struct weir_tracker *tracker, const struct packed *units, const struct packed *floor,
				uint32_t place, struct shortage *why, bool *waiters)
{
	uint64_t mode = credits_mode(&tracker->credits);
	enum ledger_answer answer = ledger_look(&tracker->ledger, units, floor, place, why);
	if (!tracker_is_refusal(answer) || tracker_refusal_stands(tracker, mode))
		return answer;
	struct ask ask = {
		.tracker = tracker, .units = units, .floor = floor, .place = place, .why = why, .waiters = waiters};
	return ask_recalled(&ask);
}

/* What of a node's units that are taken lies in credits. Read one after the other: what went from a credit to the ledger
 * meanwhile is not to be counted twice. */
static uint64_t kept_of(struct weir_tracker *tracker, uint32_t node, uint64_t held)
{
	uint64_t kept = credits_on(&tracker->credits, node), part = 0;
	for (int r = WEIR_CPU; kept && r < WEIR_COUNTED; r++) {
		weir_resource resource = (weir_resource)r;
		uint32_t most = word_get(held, resource), more = word_get(kept, resource);
		part |= word_put(resource, more < most ? more : most);
	}
	return part;
}

struct packed tracker_own_held(struct weir_tracker *tracker, uint32_t node)
{
	struct packed held = ledger_own_held(&tracker->ledger, node);
	held.main -= kept_of(tracker, node, held.main);
	return held;
}

struct packed tracker_own_spare(struct weir_tracker *tracker, uint32_t node)
{
	struct packed spare = ledger_own_spare(&tracker->ledger, node);
	spare.main += kept_of(tracker, node, ledger_own_limit(&tracker->ledger, node).main - spare.main);
	return spare;
}
