/* SPDX-License-Identifier: MIT */
/*
 * book_torn_test.c - a grant is changed while it is read. B5: fails if a reader believes a record of which one half is of before
 * the change and one of after it, as the state is the same on both sides.
 *
 * It is the same source, compiled once more under other names, with the change put between the reader's loads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define book_create torn_book_create
#define book_destroy torn_book_destroy
#define book_read torn_book_read
#define book_each torn_book_each
#define book_is_live torn_book_is_live
#define book_count torn_book_count
#define book_unpublish torn_book_unpublish
#define book_begin_change torn_book_begin_change
#define book_changed torn_book_changed
#define book_owner_slow torn_book_owner_slow
#define book_renew torn_book_renew
#include "runtime/book.h"

static void read_while_it_changes(struct record_slot *slot, struct book_record *out);
#define book_fields_read(slot, out) read_while_it_changes(slot, out)
#include "runtime/book.c"
#undef book_fields_read

/* What the next read of fields is interrupted by; NULL: nothing. */
static struct book *changing;
static weir_grant changed_grant;
static int reads;

static void read_while_it_changes(struct record_slot *slot, struct book_record *out)
{
	book_fields_read(slot, out);
	if (!changing)
		return;
	reads++;
	struct book *book = changing;
	struct book_record before;
	changing = NULL;
	assert_int_equal(book_begin_change(book, changed_grant, &before), WEIR_OK);
	assert_false(book_changed(book, changed_grant, 10 * before.main, 10 * before.counted));
	/* The loads so far saw what was before, the last one sees what is after. */
	out->counted = at_load(&slot->counted, acquire, book_fields);
}

static bool is_whole(weir_grant grant, const struct book_record *record, void *context)
{
	*(uint64_t *)context += grant.handle == changed_grant.handle && record->counted == 2 * record->main;
	return true;
}

static void a_record_is_read_whole_while_it_changes(void **state)
{
	(void)state;
	struct book *book;
	assert_int_equal(book_create(&book, 100), WEIR_OK);
	struct book_record record = {.main = 3, .counted = 6};
	changed_grant = book_publish(book, book_reserve(book), &record);
	changing = book;
	assert_int_equal(book_read(book, changed_grant, &record), WEIR_OK);
	assert_int_equal(record.main, 30);
	assert_int_equal(record.counted, 60);
	uint64_t whole = 0;
	changing = book;
	book_each(book, is_whole, &whole);
	assert_int_equal(whole, 1);
	assert_int_equal(reads, 2);
	assert_int_equal(book_unpublish(book, changed_grant, &record), WEIR_OK);
	assert_int_equal(record.main, 300);
	book_destroy(book);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_read_whole_while_it_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
