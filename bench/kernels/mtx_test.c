/* SPDX-License-Identifier: MIT */
/*
 * mtx_test.c - the Matrix Market reader.
 *
 * A file that says what it is is read as it says; any other is refused with its name, the line and what is wrong, and leaves
 * nothing behind. Would fail if a bad index reached an array, or a promise of the file's were believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mtx.h"

static int read_bytes(const void *bytes, size_t size, const struct mtx_limits *limits, struct mtx *out, char error[300])
{
	FILE *file = fmemopen((void *)(uintptr_t)bytes, size, "r");
	assert_non_null(file);
	error[0] = 0;
	int failed = mtx_read(file, "a.mtx", limits, out, error, 300);
	fclose(file);
	return failed;
}

static void reads(const char *text, struct mtx *out)
{
	char error[300];
	if (read_bytes(text, strlen(text), NULL, out, error))
		fail_msg("%s", error);
}

static void refuses_within(const char *text, const struct mtx_limits *limits, const char *expected)
{
	char error[300];
	struct mtx matrix;
	assert_int_equal(read_bytes(text, strlen(text), limits, &matrix, error), -1);
	assert_string_equal(error, expected);
	assert_null(matrix.row_begin);
	assert_null(matrix.column);
	assert_null(matrix.value);
}

static void refuses(const char *text, const char *expected)
{
	refuses_within(text, NULL, expected);
}

/* One "(row, column) value" a word, by rows. */
static void has(struct mtx *matrix, const char *expected)
{
	char text[500] = "";
	size_t used = 0;
	for (int64_t row = 0; row < matrix->rows; row++)
		for (int64_t i = matrix->row_begin[row]; i < matrix->row_begin[row + 1]; i++)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "(%d,%d)%g ", (int)row,
						 (int)matrix->column[i], matrix->value[i]);
	assert_string_equal(text, expected);
	assert_int_equal(matrix->row_begin[matrix->rows], matrix->entries);
	mtx_free(matrix);
	assert_null(matrix->value);
}

#define GENERAL "%%MatrixMarket matrix coordinate real general\n"

static void a_general_matrix_is_read_row_by_row_in_the_order_of_the_file(void **state)
{
	(void)state;
	struct mtx m;
	reads(GENERAL "% a comment\n\n3 4 4\n3 1 0.5\n1 4 -2e1\n\n3 4 1\n 1 2 7 \n", &m);
	assert_int_equal(m.columns, 4);
	has(&m, "(0,3)-20 (0,1)7 (2,0)0.5 (2,3)1 ");
}

static void the_other_half_of_a_symmetric_matrix_is_filled_in(void **state)
{
	(void)state;
	struct mtx m;
	reads("%%MatrixMarket matrix coordinate integer symmetric\n3 3 3\n1 1 4\n3 1 -2\n2 2 9\n", &m);
	has(&m, "(0,0)4 (0,2)-2 (1,1)9 (2,0)-2 ");
	reads("%%MatrixMarket MATRIX Coordinate Pattern Symmetric\r\n2 2 2\r\n2 1\r\n2 2\r\n", &m);
	has(&m, "(0,1)1 (1,0)1 (1,1)1 ");
}

static void a_matrix_may_be_empty_and_an_entry_may_be_there_twice(void **state)
{
	(void)state;
	struct mtx m;
	reads(GENERAL "2 2 0", &m);
	has(&m, "");
	reads(GENERAL "1 1 2\n1 1 3\n1 1 4", &m);
	has(&m, "(0,0)3 (0,0)4 ");
}

static void what_is_no_such_file_is_refused(void **state)
{
	(void)state;
	refuses("\n", "a.mtx:1: not a Matrix Market file: it does not begin with %%MatrixMarket");
	refuses("%%MatrixMarket", "a.mtx:1: it holds a \"\": a matrix is read");
	refuses("%%MatrixMarket vector coordinate real general\n", "a.mtx:1: it holds a \"vector\": a matrix is read");
	refuses("%%MatrixMarket matrix array real general\n", "a.mtx:1: the matrix is \"array\": coordinate is read");
	refuses("%%MatrixMarket matrix coordinate complex general\n",
		"a.mtx:1: entries are \"complex\": real, integer and pattern are read");
	refuses("%%MatrixMarket matrix coordinate real hermitian\n",
		"a.mtx:1: the matrix is \"hermitian\": general and symmetric are read");
	refuses("%%MatrixMarket matrix coordinate real general 3 3 1\n", "a.mtx:1: \"3\" after the symmetry");
}

static void a_size_that_cannot_be_is_refused(void **state)
{
	(void)state;
	refuses(GENERAL "% no more\n", "a.mtx:3: the file ends before it says how large the matrix is");
	refuses(GENERAL "3 x 1\n", "a.mtx:2: columns \"x 1\": a whole number is needed");
	refuses(GENERAL "3 3\n", "a.mtx:2: entries \"\": a whole number is needed");
	refuses(GENERAL "3 3 1 0\n", "a.mtx:2: \"0\" after rows, columns and entries");
	refuses(GENERAL "0 3 0\n", "a.mtx:2: rows 0: from 1 to 100000000 would do");
	refuses(GENERAL "3 3 -1\n", "a.mtx:2: entries -1: from 0 to 1000000000 would do");
	refuses(GENERAL "3 99999999999999999999 1\n",
		"a.mtx:2: columns 99999999999999999999: from 1 to 100000000 would do");
	refuses("%%MatrixMarket matrix coordinate real symmetric\n3 4 0\n",
		"a.mtx:2: symmetric, but with 3 rows and 4 columns");
}

static void an_entry_that_cannot_be_is_refused(void **state)
{
	(void)state;
	refuses(GENERAL "2 2 1\n3 1 1\n", "a.mtx:3: row 3: from 1 to 2 would do");
	refuses(GENERAL "2 2 1\n0 1 1\n", "a.mtx:3: row 0: from 1 to 2 would do");
	refuses(GENERAL "2 2 1\n1 -1 1\n", "a.mtx:3: column -1: from 1 to 2 would do");
	refuses(GENERAL "2 2 1\n1 1\n", "a.mtx:3: value \"\": a finite number is needed");
	refuses(GENERAL "2 2 1\n1 1 nan\n", "a.mtx:3: value \"nan\": a finite number is needed");
	refuses(GENERAL "2 2 1\n1 1 1e999\n", "a.mtx:3: value \"1e999\": a finite number is needed");
	refuses(GENERAL "2 2 1\n1 1 1.0x\n", "a.mtx:3: value \"1.0x\": a finite number is needed");
	refuses(GENERAL "2 2 1\n1 1 1 1\n", "a.mtx:3: \"1\" after the entry");
	refuses(GENERAL "2 2 1\n1.0 1 1\n", "a.mtx:3: row \"1.0 1 1\": a whole number is needed");
	refuses("%%MatrixMarket matrix coordinate integer general\n1 1 1\n1 1 2.5\n",
		"a.mtx:3: value \"2.5\": a whole number is needed");
	refuses("%%MatrixMarket matrix coordinate pattern general\n1 1 1\n1 1 1\n", "a.mtx:3: \"1\" after the entry");
	refuses("%%MatrixMarket matrix coordinate real symmetric\n2 2 1\n1 2 1\n",
		"a.mtx:3: (1, 2) is above the diagonal: a symmetric matrix has the lower half");
}

/* 999,999,999 entries are promised: memory for them is not asked for. */
static void a_file_with_fewer_or_more_entries_than_it_says_is_refused(void **state)
{
	(void)state;
	refuses(GENERAL "2 2 999999999\n1 1 1\n", "a.mtx:4: the file ends after 1 of 999999999 entries");
	refuses(GENERAL "2 2 1\n1 1 1\n\n2 2 1\n", "a.mtx:5: more than the 1 entries that it says it has");
}

static void a_limit_is_kept_and_must_make_sense(void **state)
{
	(void)state;
	const struct mtx_limits small = {.rows_max = 4, .entries_max = 2};
	refuses_within(GENERAL "5 1 1\n1 1 1\n", &small, "a.mtx:2: rows 5: from 1 to 4 would do");
	refuses_within(GENERAL "4 4 3\n", &small, "a.mtx:2: entries 3: from 0 to 2 would do");
	refuses_within("%%MatrixMarket matrix coordinate real symmetric\n4 4 2\n2 1 1\n3 1 1\n", &small,
		       "a.mtx:4: over 2 entries with the other half of the symmetric matrix");
	refuses_within(GENERAL, &(struct mtx_limits){.rows_max = INT64_MAX},
		       "a.mtx:0: limits of 9223372036854775807 rows and 1000000000 entries: at least 1, and at most "
		       "2147483647 rows");
}

static void what_is_no_text_is_refused(void **state)
{
	(void)state;
	char error[300], text[6000];
	struct mtx matrix;
	memset(text, ' ', sizeof(text));
	assert_int_equal(read_bytes(text, sizeof(text), NULL, &matrix, error), -1);
	assert_string_equal(error, "a.mtx:1: a line of over 4094 characters");
	const char zero[] = GENERAL "2 2\0 1\n1 1 1\n", first[] = GENERAL "2 2 1\n\0\n1 1 1\n";
	assert_int_equal(read_bytes(zero, sizeof(zero) - 1, NULL, &matrix, error), -1);
	assert_string_equal(error, "a.mtx:2: a zero byte: this is no text");
	assert_int_equal(read_bytes(first, sizeof(first) - 1, NULL, &matrix, error), -1);
	assert_string_equal(error, "a.mtx:3: a zero byte: this is no text");
}

/* A message that has no room is cut, not written past its end. */
static void a_message_is_cut_where_its_room_ends(void **state)
{
	(void)state;
	char error[9];
	struct mtx matrix;
	FILE *file = fmemopen((char[]){"x\n"}, 2, "r");
	memset(error, '#', sizeof(error));
	assert_int_equal(mtx_read(file, "a.mtx", NULL, &matrix, error, 8), -1);
	fclose(file);
	assert_string_equal(error, "a.mtx:1");
	assert_int_equal(error[8], '#');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_general_matrix_is_read_row_by_row_in_the_order_of_the_file),
		cmocka_unit_test(the_other_half_of_a_symmetric_matrix_is_filled_in),
		cmocka_unit_test(a_matrix_may_be_empty_and_an_entry_may_be_there_twice),
		cmocka_unit_test(what_is_no_such_file_is_refused),
		cmocka_unit_test(a_size_that_cannot_be_is_refused),
		cmocka_unit_test(an_entry_that_cannot_be_is_refused),
		cmocka_unit_test(a_file_with_fewer_or_more_entries_than_it_says_is_refused),
		cmocka_unit_test(a_limit_is_kept_and_must_make_sense),
		cmocka_unit_test(what_is_no_text_is_refused),
		cmocka_unit_test(a_message_is_cut_where_its_room_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
