/* SPDX-License-Identifier: MIT */
/*
 * mtx.c - a Matrix Market reader that believes nothing: memory grows with what is read, not with what a file says it has.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "mtx.h"

enum { LINE_BYTES = 4096, ROWS_MAX = 100000000, ENTRIES_MAX = 1000000000, FIRST_ROOM = 1024 };

enum field { REAL, INTEGER, PATTERN };

struct triple {
	int32_t row, column;
	double value;
};

struct reader {
	FILE *file;
	const char *name;
	struct mtx_limits limits;
	char *error;
	size_t error_size;
	char text[LINE_BYTES];
	uint64_t line;
	enum field field;
	bool symmetric;
	int64_t rows, columns, declared;
	struct triple *triple;
	int64_t triples, room;
};

static int __attribute__((format(printf, 2, 3))) wrong(struct reader *r, const char *format, ...)
{
	int used = snprintf(r->error, r->error_size, "%s:%" PRIu64 ": ", r->name, r->line);
	if (used >= 0 && (size_t)used < r->error_size) {
		va_list arguments;
		va_start(arguments, format);
		vsnprintf(r->error + used, r->error_size - (size_t)used, format, arguments);
		va_end(arguments);
	}
	return -1;
}

/* The next line, without its end. 1: there is one, 0: the file ends, -1: it cannot be read. */
static int next_line(struct reader *r)
{
	if (!fgets(r->text, sizeof(r->text), r->file)) {
		r->line++;
		return ferror(r->file) ? wrong(r, "cannot be read: %s", strerror(errno)) : 0;
	}
	r->line++;
	size_t length = strlen(r->text);
	if (length == 0 || (length + 1 < sizeof(r->text) && r->text[length - 1] != '\n' && !feof(r->file)))
		return wrong(r, "a zero byte: this is no text");
	if (length + 1 == sizeof(r->text) && r->text[length - 1] != '\n')
		return wrong(r, "a line of over %d characters", LINE_BYTES - 2);
	while (length > 0 && isspace((unsigned char)r->text[length - 1]))
		r->text[--length] = 0;
	return 1;
}

static bool blank(const char *text)
{
	return text[strspn(text, " \t")] == 0;
}

/* As next_line(), but over blank lines, and over comments where the format has them. */
static int next_words(struct reader *r, bool comments)
{
	int got;
	do
		got = next_line(r);
	while (got > 0 && (blank(r->text) || (comments && r->text[0] == '%')));
	return got;
}

static bool is_word(const char *word, const char *expected)
{
	return word && strcasecmp(word, expected) == 0;
}

static int read_field(struct reader *r, const char *word)
{
	if (is_word(word, "real"))
		r->field = REAL;
	else if (is_word(word, "integer"))
		r->field = INTEGER;
	else if (is_word(word, "pattern"))
		r->field = PATTERN;
	else
		return wrong(r, "entries are \"%.20s\": real, integer and pattern are read", word ? word : "");
	return 0;
}

static int read_header(struct reader *r)
{
	char *rest;
	int got = next_line(r);
	if (got <= 0)
		return got < 0 ? -1 : wrong(r, "the file is empty");
	const char *banner = strtok_r(r->text, " \t", &rest);
	if (!banner || strcmp(banner, "%%MatrixMarket") != 0)
		return wrong(r, "not a Matrix Market file: it does not begin with %%%%MatrixMarket");
	const char *object = strtok_r(NULL, " \t", &rest);
	if (!is_word(object, "matrix"))
		return wrong(r, "it holds a \"%.20s\": a matrix is read", object ? object : "");
	const char *format = strtok_r(NULL, " \t", &rest);
	if (!is_word(format, "coordinate"))
		return wrong(r, "the matrix is \"%.20s\": coordinate is read", format ? format : "");
	if (read_field(r, strtok_r(NULL, " \t", &rest)))
		return -1;
	const char *symmetry = strtok_r(NULL, " \t", &rest);
	r->symmetric = is_word(symmetry, "symmetric");
	if (!r->symmetric && !is_word(symmetry, "general"))
		return wrong(r, "the matrix is \"%.20s\": general and symmetric are read", symmetry ? symmetry : "");
	const char *more = strtok_r(NULL, " \t", &rest);
	return more ? wrong(r, "\"%.20s\" after the symmetry", more) : 0;
}

/* A whole number from least to most, which *at then points behind. */
static int read_whole(struct reader *r, char **at, const char *what, int64_t least, int64_t most, int64_t *out)
{
	char *end;
	errno = 0;
	long long number = strtoll(*at, &end, 10);
	if (end == *at || (*end && !isspace((unsigned char)*end)))
		return wrong(r, "%s \"%.20s\": a whole number is needed", what, *at + strspn(*at, " \t"));
	if (errno || number < least || number > most)
		return wrong(r, "%s %.*s: from %" PRId64 " to %" PRId64 " would do", what,
			     (int)strcspn(*at + strspn(*at, " \t"), " \t"), *at + strspn(*at, " \t"), least, most);
	*at = end;
	*out = number;
	return 0;
}

static int read_size(struct reader *r)
{
	int got = next_words(r, true);
	if (got <= 0)
		return got < 0 ? -1 : wrong(r, "the file ends before it says how large the matrix is");
	char *at = r->text;
	if (read_whole(r, &at, "rows", 1, r->limits.rows_max, &r->rows) ||
	    read_whole(r, &at, "columns", 1, r->limits.rows_max, &r->columns) ||
	    read_whole(r, &at, "entries", 0, r->limits.entries_max, &r->declared))
		return -1;
	if (!blank(at))
		return wrong(r, "\"%.20s\" after rows, columns and entries", at + strspn(at, " \t"));
	if (r->symmetric && r->rows != r->columns)
		return wrong(r, "symmetric, but with %" PRId64 " rows and %" PRId64 " columns", r->rows, r->columns);
	return 0;
}

static int add(struct reader *r, int64_t row, int64_t column, double value)
{
	if (r->triples == r->limits.entries_max)
		return wrong(r, "over %" PRId64 " entries with the other half of the symmetric matrix",
			     r->limits.entries_max);
	if (r->triples == r->room) {
		int64_t room = r->room ? r->room * 2 : FIRST_ROOM;
		struct triple *more = realloc(r->triple, (size_t)room * sizeof(*more));
		if (!more)
			return wrong(r, "no memory for %" PRId64 " entries", room);
		r->triple = more;
		r->room = room;
	}
	r->triple[r->triples++] = (struct triple){(int32_t)row, (int32_t)column, value};
	return 0;
}

static int read_value(struct reader *r, char **at, double *out)
{
	int64_t whole;
	char *end;
	if (r->field == PATTERN) {
		*out = 1;
		return 0;
	}
	if (r->field == INTEGER) {
		if (read_whole(r, at, "value", INT64_MIN, INT64_MAX, &whole))
			return -1;
		*out = (double)whole;
		return 0;
	}
	*out = strtod(*at, &end);
	if (end == *at || (*end && !isspace((unsigned char)*end)) || !isfinite(*out))
		return wrong(r, "value \"%.20s\": a finite number is needed", *at + strspn(*at, " \t"));
	*at = end;
	return 0;
}

static int read_entry(struct reader *r)
{
	int64_t row, column;
	double value;
	char *at = r->text;
	if (read_whole(r, &at, "row", 1, r->rows, &row) || read_whole(r, &at, "column", 1, r->columns, &column) ||
	    read_value(r, &at, &value))
		return -1;
	if (!blank(at))
		return wrong(r, "\"%.20s\" after the entry", at + strspn(at, " \t"));
	if (r->symmetric && column > row)
		return wrong(r,
			     "(%" PRId64 ", %" PRId64 ") is above the diagonal: a symmetric matrix has the lower half",
			     row, column);
	if (add(r, row - 1, column - 1, value))
		return -1;
	return r->symmetric && row != column ? add(r, column - 1, row - 1, value) : 0;
}

static int read_entries(struct reader *r)
{
	for (int64_t i = 0; i < r->declared; i++) {
		int got = next_words(r, false);
		if (got <= 0)
			return got < 0 ? -1
				       : wrong(r, "the file ends after %" PRId64 " of %" PRId64 " entries", i,
					       r->declared);
		if (read_entry(r))
			return -1;
	}
	int got = next_words(r, false);
	return got > 0 ? wrong(r, "more than the %" PRId64 " entries that it says it has", r->declared) : got;
}

/* From triples in the order of the file to rows. */
static int by_rows(struct reader *r, struct mtx *out)
{
	*out = (struct mtx){.rows = r->rows, .columns = r->columns, .entries = r->triples};
	out->row_begin = calloc((size_t)r->rows + 2, sizeof(*out->row_begin));
	out->column = malloc((size_t)r->triples * sizeof(*out->column) + 1);
	out->value = malloc((size_t)r->triples * sizeof(*out->value) + 1);
	if (!out->row_begin || !out->column || !out->value) {
		mtx_free(out);
		return wrong(r, "no memory for %" PRId64 " rows and %" PRId64 " entries", r->rows, r->triples);
	}
	/* Counted two places ahead: while entries are put in their rows, each begin moves on to where the next row's is. */
	int64_t *at = out->row_begin + 1;
	for (int64_t i = 0; i < r->triples; i++)
		at[r->triple[i].row + 1]++;
	for (int64_t row = 0; row < r->rows; row++)
		at[row + 1] += at[row];
	for (int64_t i = 0; i < r->triples; i++) {
		int64_t place = at[r->triple[i].row]++;
		out->column[place] = r->triple[i].column;
		out->value[place] = r->triple[i].value;
	}
	return 0;
}

int mtx_read(FILE *file, const char *name, const struct mtx_limits *limits, struct mtx *out, char *error, size_t size)
{
	struct reader r = {.file = file, .name = name, .error = error, .error_size = size};
	if (limits)
		r.limits = *limits;
	r.limits.rows_max = r.limits.rows_max ? r.limits.rows_max : ROWS_MAX;
	r.limits.entries_max = r.limits.entries_max ? r.limits.entries_max : ENTRIES_MAX;
	*out = (struct mtx){0};
	if (r.limits.rows_max < 1 || r.limits.rows_max > INT32_MAX || r.limits.entries_max < 1)
		return wrong(&r, "limits of %" PRId64 " rows and %" PRId64 " entries: at least 1, and at most %d rows",
			     r.limits.rows_max, r.limits.entries_max, INT32_MAX);
	int failed = read_header(&r) || read_size(&r) || read_entries(&r) || by_rows(&r, out);
	free(r.triple);
	return failed ? -1 : 0;
}

void mtx_free(struct mtx *matrix)
{
	free(matrix->row_begin);
	free(matrix->column);
	free(matrix->value);
	*matrix = (struct mtx){0};
}
