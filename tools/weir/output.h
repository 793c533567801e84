/* SPDX-License-Identifier: MIT */
/*
 * output.h - what commands print, kept together per command.
 */
#ifndef WEIR_TOOL_OUTPUT_H
#define WEIR_TOOL_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output;

enum output_mode {
	OUTPUT_GROUP,	   /* printed when the command ends */
	OUTPUT_KEEP_ORDER, /* in the order of the job list */
	OUTPUT_UNGROUP	   /* straight through */
};

/* Where one command's output goes; -1: straight through. */
struct capture {
	int output_fd;
	int error_fd;
};

/* Owns: *out until output_destroy(). jobs: how many there will be. Returns 0 or an errno. */
int output_create(struct output **out, enum output_mode mode, size_t jobs);
void output_destroy(struct output *output);

/* Open the files for one command. Returns 0 or an errno. Thread: any. */
int output_open(struct output *output, struct capture *capture);

/* Forget what was written so far: the command is tried again. */
void output_rewind(struct capture *capture);

/* Command `job` (from 0) has ended: print what it wrote, or keep it until its turn comes. Closes the files.
 * bytes: of its standard output, may be NULL. Thread: any, many at once. */
void output_finish(struct output *output, size_t job, struct capture *capture, uint64_t *bytes);

/* Command `job` will print nothing: it is nobody's turn to wait for it. Thread: any. */
void output_skip(struct output *output, size_t job);

/* The errno of the first failing write to standard output or error, 0: none. Thread: any. */
int output_error(struct output *output);

#endif
