/* SPDX-License-Identifier: MIT */
/*
 * swf.c - the Standard Workload Format as text: one pass over lines, every fault named by file and line.
 *
 * Holds:     a workload's header lines and jobs in two growing arrays.
 * Invariant: V1  what swf_write() wrote, swf_read() reads back as the same jobs.
 *            V2  after swf_read(), every count, size and time is unknown (-1) or at least 0, every submit time at
 *                least 0.
 * Not here:  what jobs mean on another machine (replay_scale.c).
 */
#include "swf.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* How a field is to be read. */
enum kind {
	KIND_COUNT,  /* whole, -1 or more */
	KIND_TIME,   /* seconds with decimals, -1 or more */
	KIND_SUBMIT, /* a time that must be known */
	KIND_RUN     /* a time; logs hold all sorts of negative ones for jobs that never ran: unknown */
};

static const struct {
	const char *name;
	enum kind kind;
	size_t offset;
} fields[SWF_FIELDS] = {
	{"job number", KIND_COUNT, offsetof(struct swf_job, number)},
	{"submit time", KIND_SUBMIT, offsetof(struct swf_job, submit_ns)},
	{"wait time", KIND_TIME, offsetof(struct swf_job, wait_ns)},
	{"run time", KIND_RUN, offsetof(struct swf_job, run_ns)},
	{"allocated processors", KIND_COUNT, offsetof(struct swf_job, processors)},
	{"average CPU time used", KIND_TIME, offsetof(struct swf_job, cpu_ns)},
	{"used memory", KIND_COUNT, offsetof(struct swf_job, memory_used_kb)},
	{"requested processors", KIND_COUNT, offsetof(struct swf_job, processors_requested)},
	{"requested time", KIND_TIME, offsetof(struct swf_job, run_requested_ns)},
	{"requested memory", KIND_COUNT, offsetof(struct swf_job, memory_requested_kb)},
	{"status", KIND_COUNT, offsetof(struct swf_job, status)},
	{"user", KIND_COUNT, offsetof(struct swf_job, user)},
	{"group", KIND_COUNT, offsetof(struct swf_job, group)},
	{"executable", KIND_COUNT, offsetof(struct swf_job, executable)},
	{"queue", KIND_COUNT, offsetof(struct swf_job, queue)},
	{"partition", KIND_COUNT, offsetof(struct swf_job, partition)},
	{"preceding job", KIND_COUNT, offsetof(struct swf_job, preceding)},
	{"think time", KIND_TIME, offsetof(struct swf_job, think_ns)},
};

#define NS_PER_S INT64_C(1000000000)

/* Headers whose value this program counts with. */
static const char *const number_keys[] = {"MaxProcs", "MaxNodes", "MaxMemory", "WeirMachineMemory"};

struct reader {
	struct swf *out;
	const char *name;
	uint64_t line;
	char *why;
};

static int fail(const struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(const struct reader *r, const char *format, ...)
{
	int used = snprintf(r->why, SWF_ERROR_BYTES, "%s:%" PRIu64 ": ", r->name, r->line);
	if (used < 0 || used >= SWF_ERROR_BYTES)
		return -1;
	va_list args;
	va_start(args, format);
	vsnprintf(r->why + used, (size_t)(SWF_ERROR_BYTES - used), format, args);
	va_end(args);
	return -1;
}

/* Make text fit for a terminal and a message: short, and nothing but printable ASCII. */
static const char *shown(const char *text, size_t length, char buffer[44])
{
	size_t kept = length < 40 ? length : 40;
	for (size_t i = 0; i < kept; i++)
		buffer[i] = text[i] >= ' ' && text[i] < 127 ? text[i] : '?';
	strcpy(buffer + kept, kept < length ? "..." : "");
	return buffer;
}

/* Growing arrays. ------------------------------------------------------------------------------------------------ */

static bool grow(void **array, size_t *room, size_t used, size_t item_bytes)
{
	if (used < *room)
		return true;
	size_t wanted = *room ? *room * 2 : 64;
	void *larger = reallocarray(*array, wanted, item_bytes);
	if (!larger)
		return false;
	*array = larger;
	*room = wanted;
	return true;
}

int swf_job_add(struct swf *workload, const struct swf_job *job)
{
	if (!grow((void **)&workload->job, &workload->jobs_room, workload->jobs, sizeof(*workload->job)))
		return -1;
	workload->job[workload->jobs++] = *job;
	return 0;
}

static int header_take(struct swf *workload, char *key, char *value)
{
	if (!key || !value ||
	    !grow((void **)&workload->header, &workload->headers_room, workload->headers, sizeof(*workload->header))) {
		free(key);
		free(value);
		return -1;
	}
	workload->header[workload->headers++] = (struct swf_header){key, value};
	return 0;
}

int swf_header_add(struct swf *workload, const char *key, const char *format, ...)
{
	char *value;
	va_list args;
	va_start(args, format);
	if (vasprintf(&value, format, args) < 0)
		value = NULL;
	va_end(args);
	for (char *c = value; c && *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' '; /* a value is one line of text */
	}
	return header_take(workload, strdup(key), value);
}

const char *swf_header(const struct swf *workload, const char *key)
{
	for (size_t i = workload->headers; i-- > 0;) {
		if (!strcasecmp(workload->header[i].key, key))
			return workload->header[i].value;
	}
	return NULL;
}

/* A whole number at the start of `text`, with nothing but blanks or a remark in blanks behind it. */
static bool leading_number(const char *text, int64_t *out)
{
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (end == text || errno || (*end && !isspace((unsigned char)*end)))
		return false;
	*out = value;
	return true;
}

int64_t swf_header_number(const struct swf *workload, const char *key)
{
	const char *value = swf_header(workload, key);
	int64_t number;
	return value && leading_number(value, &number) && number >= 0 ? number : SWF_UNKNOWN;
}

void swf_free(struct swf *workload)
{
	for (size_t i = 0; i < workload->headers; i++) {
		free(workload->header[i].key);
		free(workload->header[i].value);
	}
	free(workload->header);
	free(workload->job);
	*workload = SWF_EMPTY;
}

/* Reading. ------------------------------------------------------------------------------------------------------- */

/* A decimal number of units, kept to the nanosecond. Written out because a double has not the digits: times since 1970
 * in nanoseconds have 19. False: not a number, or more than 292 years. */
static bool parse_decimal(const char *text, size_t length, int64_t ns_per_unit, int64_t *out)
{
	const char *end = text + length;
	bool negative = text < end && *text == '-';
	if (text < end && (*text == '-' || *text == '+'))
		text++;
	int64_t value = 0, scale = ns_per_unit;
	bool digits = false;
	for (; text < end && isdigit((unsigned char)*text); text++, digits = true) {
		int64_t units_of_ns;
		if (__builtin_mul_overflow((int64_t)(*text - '0'), ns_per_unit, &units_of_ns) ||
		    __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, units_of_ns, &value))
			return false;
	}
	if (text < end && *text == '.') {
		for (text++; text < end && isdigit((unsigned char)*text); text++, digits = true) {
			scale /= 10; /* digits beyond a nanosecond become zero */
			if (__builtin_add_overflow(value, (*text - '0') * scale, &value))
				return false;
		}
	}
	*out = negative ? -value : value;
	return digits && text == end;
}

static int parse_field(const struct reader *r, size_t index, const char *text, size_t length, int64_t *out)
{
	char buffer[44];
	enum kind kind = fields[index].kind;
	int64_t ns_per_unit = kind == KIND_COUNT ? 1 : NS_PER_S;
	bool whole = kind != KIND_COUNT || !memchr(text, '.', length);
	if (!whole || !parse_decimal(text, length, ns_per_unit, out))
		return fail(r, "field %zu (%s) is \"%s\": give a %snumber that fits in 64 bits, or -1 for unknown",
			    index + 1, fields[index].name, shown(text, length, buffer),
			    kind == KIND_COUNT ? "whole " : "");
	if (*out >= 0)
		return 0;
	if (kind == KIND_SUBMIT)
		return fail(r, "field %zu (%s) is %s: a job needs one, 0 or more", index + 1, fields[index].name,
			    shown(text, length, buffer));
	if (kind != KIND_RUN && *out != -ns_per_unit)
		return fail(r, "field %zu (%s) is %s: give 0 or more, or -1 for unknown", index + 1, fields[index].name,
			    shown(text, length, buffer));
	*out = SWF_UNKNOWN;
	return 0;
}

static int read_job(const struct reader *r, const char *text)
{
	struct swf_job job = {.line = r->line};
	size_t count = 0;
	for (;; count++) {
		text += strspn(text, " \t\r\n");
		size_t length = strcspn(text, " \t\r\n");
		if (!length)
			break;
		if (count < SWF_FIELDS &&
		    parse_field(r, count, text, length, (int64_t *)(void *)((char *)&job + fields[count].offset)))
			return -1;
		text += length;
	}
	if (count != SWF_FIELDS)
		return fail(r, "%zu field%s where a job has %d", count, count == 1 ? "" : "s", SWF_FIELDS);
	return swf_job_add(r->out, &job) ? fail(r, "no memory for job %" PRId64, job.number) : 0;
}

/* "; Key: value". A key is one word; all else is a comment. */
static int read_header(const struct reader *r, char *text)
{
	char buffer[44];
	text += strspn(text, "; \t");
	for (size_t end = strlen(text); end && isspace((unsigned char)text[end - 1]);)
		text[--end] = '\0';
	size_t word = strcspn(text, ": \t");
	const char *key = "", *value = text;
	if (word && text[word] == ':') {
		text[word] = '\0';
		key = text;
		value = text + word + 1;
		value += strspn(value, " \t");
	}
	for (size_t i = 0; i < sizeof(number_keys) / sizeof(number_keys[0]); i++) {
		int64_t number;
		if (!strcasecmp(key, number_keys[i]) &&
		    (!leading_number(value, &number) || number == 0 || number < SWF_UNKNOWN))
			return fail(r, "%s is \"%s\": give a whole number, 1 or more, or -1 for unknown", key,
				    shown(value, strlen(value), buffer));
	}
	return header_take(r->out, strdup(key), strdup(value)) ? fail(r, "no memory for a header line") : 0;
}

/* Control characters have no place in the format; bytes above 127 have, in names. */
static const char *control_character(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];
		if ((c < ' ' && !strchr("\t\r\n", c)) || c == '\0' || c == 127)
			return text + i;
	}
	return NULL;
}

static int read_line(const struct reader *r, char *text, size_t length)
{
	const char *bad = control_character(text, length);
	if (bad)
		return fail(r, "byte %zu is 0x%02x: this is not a text file", (size_t)(bad - text) + 1,
			    (unsigned)(unsigned char)*bad);
	size_t blank = strspn(text, " \t\r\n");
	if (!text[blank])
		return 0;
	return text[blank] == ';' ? read_header(r, text + blank) : read_job(r, text + blank);
}

int swf_read_stream(struct swf *out, FILE *in, const char *name, char why[SWF_ERROR_BYTES])
{
	*out = SWF_EMPTY;
	struct reader r = {.out = out, .name = name, .why = why};
	char *text = NULL;
	size_t room = 0;
	ssize_t length;
	int result = 0;
	errno = 0;
	while (!result && (length = getline(&text, &room, in)) >= 0) {
		r.line++;
		result = read_line(&r, text, (size_t)length);
	}
	if (!result && (ferror(in) || !feof(in))) {
		r.line++;
		result = fail(&r, "cannot be read: %s", strerror(errno));
	} else if (!result && !r.line) {
		r.line = 1;
		result = fail(&r, "the file is empty: a workload has a header and at least one job");
	} else if (!result && !out->jobs) {
		result = fail(&r, "the file ends without a job: a workload has at least one");
	}
	free(text);
	if (result)
		swf_free(out);
	return result;
}

int swf_read(struct swf *out, const char *path, char why[SWF_ERROR_BYTES])
{
	if (!strcmp(path, "-"))
		return swf_read_stream(out, stdin, "standard input", why);
	*out = SWF_EMPTY;
	FILE *in = fopen(path, "re");
	if (!in) {
		snprintf(why, SWF_ERROR_BYTES, "%s: cannot be opened: %s", path, strerror(errno));
		return -1;
	}
	int result = swf_read_stream(out, in, path, why);
	fclose(in);
	return result;
}

/* Writing. ------------------------------------------------------------------------------------------------------- */

/* Whole seconds as such, as most tools expect them; else with as many decimals as it takes. */
static void write_time(FILE *out, int64_t ns)
{
	if (ns < 0) {
		fputs("-1", out);
		return;
	}
	fprintf(out, "%" PRId64, ns / NS_PER_S);
	int64_t part = ns % NS_PER_S;
	int digits = 9;
	for (; part && part % 10 == 0; part /= 10)
		digits--;
	if (part)
		fprintf(out, ".%0*" PRId64, digits, part);
}

int swf_write(const struct swf *workload, FILE *out)
{
	for (size_t i = 0; i < workload->headers; i++) {
		const struct swf_header *h = &workload->header[i];
		fprintf(out, ";%s%s%s%s%s\n", *h->key ? " " : "", h->key, *h->key ? ":" : "", *h->value ? " " : "",
			h->value);
	}
	for (size_t i = 0; i < workload->jobs; i++) {
		for (size_t f = 0; f < SWF_FIELDS; f++) {
			int64_t value =
				*(const int64_t *)(const void *)((const char *)&workload->job[i] + fields[f].offset);
			if (f)
				fputc(' ', out);
			if (fields[f].kind == KIND_COUNT)
				fprintf(out, "%" PRId64, value);
			else
				write_time(out, value);
		}
		fputc('\n', out);
	}
	return fflush(out) || ferror(out) ? -1 : 0;
}
