/* SPDX-License-Identifier: MIT */
/*
 * jobfile.h - a list of commands, each with what it needs.
 *
 * One command a line. Before it may stand its demand and "--":
 *
 *	make -C lib
 *	cores=2 memory=1G gpu=1 class=high node=1 -- ./solve input.7
 *	-- cores=2 ./legacy          a command that starts with something that looks like a demand
 *
 * Blank lines and lines that start with '#' are skipped; blanks around a line, and a carriage return at its end, do not
 * matter. What a line's demand does not name is taken from the default demand.
 */
#ifndef WEIR_TOOL_JOBFILE_H
#define WEIR_TOOL_JOBFILE_H

#include <stdio.h>

#include <weir/resource.h>

/* The longest line: what Linux takes as one argument of a program, without its terminating zero. */
#define JOBFILE_LINE_MAX ((size_t)128 * 1024 - 1)

struct job {
	const char *command; /* in jobfile.text */
	uint32_t line;
	weir_demand demand;
};

struct jobfile {
	const char *name; /* for messages: the path, or "standard input" */
	struct job *job;
	size_t jobs;
	char *text;
};

/* Read and check a whole job file. path: "-" is standard input. default_demand: as weir_demand_parse() reads it.
 * names: the counted resources that may be asked for.
 * Owns:    *out until jobfile_free().
 * Returns: true; or false, after writing one "file:line: what is wrong" for each wrong line (the first 20) to `errors`.
 *          An empty file, or one of comments alone, is wrong: a job list that was not written must not look like
 * success. */
bool jobfile_read(struct jobfile *out, const char *path, const char *default_demand,
		  const char *const names[WEIR_COUNTED_MAX], FILE *errors);

/* The same for text in memory, which is taken over: malloc()ed, with at least one byte more than `bytes`. */
bool jobfile_parse(struct jobfile *out, const char *name, char *text, size_t bytes, const char *default_demand,
		   const char *const names[WEIR_COUNTED_MAX], FILE *errors);

void jobfile_free(struct jobfile *file);

#endif
