/* SPDX-License-Identifier: MIT */
/*
 * jobfile.c - read a job list and check all of it, so that nothing runs from a file that is wrong somewhere.
 *
 * Holds:     the text, cut up in place; the jobs point into it.
 * Invariant: every job has a command of 1 .. JOBFILE_LINE_MAX printable bytes and a demand that was parsed.
 * Together:  one thread.
 * Not here:  what the words of a demand mean (weir_demand_parse()), whether it fits (admission).
 */
#include "jobfile.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { ERRORS_SHOWN = 20, WORD_SHOWN = 40 };

struct reader {
	struct jobfile *out;
	size_t capacity;
	uint32_t line;
	const char *default_demand;
	const char *const *names;
	FILE *errors;
	unsigned wrong;
};

static void wrong(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void wrong(struct reader *r, const char *format, ...)
{
	if (r->wrong++ >= ERRORS_SHOWN)
		return;
	fprintf(r->errors, "%s:%u: ", r->out->name, r->line);
	va_list args;
	va_start(args, format);
	vfprintf(r->errors, format, args);
	va_end(args);
	fputc('\n', r->errors);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_name_byte(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (!first && ((c >= '0' && c <= '9') || c == '-'));
}

/* A word: what stands between blanks. */
struct word {
	const char *at;
	size_t bytes;
};

/* The next word from *at on; its length is 0 at the end of the line. */
static struct word next_word(const char **at)
{
	while (is_blank(**at))
		++*at;
	struct word word = {*at, 0};
	while (**at && !is_blank(**at)) {
		++*at;
		word.bytes++;
	}
	return word;
}

/* The length of NAME in NAME=VALUE; 0: the word is not of that form. */
static size_t assigned_name(struct word word)
{
	size_t n = 0;
	while (n < word.bytes && is_name_byte(word.at[n], n == 0))
		n++;
	return n && n < word.bytes && word.at[n] == '=' ? n : 0;
}

static bool is_separator(struct word word)
{
	return word.bytes == 2 && memcmp(word.at, "--", 2) == 0;
}

static bool same(const char *name, const char *at, size_t bytes)
{
	return strlen(name) == bytes && memcmp(name, at, bytes) == 0;
}

/* Is this the name of something that a demand can state? Only asked where a line might be a demand or a command. */
static bool is_demand_name(const struct reader *r, const char *at, size_t bytes)
{
	static const char *const always[] = {"cores", "memory", "bandwidth", "steps", "class", "node", "priority"};
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
		if (same(always[i], at, bytes))
			return true;
	}
	for (size_t i = 0; i < WEIR_COUNTED_MAX; i++) {
		if (r->names[i] && same(r->names[i], at, bytes))
			return true;
	}
	return false;
}

/* Find where the command starts. A line has a demand if only NAME=VALUE words, or none, stand before a "--". A line
 * that starts with a known resource's name and does not go on like that is refused rather than handed to the shell,
 * where `cores=2 ./solve` would silently set a variable.
 * Returns false if the line is wrong; else *separator is the "--", or NULL. */
static bool find_separator(struct reader *r, const char *line, const char **separator)
{
	*separator = NULL;
	const char *at = line;
	struct word word = next_word(&at);
	const size_t first_name = assigned_name(word);
	const struct word first = word;
	while (word.bytes && assigned_name(word))
		word = next_word(&at);
	if (is_separator(word)) {
		*separator = word.at;
		return true;
	}
	if (!first_name || !is_demand_name(r, first.at, first_name))
		return true;

	const struct word odd = word;
	while (word.bytes && !is_separator(word))
		word = next_word(&at);
	if (word.bytes)
		wrong(r, "'%.*s' in the demand is not of the form NAME=AMOUNT",
		      (int)(odd.bytes < WORD_SHOWN ? odd.bytes : WORD_SHOWN), odd.at);
	else
		wrong(r,
		      "no '--' between the demand and the command (a command that starts with a variable named %.*s: "
		      "put "
		      "'--' before it)",
		      (int)first_name, first.at);
	return false;
}

/* Is `name` given in these words? */
static bool names_it(const char *words, struct word default_word)
{
	size_t bytes = assigned_name(default_word);
	for (const char *at = words;;) {
		struct word word = next_word(&at);
		if (!word.bytes)
			return false;
		if (bytes && assigned_name(word) == bytes && memcmp(word.at, default_word.at, bytes) == 0)
			return true;
	}
}

/* The line's demand, and of the default what it does not name. Parsed in one go, so that checks across words see all.
 */
static bool parse_demand(struct reader *r, const char *words, weir_demand *out)
{
	char *text = malloc(strlen(words) + strlen(r->default_demand) + 2);
	if (!text) {
		wrong(r, "no memory for the demand");
		return false;
	}
	char *end = text;
	for (const char *at = r->default_demand;;) {
		struct word word = next_word(&at);
		if (!word.bytes)
			break;
		if (names_it(words, word))
			continue;
		memcpy(end, word.at, word.bytes);
		end += word.bytes;
		*end++ = ' ';
	}
	strcpy(end, words);
	weir_status status = weir_demand_parse(out, text, r->names);
	if (status)
		wrong(r, "%s", weir_error_text());
	out->size = sizeof(*out);
	free(text);
	return status == WEIR_OK;
}

static void add_job(struct reader *r, const char *command, const weir_demand *demand)
{
	struct jobfile *file = r->out;
	if (file->jobs == r->capacity) {
		size_t capacity = r->capacity ? 2 * r->capacity : 64;
		struct job *grown = realloc(file->job, capacity * sizeof(*grown));
		if (!grown) {
			wrong(r, "no memory for so many jobs");
			return;
		}
		file->job = grown;
		r->capacity = capacity;
	}
	file->job[file->jobs++] = (struct job){command, r->line, *demand};
}

/* Text only: what else is in a line comes from a file that is no job list. */
static bool is_text(struct reader *r, const char *line, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)line[i];
		if ((c < ' ' && c != '\t') || c == 0x7f) {
			wrong(r, "byte 0x%02x at column %zu: this is not a text file", c, i + 1);
			return false;
		}
	}
	return true;
}

static void read_line(struct reader *r, char *line, size_t bytes)
{
	if (bytes && line[bytes - 1] == '\r')
		bytes--;
	if (!is_text(r, line, bytes))
		return;
	while (bytes && is_blank(line[bytes - 1]))
		bytes--;
	line[bytes] = '\0';
	while (is_blank(*line)) {
		line++;
		bytes--;
	}
	if (!bytes || *line == '#')
		return;
	if (bytes > JOBFILE_LINE_MAX) {
		wrong(r, "a line of %zu bytes: the longest is %zu", bytes, JOBFILE_LINE_MAX);
		return;
	}

	const char *separator;
	if (!find_separator(r, line, &separator))
		return;
	const char *words = "";
	const char *command = line;
	if (separator) {
		command = separator + 2;
		while (is_blank(*command))
			command++;
		line[separator - line] = '\0';
		words = line;
		if (!*command) {
			wrong(r, "no command after '--'");
			return;
		}
	}
	weir_demand demand = {.size = sizeof(demand)};
	if (parse_demand(r, words, &demand))
		add_job(r, command, &demand);
}

bool jobfile_parse(struct jobfile *out, const char *name, char *text, size_t bytes, const char *default_demand,
		   const char *const names[WEIR_COUNTED_MAX], FILE *errors)
{
	*out = (struct jobfile){.name = name, .text = text};
	struct reader r = {.out = out, .default_demand = default_demand, .names = names, .errors = errors};
	for (size_t at = 0; at < bytes;) {
		char *newline = memchr(text + at, '\n', bytes - at);
		size_t length = newline ? (size_t)(newline - text) - at : bytes - at;
		r.line++;
		read_line(&r, text + at, length);
		at += length + 1;
	}
	if (r.wrong > ERRORS_SHOWN)
		fprintf(errors, "%s: %u more line%s wrong\n", name, r.wrong - ERRORS_SHOWN,
			r.wrong == ERRORS_SHOWN + 1 ? " is" : "s are");
	if (!r.wrong && !out->jobs) {
		r.line = r.line ? r.line : 1;
		wrong(&r, "no command in the file");
	}
	if (r.wrong) {
		jobfile_free(out);
		return false;
	}
	return true;
}

/* All of a stream, with room for one byte more. */
static char *read_all(FILE *in, size_t *bytes)
{
	size_t capacity = 1 << 16;
	char *text = malloc(capacity);
	*bytes = 0;
	while (text) {
		*bytes += fread(text + *bytes, 1, capacity - *bytes - 1, in);
		if (ferror(in)) {
			int error = errno;
			free(text);
			errno = error;
			return NULL;
		}
		if (*bytes < capacity - 1)
			return text;
		capacity *= 2;
		char *grown = realloc(text, capacity);
		if (!grown)
			free(text);
		text = grown;
	}
	errno = ENOMEM;
	return NULL;
}

bool jobfile_read(struct jobfile *out, const char *path, const char *default_demand,
		  const char *const names[WEIR_COUNTED_MAX], FILE *errors)
{
	*out = (struct jobfile){0};
	bool is_stdin = strcmp(path, "-") == 0;
	const char *name = is_stdin ? "standard input" : path;
	FILE *in = is_stdin ? stdin : fopen(path, "re");
	size_t bytes = 0;
	char *text = in ? read_all(in, &bytes) : NULL;
	if (!text)
		fprintf(errors, "weir run: %s: cannot be read: %s\n", name, strerror(errno));
	if (in && !is_stdin)
		fclose(in);
	return text && jobfile_parse(out, name, text, bytes, default_demand, names, errors);
}

void jobfile_free(struct jobfile *file)
{
	free(file->job);
	free(file->text);
	*file = (struct jobfile){0};
}
