/* SPDX-License-Identifier: MIT */
/* names_test.c - ids of grants: each in use once, found while it is, and gone with its grant. */
#define RACE_ROUNDS 10000
#define RACE_NAMES (RACE_THREADS * 51)
#include "names_race.h"

static struct names *make_names(uint32_t names_max)
{
	struct names *names;
	assert_int_equal(names_create(&names, names_max), WEIR_OK);
	return names;
}

static weir_status name_it(struct names *names, const char *id, uint64_t handle)
{
	struct name *name;
	weir_status status = names_claim(names, id, &name);
	if (!status)
		names_bind(name, (weir_grant){.handle = handle});
	return status;
}

/* N1: fails if an id is found before it is bound or after it is forgotten, or is claimed twice. */
static void an_id_is_claimed_bound_found_and_forgotten(void **state)
{
	(void)state;
	struct names *names = make_names(100);
	struct name *name, *other;
	weir_grant grant = {.handle = 99}, seven = {.handle = 7}, eight = {.handle = 8};
	char text[WEIR_ID_MAX + 1];
	assert_int_equal(names_find(names, "a", &grant), WEIR_ENOENT);
	assert_int_equal(grant.handle, 0);
	assert_int_equal(names_claim(names, "a", &name), WEIR_OK);
	assert_int_equal(names_claim(names, "a", &other), WEIR_EEXIST);
	assert_non_null(strstr(weir_error_text(), "id a"));
	assert_int_equal(names_find(names, "a", &grant), WEIR_ENOENT);
	uint32_t number = names_number(name);
	assert_int_not_equal(number, 0);
	assert_false(names_text(names, number, grant, text));
	names_bind(name, seven);
	assert_int_equal(names_find(names, "a", &grant), WEIR_OK);
	assert_int_equal(grant.handle, 7);
	assert_true(names_text(names, number, seven, text));
	assert_string_equal(text, "a");
	assert_false(names_text(names, number, eight, text));
	assert_string_equal(text, "");
	assert_false(names_text(names, 0, seven, text));
	assert_false(names_text(names, UINT32_MAX, seven, text));
	assert_int_equal(names_claim(names, "a", &other), WEIR_EEXIST);

	/* Another grant, no number, no grant: nothing happens. */
	names_forget(names, number, eight);
	names_forget(names, 0, seven);
	names_forget(names, number + 1, (weir_grant){0});
	assert_int_equal(names_find(names, "a", &grant), WEIR_OK);
	names_forget(names, number, seven);
	assert_int_equal(names_find(names, "a", &grant), WEIR_ENOENT);
	assert_int_equal(grant.handle, 0);
	assert_false(names_text(names, number, seven, text));

	/* Given up, then taken again. */
	assert_int_equal(names_claim(names, "a", &name), WEIR_OK);
	names_drop(names, name);
	assert_int_equal(names_find(names, "a", &grant), WEIR_ENOENT);
	assert_int_equal(name_it(names, "a", 8), WEIR_OK);
	assert_int_equal(names_find(names, "a", &grant), WEIR_OK);
	assert_int_equal(grant.handle, 8);
	names_destroy(names);
}

static void ids_have_one_to_sixty_three_bytes(void **state)
{
	(void)state;
	struct names *names = make_names(1000);
	char id[WEIR_ID_MAX + 2], text[WEIR_ID_MAX + 1];
	struct name *name;
	weir_grant grant;
	assert_int_equal(names_claim(names, NULL, &name), WEIR_EINVAL);
	assert_int_equal(names_claim(names, "", &name), WEIR_EINVAL);
	memset(id, 'x', sizeof(id));
	id[WEIR_ID_MAX + 1] = '\0';
	assert_int_equal(names_claim(names, id, &name), WEIR_EINVAL);
	assert_non_null(strstr(weir_error_text(), "63"));
	assert_int_equal(names_find(names, id, &grant), WEIR_EINVAL);
	/* Each length is an id of its own, though each is the start of the next. */
	uint32_t numbers[WEIR_ID_MAX + 1];
	for (size_t length = WEIR_ID_MAX; length >= 1; length--) {
		id[length] = '\0';
		assert_int_equal(names_claim(names, id, &name), WEIR_OK);
		names_bind(name, (weir_grant){.handle = length});
		numbers[length] = names_number(name);
	}
	memset(id, 'x', sizeof(id));
	for (size_t length = WEIR_ID_MAX; length >= 1; length--) {
		id[length] = '\0';
		assert_int_equal(names_find(names, id, &grant), WEIR_OK);
		assert_int_equal(grant.handle, length);
		assert_true(names_text(names, numbers[length], grant, text));
		assert_string_equal(text, id);
	}
	names_destroy(names);
}

/* N1, N2: chains of many entries, of which every third leaves; fails if an id is lost or doubled on the way, or if an
 * entry that left is not used again. */
static void many_ids_are_all_found(void **state)
{
	(void)state;
	enum { IDS = 30000 };
	struct names *names = make_names(IDS);
	uint32_t *numbers = calloc(IDS + 1, sizeof(*numbers));
	char id[32];
	weir_grant grant;
	struct name *name;
	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 1; i <= IDS; i++) {
			snprintf(id, sizeof(id), "task-%" PRIu64, i);
			bool there = round && i % 3;
			assert_int_equal(names_claim(names, id, &name), there ? WEIR_EEXIST : WEIR_OK);
			if (there)
				continue;
			numbers[i] = names_number(name);
			names_bind(name, (weir_grant){.handle = i});
		}
		for (uint64_t i = 3; i <= IDS; i += 3)
			names_forget(names, numbers[i], (weir_grant){.handle = i});
		for (uint64_t i = 1; i <= IDS; i++) {
			snprintf(id, sizeof(id), "task-%" PRIu64, i);
			assert_int_equal(names_find(names, id, &grant), i % 3 ? WEIR_OK : WEIR_ENOENT);
			assert_int_equal(grant.handle, i % 3 ? i : 0);
		}
	}
	free(numbers);
	names_destroy(names);
}

/* Fails if a table takes far more names than it was made for, or refuses before, or stays full. */
static void a_full_table_says_so(void **state)
{
	(void)state;
	enum { NAMES_MAX = 10, MARGIN = 1024 };
	struct names *names = make_names(NAMES_MAX);
	struct name *name[NAMES_MAX + MARGIN + 1];
	char id[32];
	uint32_t count = 0;
	weir_status status;
	do
		snprintf(id, sizeof(id), "%u", count);
	while (!(status = names_claim(names, id, &name[count])) && count++ < NAMES_MAX + MARGIN);
	assert_int_equal(status, WEIR_EFULL);
	assert_in_range(count, NAMES_MAX, NAMES_MAX + MARGIN);
	names_drop(names, name[0]);
	assert_int_equal(names_claim(names, id, &name[0]), WEIR_OK);
	names_destroy(names);
}

int main(void)
{
	seed_read();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_is_claimed_bound_found_and_forgotten),
		cmocka_unit_test(ids_have_one_to_sixty_three_bytes),
		cmocka_unit_test(many_ids_are_all_found),
		cmocka_unit_test(a_full_table_says_so),
		cmocka_unit_test(of_many_who_claim_an_id_one_has_it),
		cmocka_unit_test(ids_come_and_go_while_others_walk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
