/* SPDX-License-Identifier: MIT */
/*
 * hostfiles.c - parsers of the kernel's text files.
 *
 * Holds:     nothing.
 * Invariant: M1  no byte outside text[0 .. length) is read, whatever the bytes are.
 * Not here:  which file is where (host.c).
 */
#include "numa/hostfiles.h"

#include <string.h>

/* What is left of a text. */
struct cursor {
	const char *at;
	const char *end;
};

static struct cursor cursor_of(const char *text, size_t length)
{
	return (struct cursor){text, text + length};
}

/* The next line, without its newline. False: there is none. */
static bool next_line(struct cursor *text, struct cursor *line)
{
	if (text->at >= text->end)
		return false;
	const char *newline = memchr(text->at, '\n', (size_t)(text->end - text->at));
	line->at = text->at;
	line->end = newline ? newline : text->end;
	text->at = newline ? newline + 1 : text->end;
	return true;
}

static void skip_blanks(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
}

/* Digits, at least one; more than 64 bits is no number. */
static bool take_number(struct cursor *c, uint64_t *out)
{
	uint64_t value = 0;
	const char *start = c->at;
	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*c->at - '0'), &value))
			return false;
	if (c->at == start)
		return false;
	*out = value;
	return true;
}

static bool take_word(struct cursor *c, const char *word)
{
	size_t length = strlen(word);
	if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0)
		return false;
	c->at += length;
	return true;
}

/* The next run of non-blanks. False: none is left. */
static bool take_token(struct cursor *c, struct cursor *token)
{
	skip_blanks(c);
	token->at = c->at;
	while (c->at < c->end && *c->at != ' ' && *c->at != '\t')
		c->at++;
	token->end = c->at;
	return token->at < token->end;
}

static bool token_is(const struct cursor *token, const char *word)
{
	size_t length = strlen(word);
	return (size_t)(token->end - token->at) == length && memcmp(token->at, word, length) == 0;
}

/* Is `word` one of a list's elements? */
static bool list_has(struct cursor list, const char *word)
{
	while (list.at < list.end) {
		const char *comma = memchr(list.at, ',', (size_t)(list.end - list.at));
		struct cursor element = {list.at, comma ? comma : list.end};
		if (token_is(&element, word))
			return true;
		list.at = comma ? comma + 1 : list.end;
	}
	return false;
}

static bool take_number_or_max(struct cursor *c, uint64_t *out)
{
	skip_blanks(c);
	if (take_word(c, "max")) {
		*out = UINT64_MAX;
		return true;
	}
	return take_number(c, out);
}

bool hostfile_number(const char *text, size_t length, uint64_t *out)
{
	struct cursor c = cursor_of(text, length);
	return take_number_or_max(&c, out);
}

/* A node's meminfo has "Node 0 MemFree:", the others "MemFree:" or "inactive_file". */
static bool take_key(struct cursor *line, struct cursor *key)
{
	uint64_t node;
	if (take_word(line, "Node ") && !take_number(line, &node))
		return false;
	if (!take_token(line, key))
		return false;
	if (key->end[-1] == ':')
		key->end--;
	return true;
}

uint32_t hostfile_fields(const char *text, size_t length, const char *const *key, uint32_t keys, uint64_t *out)
{
	uint32_t all = keys < HOSTFILE_FIELDS_MAX ? (UINT32_C(1) << keys) - 1 : UINT32_MAX, found = 0;
	struct cursor c = cursor_of(text, length);
	struct cursor line, word;
	while (found != all && next_line(&c, &line)) {
		if (!take_key(&line, &word))
			continue;
		for (uint32_t i = 0; i < keys && i < HOSTFILE_FIELDS_MAX; i++) {
			if (found & UINT32_C(1) << i || !token_is(&word, key[i]))
				continue;
			skip_blanks(&line);
			if (take_number(&line, &out[i]))
				found |= UINT32_C(1) << i;
			break;
		}
	}
	return found;
}

bool hostfile_field(const char *text, size_t length, const char *key, uint64_t *out)
{
	return hostfile_fields(text, length, &key, 1, out) != 0;
}

bool hostfile_node_memory(const char *text, size_t length, struct hostfile_node_memory *out)
{
	enum { TOTAL, FREE, ACTIVE, INACTIVE, SLAB, FIELDS };
	static const char *const key[FIELDS] = {"MemTotal", "MemFree", "Active(file)", "Inactive(file)",
						"SReclaimable"};
	uint64_t kib[FIELDS] = {0};
	uint32_t found = hostfile_fields(text, length, key, FIELDS, kib);
	const uint32_t needed = 1u << TOTAL | 1u << FREE;
	if ((found & needed) != needed || kib[TOTAL] > UINT64_MAX / 1024 || kib[FREE] > kib[TOTAL])
		return false;
	uint64_t reclaimable = 0;
	for (int i = ACTIVE; i <= SLAB; i++)
		if (__builtin_add_overflow(reclaimable, kib[i], &reclaimable))
			reclaimable = UINT64_MAX;
	/* The counters are not read at one instant: no more may come back than was taken. */
	if (reclaimable > kib[TOTAL] - kib[FREE])
		reclaimable = kib[TOTAL] - kib[FREE];
	*out = (struct hostfile_node_memory){kib[TOTAL] * 1024, kib[FREE] * 1024, reclaimable * 1024};
	return true;
}

/* user nice system idle iowait irq softirq steal (guest and guest_nice are in user and nice already). The first four
 * have always been there. */
static bool take_cpu_times(struct cursor *line, uint64_t *busy, uint64_t *idle)
{
	enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, TIMES };
	uint64_t time[TIMES] = {0};
	int read = 0;
	for (; read < TIMES; read++) {
		skip_blanks(line);
		if (!take_number(line, &time[read]))
			break;
	}
	if (read <= IDLE)
		return false;
	*busy = time[USER] + time[NICE] + time[SYSTEM] + time[IRQ] + time[SOFTIRQ] + time[STEAL];
	*idle = time[IDLE] + time[IOWAIT];
	return true;
}

uint32_t hostfile_cpu_times(const char *text, size_t length, hostfile_cpu_fn fn, void *context)
{
	struct cursor c = cursor_of(text, length);
	struct cursor line;
	uint32_t cpus = 0;
	while (next_line(&c, &line)) {
		uint64_t cpu, busy, idle;
		/* Without a newline behind it the last number may be cut. */
		if (!take_word(&line, "cpu") || line.end == text + length)
			break;
		if (!take_number(&line, &cpu) || cpu >= UINT32_MAX || !take_cpu_times(&line, &busy, &idle))
			continue;
		fn((uint32_t)cpu, busy, idle, context);
		cpus++;
	}
	return cpus;
}

/* "12.34"; per cent, so three digits are enough and many are nonsense. */
static bool take_decimal(struct cursor *c, double *out)
{
	uint64_t whole, part = 0;
	if (!take_number(c, &whole))
		return false;
	double scale = 1;
	if (c->at < c->end && *c->at == '.') {
		c->at++;
		const char *start = c->at;
		if (!take_number(c, &part))
			return false;
		for (; start < c->at; start++)
			scale *= 10;
	}
	*out = (double)whole + (double)part / scale;
	return true;
}

/* "avg10=0.00 avg60=0.00 avg300=0.00 total=58060" */
static bool take_stall(struct cursor line, double *avg10, uint64_t *total_us)
{
	bool known[2] = {false, false};
	struct cursor word;
	double average = 0;
	uint64_t total = 0;
	while (take_token(&line, &word)) {
		if (take_word(&word, "avg10="))
			known[0] = take_decimal(&word, &average) && average <= 100;
		else if (take_word(&word, "total="))
			known[1] = take_number(&word, &total);
	}
	if (!known[0] || !known[1])
		return false;
	*avg10 = average;
	*total_us = total;
	return true;
}

bool hostfile_pressure(const char *text, size_t length, struct hostfile_pressure *out)
{
	struct cursor c = cursor_of(text, length);
	struct cursor line;
	struct hostfile_pressure read = {0};
	bool known = false;
	while (next_line(&c, &line)) {
		if (take_word(&line, "some "))
			known = take_stall(line, &read.some_avg10, &read.some_total_us);
		else if (take_word(&line, "full "))
			(void)take_stall(line, &read.full_avg10, &read.full_total_us);
	}
	if (known)
		*out = read;
	return known;
}

bool hostfile_cpu_max(const char *text, size_t length, uint64_t *quota_us, uint64_t *period_us)
{
	struct cursor c = cursor_of(text, length);
	uint64_t quota, period;
	if (!take_number_or_max(&c, &quota))
		return false;
	skip_blanks(&c);
	if (!take_number(&c, &period) || period == 0)
		return false;
	*quota_us = quota;
	*period_us = period;
	return true;
}

bool hostfile_pages(const char *text, size_t length, uint64_t *mapped, uint64_t *resident)
{
	struct cursor c = cursor_of(text, length);
	uint64_t all, part;
	if (!take_number(&c, &all))
		return false;
	skip_blanks(&c);
	if (!take_number(&c, &part))
		return false;
	*mapped = all;
	*resident = part;
	return true;
}

static bool copy_out(const struct cursor *from, char *to, size_t size)
{
	size_t length = (size_t)(from->end - from->at);
	if (length >= size || memchr(from->at, '\0', length))
		return false;
	memcpy(to, from->at, length);
	to[length] = '\0';
	return true;
}

/* "4:cpu,cpuacct:/path" and, version 2, "0::/path". */
bool hostfile_cgroup_path(const char *text, size_t length, const char *controller, char *path, size_t size)
{
	struct cursor c = cursor_of(text, length);
	struct cursor line;
	while (next_line(&c, &line)) {
		uint64_t hierarchy;
		if (!take_number(&line, &hierarchy) || !take_word(&line, ":"))
			continue;
		const char *colon = memchr(line.at, ':', (size_t)(line.end - line.at));
		if (!colon)
			continue;
		struct cursor controllers = {line.at, colon};
		bool wanted = controller ? list_has(controllers, controller)
					 : hierarchy == 0 && controllers.at == controllers.end;
		line.at = colon + 1;
		if (wanted && line.at < line.end && *line.at == '/')
			return copy_out(&line, path, size);
	}
	return false;
}

/* mountinfo writes blanks, tabs, newlines and backslashes as three octal digits. */
static void unescape(char *text)
{
	char *to = text;
	for (const char *from = text; *from; from++, to++) {
		*to = *from;
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
		    from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 3;
		}
	}
	*to = '\0';
}

/* "31 23 0:28 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct": the root is the 4th word, the
 * directory the 5th; the type follows the lone hyphen, the super block's options are last. */
bool hostfile_cgroup_mount(const char *text, size_t length, const char *controller, char *root, char *directory,
			   size_t size)
{
	struct cursor c = cursor_of(text, length);
	struct cursor line;
	while (next_line(&c, &line)) {
		struct cursor token = {0}, mount_root = {0}, mount_point = {0};
		for (int word = 1; word <= 6 && take_token(&line, &token); word++) {
			if (word == 4)
				mount_root = token;
			else if (word == 5)
				mount_point = token;
		}
		while (take_token(&line, &token) && !token_is(&token, "-"))
			;
		struct cursor source, options;
		if (!take_token(&line, &token) || !take_token(&line, &source) || !take_token(&line, &options))
			continue;
		bool wanted = controller ? token_is(&token, "cgroup") && list_has(options, controller)
					 : token_is(&token, "cgroup2");
		if (!wanted || !copy_out(&mount_root, root, size) || !copy_out(&mount_point, directory, size))
			continue;
		unescape(root);
		unescape(directory);
		return true;
	}
	return false;
}

bool hostfile_slurm_tasks(const char *text, size_t length, uint64_t index, uint64_t *out)
{
	struct cursor c = cursor_of(text, length);
	for (;;) {
		uint64_t tasks, repeated = 1;
		if (!take_number(&c, &tasks))
			return false;
		if (take_word(&c, "(x") && (!take_number(&c, &repeated) || !take_word(&c, ")")))
			return false;
		if (index < repeated) {
			*out = tasks;
			return true;
		}
		index -= repeated;
		if (!take_word(&c, ","))
			return false;
	}
}
