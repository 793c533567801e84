/* SPDX-License-Identifier: MIT */
/*
 * names_chain_test.c - the races of names_test.c where all ids share one chain, so that every claim meets every
 * release: behind the first, abandoned to a cleaner, and while one cleans.
 *
 * It is the same source, compiled once more under other names with one bucket.
 */
#define names_create chain_names_create
#define names_destroy chain_names_destroy
#define names_claim chain_names_claim
#define names_drop chain_names_drop
#define names_find chain_names_find
#define names_forget chain_names_forget
#define names_text chain_names_text
#define names_count chain_names_count
#define NAMES_BUCKETS_MIN 1
#define NAMES_PER_BUCKET UINT64_MAX

#define RACE_ROUNDS 1000
/* Enough for all that pile up while a cleaner is off its core. */
#define RACE_NAMES (1u << 20)
#include "names_race.h"

#include "runtime/names.c"

/* N2: entries leave from the front, the end and the middle; fails if a neighbour goes with them. */
static void an_entry_leaves_from_any_place_of_its_chain(void **state)
{
	(void)state;
	enum { IDS = 7 };
	for (int gone = 0; gone < IDS; gone++) {
		for (int then = 0; then < IDS; then++) {
			struct names *names;
			assert_int_equal(names_create(&names, IDS), WEIR_OK);
			struct name *name[IDS];
			for (int i = 0; i < IDS; i++) {
				char id[2] = {(char)('a' + i), '\0'};
				assert_int_equal(names_claim(names, id, &name[i]), WEIR_OK);
				names_bind(name[i], (weir_grant){.handle = (uint64_t)i + 1});
			}
			names_forget(names, names_number(name[gone]), (weir_grant){.handle = (uint64_t)gone + 1});
			names_forget(names, names_number(name[then]), (weir_grant){.handle = (uint64_t)then + 1});
			for (int i = 0; i < IDS; i++) {
				char id[2] = {(char)('a' + i), '\0'};
				weir_grant grant;
				bool left = i != gone && i != then;
				assert_int_equal(names_find(names, id, &grant), left ? WEIR_OK : WEIR_ENOENT);
				assert_int_equal(grant.handle, left ? i + 1 : 0);
			}
			names_destroy(names);
		}
	}
}

/* N2: a cleaner that stands still (BUSY set by us) stops nobody, and finds all that was abandoned when it goes on. */
static void a_stalled_cleaner_stops_nobody(void **state)
{
	(void)state;
	struct names *names;
	assert_int_equal(names_create(&names, 100), WEIR_OK);
	_Atomic(uint64_t) *bucket = &names->head[0];
	at_add(bucket, BUSY + TAG_ONE, relaxed, none);
	weir_grant grant;
	struct name *name;
	for (uint64_t i = 1; i <= 50; i++) {
		assert_int_equal(names_claim(names, "x", &name), WEIR_OK);
		names_bind(name, (weir_grant){.handle = i});
		assert_int_equal(names_find(names, "x", &grant), WEIR_OK);
		assert_int_equal(grant.handle, i);
		names_forget(names, names_number(name), grant);
		assert_int_equal(names_find(names, "x", &grant), WEIR_ENOENT);
	}
	assert_int_equal(names_count(names), 50);
	assert_true(at_load(bucket, relaxed, none) & AGAIN);
	clean(names, bucket);
	assert_int_equal(names_count(names), 0);
	assert_int_equal(at_load(bucket, relaxed, none) & (BUSY | AGAIN | NUMBER_MASK), 0);
	names_destroy(names);
}

int main(void)
{
	seed_read();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_leaves_from_any_place_of_its_chain),
		cmocka_unit_test(a_stalled_cleaner_stops_nobody),
		cmocka_unit_test(of_many_who_claim_an_id_one_has_it),
		cmocka_unit_test(ids_come_and_go_while_others_walk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
