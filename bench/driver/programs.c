/* SPDX-License-Identifier: MIT */
/*
 * programs.c - the list of benchmark programs.
 *
 * Together: one thread.
 * Not here: which of them are run together (measure.c).
 */
#include "programs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"

static void *grown(void *all, size_t count, size_t bytes)
{
	void *more = realloc(all, (count + 1) * bytes);
	if (!more)
		abort();
	return more;
}

static char *copied(const char *text)
{
	char *copy = strdup(text);
	if (!copy)
		abort();
	return copy;
}

static void add_missing(struct programs *programs, const char *peer, const char *workloads, const char *reason)
{
	programs->missing = grown(programs->missing, programs->missing_count, sizeof(*programs->missing));
	struct missing *missing = &programs->missing[programs->missing_count++];
	snprintf(missing->peer, sizeof(missing->peer), "%s", peer);
	missing->workloads = copied(workloads);
	missing->reason = copied(reason);
}

void programs_add(struct programs *programs, const char *peer, const char *path)
{
	for (size_t i = 0; i < programs->missing_count; i++)
		if (strcmp(programs->missing[i].peer, peer) == 0) {
			free(programs->missing[i].workloads);
			free(programs->missing[i].reason);
			programs->missing[i--] = programs->missing[--programs->missing_count];
		}
	programs->all = grown(programs->all, programs->count, sizeof(*programs->all));
	struct program *program = &programs->all[programs->count++];
	*program = (struct program){.path = copied(path)};
	snprintf(program->peer, sizeof(program->peer), "%s", peer);
}

static bool read_line(struct programs *programs, char *line)
{
	line[strcspn(line, "\n")] = '\0';
	if (!*line)
		return true;
	char *rest = line;
	const char *what = strsep(&rest, "\t"), *peer = strsep(&rest, "\t"), *third = strsep(&rest, "\t");
	if (!third || !protocol_is_name(peer, strlen(peer)))
		return false;
	if (strcmp(what, "program") == 0 && !rest && *third) {
		programs->all = grown(programs->all, programs->count, sizeof(*programs->all));
		struct program *program = &programs->all[programs->count++];
		*program = (struct program){.path = copied(third)};
		snprintf(program->peer, sizeof(program->peer), "%s", peer);
		return true;
	}
	if (strcmp(what, "missing") != 0 || !rest)
		return false;
	add_missing(programs, peer, third, rest);
	return true;
}

bool programs_read(struct programs *out, const char *file, char why[static WHY_BYTES])
{
	*out = (struct programs){0};
	FILE *in = fopen(file, "r");
	if (!in) {
		snprintf(why, WHY_BYTES, "%s: %s", file, strerror(errno));
		return false;
	}
	char *line = NULL;
	size_t room = 0, number = 0;
	bool good = true;
	while (good && getline(&line, &room, in) >= 0) {
		number++;
		good = read_line(out, line);
	}
	if (!good)
		snprintf(why, WHY_BYTES, "%s:%zu: neither a program nor a missing one", file, number);
	else if (ferror(in)) {
		snprintf(why, WHY_BYTES, "%s: cannot be read", file);
		good = false;
	}
	free(line);
	fclose(in);
	return good;
}

/* What was not built (tools/bench goes on without it) is missing, but not weir itself. */
static bool is_not_there(struct programs *programs, size_t at)
{
	struct program *program = &programs->all[at];
	if (access(program->path, F_OK) == 0 || strcmp(program->peer, "weir") == 0)
		return false;
	add_missing(programs, program->peer, "", "its program was not built");
	free(program->path);
	memmove(program, program + 1, (--programs->count - at) * sizeof(*program));
	return true;
}

void programs_ask(struct programs *programs, uint64_t timeout_ns)
{
	struct child *child = malloc(sizeof(*child));
	if (!child)
		abort();
	for (size_t i = 0; i < programs->count;) {
		if (is_not_there(programs, i))
			continue;
		struct program *program = &programs->all[i++];
		child_run(child, (const char *const[]){program->path, "list", NULL}, timeout_ns);
		char complaint[WHY_BYTES - 8];
		const char *why = child_complaint(child, complaint, sizeof(complaint));
		if (why)
			snprintf(program->why_not, sizeof(program->why_not), "list: %s", why);
		else
			protocol_parse_list(child->out, &program->offers, program->why_not);
	}
	free(child);
}

const struct offer *program_offer(const struct program *program, const char *workload)
{
	for (size_t i = 0; i < program->offers.count; i++)
		if (strcmp(program->offers.all[i].workload, workload) == 0)
			return &program->offers.all[i];
	return NULL;
}

bool programs_listed(const char *list, const char *name)
{
	size_t bytes = strlen(name);
	for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
		if (strncmp(at, name, bytes) == 0 && (at[bytes] == ',' || !at[bytes]))
			return true;
	return false;
}

void programs_free(struct programs *programs)
{
	for (size_t i = 0; i < programs->count; i++) {
		free(programs->all[i].path);
		free(programs->all[i].offers.all);
	}
	for (size_t i = 0; i < programs->missing_count; i++) {
		free(programs->missing[i].workloads);
		free(programs->missing[i].reason);
	}
	free(programs->all);
	free(programs->missing);
	*programs = (struct programs){0};
}
