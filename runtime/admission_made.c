/* SPDX-License-Identifier: MIT */
/*
 * admission_made.c - admission's beginning and end, and the strategy in use.
 *
 * Holds:     the strategy and its switch.
 * Progress:  a switch of strategies waits for the readers of the one before.
 * Together:  switches, among themselves and with asking; init and fini exclude all.
 * Not here:  asking (admission.c), rules and policy (gate.c).
 */
#include "runtime/admission.h"

#include <stdlib.h>
#include <string.h>

#include "private/error.h"
#include "private/rcu.h"

enum {
	WAITING_MAX_DEFAULT = 1 << 20,
	OVERTAKES_MAX_DEFAULT = 64,
	AGING_OVERTAKES_DEFAULT = 256,
	RESERVATIONS_MAX_DEFAULT = 1 << 16
};
#define OVERTAKEN_NS_MAX_DEFAULT (5 * WEIR_NS_PER_MS)
#define AGING_NS_MAX_DEFAULT (100 * WEIR_NS_PER_MS)

static struct strategy_box *make_box(const weir_strategy *strategy, uint64_t epoch)
{
	struct strategy_box *box = malloc(sizeof(*box));
	if (box)
		*box = (struct strategy_box){.strategy = *strategy, .epoch = epoch};
	return box;
}

static weir_status check_options(const weir_admission_options *options)
{
	if (options->size != sizeof(*options))
		return error_set(WEIR_EINVAL, "options.size is %zu: use WEIR_ADMISSION_OPTIONS() or set it to %zu",
				 options->size, sizeof(*options));
	if (options->reservations_max > SLOTS_MAX)
		return error_set(WEIR_EINVAL, "options.reservations_max is %u: give at most %d",
				 options->reservations_max, SLOTS_MAX);
	if (options->strategy && !options->strategy->score)
		return error_set(WEIR_EINVAL, "options.strategy has no score function");
	return gate_check_rules("options.rule", options->rule);
}

weir_status admission_init(struct weir_admission *admission, struct weir_tracker *tracker,
			   const weir_admission_options *options)
{
	weir_status status = check_options(options);
	if (status)
		return status;
	memset(admission, 0, sizeof(*admission));
	const struct limits *limits = &tracker->ledger.limits;
	uint32_t nodes = limits->nodes;
	admission->tracker = tracker;
	admission->waiting_max = options->waiting_max ? options->waiting_max : WAITING_MAX_DEFAULT;
	admission->overtakes_max = options->overtakes_max ? options->overtakes_max : OVERTAKES_MAX_DEFAULT;
	admission->overtaken_ns_max = options->overtaken_ns_max ? options->overtaken_ns_max : OVERTAKEN_NS_MAX_DEFAULT;
	admission->aging_overtakes = options->aging_overtakes ? options->aging_overtakes : AGING_OVERTAKES_DEFAULT;
	admission->aging_ns_max = options->aging_ns_max ? options->aging_ns_max : AGING_NS_MAX_DEFAULT;
	admission->clock = options->clock;
	admission->claimed_place = NO_NODE;
	at_init(&admission->gates, 0);
	admission_tick_init(admission);
	admission->reservations_max = options->reservations_max ? options->reservations_max : RESERVATIONS_MAX_DEFAULT;
	budget_init(&admission->budget, options->retry_permille ? options->retry_permille : BUDGET_PERMILLE_DEFAULT,
		    clock_now_ns(&options->clock));
	const weir_strategy *strategy = options->strategy ? options->strategy : WEIR_FIRST_FIT;
	at_init(&admission->strategy, make_box(strategy, 0));
	at_init(&admission->strategy_kind, strategy_kind(strategy));
	admission->wait_at = calloc(nodes, sizeof(*admission->wait_at));
	admission->rank = calloc(nodes, sizeof(*admission->rank));
	admission->permitted = calloc(nodes, sizeof(*admission->permitted));
	bool room = room_init(&admission->room, nodes);
	room &= chains_init(admission, nodes);
	bool tally = tally_init(&admission->tally, COUNT_GRANTS + nodes * STRATEGY_KINDS);
	bool rates = !rates_init(&admission->rates, nodes, clock_now_ns(&options->clock));
	if (!at_load(&admission->strategy, relaxed, none) || !admission->wait_at || !admission->rank ||
	    !admission->permitted || !room || !tally || !rates) {
		admission_fini(admission);
		return error_set(WEIR_ENOMEM, "no memory for admission");
	}
	status = gate_init(admission, options);
	if (status)
		admission_fini(admission);
	return status;
}

void admission_fini(struct weir_admission *admission)
{
	free(at_load(&admission->strategy, relaxed, none));
	gate_fini(admission);
	free(admission->wait_at);
	free(admission->rank);
	free(admission->permitted);
	room_fini(&admission->room);
	chains_fini(admission);
	tally_fini(&admission->tally);
	rates_fini(&admission->rates);
}

/* Of several who switch at once the last to note it has looked behind the last switch. In an RCU section. */
static void note_kind(struct weir_admission *admission, const struct strategy_box *box)
{
	for (const struct strategy_box *noted = NULL; noted != box;) {
		noted = box;
		/* ORDER(strategy): seq_cst, all three: kind, then a look at the box; another's box, then its kind. */
		at_swap(&admission->strategy_kind, strategy_kind(&noted->strategy), seq_cst, strategy);
		box = at_load(&admission->strategy, seq_cst, strategy);
	}
}

weir_status admission_set_strategy(struct weir_admission *admission, const weir_strategy *strategy)
{
	if (!strategy || !strategy->score)
		return error_set(WEIR_EINVAL, "strategy is NULL or has no score function");
	struct strategy_box *box = make_box(strategy, 0);
	if (!box)
		return error_set(WEIR_ENOMEM, "no memory for a strategy");
	rcu_enter();
	/* ORDER(strategy): acquire, pairs with the release below: we read the old one's epoch. */
	struct strategy_box *old = at_load(&admission->strategy, acquire, strategy);
	do {
		box->epoch = old->epoch + 1;
		/* ORDER(strategy): release publishes the box; acquire, because the old one is read and freed. seq_cst: see
		 * note_kind(). */
	} while (!at_cas_weak(&admission->strategy, &old, box, seq_cst, acquire, strategy));
	note_kind(admission, box);
	rcu_leave();
	rcu_synchronize_all();
	free(old);
	return WEIR_OK;
}
