/* SPDX-License-Identifier: MIT */
/* stress_truth_test.c - is every refusal true? L5, K3. Eight threads take and give on two nodes with totals, counted things
 * and credits, and write down when; afterwards each refusal is held against the history of all. It fails if one names a
 * resource that cannot have been short at any instant inside the call, or if more was held at an instant than there is (L1).
 *
 * The history is the callers' own and knows nothing of ledger, credits or tentative takes: a grant may have held its room
 * from just before the call that took it to just after the one that gave it back, and nothing else may have held any. So the
 * sum of what may have been held at an instant is never too small, and a refusal that does not fit it is false for sure: what
 * lay in a credit, or was taken tentatively and given back, is no reason to be refused. From after the take until before the
 * give it held its room for sure: that sum is never too large.
 *
 * Compiled again with a seeded bug (WEIR_SEED_BUG_UNDO, WEIR_SEED_BUG_MEMBARRIER) it must find one: then it ends with 0 if it
 * does. WEIR_TEST_SECONDS=n: longer. */
#include "stress.h"

#include "runtime/tracker.h"

enum {
	ROUND_OPERATIONS = 12000, /* of a thread, between two looks at the history */
	HELD_MAX = 6,
	COLUMNS_OF_NODE = 4, /* CPU, memory, bandwidth, gpus */
	TOTAL_MEMORY = STRESS_NODES * COLUMNS_OF_NODE,
	TOTAL_LICENCES,
	COLUMNS,
	LICENCES = WEIR_COUNTED + 1,
	RESOURCES = LICENCES + 1
};

/* In the ledger's units: 1/64 core, MiB, bytes/s, pieces. Every amount is a whole number of them. */
struct amounts {
	uint32_t of[RESOURCES];
};

struct spell {
	uint64_t from_ns, to_ns;	   /* it may have held */
	uint64_t sure_from_ns, sure_to_ns; /* it held */
	struct amounts amounts;
	uint32_t node;
};

struct refusal {
	uint64_t from_ns, to_ns;
	struct amounts amounts;
	uint32_t node;
	uint32_t resources;
	bool total;
};

struct log {
	struct spell *spell;
	uint32_t spells;
	struct refusal *refusal;
	uint32_t refusals;
	uint64_t contended;
};

struct history {
	weir_tracker *tracker;
	weir_admission *admission;
	struct log log[STRESS_THREADS];
	uint64_t operations, refusals, contended, recalls;
	uint64_t lies;
	char lie[256];
};

static uint32_t limit_of(uint32_t column)
{
	if (column == TOTAL_MEMORY)
		return 128;
	if (column == TOTAL_LICENCES)
		return 5;
	const weir_node_limit *node = &stress_node[column / COLUMNS_OF_NODE];
	const uint32_t limits[COLUMNS_OF_NODE] = {4 * 64, (uint32_t)(node->memory_bytes / MIB),
						  (uint32_t)node->bandwidth_bytes_s, (uint32_t)node->counted[0]};
	return limits[column % COLUMNS_OF_NODE];
}

/* Asking. --------------------------------------------------------------------------------------------------------- */

static struct amounts random_amounts(uint64_t *random)
{
	uint64_t r = fixture_random(random);
	struct amounts amounts = {{0}};
	/* Large ones, so that a few fill a node, and small ones. */
	amounts.of[WEIR_CPU] = r & 1 ? 16 : (uint32_t)(r >> 8 & 127);
	if (r & 2)
		amounts.of[WEIR_MEMORY] = 1 + (uint32_t)(r >> 16 & (r & 4 ? 63 : 7));
	if (!(r & 0x18))
		amounts.of[WEIR_BANDWIDTH] = 1 + (uint32_t)(r >> 24) % 300;
	if (!(r & 0x60))
		amounts.of[WEIR_COUNTED] = 1;
	if (!(r & 0x380))
		amounts.of[LICENCES] = 1 + (uint32_t)(r >> 40 & 1);
	if (!amounts.of[WEIR_CPU])
		amounts.of[WEIR_CPU] = 1;
	return amounts;
}

static weir_demand demand_of(const struct amounts *amounts, uint32_t node)
{
	return (weir_demand){.size = sizeof(weir_demand),
			     .cores = amounts->of[WEIR_CPU] / 64.0,
			     .memory_bytes = amounts->of[WEIR_MEMORY] * MIB,
			     .bandwidth_bytes_s = amounts->of[WEIR_BANDWIDTH],
			     .counted = {amounts->of[WEIR_COUNTED], amounts->of[LICENCES]},
			     .home = WEIR_NODE(node),
			     .home_only = true,
			     .when_short = WEIR_DEFER};
}

/* A millisecond is a long time here: credits are in use again at once. */
static void hurry(weir_tracker *tracker)
{
	struct slot_cache *cache = slots_cache(&tracker->book->slots);
	at_store(&tracker->credits.since_ns, 0, relaxed, none);
	at_store(&tracker->credits.refused, 0, relaxed, none);
	if (cache)
		cache->skip = 0;
}

static void write_refusal(struct log *log, const struct amounts *amounts, uint32_t node, uint64_t from_ns,
			  const weir_decision *decision)
{
	if (decision->cause != WEIR_CAUSE_SHORT) {
		log->contended += decision->cause == WEIR_CAUSE_CONTENDED;
		return;
	}
	log->refusal[log->refusals++] = (struct refusal){.from_ns = from_ns,
							 .to_ns = weir_clock_monotonic_ns(),
							 .amounts = *amounts,
							 .node = node,
							 .resources = decision->short_resources,
							 .total = decision->short_total};
}

/* Through the controller, which names what is short. False: refused. */
static bool ask(struct history *history, struct log *log, const struct amounts *amounts, uint32_t node,
		weir_grant *grant)
{
	weir_demand demand = demand_of(amounts, node);
	uint64_t from_ns = weir_clock_monotonic_ns();
	weir_decision decision = weir_admission_admit(history->admission, &demand, NULL, NULL);
	if (!decision.allowed) {
		write_refusal(log, amounts, node, from_ns, &decision);
		return false;
	}
	log->spell[log->spells] = (struct spell){
		.from_ns = from_ns, .sure_from_ns = weir_clock_monotonic_ns(), .amounts = *amounts, .node = node};
	*grant = decision.grant;
	return true;
}

/* By handle, which goes through credits. */
static bool take(struct history *history, struct log *log, const struct amounts *amounts, uint32_t node,
		 weir_grant *grant)
{
	weir_demand demand = demand_of(amounts, node);
	uint64_t from_ns = weir_clock_monotonic_ns();
	if (weir_tracker_take(history->tracker, &demand, grant, NULL))
		return false;
	log->spell[log->spells] = (struct spell){
		.from_ns = from_ns, .sure_from_ns = weir_clock_monotonic_ns(), .amounts = *amounts, .node = node};
	return true;
}

static weir_status give(struct history *history, struct spell *spell, weir_grant grant)
{
	spell->sure_to_ns = weir_clock_monotonic_ns();
	weir_status status = weir_tracker_give(history->tracker, grant);
	spell->to_ns = weir_clock_monotonic_ns();
	return status;
}

static void *live(void *argument)
{
	struct stress_thread *self = argument;
	struct history *history = self->shared;
	struct log *log = &history->log[self->number];
	weir_grant held[HELD_MAX];
	uint32_t spell_of[HELD_MAX], count = 0;
	weir_status status = WEIR_OK;
	log->spells = log->refusals = 0;
	log->contended = 0;
	for (int i = 0; i < ROUND_OPERATIONS && !status; i++) {
		uint64_t r = fixture_random(&self->random);
		uint32_t node = r >> 32 & 1;
		struct amounts amounts = random_amounts(&self->random);
		if (!(r & 0x70000))
			hurry(history->tracker);
		if (r & 3 && count) {
			uint32_t which = (uint32_t)(r >> 8) % count;
			status = give(history, &log->spell[spell_of[which]], held[which]);
			count--;
			held[which] = held[count];
			spell_of[which] = spell_of[count];
			continue;
		}
		if (count == HELD_MAX)
			continue;
		bool got = r & 8 ? ask(history, log, &amounts, node, &held[count])
				 : take(history, log, &amounts, node, &held[count]);
		if (got)
			spell_of[count++] = log->spells++;
	}
	while (count && !status) {
		count--;
		status = give(history, &log->spell[spell_of[count]], held[count]);
	}
	if (status)
		snprintf(self->wrong, sizeof(self->wrong), "%s: %s", weir_status_text(status), weir_error_text());
	return NULL;
}

/* Looking back. --------------------------------------------------------------------------------------------------- */

struct step {
	uint64_t at_ns;
	int64_t change;
	int64_t sum; /* from here to the next */
};

static int by_time(const void *a, const void *b)
{
	const struct step *x = a, *y = b;
	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return (y->change > x->change) - (y->change < x->change); /* what comes, before what goes */
}

struct column {
	struct step *step;
	size_t steps;
};

static uint32_t amount_in(const struct amounts *amounts, uint32_t node, uint32_t column)
{
	if (column == TOTAL_MEMORY)
		return amounts->of[WEIR_MEMORY];
	if (column == TOTAL_LICENCES)
		return amounts->of[LICENCES];
	return column / COLUMNS_OF_NODE == node ? amounts->of[column % COLUMNS_OF_NODE] : 0;
}

/* sure: what was held; else what may have been. */
static struct column column_of(const struct history *history, uint32_t which, bool sure)
{
	struct column column = {.step = NULL};
	size_t most = 0;
	for (int t = 0; t < STRESS_THREADS; t++)
		most += 2 * (size_t)history->log[t].spells;
	column.step = malloc((most + 1) * sizeof(*column.step));
	for (int t = 0; t < STRESS_THREADS; t++)
		for (uint32_t i = 0; i < history->log[t].spells; i++) {
			const struct spell *spell = &history->log[t].spell[i];
			int64_t units = amount_in(&spell->amounts, spell->node, which);
			if (!units)
				continue;
			uint64_t from_ns = sure ? spell->sure_from_ns : spell->from_ns;
			uint64_t to_ns = sure ? spell->sure_to_ns : spell->to_ns;
			if (from_ns >= to_ns)
				continue;
			column.step[column.steps++] = (struct step){.at_ns = from_ns, .change = units};
			column.step[column.steps++] = (struct step){.at_ns = to_ns, .change = -units};
		}
	qsort(column.step, column.steps, sizeof(*column.step), by_time);
	int64_t sum = 0;
	for (size_t i = 0; i < column.steps; i++)
		column.step[i].sum = sum += column.step[i].change;
	return column;
}

/* Can there have been too little of it at some instant of the call? */
static bool may_have_been_short(const struct column *column, uint32_t which, const struct refusal *refusal)
{
	int64_t need = amount_in(&refusal->amounts, refusal->node, which);
	int64_t most = (int64_t)limit_of(which) - need;
	if (!need)
		return false;
	size_t low = 0, high = column->steps;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (column->step[middle].at_ns < refusal->from_ns)
			low = middle + 1;
		else
			high = middle;
	}
	if (low && column->step[low - 1].sum > most)
		return true;
	for (; low < column->steps && column->step[low].at_ns <= refusal->to_ns; low++)
		if (column->step[low].sum > most)
			return true;
	return false;
}

/* More held than there is, for longer than an instant of the clock. */
static void find_overcommit(struct history *history)
{
	for (uint32_t c = 0; c < COLUMNS; c++) {
		struct column column = column_of(history, c, true);
		for (size_t i = 0; i + 1 < column.steps; i++)
			if (column.step[i].sum > (int64_t)limit_of(c) &&
			    column.step[i].at_ns < column.step[i + 1].at_ns && !history->lies++)
				snprintf(history->lie, sizeof(history->lie), "column %u: %lld are held, of %u", c,
					 (long long)column.step[i].sum, limit_of(c));
		free(column.step);
	}
}

static bool is_true(const struct column columns[COLUMNS], const struct refusal *refusal, weir_resource *lie)
{
	if (!refusal->resources)
		return false;
	for (int r = 0; r < RESOURCES; r++) {
		if (!(refusal->resources >> r & 1))
			continue;
		uint32_t of_node = refusal->node * COLUMNS_OF_NODE + (uint32_t)r;
		uint32_t of_total = r == WEIR_MEMORY ? TOTAL_MEMORY : TOTAL_LICENCES;
		bool on_node = r < COLUMNS_OF_NODE && may_have_been_short(&columns[of_node], of_node, refusal);
		bool in_all = refusal->total && (r == WEIR_MEMORY || r == LICENCES) &&
			      may_have_been_short(&columns[of_total], of_total, refusal);
		if (!on_node && !in_all) {
			*lie = (weir_resource)r;
			return false;
		}
	}
	return true;
}

static void look_back(struct history *history)
{
	struct column columns[COLUMNS];
	for (uint32_t c = 0; c < COLUMNS; c++)
		columns[c] = column_of(history, c, false);
	for (int t = 0; t < STRESS_THREADS; t++) {
		struct log *log = &history->log[t];
		history->refusals += log->refusals;
		history->contended += log->contended;
		for (uint32_t i = 0; i < log->refusals; i++) {
			weir_resource lie = WEIR_CPU;
			if (is_true(columns, &log->refusal[i], &lie) || history->lies++)
				continue;
			snprintf(history->lie, sizeof(history->lie),
				 "thread %d was refused for %s on node %u%s in a call of %llu ns: at no instant of it "
				 "can "
				 "there have been too little",
				 t, weir_resource_name(lie), log->refusal[i].node,
				 log->refusal[i].total ? " or in all" : "",
				 (unsigned long long)(log->refusal[i].to_ns - log->refusal[i].from_ns));
		}
	}
	for (uint32_t c = 0; c < COLUMNS; c++)
		free(columns[c].step);
}

static bool one_round(struct history *history, uint64_t seed)
{
	struct stress_thread threads[STRESS_THREADS];
	bool right = stress_run(threads, live, history, seed);
	history->operations += (uint64_t)STRESS_THREADS * ROUND_OPERATIONS;
	look_back(history);
	find_overcommit(history);
	return right;
}

static void begin(struct history *history)
{
	assert_ok(weir_tracker_create(&history->tracker,
				      WEIR_TRACKER_OPTIONS(.machine = stress_machine, .limits = STRESS_LIMITS)));
	assert_ok(weir_admission_create(&history->admission, history->tracker,
					WEIR_ADMISSION_OPTIONS(.retry_permille = 1000)));
	for (int t = 0; t < STRESS_THREADS; t++) {
		history->log[t].spell = calloc(ROUND_OPERATIONS, sizeof(struct spell));
		history->log[t].refusal = calloc(ROUND_OPERATIONS, sizeof(struct refusal));
	}
}

static void end(struct history *history)
{
	print_message("%llu operations, %llu refusals held against them, %llu contended, %llu recalls\n",
		      (unsigned long long)history->operations, (unsigned long long)history->refusals,
		      (unsigned long long)history->contended,
		      (unsigned long long)(credits_mode(&history->tracker->credits) / (CREDITS_MODES + 1)));
	for (int t = 0; t < STRESS_THREADS; t++) {
		free(history->log[t].spell);
		free(history->log[t].refusal);
	}
	assert_ok(weir_admission_destroy(history->admission));
	assert_ok(weir_tracker_destroy(history->tracker));
}

#ifdef TRUTH_SEEDED
/* Seconds that it may take to find the bug that this was built with. */
enum { SEEDED_SECONDS = 60 };

static void the_bug_is_found(void **state)
{
	(void)state;
	struct history history = {0};
	uint64_t seed = fixture_seed("truth");
	begin(&history);
	uint64_t until_ns = weir_clock_monotonic_ns() + SEEDED_SECONDS * WEIR_NS_PER_S;
	while (!history.lies && weir_clock_monotonic_ns() < until_ns) {
		(void)one_round(&history, seed += STRESS_THREADS);
		if (!history.lies && weir_tracker_audit(history.tracker)) {
			history.lies++;
			snprintf(history.lie, sizeof(history.lie), "%s", weir_error_text());
		}
	}
	/* What the test of it looks for (tests/CMakeLists.txt); a CHECK that ends the program is as good. */
	print_message("%s: %s\n", history.lies ? "found" : "not found", history.lie);
	end(&history);
}
#else
static void every_refusal_is_true(void **state)
{
	(void)state;
	struct history history = {0};
	uint64_t seed = fixture_seed("truth");
	uint64_t until_ns = stress_until_ns();
	begin(&history);
	do {
		assert_true(one_round(&history, seed));
		if (history.lies)
			print_error("%s\n", history.lie);
		assert_int_equal(history.lies, 0);
		assert_ok(weir_tracker_audit(history.tracker));
		seed += STRESS_THREADS;
	} while (weir_clock_monotonic_ns() < until_ns);
	assert_int_not_equal(history.refusals, 0);
	end(&history);
}
#endif

int main(void)
{
	stress_alarm();
	const struct CMUnitTest tests[] = {
#ifdef TRUTH_SEEDED
		cmocka_unit_test(the_bug_is_found),
#else
		cmocka_unit_test(every_refusal_is_true),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
