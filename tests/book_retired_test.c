/* SPDX-License-Identifier: MIT */
/*
 * book_retired_test.c - a book whose slots have few generations, so that they are used up. B3: fails if a handle comes
 * back, or if retired slots make the book smaller.
 *
 * It is the same source, compiled once more under other names with 4 bits of generation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define BOOK_GENERATION_BITS 4
#define book_create brief_book_create
#define book_destroy brief_book_destroy
#define book_read brief_book_read
#define book_each brief_book_each
#define book_is_live brief_book_is_live
#define book_count brief_book_count
#define book_unpublish brief_book_unpublish
#define book_begin_change brief_book_begin_change
#define book_changed brief_book_changed
#define book_owner_slow brief_book_owner_slow
#define book_renew brief_book_renew
#include "runtime/book.c"

enum { GENERATIONS = (1 << BOOK_GENERATION_BITS) - 1, ROUNDS = 5000 };

static int compare_handles(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void a_worn_slot_is_retired_and_no_handle_comes_back(void **state)
{
	(void)state;
	/* One grant at a time in a book for three, with no caches; and for many, with them. */
	static const uint32_t sizes[] = {3, 1u << 20};
	for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++) {
		struct book *book;
		assert_int_equal(book_create(&book, sizes[s]), WEIR_OK);
		size_t per_slot = GENERATIONS; /* that a slot has from where they begin in this book */
		uint64_t *handles = calloc(ROUNDS, sizeof(*handles));
		struct book_record record = {.main = 1};
		for (size_t i = 0; i < ROUNDS; i++) {
			uint32_t slot = book_reserve(book);
			assert_int_not_equal(slot, BOOK_FULL);
			weir_grant grant = book_publish(book, slot, &record);
			assert_int_not_equal(grant.handle, 0);
			assert_in_range(grant.handle >> SLOTS_BITS, 1, GENERATIONS);
			if (!i)
				per_slot = GENERATIONS + 1 - (grant.handle >> SLOTS_BITS);
			handles[i] = grant.handle;
			assert_int_equal(book_unpublish(book, grant, &record), WEIR_OK);
			assert_int_equal(book_unpublish(book, grant, &record), WEIR_ESTALE);
		}
		assert_int_equal(at_load(&book->slots.retired, relaxed, none), ROUNDS / per_slot);
		assert_int_equal(book_count(book), 0);
		for (size_t i = 0; i < ROUNDS; i++)
			assert_int_equal(book_read(book, (weir_grant){.handle = handles[i]}, &record), WEIR_ESTALE);
		qsort(handles, ROUNDS, sizeof(*handles), compare_handles);
		for (size_t i = 1; i < ROUNDS; i++)
			assert_true(handles[i - 1] < handles[i]);
		free(handles);
		book_destroy(book);
	}
}

static void retired_slots_do_not_make_the_book_smaller(void **state)
{
	(void)state;
	enum { GRANTS = 50 };
	struct book *book;
	assert_int_equal(book_create(&book, GRANTS), WEIR_OK);
	struct book_record record = {.main = 1};
	for (int round = 0; round < 4 * GENERATIONS; round++) {
		weir_grant grants[GRANTS];
		for (int i = 0; i < GRANTS; i++) {
			uint32_t slot = book_reserve(book);
			assert_int_not_equal(slot, BOOK_FULL);
			grants[i] = book_publish(book, slot, &record);
		}
		assert_int_equal(book_reserve(book), BOOK_FULL);
		for (int i = 0; i < GRANTS; i++)
			assert_int_equal(book_unpublish(book, grants[i], &record), WEIR_OK);
	}
	assert_true(at_load(&book->slots.retired, relaxed, none) >= 3 * GRANTS);
	book_destroy(book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worn_slot_is_retired_and_no_handle_comes_back),
		cmocka_unit_test(retired_slots_do_not_make_the_book_smaller),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
