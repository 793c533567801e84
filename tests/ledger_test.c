/* SPDX-License-Identifier: MIT */
/* ledger_test.c - taking and giving, on one word and on several; what a refusal says and that it is true. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture.h"
#include "invented.h"
#include "runtime/ledger.h"

#define MIB (UINT64_C(1) << 20)
#define BIT(resource) (UINT32_C(1) << (resource))

enum { WORDS_MAX = LEDGER_FIRST_NODE + 2 * INVENTED_NODES };

static struct packed pack(const struct ledger *ledger, const weir_demand *demand)
{
	struct packed packed;
	assert_int_equal(limits_pack(&ledger->limits, demand, &packed), WEIR_OK);
	return packed;
}

static void make(struct ledger *ledger, const weir_machine *machine, const weir_limits *limits)
{
	if (ledger_init(ledger, machine, limits))
		fail_msg("%s", weir_error_text());
}

static uint64_t word_of(const struct ledger *ledger, uint32_t w)
{
	return at_load(&ledger->word[w].spare, relaxed, none);
}

static void read_words(const struct ledger *ledger, uint64_t words[WORDS_MAX])
{
	for (uint32_t w = 0; w < ledger->words; w++)
		words[w] = word_of(ledger, w);
}

/* Every word as it was. */
static void assert_words(const struct ledger *ledger, const uint64_t words[WORDS_MAX])
{
	for (uint32_t w = 0; w < ledger->words; w++)
		if (word_of(ledger, w) != words[w])
			fail_msg("word %u is %#llx, was %#llx", w, (unsigned long long)word_of(ledger, w),
				 (unsigned long long)words[w]);
}

static enum ledger_answer take(struct ledger *ledger, const weir_demand *demand, uint32_t place, struct taken *taken,
			       struct shortage *why)
{
	struct packed units = pack(ledger, demand);
	bool waiters = false;
	enum ledger_answer answer = ledger_take(ledger, &units, NULL, place, 0, taken, why, &waiters);
	assert_false(waiters);
	return answer;
}

/* L1, L2: a node is taken to the last unit of each resource and no further, the refusal names what is short and writes
 * nothing, and giving back makes it whole. Fails if any field is not compared, or if a give goes to another word. */
static void one_word_is_taken_to_the_last_unit(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	make(&ledger, invent(&invented, 2, 4, 64 * MIB),
	     WEIR_LIMITS(.node = (weir_node_limit[]){{.bandwidth_bytes_s = 100}, {.bandwidth_bytes_s = 100}},
			 .nodes = 2));
	assert_true(ledger.one_word);
	static const struct {
		weir_demand fill, more;
		uint32_t names;
	} cases[] = {
		{{.cores = 4}, {.cores = 1.0 / 64}, BIT(WEIR_CPU)},
		{{.memory_bytes = 64 * MIB}, {.memory_bytes = 1}, BIT(WEIR_MEMORY)},
		{{.bandwidth_bytes_s = 100}, {.bandwidth_bytes_s = 1, .memory_bytes = 1}, BIT(WEIR_BANDWIDTH)},
		{{.cores = 4, .memory_bytes = 64 * MIB, .bandwidth_bytes_s = 100},
		 {.cores = 1, .memory_bytes = 1, .bandwidth_bytes_s = 1},
		 BIT(WEIR_CPU) | BIT(WEIR_MEMORY) | BIT(WEIR_BANDWIDTH)},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		uint64_t before[WORDS_MAX], full[WORDS_MAX];
		read_words(&ledger, before);
		weir_demand fill = cases[i].fill, more = cases[i].more;
		fill.size = more.size = sizeof(fill);
		struct taken taken, other;
		struct shortage why;
		assert_int_equal(take(&ledger, &fill, 1, &taken, &why), LEDGER_TAKEN);
		read_words(&ledger, full);
		assert_int_equal(take(&ledger, &more, 1, &other, &why), LEDGER_SHORT);
		assert_int_equal(why.resources, cases[i].names);
		assert_false(why.total || why.by_floor);
		assert_words(&ledger, full);
		assert_int_equal(full[LEDGER_FIRST_NODE], before[LEDGER_FIRST_NODE]);
		assert_false(ledger_give(&ledger, &taken));
		assert_words(&ledger, before);
	}
	ledger_fini(&ledger);
}

/* Totals of memory and of a counted stock, licences per node: five words for one take. */
static void make_many_words(struct invented *invented, struct ledger *ledger)
{
	static const weir_node_limit node[] = {{.counted = {0, 3}, .bandwidth_bytes_s = 64},
					       {.counted = {0, 3}, .bandwidth_bytes_s = 64}};
	(void)invent(invented, 2, 4, 64 * MIB);
	invented->node[0].memory_bytes = invented->node[0].memory_default_bytes = 0;
	invented_near(invented);
	make(ledger, &invented->machine,
	     WEIR_LIMITS(.cores = 6, .counted = {5}, .counted_name = {"gpu", "seat"}, .node = node, .nodes = 2));
	assert_false(ledger->one_word);
}

static const weir_demand five_words = {
	.size = sizeof(weir_demand), .cores = 2, .memory_bytes = 16 * MIB, .bandwidth_bytes_s = 16, .counted = {2, 1}};

/* The words of a take on node 0 of that ledger, in the order in which they are taken. */
static const struct {
	uint32_t word;
	weir_demand fill; /* what makes it short */
	uint32_t resource;
	bool total;
} many[] = {
	{LEDGER_TOTAL, {.cores = 5}, WEIR_CPU, true},
	{LEDGER_TOTAL_COUNTED, {.counted = {4}}, WEIR_COUNTED, true},
	{LEDGER_FIRST_NODE + 2, {.counted = {0, 3}}, WEIR_COUNTED + 1, false},
	{LEDGER_FIRST_NODE + 1, {.memory_bytes = 56 * MIB}, WEIR_MEMORY, false},
	{LEDGER_FIRST_NODE + 0, {.cores = 3}, WEIR_CPU, false},
};

/* L2: what is taken is missing from exactly the words of the plan; TENT is gone; giving makes all whole. */
static void a_take_of_five_words_is_missing_from_five_words(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	make_many_words(&invented, &ledger);
	uint64_t before[WORDS_MAX];
	read_words(&ledger, before);
	struct taken taken;
	struct shortage why;
	assert_int_equal(take(&ledger, &five_words, 0, &taken, &why), LEDGER_TAKEN);
	assert_int_equal(taken.cpu_node, 0);
	assert_int_equal(taken.memory_node, 1);
	for (uint32_t w = 0; w < ledger.words; w++) {
		uint64_t share = ledger_share(&ledger, &taken, w);
		bool planned = false;
		for (size_t i = 0; i < ARRAY_LENGTH(many); i++)
			planned |= many[i].word == w;
		assert_int_equal(share != 0, planned);
		assert_int_equal(word_of(&ledger, w), before[w] - share);
	}
	assert_false(ledger_give(&ledger, &taken));
	assert_words(&ledger, before);
	ledger_fini(&ledger);
}

/* Take units from one word behind the ledger's back. */
static void drain(struct ledger *ledger, uint32_t w, uint64_t units)
{
	at_sub(&ledger->word[w].spare, units, relaxed, none);
}

static uint64_t part_for(uint32_t w, struct packed packed)
{
	bool counted = w == LEDGER_TOTAL_COUNTED || w >= LEDGER_FIRST_NODE + 2;
	return counted ? packed.counted : packed.main;
}

/* L5: each word short in turn: the refusal names it, and writes nothing. Fails if a word is left out of the first look.
 */
static void each_word_that_is_short_refuses_and_is_named(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	make_many_words(&invented, &ledger);
	for (size_t i = 0; i < ARRAY_LENGTH(many); i++) {
		weir_demand fill = many[i].fill;
		fill.size = sizeof(fill);
		uint64_t units = part_for(many[i].word, pack(&ledger, &fill));
		drain(&ledger, many[i].word, units);
		/* Flags of others must survive, whatever happens. */
		at_or(&ledger.word[many[i].word].spare, WORD_WAIT, relaxed, none);
		uint64_t before[WORDS_MAX];
		read_words(&ledger, before);
		struct taken taken;
		struct shortage why;
		assert_int_equal(take(&ledger, &five_words, 0, &taken, &why), LEDGER_SHORT);
		assert_int_equal(why.resources, BIT(many[i].resource));
		assert_int_equal(why.total, many[i].total);
		assert_words(&ledger, before);
		at_add(&ledger.word[many[i].word].spare, units, relaxed, none);
		at_and(&ledger.word[many[i].word].spare, ~WORD_WAIT, relaxed, none);
	}
	ledger_fini(&ledger);
}

/* L5: short, but somebody is in the middle of taking there: not SHORT, and not named, even if another word is short in
 * earnest. Fails if TENT is not looked at, or looked at by another load than the amounts. */
static void a_word_that_is_short_for_the_moment_is_contended(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	make_many_words(&invented, &ledger);
	for (size_t i = 0; i + 1 < ARRAY_LENGTH(many); i++) {
		weir_demand fill = many[i].fill;
		fill.size = sizeof(fill);
		uint64_t units = part_for(many[i].word, pack(&ledger, &fill)) - WORD_TENT_ONE;
		drain(&ledger, many[i].word, units);
		uint64_t before[WORDS_MAX];
		read_words(&ledger, before);
		struct taken taken;
		struct shortage why;
		assert_int_equal(take(&ledger, &five_words, 0, &taken, &why), LEDGER_CONTENDED);
		assert_int_equal(why.resources, 0);
		assert_false(why.total);
		assert_words(&ledger, before);
		/* With the last word short as well, that one alone is named. */
		uint64_t cores = pack(&ledger, WEIR_DEMAND(.cores = 3)).main;
		drain(&ledger, LEDGER_FIRST_NODE, cores);
		assert_int_equal(take(&ledger, &five_words, 0, &taken, &why), LEDGER_SHORT);
		assert_int_equal(why.resources, BIT(WEIR_CPU));
		assert_false(why.total);
		at_add(&ledger.word[LEDGER_FIRST_NODE].spare, cores, relaxed, none);
		assert_words(&ledger, before);
		at_add(&ledger.word[many[i].word].spare, units, relaxed, none);
	}
	ledger_fini(&ledger);
}

/* As many tentative takes as can be counted: the next one has no place, which is no shortage; and whoever makes a place
 * must kick those who wait, since nobody gives anything. Fails if TENT runs over into SEQ, or if a waiter could be left
 * behind. */
static void the_sixteenth_tentative_take_is_contended_and_a_place_is_told(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	make_many_words(&invented, &ledger);
	struct packed units = pack(&ledger, &five_words);
	struct taken taken;
	struct shortage why;
	bool waiters = false;
	at_add(&ledger.word[LEDGER_TOTAL].spare, 15 * WORD_TENT_ONE, relaxed, none);
	assert_int_equal(ledger_take(&ledger, &units, NULL, 0, 0, &taken, &why, &waiters), LEDGER_CONTENDED);
	assert_int_equal(why.resources, 0);
	/* One place: this take fills it, and makes it free again. */
	at_sub(&ledger.word[LEDGER_TOTAL].spare, WORD_TENT_ONE, relaxed, none);
	at_or(&ledger.word[LEDGER_TOTAL].spare, WORD_WAIT, relaxed, none);
	assert_int_equal(ledger_take(&ledger, &units, NULL, 0, 0, &taken, &why, &waiters), LEDGER_TAKEN);
	assert_true(waiters);
	assert_true(ledger_give(&ledger, &taken));
	/* Two places: nobody was refused for want of one. */
	waiters = false;
	at_sub(&ledger.word[LEDGER_TOTAL].spare, WORD_TENT_ONE, relaxed, none);
	assert_int_equal(ledger_take(&ledger, &units, NULL, 0, 0, &taken, &why, &waiters), LEDGER_TAKEN);
	assert_false(waiters);
	assert_true(ledger_give(&ledger, &taken));
	ledger_fini(&ledger);
}

/* What is claimed is the claimant's, and back-fill's; what the claim leaves is anybody's, and so is what it does not
 * name. One that is short says so, claim or not. Fails if the claim is not added to what is asked, is added where nothing is
 * asked, or if it holds its own claimant off. */
static void what_is_claimed_serves_the_claimant_only(void **state)
{
	(void)state;
	struct invented invented;
	for (int several = 0; several < 2; several++) {
		struct ledger ledger;
		if (several)
			make_many_words(&invented, &ledger);
		else
			make(&ledger, invent(&invented, 2, 4, 64 * MIB), NULL);
		weir_demand most_of_it = five_words;
		most_of_it.cores = 3;
		struct packed units = pack(&ledger, several ? &most_of_it : WEIR_DEMAND(.cores = 3));
		struct packed one = pack(&ledger, WEIR_DEMAND(.cores = 1)),
			      two = pack(&ledger, WEIR_DEMAND(.cores = 2));
		struct packed five = pack(&ledger, WEIR_DEMAND(.cores = 5));
		struct packed memory = pack(&ledger, WEIR_DEMAND(.memory_bytes = several ? 48 * MIB : 64 * MIB));
		ledger_claim(&ledger, 0, &units, several);
		uint64_t before[WORDS_MAX];
		read_words(&ledger, before);
		struct taken taken, other;
		struct shortage why;
		bool waiters = false;
		assert_int_equal(ledger_take(&ledger, &two, NULL, 0, 0, &other, &why, &waiters), LEDGER_CLAIMED);
		assert_int_equal(ledger_look(&ledger, &two, NULL, 0, &why), LEDGER_CLAIMED);
		assert_int_equal(ledger_take(&ledger, &five, NULL, 0, 0, &other, &why, &waiters), LEDGER_SHORT);
		assert_words(&ledger, before);
		assert_int_equal(ledger_take(&ledger, &memory, NULL, 0, 0, &other, &why, &waiters), LEDGER_TAKEN);
		(void)ledger_give(&ledger, &other);
		assert_int_equal(ledger_take(&ledger, &two, NULL, 0, LEDGER_BACKFILL, &other, &why, &waiters),
				 LEDGER_TAKEN);
		assert_int_equal(ledger_take(&ledger, &units, NULL, 0, LEDGER_AS_CLAIMANT, &taken, &why, &waiters),
				 LEDGER_SHORT);
		assert_int_equal(ledger_take(&ledger, &one, NULL, 0, 0, &taken, &why, &waiters), LEDGER_CLAIMED);
		(void)ledger_give(&ledger, &other);
		assert_int_equal(ledger_take(&ledger, &one, NULL, 0, 0, &other, &why, &waiters), LEDGER_TAKEN);
		assert_int_equal(ledger_take(&ledger, &units, NULL, 0, LEDGER_AS_CLAIMANT, &taken, &why, &waiters),
				 LEDGER_TAKEN);
		assert_true(ledger_give(&ledger, &taken) && ledger_give(&ledger, &other));
		assert_false(waiters);
		assert_words(&ledger, before);
		ledger_unclaim(&ledger, 0, &units);
		for (uint32_t w = 0; w < ledger.words; w++)
			assert_int_equal(word_of(&ledger, w) & ~WORD_SEQ, ledger.word[w].limit);
		ledger_fini(&ledger);
	}
}

/* A claim on a node leaves the totals alone until they are claimed too. */
static void totals_are_claimed_only_if_asked_for(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	make_many_words(&invented, &ledger);
	struct packed units = pack(&ledger, WEIR_DEMAND(.cores = 4));
	struct packed three = pack(&ledger, WEIR_DEMAND(.cores = 3));
	struct taken taken;
	struct shortage why;
	bool waiters = false;
	ledger_claim(&ledger, 0, &units, false);
	assert_int_equal(ledger_take(&ledger, &three, NULL, 1, 0, &taken, &why, &waiters), LEDGER_TAKEN);
	(void)ledger_give(&ledger, &taken);
	ledger_claim(&ledger, 0, &units, true);
	assert_int_equal(ledger_take(&ledger, &three, NULL, 1, 0, &taken, &why, &waiters), LEDGER_CLAIMED);
	ledger_unclaim(&ledger, 0, &units);
	assert_int_equal(ledger_take(&ledger, &three, NULL, 1, 0, &taken, &why, &waiters), LEDGER_TAKEN);
	(void)ledger_give(&ledger, &taken);
	assert_false(waiters);
	ledger_fini(&ledger);
}

/* L6: a change of what is kept makes an exchange fail that is based on the word before it. */
static void a_change_of_what_is_kept_is_seen_in_the_word(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	make(&ledger, invent(&invented, 1, 4, 64 * MIB), NULL);
	struct packed one = pack(&ledger, WEIR_DEMAND(.cores = 1)), two = pack(&ledger, WEIR_DEMAND(.cores = 2));
	uint64_t seen[4];
	seen[0] = word_of(&ledger, LEDGER_FIRST_NODE);
	ledger_claim(&ledger, 0, &one, false);
	seen[1] = word_of(&ledger, LEDGER_FIRST_NODE);
	ledger_claim(&ledger, 0, &two, false);
	seen[2] = word_of(&ledger, LEDGER_FIRST_NODE);
	ledger_unclaim(&ledger, 0, &two);
	seen[3] = word_of(&ledger, LEDGER_FIRST_NODE);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(!!(seen[i] & WORD_CLAIM), i == 1 || i == 2);
		for (int k = 0; k < i; k++)
			assert_int_not_equal(seen[i], seen[k]);
	}
	/* SEQ goes round without touching its neighbours. */
	for (int i = 0; i < 5; i++) {
		ledger_claim(&ledger, 0, &one, false);
		ledger_unclaim(&ledger, 0, &one);
		assert_int_equal(word_of(&ledger, LEDGER_FIRST_NODE) & ~WORD_SEQ, ledger.word[LEDGER_FIRST_NODE].limit);
	}
	ledger_fini(&ledger);
}

/* WAIT stays where it is over takes and gives, and every give on such a word tells. Fails if a flag is lost in a CAS.
 */
static void waiters_are_seen_by_every_give(void **state)
{
	(void)state;
	struct invented invented;
	for (int several = 0; several < 2; several++) {
		struct ledger ledger;
		if (several)
			make_many_words(&invented, &ledger);
		else
			make(&ledger, invent(&invented, 2, 4, 64 * MIB), NULL);
		const weir_demand *demand = several ? &five_words : WEIR_DEMAND(.cores = 3);
		struct taken taken;
		struct shortage why;
		for (uint32_t w = 0; w < ledger.words; w++) {
			assert_int_equal(take(&ledger, demand, 0, &taken, &why), LEDGER_TAKEN);
			at_or(&ledger.word[w].spare, WORD_WAIT, relaxed, none);
			assert_int_equal(ledger_give(&ledger, &taken), ledger_share(&ledger, &taken, w) != 0);
			assert_int_equal(take(&ledger, demand, 0, &taken, &why), LEDGER_TAKEN);
			assert_int_equal(ledger_give(&ledger, &taken), ledger_share(&ledger, &taken, w) != 0);
			assert_int_equal(word_of(&ledger, w), ledger.word[w].limit | WORD_WAIT);
			at_and(&ledger.word[w].spare, ~WORD_WAIT, relaxed, none);
		}
		ledger_fini(&ledger);
	}
}

/* The floor is left for others in what is demanded, unless nobody holds anything there. */
static void a_floor_is_left_unless_the_place_is_free(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	make(&ledger, invent(&invented, 1, 4, 64 * MIB), NULL);
	struct packed floor = pack(&ledger, WEIR_DEMAND(.cores = 1, .memory_bytes = 32 * MIB));
	struct packed all = pack(&ledger, WEIR_DEMAND(.cores = 4));
	struct packed three = pack(&ledger, WEIR_DEMAND(.cores = 3));
	struct packed one = pack(&ledger, WEIR_DEMAND(.cores = 1));
	struct packed two = pack(&ledger, WEIR_DEMAND(.cores = 2));
	struct taken taken, other;
	struct shortage why;
	bool waiters = false;
	assert_int_equal(ledger_take(&ledger, &all, &floor, 0, 0, &taken, &why, &waiters), LEDGER_TAKEN);
	(void)ledger_give(&ledger, &taken);
	assert_int_equal(ledger_take(&ledger, &one, &floor, 0, 0, &taken, &why, &waiters), LEDGER_TAKEN);
	/* Three are left: two may go, the third is the floor. Memory's floor is nothing to a demand for cores. */
	assert_int_equal(ledger_take(&ledger, &three, &floor, 0, 0, &other, &why, &waiters), LEDGER_SHORT);
	assert_true(why.by_floor);
	assert_int_equal(why.resources, BIT(WEIR_CPU));
	assert_int_equal(ledger_take(&ledger, &all, &floor, 0, 0, &other, &why, &waiters), LEDGER_SHORT);
	assert_false(why.by_floor);
	assert_int_equal(ledger_take(&ledger, &two, &floor, 0, 0, &other, &why, &waiters), LEDGER_TAKEN);
	(void)ledger_give(&ledger, &other);
	assert_int_equal(ledger_take(&ledger, &three, NULL, 0, 0, &other, &why, &waiters), LEDGER_TAKEN);
	(void)ledger_give(&ledger, &other);
	(void)ledger_give(&ledger, &taken);
	assert_int_equal(word_of(&ledger, LEDGER_FIRST_NODE), ledger.word[LEDGER_FIRST_NODE].limit);
	ledger_fini(&ledger);
}

/* A node without memory uses its neighbour's, one without cores runs next door; memory alone needs no cores there. */
static void what_a_node_lacks_comes_from_the_nearest(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	(void)invent(&invented, 3, 4, 64 * MIB);
	invented.node[0].memory_bytes = invented.node[0].memory_default_bytes = 0;
	invented.node[2].cores = 0;
	invented.machine.cores = 8;
	invented.machine.cores_quota = 8;
	invented_near(&invented);
	make(&ledger, &invented.machine, NULL);
	static const struct {
		double cores;
		uint64_t memory_bytes;
		uint32_t place, cpu_node, memory_node;
	} cases[] = {{1, MIB, 0, 0, 1}, {1, MIB, 1, 1, 1}, {1, MIB, 2, 0, 2},
		     {0, MIB, 0, 1, 1}, {0, MIB, 2, 2, 2}, {1, 0, 2, 0, 2}};
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct taken taken;
		struct shortage why;
		const weir_demand *demand = WEIR_DEMAND(.cores = cases[i].cores, .memory_bytes = cases[i].memory_bytes);
		assert_int_equal(take(&ledger, demand, cases[i].place, &taken, &why), LEDGER_TAKEN);
		assert_int_equal(taken.cpu_node, cases[i].cpu_node);
		assert_int_equal(taken.memory_node, cases[i].memory_node);
		for (uint32_t n = 0; n < 3; n++) {
			struct packed missing = {.main = ledger_own_limit(&ledger, n).main -
							 ledger_own_spare(&ledger, n).main};
			weir_amount amount = limits_amount(&ledger.limits, missing);
			assert_true(amount.cores == (n == cases[i].cpu_node ? cases[i].cores : 0));
			assert_int_equal(amount.memory_bytes, n == cases[i].memory_node ? cases[i].memory_bytes : 0);
		}
		assert_false(ledger_give(&ledger, &taken));
	}
	/* As a place, each has its own and what it borrows. */
	weir_amount place = limits_amount(&ledger.limits, ledger_limit(&ledger, 0));
	assert_true(place.cores == 4 && place.memory_bytes == 64 * MIB);
	struct shortage why = {0};
	struct packed never = pack(&ledger, WEIR_DEMAND(.cores = 4.5));
	for (uint32_t n = 0; n < 3; n++)
		assert_false(ledger_feasible(&ledger, &never, n, &why));
	assert_int_equal(why.resources, BIT(WEIR_CPU));
	ledger_fini(&ledger);
}

/* Feasible is about limits, look about what is spare. */
static void feasible_asks_limits_and_look_asks_what_is_spare(void **state)
{
	(void)state;
	struct invented invented;
	struct ledger ledger;
	make_many_words(&invented, &ledger);
	struct packed units = pack(&ledger, &five_words);
	struct packed much = pack(&ledger, WEIR_DEMAND(.counted = {6}));
	struct taken taken;
	struct shortage why = {0};
	assert_true(ledger_feasible(&ledger, &units, 0, &why));
	assert_int_equal(ledger_look(&ledger, &units, NULL, 0, &why), LEDGER_TAKEN);
	assert_int_equal(take(&ledger, &five_words, 0, &taken, &why), LEDGER_TAKEN);
	struct taken second;
	assert_int_equal(take(&ledger, &five_words, 0, &second, &why), LEDGER_TAKEN);
	assert_true(ledger_feasible(&ledger, &units, 0, &why));
	assert_int_equal(ledger_look(&ledger, &units, NULL, 0, &why), LEDGER_SHORT);
	why = (struct shortage){0};
	assert_false(ledger_feasible(&ledger, &much, 0, &why));
	assert_true(why.total && why.resources == BIT(WEIR_COUNTED));
	(void)ledger_give(&ledger, &taken);
	(void)ledger_give(&ledger, &second);
	ledger_fini(&ledger);
}

/* Threads against each other. ------------------------------------------------------------------------------------- */

enum { THREADS = 8, ROUNDS = 200000 };

struct gang {
	struct ledger ledger;
	struct packed one_core;
	pthread_barrier_t start;
	_Atomic(int) first; /* who comes first goes to node 0 */
	_Atomic(int) lies;
	_Atomic(int) overcommits;
	_Atomic(int) held[2]; /* by counts that the ledger does not know */
};

static void take_hold_give(struct gang *gang, uint32_t node, int round)
{
	struct taken taken;
	struct shortage why;
	bool waiters = false;
	enum ledger_answer answer = ledger_take(&gang->ledger, &gang->one_core, NULL, node, 0, &taken, &why, &waiters);
	if (answer == LEDGER_TAKEN) {
		if (at_add(&gang->held[node], 1, relaxed, none) != 0)
			at_add(&gang->overcommits, 1, relaxed, none);
		if (round % 64 == 0)
			sched_yield();
		at_sub(&gang->held[node], 1, relaxed, none);
		(void)ledger_give(&gang->ledger, &taken);
	} else if (answer == LEDGER_SHORT && node == 0) {
		at_add(&gang->lies, 1, relaxed, none);
	}
}

static void *take_and_give(void *argument)
{
	struct gang *gang = argument;
	uint32_t node = at_add(&gang->first, 1, relaxed, none) ? 1 : 0;
	pthread_barrier_wait(&gang->start);
	for (int round = 0; round < ROUNDS; round++)
		take_hold_give(gang, node, round);
	return NULL;
}

/* L5, L1, L2: a total of two cores, two nodes of one core each. One thread takes on node 0: in every complete state
 * node 1 holds at most one core of the total, so that it always fits. Seven take on node 1; those who lose the race for
 * its core have taken from the total and undo. What they hold for the moment may make it CONTENDED for the first, never
 * SHORT: with plain add-then-undo it would be. At the end everything is back. */
static void what_fits_in_every_complete_state_is_never_refused_as_short(void **state)
{
	(void)state;
	struct invented invented;
	static struct gang gang;
	memset(&gang, 0, sizeof(gang));
	const weir_node_limit node[] = {{.cores = 1}, {.cores = 1}, {.cores = 1}};
	make(&gang.ledger, invent(&invented, 3, 1, 64 * MIB), WEIR_LIMITS(.cores = 2, .node = node, .nodes = 3));
	gang.one_core = pack(&gang.ledger, WEIR_DEMAND(.cores = 1));
	pthread_barrier_init(&gang.start, NULL, THREADS);
	pthread_t thread[THREADS];
	for (int t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&thread[t], NULL, take_and_give, &gang), 0);
	for (int t = 0; t < THREADS; t++)
		pthread_join(thread[t], NULL);
	pthread_barrier_destroy(&gang.start);
	assert_int_equal(gang.lies, 0);
	assert_int_equal(gang.overcommits, 0);
	for (uint32_t w = 0; w < gang.ledger.words; w++)
		assert_int_equal(word_of(&gang.ledger, w), gang.ledger.word[w].limit);
	ledger_fini(&gang.ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_word_is_taken_to_the_last_unit),
		cmocka_unit_test(a_take_of_five_words_is_missing_from_five_words),
		cmocka_unit_test(each_word_that_is_short_refuses_and_is_named),
		cmocka_unit_test(a_word_that_is_short_for_the_moment_is_contended),
		cmocka_unit_test(the_sixteenth_tentative_take_is_contended_and_a_place_is_told),
		cmocka_unit_test(what_is_claimed_serves_the_claimant_only),
		cmocka_unit_test(totals_are_claimed_only_if_asked_for),
		cmocka_unit_test(a_change_of_what_is_kept_is_seen_in_the_word),
		cmocka_unit_test(waiters_are_seen_by_every_give),
		cmocka_unit_test(a_floor_is_left_unless_the_place_is_free),
		cmocka_unit_test(what_a_node_lacks_comes_from_the_nearest),
		cmocka_unit_test(feasible_asks_limits_and_look_asks_what_is_spare),
		cmocka_unit_test(what_fits_in_every_complete_state_is_never_refused_as_short),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
