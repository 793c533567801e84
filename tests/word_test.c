/* SPDX-License-Identifier: MIT */
/* word_test.c - amounts packed in one word: the guard bits say exactly which fields are short, and nothing spills over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "fixture.h"
#include "runtime/word.h"

static const uint64_t all_flags[] = {0, WORD_WAIT, WORD_CLAIM, WORD_WAIT | WORD_CLAIM | WORD_TENT | UINT64_C(3) << 60};

static int first_of(enum word_kind kind)
{
	return kind == WORD_MAIN ? WEIR_CPU : WEIR_COUNTED;
}

static int end_of(enum word_kind kind)
{
	return kind == WORD_MAIN ? WEIR_COUNTED : WEIR_RESOURCES;
}

/* The plain model: each field for itself. */
static uint32_t short_fields(const uint32_t *spare, const uint32_t *amount, enum word_kind kind)
{
	uint32_t resources = 0;
	for (int r = first_of(kind); r < end_of(kind); r++)
		resources |= (uint32_t)(spare[r] < amount[r]) << r;
	return resources;
}

static uint64_t pack(const uint32_t *units, enum word_kind kind)
{
	uint64_t word = 0;
	for (int r = first_of(kind); r < end_of(kind); r++)
		word |= word_put((weir_resource)r, units[r]);
	return word;
}

/* One comparison, and what a take and a give of it would leave. */
static bool agrees(const uint32_t *spare, const uint32_t *amount, enum word_kind kind, uint64_t flags)
{
	uint64_t word = pack(spare, kind) | flags;
	uint64_t taken = pack(amount, kind);
	uint32_t expected = short_fields(spare, amount, kind);
	uint64_t broken = word_broken(word, taken, word_guards(kind));
	if (word_broken_resources(broken, kind) != expected || (broken == 0) != (expected == 0))
		return false;
	if (expected)
		return true;
	uint64_t left = word - taken;
	bool good = word_is_sound(left, word_guards(kind)) && (left & ~WORD_AMOUNTS) == flags && left + taken == word;
	for (int r = first_of(kind); r < end_of(kind); r++)
		good &= word_get(left, (weir_resource)r) == spare[r] - amount[r];
	return good;
}

/* L3: fields and guards have the places that the head of word.h gives, next to each other, none shared. Fails if a
 * width or a shift is changed in one place only. */
static void fields_guards_and_flags_share_no_bit(void **state)
{
	(void)state;
	for (int k = WORD_MAIN; k <= WORD_COUNTED; k++) {
		uint64_t seen = 0;
		for (int r = first_of((enum word_kind)k); r < end_of((enum word_kind)k); r++) {
			uint64_t mask = word_mask((weir_resource)r);
			struct word_field field = word_field((weir_resource)r);
			uint64_t guard = UINT64_C(1) << (field.shift + field.bits);
			assert_int_equal(word_kind((weir_resource)r), k);
			assert_int_equal(seen & (mask | guard), 0);
			assert_int_equal(word_guards((enum word_kind)k) & guard, guard);
			seen |= mask | guard;
		}
		assert_int_equal(__builtin_popcountll(word_guards((enum word_kind)k)), k == WORD_MAIN ? 3 : 4);
		assert_int_equal(seen, WORD_AMOUNTS);
	}
	assert_int_equal(WORD_AMOUNTS & (WORD_TENT | WORD_CLAIM | WORD_WAIT), 0);
	assert_int_equal(WORD_TENT & (WORD_CLAIM | WORD_WAIT), 0);
}

/* Values where borrows go wrong: the ends of a field. A spare is at most a limit, 2^k - 2; an amount may be 2^k - 1. */
static uint32_t edge(weir_resource resource, int i)
{
	uint32_t most = word_field_max(resource);
	const uint32_t edges[] = {0, 1, most / 2, most - 2, most - 1, most};
	return edges[i];
}

enum { SPARE_EDGES = 5, AMOUNT_EDGES = 6, PAIRS = SPARE_EDGES * AMOUNT_EDGES };

/* L3: all pairs of edge values in all fields at once. Fails if a borrow crosses a field, if a guard is left out, or if
 * the limit 2^k - 2 is not kept away from the clamp 2^k - 1. */
static void guards_tell_exactly_the_short_fields_at_all_edges(void **state)
{
	(void)state;
	for (int k = WORD_MAIN; k <= WORD_COUNTED; k++) {
		enum word_kind kind = (enum word_kind)k;
		int fields = end_of(kind) - first_of(kind);
		int combinations = 1;
		for (int f = 0; f < fields; f++)
			combinations *= PAIRS;
		for (int c = 0; c < combinations; c++) {
			uint32_t spare[WEIR_RESOURCES], amount[WEIR_RESOURCES];
			for (int f = 0, rest = c; f < fields; f++, rest /= PAIRS) {
				int r = first_of(kind) + f;
				spare[r] = edge((weir_resource)r, rest % PAIRS / AMOUNT_EDGES);
				amount[r] = edge((weir_resource)r, rest % PAIRS % AMOUNT_EDGES);
			}
			if (!agrees(spare, amount, kind, all_flags[c % 4]))
				fail_msg("kind %d, combination %d", k, c);
		}
	}
}

/* L3: random words against the plain model, neighbours of the spare value among them. */
static void guards_agree_with_a_plain_model_on_random_words(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("word");
	for (int i = 0; i < 400000; i++) {
		enum word_kind kind = i & 1 ? WORD_MAIN : WORD_COUNTED;
		uint32_t spare[WEIR_RESOURCES], amount[WEIR_RESOURCES];
		for (int r = first_of(kind); r < end_of(kind); r++) {
			uint32_t most = word_field_max((weir_resource)r);
			spare[r] = (uint32_t)(fixture_random(&random) % most);
			uint32_t any = (uint32_t)(fixture_random(&random) % (most + UINT64_C(1)));
			uint32_t close = spare[r] + (uint32_t)(fixture_random(&random) % 3);
			amount[r] = any & 1 ? any : close ? close - 1 : 0;
		}
		assert_true(agrees(spare, amount, kind, all_flags[i / 2 % 4]));
	}
}

/* L3: what is too large for a field becomes its maximum, which fits no limit. Fails if the surplus spills into the
 * guard. */
static void amounts_above_a_field_are_clamped_and_never_fit(void **state)
{
	(void)state;
	for (int r = 0; r < WEIR_RESOURCES; r++) {
		weir_resource resource = (weir_resource)r;
		uint32_t most = word_field_max(resource);
		uint64_t guards = word_guards(word_kind(resource));
		const uint64_t too_much[] = {most, (uint64_t)most + 1, (uint64_t)most << 8, UINT64_MAX};
		for (size_t i = 0; i < sizeof(too_much) / sizeof(*too_much); i++) {
			uint64_t word = word_put(resource, too_much[i]);
			assert_int_equal(word, word_mask(resource));
			assert_int_equal(word_get(word, resource), most);
			uint64_t broken = word_broken(word_put(resource, most - 1), word, guards);
			assert_int_equal(word_broken_resources(broken, word_kind(resource)), 1u << r);
		}
		assert_int_equal(word_get(word_put(resource, most - 1), resource), most - 1);
	}
}

/* A demand and its floor: clamped by field, and a floor never makes a demand for what it does not ask. Fails if r + f
 * carries into the next field, or if a floor on memory refuses a demand for cores alone. */
static void a_floor_counts_only_where_something_is_demanded(void **state)
{
	(void)state;
	uint64_t random = fixture_seed("floor");
	for (int i = 0; i < 100000; i++) {
		enum word_kind kind = i & 1 ? WORD_MAIN : WORD_COUNTED;
		uint32_t amount[WEIR_RESOURCES], floor[WEIR_RESOURCES];
		for (int r = first_of(kind); r < end_of(kind); r++) {
			uint64_t most = word_field_max((weir_resource)r);
			amount[r] = fixture_random(&random) & 1 ? (uint32_t)(fixture_random(&random) % (most + 1)) : 0;
			floor[r] = (uint32_t)(fixture_random(&random) % (most + 1));
		}
		uint64_t sum = word_add_clamped(pack(amount, kind), pack(floor, kind), kind);
		assert_true(word_is_sound(sum, word_guards(kind)));
		for (int r = first_of(kind); r < end_of(kind); r++) {
			uint64_t both = (uint64_t)amount[r] + floor[r];
			uint64_t most = word_field_max((weir_resource)r);
			assert_int_equal(word_get(sum, (weir_resource)r), !amount[r] ? 0 : both < most ? both : most);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_guards_and_flags_share_no_bit),
		cmocka_unit_test(guards_tell_exactly_the_short_fields_at_all_edges),
		cmocka_unit_test(guards_agree_with_a_plain_model_on_random_words),
		cmocka_unit_test(amounts_above_a_field_are_clamped_and_never_fit),
		cmocka_unit_test(a_floor_counts_only_where_something_is_demanded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
